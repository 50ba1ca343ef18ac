"""Rounding and prefixes, in one place: records hold base SI, people read these."""

from __future__ import annotations

import math

UNKNOWN = "–"


def significant(value: float, digits: int = 3) -> str:
    """A number to so many significant digits, without an exponent.

    >>> significant(1234.5), significant(0.012345), significant(0)
    ('1230', '0.0123', '0')
    """
    if value == 0:
        return "0"
    if not math.isfinite(value):  # a rate of samples that a damaged file made next to nothing
        return "∞" if value > 0 else UNKNOWN
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])  # after rounding: 99.96 is 1.00e2
    places = digits - 1 - exponent
    return f"{round(value, places):.{max(0, places)}f}"


def prefixed(value: float | None, unit: str, digits: int = 3) -> str:
    """A quantity with the SI prefix that fits.

    >>> prefixed(201.9e9, "FLOP"), prefixed(0.0123, "s"), prefixed(None, "W")
    ('202 GFLOP', '12.3 ms', '–')
    """
    if value is None:
        return UNKNOWN
    if value == 0 or not math.isfinite(value):
        return f"{significant(value)} {unit}"
    prefixes = {-3: "n", -2: "µ", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T", 5: "P"}
    power = min(5, max(-3, math.floor(math.log10(abs(value)) / 3)))
    scaled = value / 1000**power
    if float(significant(abs(scaled), digits)) >= 1000 and power < 5:
        power, scaled = power + 1, scaled / 1000
    return f"{significant(scaled, digits)} {prefixes[power]}{unit}"


def fixed(value: float | None, places: int) -> str:
    """A number with so many decimals, or a dash where it is unknown."""
    return UNKNOWN if value is None else f"{value:.{places}f}"


def percent(share: float | None, places: int = 0) -> str:
    """A share from 0 to 1 as a percentage (whole unless told), or a dash where it is unknown."""
    return UNKNOWN if share is None else f"{100 * share:.{places}f} %"


def rate_unit(precision: str) -> str:
    """What the operations of a precision are counted in."""
    return "OP/s" if precision == "int8" else "FLOP/s"
