"""What was chosen of a suite: kept beside its rows, so that they can be read and continued."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from nervbench import store
from nervbench.errors import ConfigError, ResultsError
from nervbench.files import write_atomically
from nervbench.records import Scale

FILE = "suite.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Joined:
    """A checkpoint of the user's that joins: its key among the arms, its model, and the hash of its file."""

    key: str
    model: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """A suite at a scale; ``clip`` is the name of the clip that a user gave."""

    suite: str
    scale: Scale
    clip: str | None = None
    joined: tuple[Joined, ...] = ()
    schema: int = SCHEMA


def keep(folder: Path, chosen: Chosen) -> None:
    """Write what was chosen. Raises ConfigError where something else was before, OutputError where it cannot be."""
    path = folder / FILE
    if path.exists() and (before := read(folder)) != chosen:
        then, now = _words(before), _words(chosen)
        msg = f"{folder} has {then}, and {now} was asked for; give another folder with --out, or ask for the former"
        raise ConfigError([msg])
    write_atomically(path, json.dumps(dataclasses.asdict(chosen), indent=1) + "\n")


def read(folder: Path) -> Chosen:
    """What a folder holds. Raises ResultsError where it cannot be read."""
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
        return store.valid(text, Chosen, SCHEMA)
    except (OSError, UnicodeDecodeError, ResultsError) as error:
        msg = f"cannot read {path}: {error}"
        raise ResultsError(msg) from error


def _words(chosen: Chosen) -> str:
    """The choice in a few words."""
    clip = f" on {chosen.clip}" if chosen.clip else ""
    beside = f" with {', '.join(each.key for each in chosen.joined)}" if chosen.joined else ""
    return f"suite:{chosen.suite} at scale {chosen.scale}{clip}{beside}"
