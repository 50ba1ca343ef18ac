"""Results on disk: one JSON line a case, appended and synced as the case ends.

A kill can tear only the last line. A torn tail is dropped when read and cut off before the next line is written; any
other line that does not hold a Result is an error with its number, because a finished case must not vanish in silence.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
import reprlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from nervbench.errors import OutputError, ResultsError
from nervbench.records import SCHEMA, Result

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class _HasSchema(Protocol):
    @property
    def schema(self) -> int:
        """The version that it was written with."""
        ...


class _HasKey(_HasSchema, Protocol):
    @property
    def key(self) -> tuple[object, ...]:
        """What two records have in common that would come out the same."""
        ...


Keyed = TypeVar("Keyed", bound=_HasKey)
Record = TypeVar("Record", bound=_HasSchema)
"""What a file holds one of a line: results here, points of rate and distortion in :mod:`nervbench.rates`."""

FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW  # a link in a folder of others may lead anywhere
MAX_DIGITS = 19
LONG_NUMBER = re.compile(rf"[-\s:,\[]\d{{{MAX_DIGITS + 1}}}")
MAX_MESSAGE = 600
LEAST_S, MOST_S = 1e-12, 1e9
"""Seconds of a sample: no computer does anything in less, and nobody has waited for longer."""
KEYS = (
    "schema",
    "case",
    "status",
    "reason",
    "device",
    "environment",
    "artifact",
    "cost",
    "samples_s",
    "telemetry",
    "quality",
    "fidelity",
    "doubts",
    "profile",
    "wall_s",
    "place",
)
"""The keys of a line, in its order."""


def to_line(result: Result) -> str:
    """One result as one line of JSON, without the newline. Raises ResultsError where it holds a NaN or an infinity."""
    fields = dataclasses.asdict(result)
    return line_of({key: fields[key] for key in KEYS}, f"the result of {result.case.name}")


def line_of(fields: dict[str, Any], what: str) -> str:
    """The fields of a record, of whatever kind, as :func:`to_line` writes them; ``what`` names it in the error."""
    try:
        line = json.dumps(fields, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        msg = f"{what} cannot be stored: {error}"
        raise ResultsError(msg) from error
    return line.encode("utf-8", "replace").decode()


def from_line(line: str) -> Result:
    """The result of one line; keys that this version does not know are ignored.

    Raises ResultsError where the line is not a result, holds a NaN or an infinity, numbers that no measurement gives,
    or has a newer schema.
    """
    result = valid(line, Result, SCHEMA)
    if impossible := next(_impossible(result), None):
        raise ResultsError(impossible)
    return result


def _impossible(result: Result) -> Iterator[str]:
    """What contradicts itself or nature: those who compute with a result divide by these and count on the rest."""
    if result.case.batch < 1:
        yield f"case.batch: {result.case.batch}; a batch is 1 frame or more"
    ends_s = (min(result.samples_s, default=1.0), max(result.samples_s, default=1.0))
    for strange in (sample for sample in ends_s if not LEAST_S <= sample <= MOST_S):
        yield f"samples_s: {strange:g}; a decode takes {LEAST_S:g} to {MOST_S:g} seconds"
    seen = result.telemetry
    if seen and seen.calls_per_sample < 1:
        yield f"telemetry.calls_per_sample: {seen.calls_per_sample}; a sample is 1 call or more"
    if seen and (played := seen.playback):
        if played.rate_hz <= 0:
            yield f"telemetry.playback.rate_hz: {played.rate_hz:g}; a display has a rate over 0"
        if len(played.ticks) != len(played.late_s):
            yield f"telemetry.playback: {len(played.ticks)} ticks, but {len(played.late_s)} entries in late_s"
    if seen and seen.meanwhile and any(len(at_s) != len(found) for at_s, found in seen.meanwhile.over_time.values()):
        yield "telemetry.meanwhile.over_time: not as many moments as readings"
    if seen and (stages := seen.stages) and not len(stages.decode_s) == len(stages.fetch_s) == len(stages.write_s):
        yield "telemetry.stages: decode_s, fetch_s and write_s have not the same number of entries"
    if (
        seen
        and (stages := seen.stages)
        and (min(stages.decode_s, default=1.0) <= 0 or min((*stages.fetch_s, *stages.write_s), default=0.0) < 0)
    ):
        yield "telemetry.stages: a stage of less than 0 seconds; a decode takes more than 0"


def valid(line: str, kind: type[Record], schema: int) -> Record:
    """The record of one line, of whatever kind; raises ResultsError as :func:`from_line` does."""
    known = _adapter(kind)
    try:
        record: Record = known.validate_json(f"[{line}]")[0]
    except ValidationError as error:
        _check_schema(_fields(line), schema)  # said first: what a newer version wrote may break any other rule as well
        msg = "; ".join(_fault(fault) for fault in error.errors(include_url=False)[:3])
        raise ResultsError(_printable(msg)) from error
    if not line.startswith(f'{{"schema": {schema},') or record.schema != schema or LONG_NUMBER.search(line):
        _check_schema(_fields(line), schema)  # as Python reads it, which takes as long as all before it
    return record


def _fields(line: str) -> object:
    """What a line holds, of whatever kind. Raises ResultsError where it is no JSON or has too long a number."""
    try:
        return json.loads(line, parse_int=_whole_number)
    except (ValueError, RecursionError) as error:
        msg = f"not JSON ({error})"
        raise ResultsError(msg) from error


def append(path: Path, result: Result) -> None:
    """Add one result with a single write, and sync it; a torn tail of an earlier kill is cut off first.

    Raises OutputError where the file cannot be written; nothing of the line is left behind then.
    """
    append_line(path, to_line(result))


def append_line(path: Path, line: str) -> None:
    """Add a line of any record, as :func:`append` does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, FLAGS, 0o644)
        try:
            _append(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}; the lines before it are whole, so go on when it can"
        raise OutputError(msg) from error


def read(path: Path) -> list[Result]:
    """All results of a file, in order; an incomplete last line (torn by a kill) is dropped.

    Raises ResultsError where the file cannot be read, or with the number of the line that is not a result.
    """
    return read_lines(path, from_line)


def read_lines(path: Path, parse: Callable[[str], Record]) -> list[Record]:
    """All records of a file, each line by ``parse``, as :func:`read` does."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise ResultsError(msg) from error
    if not _complete(lines[-1]):
        lines.pop()
    results = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            results.append(parse(line.decode()))
        except (ResultsError, UnicodeDecodeError) as error:
            msg = f"{path}, line {number}: {error}; mend or remove that line"
            raise ResultsError(msg) from error
    return results


def read_last(path: Path, parse: Callable[[str], Keyed]) -> list[Keyed]:
    """The records of a file, of those with the same key only the last; none where there is no file."""
    if not path.exists():
        return []
    return list({record.key: record for record in read_lines(path, parse)}.values())


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """The validator; a tuple of one, because settings reach plain dataclasses only from the outside."""
    return TypeAdapter(tuple[kind], config=ConfigDict(strict=True, allow_inf_nan=False))


def _check_schema(fields: object, known: int) -> None:
    """Refuse what is not a result at all, and what a newer version has written."""
    if not isinstance(fields, dict):
        msg = "not a result (a JSON object was expected)"
        raise ResultsError(msg)
    schema = fields.get("schema")
    if type(schema) is not int or schema < 1:
        msg = f"no valid schema number (found {reprlib.repr(schema)}); a result has 'schema': {known}"
        raise ResultsError(msg)
    if schema > known:
        msg = f"written with schema {schema}; this version reads schemas up to {known}; upgrade nervbench to read it"
        raise ResultsError(msg)


def _whole_number(digits: str) -> int:
    """A number that a result can hold; a larger one would overflow where it is divided by another."""
    if len(digits.lstrip("-")) > MAX_DIGITS:
        msg = f"a whole number of {len(digits)} digits; at most {MAX_DIGITS} are possible"
        raise ValueError(msg)
    return int(digits)


def _printable(text: str) -> str:
    """A text of bounded length without what would move the cursor of a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MAX_MESSAGE])


def _fault(fault: ErrorDetails) -> str:
    """One sentence for one wrong field."""
    where = ".".join(str(part) for part in fault["loc"][1:])
    return f"{where}: {fault['msg']}" if where else fault["msg"]


def _append(descriptor: int, line: bytes) -> None:
    """Write the line after the last complete one; on a short write (full disk) take it back."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    tail = _tail(descriptor, size)
    if tail and _complete(tail):
        line = b"\n" + line
    elif tail:
        size -= len(tail)
        os.ftruncate(descriptor, size)
    if os.write(descriptor, line) != len(line):
        os.ftruncate(descriptor, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


def _tail(descriptor: int, size: int, block: int = 1 << 16) -> bytes:
    """What stands after the last newline."""
    tail, start = b"", size
    while start > 0 and b"\n" not in tail:
        step = min(block, start)
        start -= step
        tail = os.pread(descriptor, step, start) + tail
    return tail.rpartition(b"\n")[2]


def _complete(tail: bytes) -> bool:
    """Whether a last line without its newline is whole all the same (a file edited by hand)."""
    try:
        return isinstance(json.loads(tail), dict)
    except (ValueError, RecursionError):
        return False
