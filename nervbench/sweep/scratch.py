"""Folders for what is needed as long as a worker lives: its job, its answer, what it prints, its samples.

They lie in the folder for temporary files, which may be full: that is no fault of a runtime, and ends the sweep. Who
has made one holds it by a lock, which ends with the process; so what a process that was killed has left can be told
from what is in use.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nervbench.errors import OutputError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""How the system says that nothing more can be written."""
PREFIX = "nervbench-"
HELD = "held"
"""A file in each, made when the lock is there: without it a folder is someone else's, or not locked yet."""
ROOM_BYTES = 1 << 20
"""More than an answer takes."""


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A new folder that is removed at the end; raises OutputError where none can be made."""
    with writing():
        folder = tempfile.TemporaryDirectory(prefix=PREFIX)
    with folder as name:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with contextlib.suppress(OSError):  # not every file system has locks
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                Path(name, HELD).touch()
            yield Path(name)
        finally:
            os.close(descriptor)


def clear() -> None:
    """Remove the folders of ours that nobody holds any more."""
    with contextlib.suppress(OSError):  # there may be no folder for temporary files
        for held in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{HELD}"):
            _remove_if_left(held.parent)


def _remove_if_left(folder: Path) -> None:
    """Remove a folder; not one that is held, or another user's."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)


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
