"""The fields of a spec that came from a file: each is checked for type and bounds before anything is built from it."""

from __future__ import annotations

import dataclasses
import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Checker = Callable[[str, Any], Any]
"""(key, untrusted value) → the value as its field takes it; raises ValueError with the key."""

# No real model comes near these; they keep a hostile spec from allocating or from building layers without end.
MAX_NUMBER = 1 << 20
MAX_LAYERS = 64
MAX_SIDE = 1 << 15
MAX_PIXELS = 1 << 26
MAX_PARAMETERS = 1 << 32
MAX_FREQUENCY = 1e30  # in float32, infinity begins at 3.4e38


def parse(kind: type[Any], raw: Mapping[str, Any], fields: Mapping[str, Checker]) -> Any:
    """A spec of its fields. Raises ValueError with the key that is unknown, missing or has no value of its field."""
    if unknown := sorted(set(raw) - set(fields)):
        msg = f"model spec has unknown keys {', '.join(map(reprlib.repr, unknown[:6]))}"
        raise ValueError(msg)
    needed = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
    if missing := needed - set(raw):
        msg = f"model spec lacks {', '.join(sorted(missing))}"
        raise ValueError(msg)
    return kind(**{key: fields[key](key, value) for key, value in raw.items()})


def count(key: str, value: Any) -> int:
    """A positive integer of a possible size; True and 1.0 are not."""
    if not _is_count(value):
        msg = f"model spec: {key} must be a positive integer up to {MAX_NUMBER}, found {reprlib.repr(value)}"
        raise ValueError(msg)
    return int(value)


def counts(least: int) -> Checker:
    """A list of at least so many positive integers."""

    def check(key: str, value: Any) -> tuple[int, ...]:
        if not isinstance(value, list) or not least <= len(value) <= MAX_LAYERS or not all(map(_is_count, value)):
            bounds = f"{least} to {MAX_LAYERS} positive integers"
            msg = f"model spec: {key} must be a list of {bounds}, found {reprlib.repr(value)}"
            raise ValueError(msg)
        return tuple(value)

    return check


def number(low: float, high: float) -> Checker:
    """A number between bounds; NaN is not."""

    def check(key: str, value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            msg = f"model spec: {key} must be a number from {low:g} to {high:g}, found {reprlib.repr(value)}"
            raise ValueError(msg)
        return float(value)

    return check


def choice(possible: Sequence[str]) -> Checker:
    """One of some words."""

    def check(key: str, value: Any) -> str:
        if not isinstance(value, str) or value not in possible:
            msg = f"model spec: {key} must be one of {', '.join(possible)}, found {reprlib.repr(value)}"
            raise ValueError(msg)
        return value

    return check


def bound_frame(width: int, height: int) -> None:
    """Refuse frames that are too large to be a model's."""
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        bounds = f"{MAX_SIDE} a side and {MAX_PIXELS} in all"
        msg = f"model spec: frames of {width}x{height} pixels; the bounds are {bounds}"
        raise ValueError(msg)


def bound_parameters(parameters: int) -> None:
    """Refuse more parameters than any model has."""
    if parameters > MAX_PARAMETERS:
        msg = f"model spec: {parameters} parameters; the bound is {MAX_PARAMETERS}"
        raise ValueError(msg)


def bound_frequencies(base: float, levels: int) -> None:
    """Refuse an embedding whose highest frequency, base^(levels − 1), float32 cannot hold."""
    if (levels - 1) * math.log(base) > math.log(MAX_FREQUENCY):
        msg = f"model spec: embed_base {base:g} with {levels} levels has frequencies over {MAX_FREQUENCY:g}"
        raise ValueError(msg)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value <= MAX_NUMBER
