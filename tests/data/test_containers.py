"""The size that a container announces, on headers written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from nervbench.data.containers import announced_bytes

EBML = bytes.fromhex("1a45dfa3 83 000000")
SEGMENT = bytes.fromhex("18538067")


def box(kind: bytes, content: bytes = b"") -> bytes:
    """A box of MP4."""
    return (8 + len(content)).to_bytes(4) + kind + content


@pytest.mark.parametrize(
    ("data", "announced"),
    [
        (EBML + SEGMENT + b"\x8a" + b"x" * 10, 23),
        (EBML + SEGMENT + b"\x8a" + b"x" * 4, 23),
        (EBML + SEGMENT + b"\x40\x0a", 24),
        (EBML + SEGMENT + b"\x01" + (1000).to_bytes(7), 1020),
        (EBML + SEGMENT + b"\x01" + b"\xff" * 7, None),
        (EBML + SEGMENT + b"\xff", None),
        (EBML + SEGMENT, None),
        (EBML, None),
        (EBML[:4], None),
        (b"RIFF" + (92).to_bytes(4, "little") + b"AVI ", 100),
        (b"RIFF" + bytes(4) + b"AVI ", 8),
        (box(b"ftyp", b"isom") + box(b"mdat", b"x" * 50), 70),
        (box(b"ftyp", b"isom") + box(b"mdat", b"x" * 50)[:20], 70),
        (box(b"ftyp", b"isom") + (1).to_bytes(4) + b"mdat" + (1 << 33).to_bytes(8), 12 + (1 << 33)),
        (box(b"ftyp", b"isom") + bytes(4) + b"mdat" + b"x" * 99, None),
        (box(b"ftyp", b"isom") + b"something appended", 12),
        (box(b"ftyp", b"isom") + b"moo", 12),
        (b"neither of these", None),
        (b"", None),
    ],
)
def test_announced_bytes(tmp_path: Path, data: bytes, announced: int | None) -> None:
    """The end of the segment, of the RIFF chunk or of the last box is what was announced; else it is unknown."""
    path = tmp_path / "file"
    path.write_bytes(data)
    assert announced_bytes(path) == announced
