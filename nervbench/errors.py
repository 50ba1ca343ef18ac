"""Every error a user can meet, as one tree.

::

    NervbenchError                 exit code 1: one line on stderr, no traceback
    ├── ConfigError                bench.toml or command line; lists every problem at once
    ├── InputError                 a file that was given cannot be used
    │   ├── ClipError              video or folder of images
    │   ├── CheckpointError        weights
    │   └── ResultsError           results.jsonl
    ├── OutputError                a path that cannot be written
    ├── CompareError               two cases cannot be compared, or one of them ended while it was
    ├── TrainingError              training cannot go on (the last good checkpoint stays)
    └── CaseError                  ends one case with a status; the sweep goes on
        ├── UnsupportedError       UNSUPPORTED: this device or installation cannot run it
        ├── ExportError            EXPORT_FAILED
        ├── LoadError              LOAD_FAILED
        └── FellBackError          FELL_BACK: ran somewhere else than it was told

A message says what was found, what was possible and what to do.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Sequence


class NervbenchError(Exception):
    """The root: whatever the tool itself refuses or gives up on."""


class ConfigError(NervbenchError):
    """A wrong configuration; ``problems`` holds every fault found, not only the first."""

    def __init__(self, problems: Sequence[str], source: str | None = None) -> None:
        self.problems = tuple(problems)
        self.source = source
        where = f"{source}: " if source else ""
        super().__init__("\n".join(f"{where}{problem}" for problem in self.problems))


class InputError(NervbenchError):
    """A file that was given cannot be used."""


class ClipError(InputError):
    """A video or a folder of images cannot be used as a clip."""


class CheckpointError(InputError):
    """A checkpoint is damaged, of another model, or not plain weights."""


class ResultsError(InputError):
    """A results file cannot be read."""


class OutputError(NervbenchError):
    """A path cannot be written."""


class CompareError(NervbenchError):
    """Two cases cannot be compared, or one of them ended while it was."""


class TrainingError(NervbenchError):
    """Training cannot go on; what was saved stays."""


class CaseError(NervbenchError):
    """Ends one case with a status of its own; the sweep goes on."""


class UnsupportedError(CaseError):
    """This device or this installation cannot run the case; says what would."""


class ExportError(CaseError):
    """The model could not be turned into an artifact."""


class LoadError(CaseError):
    """The artifact could not be opened by the runtime."""


class FellBackError(CaseError):
    """The runtime ran somewhere else than it was told to."""


def unknown(kind: str, found: str, known: Iterable[str]) -> str:
    """The sentence for a name that is not known: found, possible, nearest.

    >>> unknown("runtime", "onnx", ["eager", "ort", "ov"])
    "unknown runtime 'onnx'; known: eager, ort, ov"
    >>> unknown("runtime", "eagr", ["eager", "ort"])
    "unknown runtime 'eagr'; known: eager, ort; did you mean 'eager'?"
    """
    names = sorted(known)
    near = difflib.get_close_matches(found, names, n=1, cutoff=0.6)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} '{found}'; known: {', '.join(names) or 'none'}{hint}"


def names(names: Iterable[object]) -> str:
    """The first few names in a file, safe to print whatever they hold."""
    listed = [name if isinstance(name, str) else f"a {type(name).__name__}" for name in names]
    shown = ", ".join(reprlib.repr(name) for name in listed[:4])
    return shown + (f" and {len(listed) - 4} more" if len(listed) > 4 else "") if listed else "nothing"


def first_line(error: BaseException) -> str:
    """The first sentence of a library's message, cut to what fits into one of ours."""
    lines = str(error).strip().splitlines()
    if not lines or isinstance(error, LookupError):  # the message of a KeyError is a bare key
        return type(error).__name__
    return printable(lines[0].split(". ")[0])


def printable(text: str, length: int = 160) -> str:
    """The start of a text that a file holds, without what would move the cursor of a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:length])
