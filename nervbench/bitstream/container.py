"""Writing and reading the bytes of a ``.nerv`` file; its layout is in the package's docstring.

Reading takes two steps, since the sizes of all parts follow from the spec, which others know how to read:
:func:`opened` reads the header, :func:`decoded` the rest, once the shapes are known. Both raise ValueError, and
nothing else but what reading the file does.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nervbench.bitstream import entropy
from nervbench.bitstream.entropy import MAX_LEVELS, Model
from nervbench.bitstream.grid import MAX_EXPONENT, Floats, Quantised, dequantise
from nervbench.errors import names, printable

MAGIC = b"\x89NERV\r\n\x1a"
VERSION = 1
FIXED = struct.Struct("<8sIIIII")
MAX_HEADER_BYTES = 1 << 20
MAX_WEIGHTS_A_BYTE = 1024
"""So many weights at most for a byte of the file: what a small file can ask for in memory is bounded by it."""
MAX_BYTES_A_WEIGHT, MAX_BYTES_A_TENSOR = 8, 1024
"""More no writer needs (values of 4 bytes, or symbols of 3 and steps of 2; a table): larger files are not read."""
STEP = np.dtype("<f2")
EXACT: dict[str, np.dtype[Any]] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}

Exact = npt.NDArray[Any]
"""Values that are kept as they are, float16 or float32."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds; ``spec`` is an object of JSON."""

    spec: dict[str, Any]
    frames: int | None
    notes: dict[str, str]
    tensors: dict[str, Quantised | Exact]


@dataclass(frozen=True, slots=True)
class Coded:
    """A file and what its bytes are for; the tables of frequencies count as coded."""

    data: bytes
    entropy_bytes: float
    coded_bytes: int

    @property
    def header_bytes(self) -> int:
        """All that is not coded: header, steps and exact values."""
        return len(self.data) - self.coded_bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """The header of a file that was read so far; ``tensors`` are its records as they stand there."""

    spec: dict[str, Any]
    frames: object
    notes: dict[str, object]
    tensors: list[dict[str, Any]]
    body_crc: int
    weights_crc: int
    file: BinaryIO


def encoded(content: Content) -> Coded:
    """The bytes of a file. Raises ValueError where it would have more weights a byte than may be read."""
    records: list[dict[str, Any]] = []
    parts: list[bytes] = []
    symbols: list[tuple[npt.NDArray[np.int32], Model]] = []
    for name, tensor in sorted(content.tensors.items()):
        if isinstance(tensor, Quantised):
            model = entropy.model_of(tensor.symbols)
            record = {"low": model.low, "levels": model.levels, "exponent": tensor.exponent}
            records.append({"name": name, **record, "model": "flat" if model.table is None else "table"})
            parts += [tensor.steps_C.astype(STEP).tobytes(), model.table or b""]
            symbols.append((tensor.symbols, model))
        else:
            records.append({"name": name, "dtype": str(tensor.dtype)})
            parts.append(tensor.astype(EXACT[str(tensor.dtype)]).tobytes())
    fields: dict[str, Any] = {"spec": content.spec, "notes": content.notes, "tensors": records}
    fields |= {} if content.frames is None else {"frames": content.frames}
    header = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    stream = entropy.encode(symbols)
    body = b"".join([*parts, stream])
    weights_crc = 0
    for _, tensor in sorted(content.tensors.items()):
        weights_crc = _crc_of(_values(tensor), weights_crc)
    fixed = FIXED.pack(MAGIC, VERSION, len(header), zlib.crc32(header), zlib.crc32(body), weights_crc)
    _bound(sum(_size(tensor) for tensor in content.tensors.values()), len(fixed) + len(header) + len(body))
    if len(header) > MAX_HEADER_BYTES:
        msg = f"notes too long: a header of {len(header)} bytes; the bound is {MAX_HEADER_BYTES}"
        raise ValueError(msg)
    tables = sum(len(model.table or b"") for _, model in symbols)
    least = sum(entropy.entropy_bytes(each) for each, _ in symbols)
    return Coded(fixed + header + body, least, len(stream) + tables)


def opened(file: BinaryIO) -> Opened:
    """Read the header, and no more than that."""
    fixed = file.read(FIXED.size)
    if len(fixed) < FIXED.size or not fixed.startswith(MAGIC):
        msg = "does not begin as a .nerv file does; it is of another kind, or was changed on its way"
        raise ValueError(msg)
    _, version, length, header_crc, body_crc, weights_crc = FIXED.unpack(fixed)
    if version != VERSION:
        msg = f"version {version} of the format; this nervbench reads version {VERSION}"
        raise ValueError(msg)
    if length > MAX_HEADER_BYTES:
        msg = f"a header of {length} bytes; the bound is {MAX_HEADER_BYTES}"
        raise ValueError(msg)
    header = file.read(length)
    if len(header) < length or zlib.crc32(header) != header_crc:
        msg = "its header is not whole (the checksum differs); it is truncated or damaged"
        raise ValueError(msg)
    try:
        fields = json.loads(header)
    except (ValueError, RecursionError):
        msg = "its header is not JSON"
        raise ValueError(msg) from None
    kinds = {"spec": dict, "notes": dict, "tensors": list}
    for key, kind in kinds.items():
        if not isinstance(fields, dict) or not isinstance(fields.get(key), kind):
            msg = f"its header has no {key}"
            raise ValueError(msg)  # noqa: TRY004 (one kind of error for every malformed file)
    return Opened(fields["spec"], fields.get("frames"), fields["notes"], fields["tensors"], body_crc, weights_crc, file)


def decoded(header: Opened, shapes: Mapping[str, tuple[int, ...]], size_bytes: int) -> dict[str, Floats]:
    """The weights, float32, of a file of ``size_bytes``; their shapes are those of the header's spec."""
    weights = sum(math.prod(shape) for shape in shapes.values())
    _bound(weights, size_bytes)
    most = FIXED.size + MAX_HEADER_BYTES + MAX_BYTES_A_WEIGHT * weights + MAX_BYTES_A_TENSOR * len(shapes)
    if size_bytes > most:
        msg = f"{size_bytes} bytes for {weights} weights; the bound is {most}"
        raise ValueError(msg)
    body = header.file.read(most)
    if zlib.crc32(body) != header.body_crc:
        msg = "its content is not whole (the checksum differs); it is truncated or damaged"
        raise ValueError(msg)
    found = _parts(header.tensors, shapes, body)
    crc = 0
    for values in found.values():
        crc = _crc_of(values, crc)
    if crc != header.weights_crc:
        msg = "its symbols give other weights than were coded; it was altered, or coded by another constriction"
        raise ValueError(msg)
    return found


def _parts(records: list[Any], shapes: Mapping[str, tuple[int, ...]], body: bytes) -> dict[str, Floats]:
    """The tensor of each record."""
    view = memoryview(body)
    coded: dict[str, tuple[Model, npt.NDArray[np.float16], int]] = {}
    found: dict[str, Floats] = {}
    for record in records:
        name = record.get("name") if isinstance(record, dict) else None
        if not isinstance(name, str):
            msg = "a record of its header has no name"
            raise ValueError(msg)  # noqa: TRY004 (as above)
        if name not in shapes or name in coded or name in found:
            msg = f"a record of {names([name])}, which is no tensor of its spec, or a second one"
            raise ValueError(msg)
        shape = shapes[name]
        if "dtype" in record:
            dtype = _one_of(record, "dtype", EXACT)
            piece, view = _taken(view, math.prod(shape) * EXACT[dtype].itemsize)
            found[name] = np.frombuffer(piece, EXACT[dtype]).astype(np.float32).reshape(shape)
            continue
        steps, view = _taken(view, shape[0] * STEP.itemsize if shape else STEP.itemsize)
        low, levels = _integer(record, "low", -MAX_LEVELS, MAX_LEVELS), _integer(record, "levels", 1, MAX_LEVELS)
        table, view = _taken(view, levels if _one_of(record, "model", ("table", "flat")) == "table" else 0)
        exponent = _integer(record, "exponent", -MAX_EXPONENT, MAX_EXPONENT)
        coded[name] = (Model(low, levels, bytes(table) or None), np.frombuffer(steps, STEP), exponent)
    if missing := shapes.keys() - coded.keys() - found.keys():
        msg = f"no record of {names(sorted(missing))}"
        raise ValueError(msg)
    if len(view) % entropy.WORD.itemsize:
        msg = "its stream of symbols is no whole number of words"
        raise ValueError(msg)
    wanted = [(math.prod(shapes[name]), model) for name, (model, _, _) in coded.items()]
    for name, symbols in zip(coded, entropy.decode(bytes(view), wanted), strict=True):
        _, steps_C, exponent = coded[name]
        found[name] = dequantise(Quantised(symbols.reshape(shapes[name]), steps_C, exponent))
    return {record["name"]: found[record["name"]] for record in records}


def _taken(view: memoryview, length: int) -> tuple[memoryview, memoryview]:
    """So many bytes, and those after them."""
    if length > len(view):
        msg = "it ends before its last part; it is truncated or damaged"
        raise ValueError(msg)
    return view[:length], view[length:]


def _integer(record: dict[str, Any], key: str, least: int, most: int) -> int:
    value = record.get(key)
    if type(value) is not int or not least <= value <= most:
        msg = f"{key} of {names([record['name']])} must be an integer from {least} to {most}"
        raise ValueError(msg)
    return value


def _one_of(record: dict[str, Any], key: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    value = record.get(key)
    if not isinstance(value, str) or value not in known:
        msg = f"{key} of {names([record['name']])} is {printable(repr(value))}; known: {', '.join(known)}"
        raise ValueError(msg)
    return value


def _bound(weights: int, size_bytes: int) -> None:
    if weights > MAX_WEIGHTS_A_BYTE * size_bytes:
        msg = f"{weights} weights in {size_bytes} bytes; the bound is {MAX_WEIGHTS_A_BYTE} a byte"
        raise ValueError(msg)


def _values(tensor: Quantised | Exact) -> Floats:
    return dequantise(tensor) if isinstance(tensor, Quantised) else tensor.astype(np.float32)


def _size(tensor: Quantised | Exact) -> int:
    return tensor.symbols.size if isinstance(tensor, Quantised) else tensor.size


def _crc_of(values: Floats, crc: int) -> int:
    return zlib.crc32(np.ascontiguousarray(values, np.dtype("<f4")).data, crc)
