"""Rows of convolutions as CSV: columns as in public tables of measured kernels, times in milliseconds by device.

``batch, in_channels, out_channels, height_width`` and, where a time is the starting point, ``DEVICE_ms``. Whatever
else a file holds is passed through. Files come from elsewhere: rows, line lengths and numbers are bounded.
"""

from __future__ import annotations

import csv
import io
import math
import reprlib
from dataclasses import dataclass
from pathlib import Path

from nervbench.errors import InputError, names
from nervbench.shapes import Convolution

SHAPE = ("batch", "in_channels", "out_channels", "height_width")
ADDED = ("predicted_ms", "low_ms", "high_ms")
MAX_BYTES = 64 << 20
MAX_ROWS = 200_000
MAX_COLUMNS = 200
MAX_SIZE = 1 << 20  # of a dimension
MAX_FLOP = 10**16
COLUMN_OF = {"a100-80": "a100"}
"""Where the column of a card is not its key."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a file: heading and cells as they stand there, and each row's shape and time in seconds, if asked."""

    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    kernels: tuple[Convolution, ...]
    times_s: tuple[float, ...] | None


def read(path: Path, source: str | None = None) -> Rows:
    """The rows of a file, with the times of device ``source``. Raises InputError with the line and what is wrong."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise InputError(msg) from error
    if len(content) > MAX_BYTES:
        msg = f"{path} is over {MAX_BYTES >> 20} MiB; split it"
        raise InputError(msg)
    try:
        return parse(content.decode("utf-8-sig"), source)
    except UnicodeDecodeError as error:
        msg = f"{path} is not text in UTF-8; expected CSV"
        raise InputError(msg) from error
    except InputError as error:
        msg = f"{path}: {error}"
        raise InputError(msg) from error


def parse(text: str, source: str | None = None) -> Rows:
    """As :func:`read`, from the text of a file."""
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        header = tuple(name.strip() for name in next(lines, []))
        column = _columns(header, source)
        cells: list[tuple[str, ...]] = []
        kernels: list[Convolution] = []
        times: list[float] = []
        for row in lines:
            if not row:
                continue
            if len(cells) == MAX_ROWS:
                msg = f"over {MAX_ROWS} rows; split the file"
                raise InputError(msg)
            if len(row) != len(header):
                msg = f"line {lines.line_num}: {len(row)} cells under {len(header)} columns"
                raise InputError(msg)
            kernels.append(_kernel(row, header, lines.line_num))
            if column is not None:
                times.append(_time(row[column], header[column], lines.line_num))
            cells.append(tuple(row))
    except csv.Error as error:
        msg = f"line {lines.line_num}: not CSV ({error})"
        raise InputError(msg) from error
    if not cells:
        msg = "no rows under the heading"
        raise InputError(msg)
    return Rows(header, tuple(cells), tuple(kernels), tuple(times) if column is not None else None)


def to_text(rows: Rows, predicted: list[tuple[float, float, float]]) -> str:
    """The file again with a prediction (middle, low, high, in seconds) at the end of each row, in milliseconds."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*rows.header, *ADDED))
    for cells, times in zip(rows.cells, predicted, strict=True):
        writer.writerow((*cells, *(f"{1e3 * time:.6g}" for time in times)))
    return out.getvalue()


def _columns(header: tuple[str, ...], source: str | None) -> int | None:
    """The column of the times of a device; raises InputError where a column is missing, twice there, or ours."""
    if not any(header):
        msg = f"no heading; expected columns {', '.join(SHAPE)}"
        raise InputError(msg)
    if len(header) > MAX_COLUMNS:
        msg = f"{len(header)} columns; at most {MAX_COLUMNS} are read"
        raise InputError(msg)
    wanted = [*SHAPE]
    if source:
        wanted.append(next((name for name in _names(source) if name in header), f"{source}_ms"))
    missing = [name for name in wanted if name not in header]
    if missing:
        msg = f"no column {', '.join(missing)}; found {names(header)}"
        raise InputError(msg)
    if twice := [name for name in wanted if header.count(name) > 1]:
        msg = f"column {', '.join(twice)} is there more than once; keep one"
        raise InputError(msg)
    if taken := [name for name in ADDED if name in header]:
        msg = f"column {', '.join(taken)} is there already; give the rows without predictions"
        raise InputError(msg)
    return header.index(wanted[-1]) if source else None


def _names(source: str) -> tuple[str, ...]:
    return (f"{source}_ms", f"{COLUMN_OF.get(source, source)}_ms")


def _kernel(row: list[str], header: tuple[str, ...], line: int) -> Convolution:
    batch, inputs, outputs, side = (_size(row[header.index(name)], name, line) for name in SHAPE)
    kernel = Convolution(batch, inputs, outputs, side, side)
    if kernel.flop > MAX_FLOP:
        msg = f"line {line}: a convolution of {kernel.flop:.1e} FLOP; at most {MAX_FLOP:.0e} are read"
        raise InputError(msg)
    return kernel


def _size(cell: str, name: str, line: int) -> int:
    text = cell.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 0 < int(text) <= MAX_SIZE):
        msg = f"line {line}: {name} is {reprlib.repr(cell)}; expected a whole number from 1 to {MAX_SIZE}"
        raise InputError(msg)
    return int(text)


def _time(cell: str, name: str, line: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 1e-6 <= value <= 1e9:  # NaN is not
        msg = f"line {line}: {name} is {reprlib.repr(cell)}; expected milliseconds, a number from 1e-6 to 1e9"
        raise InputError(msg)
    return value / 1e3
