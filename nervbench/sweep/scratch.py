"""Folders for what is needed as long as a worker lives: its job, its answer, what it prints, its samples.

They lie in the folder for temporary files, which may be full: that is no fault of a runtime, and ends the sweep.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nervbench.errors import OutputError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""How the system says that nothing more can be written."""
ROOM_BYTES = 1 << 20
"""More than an answer takes."""


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A new folder that is removed at the end; raises OutputError where none can be made."""
    with writing():
        folder = tempfile.TemporaryDirectory(prefix="nervbench-")
    with folder as name:
        yield Path(name)


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Raises OutputError where what the block writes to a folder for temporary files cannot be written."""
    try:
        yield
    except OSError as error:
        raise refused(error) from error


def is_full(error: BaseException | None) -> bool:
    """Whether an error of the system says that a disk, or one's share of it, is full."""
    return isinstance(error, OSError) and error.errno in FULL


def check_room(folder: Path) -> None:
    """Raises OutputError where not one megabyte more can be written; other troubles are not of interest here."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(os.urandom(ROOM_BYTES))  # some file systems store zeros in no space
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if is_full(error):
            raise refused(error) from error


def refused(error: OSError) -> OutputError:
    """The error that ends a sweep for want of a place for temporary files."""
    where = f" {tempfile.tempdir}" if tempfile.tempdir else ""  # no name before a folder was found that can be written
    why = error.strerror or error
    return OutputError(
        f"cannot write to the temporary folder{where}: {why}; free some space or set TMPDIR to another folder"
    )
