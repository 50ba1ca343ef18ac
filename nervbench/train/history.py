"""The epochs of a training as lines beside its state: loss, PSNR and seconds of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

from annotated_types import Ge
from pydantic import ConfigDict, TypeAdapter, ValidationError

from nervbench import store
from nervbench.train.loop import Epoch

EPOCHS = "epochs.jsonl"


@dataclass(frozen=True, slots=True)
class _Line:
    """What is read of a line."""

    __pydantic_config__ = ConfigDict(strict=True, allow_inf_nan=False)
    epoch: int
    psnr_db: float
    seconds: Annotated[float, Ge(0)] | None


_LINE = TypeAdapter(_Line)


@dataclass(frozen=True, slots=True)
class History:
    """What is known of the first epochs: PSNR of their steps in dB, and their seconds, in order."""

    epochs: int
    curve_db: tuple[float, ...]
    epoch_s: tuple[float, ...]

    @property
    def trained_s(self) -> float | None:
        """Seconds of all epochs; one whose line is missing counts as the median of the others."""
        if not self.epoch_s:
            return None
        return sum(self.epoch_s) + (self.epochs - len(self.epoch_s)) * median(self.epoch_s)


def note(folder: Path, epoch: Epoch, seconds: float) -> None:
    """Add the line of an epoch. Raises OutputError where it cannot be written."""
    line = {"epoch": epoch.number, "loss": epoch.loss, "psnr_db": epoch.psnr_db, "seconds": seconds}
    store.append_line(folder / EPOCHS, json.dumps(line))


def history(folder: Path, epochs: int) -> History:
    """What the lines say of the first ``epochs`` epochs; of one that was done twice, the last."""
    lines = (folder / EPOCHS).read_text(errors="replace").splitlines() if (folder / EPOCHS).exists() else []
    noted = {line.epoch: line for line in map(_parsed, lines) if line}
    known = [noted[number] for number in range(1, epochs + 1) if number in noted]
    seconds = tuple(line.seconds for line in known if line.seconds is not None)
    return History(epochs, tuple(line.psnr_db for line in known), seconds)


def _parsed(line: str) -> _Line | None:
    """A line, None for one that was torn by a kill: that epoch is done again, or is one whose seconds are unknown."""
    try:
        return _LINE.validate_json(line)
    except ValidationError:
        return None
