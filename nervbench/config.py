"""``bench.toml``: what is measured, parsed once into frozen records.

Every problem of a file is reported at once, one line each: where, what was found, what is possible. Which models and
runtimes exist is not known here; the caller passes their names. The fields below, with their bounds, are the reference
of the file's keys.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, time
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, ValidationInfo

from nervbench.errors import ConfigError, unknown
from nervbench.records import PRECISIONS, PROTOCOLS, SCENARIOS, SINGLE_STREAM, STRICT, Case, case_of
from nervbench.settings import FORBID, Player, Seconds, Server, Stopping

MAX_BYTES = 1 << 20
MAX_DEPTH = 16
MAX_DOTS = 64  # in a line; the time tomllib takes for a dotted key grows with the square of its parts
MAX_PROBLEMS = 50
MAX_PROBLEM = 600  # letters
MAX_CASES = 10_000
CLIP_NAMES = ("bigbuckbunny", "bikes")
FILTERS = ("bicubic", "bilinear", "box", "lanczos", "crop")
MAX_LOSS_DB = {"fp32": 0.02, "tf32": 0.1, "bf16": 0.1, "fp16": 0.1, "fp8": 0.3, "int8": 0.3}
"""dB of quality that a precision may cost before a case ends WRONG_OUTPUT, unless the file says otherwise."""


def _passed(info: ValidationInfo, key: str) -> Any:
    """What the caller of ``load`` passed: names that exist, the folder of the file."""
    return (info.context or {})[key]


def _name(kind: str, among: Iterable[str] | str) -> AfterValidator:
    """A name out of a fixed list, or out of the list that the caller passes under the key ``among``."""

    def known(name: str, info: ValidationInfo) -> str:
        names = _passed(info, among) if isinstance(among, str) else among
        if name not in names:
            raise ValueError(unknown(kind, name[:60], names))
        return name

    return AfterValidator(known)


def _existing_clip(source: str, info: ValidationInfo) -> str:
    """A clip, with the number of frames behind a colon where only its beginning is meant."""
    folder = _passed(info, "folder")
    found = re.fullmatch(r"(.+)(:[1-9][0-9]{0,8})", source, re.DOTALL)
    where, first = (found[1], found[2]) if found and not _there(folder / source) else (source, "")
    return (where if where in CLIP_NAMES else _existing(where, folder)) + first


def _existing_weights(weights: str, info: ValidationInfo) -> str:
    if weights == "bundled" or re.fullmatch(r"seeded:[0-9]{1,9}", weights):
        return weights
    if "/" not in weights and "." not in weights:
        msg = f"{unknown('weights', weights[:60], ['bundled', 'seeded:0'])} (or give the path of a checkpoint)"
        raise ValueError(msg)
    return _existing(weights, _passed(info, "folder"))


def _existing(name: str, folder: Path) -> str:
    """A path made relative to the folder of the bench.toml, refused where nothing is there."""
    path = folder / name
    if _there(path):
        return str(path)
    msg = f"no such file or folder: {str(path)[:200]!r} (a relative path starts at the folder of the bench.toml)"
    raise ValueError(msg)


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a NUL in it
        return False


Decibel = Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)]
Precision = Annotated[str, _name("precision", PRECISIONS)]

Item = TypeVar("Item")
Several = Annotated[tuple[Item, ...], Field(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True)
class ClipSource:
    """The source video, the filter that resizes it to a model's output, and how large it may be.

    A clip with a larger frame or more of them is refused before it is decoded.
    """

    __pydantic_config__ = FORBID
    source: Annotated[str, AfterValidator(_existing_clip)] = "bigbuckbunny"
    resample: Annotated[str, _name("filter", FILTERS)] = "bicubic"
    max_pixels: Annotated[int, Field(strict=True, ge=1, le=1 << 27)] = 1 << 26  # 8192 × 8192, and twice that
    max_frames: Annotated[int, Field(strict=True, ge=1, le=1 << 24)] = 100_000


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model and its weights: ``bundled`` (trained, shipped), ``seeded:N``, or the path of a checkpoint."""

    __pydantic_config__ = FORBID
    name: Annotated[str, _name("model", "models")]
    weights: Annotated[str, AfterValidator(_existing_weights)]


@dataclass(frozen=True, slots=True)
class MatrixEntry:
    """A block of the matrix: every combination of its lists is a case."""

    __pydantic_config__ = FORBID
    models: Several[Annotated[str, _name("model", "declared")]]
    runtimes: Several[Annotated[str, _name("runtime", "runtimes")]]
    precisions: Several[Precision] = ("fp32",)
    batches: Several[Annotated[int, Field(strict=True, ge=1, le=4096)]] = (1,)
    scenarios: Several[Annotated[str, _name("scenario", SCENARIOS)]] = (SINGLE_STREAM,)
    protocols: Several[Annotated[str, _name("protocol", PROTOCOLS)]] = (STRICT,)

    def __post_init__(self) -> None:
        """Refuse a published protocol where there is none."""
        if set(self.protocols) != {STRICT} and set(self.scenarios) != {SINGLE_STREAM}:
            msg = (
                f"protocols other than {STRICT} time a {SINGLE_STREAM} only; give other scenarios an entry of their own"
            )
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a case is given up: it ends TIMED_OUT."""

    __pydantic_config__ = FORBID
    case_timeout_s: Seconds = 1800.0


@dataclass(frozen=True, slots=True)
class Verify:
    """How a case is compared with fp32 eager before it is timed.

    ``max_loss_db`` is the loss of quality that a precision may cost; for weights without a source (seeded) it is taken
    at ``assumed_quality_db``.
    """

    __pydantic_config__ = FORBID
    frames: Annotated[int, Field(strict=True, ge=1, le=1000)] = 3
    max_loss_db: Annotated[dict[Precision, Decibel], AfterValidator(lambda given: MAX_LOSS_DB | given)] = field(
        default_factory=MAX_LOSS_DB.copy
    )
    assumed_quality_db: Decibel = 34.2


@dataclass(frozen=True, slots=True)
class Bench:
    """A whole bench.toml."""

    __pydantic_config__ = FORBID
    models: Several[ModelEntry]
    matrix: Several[MatrixEntry]
    clip: ClipSource = ClipSource()
    stopping: Stopping = field(default_factory=Stopping)
    server: Server = field(default_factory=Server)
    player: Player = field(default_factory=Player)
    limits: Limits = field(default_factory=Limits)
    verify: Verify = field(default_factory=Verify)


def load(path: Path, models: Iterable[str], runtimes: Iterable[str]) -> Bench:
    """Read a bench.toml; ``models`` and ``runtimes`` are the names that exist.

    Raises ConfigError with every problem found.
    """
    raw = _parsed(path)
    declared, repeated = _declared(raw)
    known = sorted(models)
    context = {
        "models": known, "runtimes": sorted(runtimes), "declared": declared or known, "folder": path.parent,
    }  # fmt: skip
    problems = [f"models: '{name[:60]}' is there more than once; a model has one entry" for name in repeated]
    try:
        bench: Bench = _adapter().validate_python(raw, context=context)
    except ValidationError as error:
        found = (_problem(fault) for fault in error.errors(include_url=False))
        problems += [problem for problem in found if problem]
    else:
        problems += _too_many(bench)
    if problems:
        rest = [f"… and {len(problems) - MAX_PROBLEMS} more problems"] if len(problems) > MAX_PROBLEMS else []
        raise ConfigError([_printable(problem) for problem in problems[:MAX_PROBLEMS] + rest], str(path))
    return bench


def cases(bench: Bench) -> tuple[Case, ...]:
    """The matrix as cases, in the order of the file, each once; runtimes vary fastest: rivals are neighbours."""
    weights = {entry.name: entry.weights for entry in bench.models}
    return tuple(
        dict.fromkeys(
            case_of(model, precision, runtime, batch, scenario, weights[model], protocol)
            for entry in bench.matrix
            for model, scenario, batch, precision, protocol, runtime in product(
                entry.models, entry.scenarios, entry.batches, entry.precisions, entry.protocols, entry.runtimes
            )
        )
    )


def select(chosen: Iterable[Case], glob: str) -> tuple[Case, ...]:
    """The cases whose name matches a glob (``nerv-s/*/ort/*``), in order.

    Raises ConfigError where none does.
    """
    pool = tuple(chosen)
    matching = tuple(case for case in pool if fnmatchcase(case.name, glob))
    if not matching:
        some = ", ".join(case.name for case in pool[:4]) + (", …" if len(pool) > 4 else "")
        msg = f"no case matches '{glob}'; there are {len(pool)}, such as {some}; * stands for any part"
        raise ConfigError([msg])
    return matching


@functools.cache
def _adapter() -> TypeAdapter[Bench]:
    return TypeAdapter(Bench)


def _parsed(path: Path) -> dict[str, Any]:
    """The file as plain data of bounded size and depth."""
    source = str(path)
    if path.exists() and not path.is_file():  # to open a pipe would wait for ever
        raise ConfigError(["cannot be read (not a regular file); give the path of a bench.toml"], source)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        msg = f"cannot be read ({error.strerror or error}); give the path of a bench.toml"
        raise ConfigError([msg], source) from None
    if len(content) > MAX_BYTES:
        msg = f"larger than {MAX_BYTES} bytes; this is no bench.toml"
        raise ConfigError([msg], source)
    if max(line.count(b".") for line in content.split(b"\n")) > MAX_DOTS:
        raise ConfigError([f"a line with more than {MAX_DOTS} dots; this is no bench.toml"], source)
    try:
        raw = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"not UTF-8 text (at line {line})"], source) from None
    except RecursionError:
        raise ConfigError(["nested too deep to be read"], source) from None
    except ValueError as error:  # TOMLDecodeError, and integers of thousands of digits
        raise ConfigError([_printable(f"not valid TOML: {error}")], source) from None
    if _deeper_than(raw, MAX_DEPTH):
        raise ConfigError([f"nested deeper than {MAX_DEPTH} levels"], source)
    return raw


def _deeper_than(raw: object, levels: int) -> bool:
    layer = [raw]
    for _ in range(levels):
        layer = [
            child
            for item in layer
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return bool(layer)


def _declared(raw: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The names under ``models`` and those there more than once, read leniently: other faults are said elsewhere."""
    entries = raw.get("models")
    given = [entry.get("name") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    names = [name for name in given if isinstance(name, str)]
    first = dict.fromkeys(names, 0)
    for name in names:
        first[name] += 1
    return list(first), [name for name, count in first.items() if count > 1]


def _too_many(bench: Bench) -> list[str]:
    """A problem if the matrix is too large to be meant, counted without expanding it."""
    count = sum(
        math.prod(
            map(len, (entry.models, entry.runtimes, entry.precisions, entry.batches, entry.scenarios, entry.protocols))
        )
        for entry in bench.matrix
    )
    return [f"matrix: {count} cases; at most {MAX_CASES}"] if count > MAX_CASES else []


Fault = Any  # pydantic's ErrorDetails: type, loc, msg, input, ctx

WORDS: dict[str, Callable[[Fault], str]] = {
    "missing": lambda fault: "is missing",
    "unexpected_keyword_argument": lambda fault: unknown("key", fault["loc"][-1][:60], _keys(fault["loc"][:-1])),
    "value_error": lambda fault: str(fault["ctx"]["error"]),
    "tuple_type": lambda fault: f"must be an array, found {_found(fault['input'])}",
    "dict_type": lambda fault: f"must be a table, found {_found(fault['input'])}",
    "dataclass_type": lambda fault: f"must be a table, found {_found(fault['input'])}",
    "too_short": lambda fault: "must have at least one entry, found none",
    "too_long": lambda fault: f"must have at most {fault['ctx']['max_length']} entries",
}
"""How a fault is said, by pydantic's type of it; the rest are in pydantic's own words with what was found."""


def _problem(fault: Fault) -> str | None:
    """One line for a fault, or None for one that only follows from another (all entries of a list being wrong)."""
    if fault["type"] == "too_short" and fault["input"]:
        return None
    expected = (
        fault["msg"].removeprefix("Input should be ").replace("a valid ", "a ").replace("a integer", "an integer")
    )
    word = WORDS.get(fault["type"], lambda fault: f"must be {expected}, found {_found(fault['input'])}")
    loc = fault["loc"][:-1] if fault["type"] == "unexpected_keyword_argument" else fault["loc"]
    return f"{where}: {word(fault)}" if (where := _where(loc)) else word(fault)


def _where(loc: tuple[int | str, ...]) -> str:
    """A place in the file as people write it: ``matrix[1].runtimes[0]``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part[:60]}" for part in loc if part != "[key]")
    return "".join(parts).removeprefix(".")


def _keys(loc: tuple[int | str, ...]) -> list[str]:
    """The keys that a table may have, by its place."""
    tables = {
        "clip": ClipSource, "models": ModelEntry, "matrix": MatrixEntry,
        "stopping": Stopping, "server": Server, "player": Player, "limits": Limits, "verify": Verify,
    }  # fmt: skip
    table = tables[str(loc[0])] if loc else Bench
    return [entry.name for entry in dataclasses.fields(table)]


def _printable(problem: str) -> str:
    """A problem on one line of bounded length, whatever the strings of the file hold."""
    kept = "".join(letter if letter.isprintable() else "?" for letter in problem[:MAX_PROBLEM])
    return kept + ("…" if len(problem) > MAX_PROBLEM else "")


def _found(value: object) -> str:
    """A value of the file, short enough for a line."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "an array"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    return (str(value) if isinstance(value, date | time) else repr(value))[:60]
