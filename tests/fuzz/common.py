"""What all fuzz targets share: what they are, what a parser may do, and where its files lie."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nervbench.errors import NervbenchError

LONGEST_MESSAGE = 40_000  # 50 problems of a bench.toml


class BrokenPromiseError(Exception):
    """A parser did what it may not, other than raising: an error that cannot be printed, a value out of bounds."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parser: what it does with bytes, valid examples, words of its language, its share of all inputs.

    Shares follow the cost of an input, so that the cheap parsers see most and none takes more than a few minutes
    of a million.
    """

    parse: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]
    share: float
    tokens: tuple[bytes, ...] = ()


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """What is left of a block that may end in an error of ours, if that can be shown."""
    try:
        yield
    except NervbenchError as error:
        text = str(error)
        if len(text) > LONGEST_MESSAGE or not all(part.isprintable() for part in text.split("\n")):
            msg = f"a message that cannot be shown: {text[:300]!r}"
            raise BrokenPromiseError(msg) from error


def promise(holds: bool, otherwise: str) -> None:
    """Raise BrokenPromiseError unless it holds."""
    if not holds:
        raise BrokenPromiseError(otherwise)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for the files of this process, in memory where that is possible."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def keep(name: str, data: bytes) -> Path:
    """A file with this content."""
    path = Path(_folder().name) / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path
