"""Trainings as records: what was trained how, how good it became, and how long it took.

One JSON line a training, kept and read as results are (:mod:`nervbench.store`). One that failed is a line too, with its
reason.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from nervbench import store
from nervbench.records import Quality, Status

SCHEMA = 1
"""The version of a line. A reader refuses a newer one."""
FILE = "trials.jsonl"

Setting = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Trial:
    """One training of a model on a clip; ``name`` is its name among those that belong together.

    ``clip`` is the clip's name, ``recipe`` all else that decides the weights. ``epochs`` have been done of those that
    it asks for: fewer where it was stopped early, or ended by an error. ``epoch_s`` are the seconds of each epoch
    that is known, ``curve_db`` the PSNR of the steps of each. ``quality`` is of the whole clip, by fp32
    eager.
    ``checkpoint`` is the file, beside the trials.
    """

    name: str
    model: str
    recipe: dict[str, Setting]
    clip: str
    status: Status = Status.OK
    reason: str | None = None
    epochs: int = 0
    params: int | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    device: str | None = None
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    epoch_s: tuple[float, ...] = ()
    curve_db: tuple[float, ...] = ()
    quality: Quality | None = None
    checkpoint: str | None = None
    schema: int = SCHEMA

    @property
    def key(self) -> tuple[object, ...]:
        """What two trainings have in common that would come out the same."""
        return (self.name, self.model, tuple(sorted(self.recipe.items())), self.clip)

    @property
    def whole(self) -> bool:
        """Whether it went through all its epochs."""
        return self.status is Status.OK and self.epochs == self.recipe.get("epochs")

    @property
    def usual_epoch_s(self) -> float | None:
        """Seconds of an epoch, the median; None where none was timed."""
        return median(self.epoch_s) if self.epoch_s else None


def to_line(trial: Trial) -> str:
    """One trial as one line of JSON, without the newline. Raises ResultsError where it holds a NaN or an infinity."""
    return store.line_of(dataclasses.asdict(trial), f"the training {trial.name}")


def from_line(line: str) -> Trial:
    """The trial of one line; raises ResultsError where it is none, or has a newer schema."""
    return store.valid(line, Trial, SCHEMA)


def append(path: Path, trial: Trial) -> None:
    """Add one trial with a single synced write; raises OutputError where the file cannot be written."""
    store.append_line(path, to_line(trial))


def read(path: Path) -> list[Trial]:
    """The trials of a file, of those made again only the last; none where there is no file.

    Raises ResultsError with the number of a line that is not a trial.
    """
    return store.read_last(path, from_line)
