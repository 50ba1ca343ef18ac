"""What a PyTorch file would do, read off its pickle before anything loads it.

torch's restricted unpickler runs no code of others, but what it allows is enough for a file of 200 bytes to keep it
busy for years (a tuple of two references to one tuple, and so on, hashed as a key) or to fill the memory
(``bytearray(10**11)``; a compressed member). Weights need none of that, so here it is refused.
"""

from __future__ import annotations

import io
import pickletools
import re
import tarfile
import zipfile
from pathlib import Path

MAX_BYTES = 4 << 20  # of the pickle, which holds names and shapes; the numbers lie beside it
MAX_SHARED = 16  # references to tuples; each can double the work of hashing one
MAX_TUPLES = 10_000  # hashing a tuple in a tuple in a tuple … recurses in C and overflows the stack at some 50,000
LEGACY_PICKLES = 5  # magic number, protocol, system, the object, the keys of its storages
TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
CALLS = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}  # torch.save writes none of them
KNOWN = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor|tensor_v2|tensor_v3|parameter|sparse_tensor)"
    r"|torch\.serialization _get_layout|torch(\.storage)? \w+Storage"
    r"|torch (Size|device|bool|(complex|b?float|u?int)\d+\w*)"
)


class NotPlainError(Exception):
    """The file would do more than hold weights; the text says what."""


def inspect(path: Path) -> None:
    """Raise NotPlainError for a file that asks for more than tensors and containers need.

    ValueError (or a kind of it) where its pickle cannot be followed, OSError and zipfile's errors where the file
    cannot.
    """
    with path.open("rb") as file:
        start = file.read(512)
        if _is_tar(start):
            msg = "it is in PyTorch's old tar format, which is not always read safely"
            raise NotPlainError(msg)
        file.seek(0)
        if not start.startswith(b"PK\x03\x04"):  # as torch tells them apart
            _follow(file.read(MAX_BYTES), LEGACY_PICKLES)
            return
    with zipfile.ZipFile(path) as archive:
        unpacked, size = sum(entry.file_size for entry in archive.infolist()), path.stat().st_size
        if unpacked > size:
            msg = f"it would unpack to {unpacked} bytes from {size}, and torch.save does not compress"
            raise NotPlainError(msg)
        for entry in archive.infolist():
            if entry.filename.endswith(".pkl"):
                if entry.file_size > MAX_BYTES:
                    msg = f"its pickle has {entry.file_size} bytes; the bound is {MAX_BYTES}"
                    raise NotPlainError(msg)
                _follow(archive.read(entry), 1)


def _is_tar(start: bytes) -> bool:
    """By the checksum of the first header; tarfile.is_tarfile would go on and unpack whatever it is led to."""
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _follow(content: bytes, pickles: int) -> None:
    """Go through the operations of so many pickles in a row, executing none."""
    stream = io.BytesIO(content)
    for _ in range(pickles):
        held: set[int] = set()  # where the memo has tuples
        tuples = shared = 0
        on_top = False  # whether a tuple is on top of the stack
        for code, argument, _place in pickletools.genops(stream):
            if code.name == "GLOBAL" and not KNOWN.fullmatch(str(argument)):
                msg = f"it asks for {str(argument).replace(' ', '.')}"
                raise NotPlainError(msg)
            if code.name in CALLS:
                msg = f"its pickle has {code.name}, which calls what it likes"
                raise NotPlainError(msg)
            if code.name in {"BINPUT", "LONG_BINPUT"}:
                (held.add if on_top else held.discard)(int(str(argument)))
                continue
            again = code.name in {"BINGET", "LONG_BINGET"} and argument in held
            on_top = again or code.name in TUPLES
            shared += again
            tuples += code.name in TUPLES
        if shared > MAX_SHARED or tuples > MAX_TUPLES:
            found = f"it has {tuples} tuples and {shared} second references to them"
            msg = f"{found}; the bounds are {MAX_TUPLES}, {MAX_SHARED}"
            raise NotPlainError(msg)
