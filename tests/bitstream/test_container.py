"""The bytes of a .nerv file."""

from __future__ import annotations

import io
import json
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervbench.bitstream import container
from nervbench.bitstream.container import FIXED, Content, Exact, decoded, encoded, opened
from nervbench.bitstream.grid import Floats, Quantised, dequantise, quantise
from tests.fuzz.seeds import with_checksums

SHAPES = {"a.weight": (4, 3, 2), "b.bias": (4,)}
GOLDEN = (471917605, 337543071)


def content() -> Content:
    """Two small tensors."""
    values = np.linspace(-1, 2, 24, dtype=np.float32).reshape(SHAPES["a.weight"])
    bias = np.arange(4, dtype=np.float16)
    return Content({"family": "a"}, 7, {"note": "ä"}, {"a.weight": quantise(values, 5), "b.bias": bias})


def read(data: bytes, shapes: dict[str, tuple[int, ...]] | None = None) -> dict[str, Floats]:
    """The tensors of a file."""
    return decoded(opened(io.BytesIO(data)), SHAPES if shapes is None else shapes, len(data))


def with_header(data: bytes, change: dict[str, Any]) -> bytes:
    """The file with other values for keys of its header, and checksums that fit."""
    _, _, length, *_ = FIXED.unpack(data[: FIXED.size])
    header = json.loads(data[FIXED.size : FIXED.size + length]) | change
    written = json.dumps(header).encode()
    made = (
        data[:12] + len(written).to_bytes(4, "little") + data[16 : FIXED.size] + written + data[FIXED.size + length :]
    )
    return with_checksums(made)


def records(**change: object) -> dict[str, Any]:
    """The records of the file with another value for a key of the first."""
    whole = encoded(content()).data
    _, _, length, *_ = FIXED.unpack(whole[: FIXED.size])
    first, second = json.loads(whole[FIXED.size : FIXED.size + length])["tensors"]
    return {"tensors": [first | change, second]}


def test_round_trip() -> None:
    """Header and tensors come back, values bit for bit those of the grid."""
    made = encoded(content())
    header = opened(io.BytesIO(made.data))
    found = read(made.data)
    coded, exact = content().tensors.values()
    assert isinstance(coded, Quantised)

    assert (header.spec, header.frames, header.notes) == ({"family": "a"}, 7, {"note": "ä"})
    assert found["a.weight"].tobytes() == dequantise(coded).tobytes()
    assert found["b.bias"].tolist() == [0, 1, 2, 3]
    assert not isinstance(exact, Quantised)


def test_every_byte_is_counted() -> None:
    """Header and coded bytes make the file."""
    made = encoded(content())

    assert made.header_bytes + made.coded_bytes == len(made.data)
    assert made.header_bytes > FIXED.size
    assert made.coded_bytes >= made.entropy_bytes


def test_the_bytes_stay() -> None:
    """The format does not change unseen, by us or by the coder: these are the bytes of version 1."""
    symbols = (np.arange(4000, dtype=np.int32) ** 2 % 41 - 20).reshape(4, 1000)
    steps = np.array([1, 2, 3, 4], np.float16)
    made = encoded(Content({}, None, {}, {"a": Quantised(symbols, steps, -3)}))

    assert b'"model":"table"' in made.data
    assert (zlib.crc32(encoded(content()).data), zlib.crc32(made.data)) == GOLDEN


def test_any_flipped_byte() -> None:
    """A byte that was changed anywhere is found out."""
    data = encoded(content()).data
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
        with pytest.raises(ValueError, match=r"damaged|version|kind|bound|weights than were coded"):
            read(changed)


@settings(max_examples=60, deadline=None)
@given(length=st.integers(0, len(encoded(content()).data) - 1), zeros=st.integers(0, 9))
def test_truncated(length: int, zeros: int) -> None:
    """A file that was cut is refused, whatever its end was filled with."""
    data = encoded(content()).data
    made = data[:length] + bytes(zeros)
    if made != data:
        with pytest.raises(ValueError, match=r"damaged|kind"):
            read(made)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"spec": []}, "no spec"),
        ({"notes": None}, "no notes"),
        ({"tensors": {}}, "no tensors"),
        ({"tensors": []}, "no record of 'a.weight', 'b.bias'"),
        ({"tensors": [3]}, "a record of its header has no name"),
        ({"tensors": records()["tensors"][:1] * 2}, "or a second one"),
        (records(name="\x1b[2J"), "no tensor of its spec"),
        (records(low=-513), "low of 'a.weight' must be an integer from -512 to 512"),
        (records(low=True), "low of"),
        (records(levels=0), "levels of 'a.weight' must be an integer from 1 to 512"),
        (records(levels=10**30), "levels of"),
        (records(levels=512, model="table"), "ends before its last part"),
        (records(exponent=1e3), "exponent of"),
        (records(exponent=-201), "exponent of"),
        (records(model="huffman"), "model of 'a.weight' is 'huffman'; known: table, flat"),
        (records(model=[]), "model of"),
        (records(dtype="int8"), "dtype of 'a.weight' is 'int8'; known: float16, float32"),
        (records(dtype="float32"), "ends before its last part"),
    ],
)
def test_hostile_header(change: dict[str, Any], expected: str) -> None:
    """A header that promises what is not there, or asks for what may not be, is refused in printable words."""
    with pytest.raises(ValueError, match=r".") as raised:
        read(with_header(encoded(content()).data, change))

    assert expected in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("header", [b"[" * 100_000, b"\xff", b"", b"[]", b'{"spec":' + b"9" * 5000 + b"}"])
def test_header_that_is_no_object(header: bytes) -> None:
    """A header that is not an object of JSON is refused, however deep or long."""
    made = FIXED.pack(container.MAGIC, 1, len(header), zlib.crc32(header), 0, 0) + header
    with pytest.raises(ValueError, match="its header"):
        read(made)


def test_a_small_file_for_many_weights() -> None:
    """A file of a few bytes cannot ask for the memory of many weights, and a large one is not read for few."""
    data = encoded(content()).data
    with pytest.raises(ValueError, match=r"1000000004 weights in .* bytes; the bound is 1024 a byte"):
        read(data, {"a.weight": (1000, 1000, 1000), "b.bias": (4,)})
    with pytest.raises(ValueError, match="bytes for 28 weights"):
        decoded(opened(io.BytesIO(data)), SHAPES, 1 << 40)


def test_too_long_a_header() -> None:
    """A header over the bound is neither written nor read."""
    tensors: dict[str, Quantised | Exact] = {"b.bias": np.zeros(4, np.float16)}
    with pytest.raises(ValueError, match="notes too long"):
        encoded(Content({}, None, {"a": "b" * container.MAX_HEADER_BYTES}, tensors))
    with pytest.raises(ValueError, match="a header of 4294967295 bytes"):
        read(FIXED.pack(container.MAGIC, 1, 0xFFFFFFFF, 0, 0, 0))
