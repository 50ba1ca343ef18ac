"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.resources
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePath

from nervbench.errors import OutputError

MAX_NAME = 100
"""Letters of a file's name: a file system takes 255 bytes, suffixes and a place among others come on top."""


@functools.cache
def source_hash(*packages: str) -> str:
    """Twelve hex digits of the source of these packages, for cache keys: while code is edited its version stays."""
    digest = hashlib.sha256()
    for package in packages:
        for path in sorted(Path(str(importlib.resources.files(package))).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write ``path`` as :func:`atomic_path` does."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write into; it is synced and renamed over ``path`` at the end.

    A kill at any moment leaves the old file or the new one. Raises OutputError where the folder cannot be made or
    written, or the disk is full.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        temporary = Path(name)
        os.close(descriptor)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise OutputError(msg) from error
    finally:
        if temporary:  # after a rename it is gone; after an error or Ctrl-C it must not stay
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def within(folder: Path, name: str | PurePath) -> Path:
    """``folder / name``, if no folder on the way down is a link, for one may lead anywhere; raises OutputError else."""
    path = folder / name
    for parent in path.relative_to(folder).parents[:-1]:
        if (folder / parent).is_symlink():
            msg = f"cannot write {path}: {folder / parent} is a link, which may lead out of {folder}; remove it"
            raise OutputError(msg)
    return path


def writable_folder(path: Path) -> Path:
    """Make ``path`` if need be and prove that a file can be created in it; raises OutputError where it cannot."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        msg = f"cannot write to the folder {path}: {error.strerror or error}; choose another with --out"
        raise OutputError(msg) from error
    return path


def slug(text: str) -> str:
    """A text as a file name of at most 100 small letters, digits, dots and hyphens; ``device`` where nothing is left.

    >>> slug("NVIDIA H200"), slug("../..")
    ('nvidia-h200', 'device')
    """
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:MAX_NAME] or "device"
