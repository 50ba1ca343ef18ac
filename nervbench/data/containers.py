"""How long a video file says it is, in bytes: what shows that a file was cut off where no frame count does.

Three families of containers state the sizes of their outermost parts: Matroska and WebM (EBML elements), MP4 and
QuickTime (boxes), AVI and WAV (a RIFF chunk). A part that ends beyond the end of the file was cut.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_EBML_HEADER = bytes.fromhex("1a45dfa3")
_SEGMENT = bytes.fromhex("18538067")
_BOXES = frozenset(b"ftyp styp moov mdat moof mfra sidx ssix free skip wide uuid meta udta emsg prft pdin pnot".split())


def announced_bytes(path: Path) -> int | None:
    """The size that the container announces; None where it does not say (a live recording, or another container)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        file.seek(0)
        if start[:4] == _EBML_HEADER:
            return _matroska(file)
        if start[:4] == b"RIFF":
            return 8 + int.from_bytes(start[4:8], "little") or None
        if start[4:8] in _BOXES:
            return _boxes(file, size)
    return None


def _boxes(file: BinaryIO, size: int) -> int | None:
    """The end of the last of the known boxes; None where it lasts to the end of the file, however far that is."""
    end = 0
    while end < size:
        file.seek(end)
        header = file.read(16)
        if len(header) < 8 or header[4:8] not in _BOXES:
            break  # not a part of the container: something was appended
        length = int.from_bytes(header[:4])
        if length == 0:
            return None
        if length == 1:
            length = int.from_bytes(header[8:16])
        end += max(length, 8)
    return end


def _matroska(file: BinaryIO) -> int | None:
    """The end of the segment, which holds all else."""
    file.seek(len(_EBML_HEADER))
    header = _ebml_size(file)
    if header is None:
        return None
    file.seek(header, 1)
    if file.read(len(_SEGMENT)) != _SEGMENT:
        return None
    segment = _ebml_size(file)
    return None if segment is None else file.tell() + segment


def _ebml_size(file: BinaryIO) -> int | None:
    """A variable-length integer: leading zeros count further bytes, and all ones means unknown."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    mask = (1 << 7 * length) - 1
    value = int.from_bytes(first + file.read(length - 1)) & mask
    return None if value == mask else value
