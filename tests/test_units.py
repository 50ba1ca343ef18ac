"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervbench.units import fixed, percent, prefixed, rate_unit, significant

SIZES = st.floats(1e-9, 1e17)
FACTORS = {"n": 1e-9, "µ": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1.00"), (99.94, "99.9"), (99.96, "100"), (999.6, "1000"), (-0.01234, "-0.0123"), (12345, "12300")],
)
def test_significant(value: float, text: str) -> None:
    """Three significant digits, without an exponent, also where rounding adds a digit in front."""
    assert significant(value) == text


@settings(deadline=None)
@given(SIZES)
def test_significant_is_near(value: float) -> None:
    """What is written is within half a unit of the third digit."""
    assert float(significant(value)) == pytest.approx(value, rel=0.0051)


@pytest.mark.parametrize(
    ("value", "text"),
    [(999.6, "1.00 kB"), (1e-9, "1.00 nB"), (0, "0 B"), (-1500, "-1.50 kB"), (2.5e18, "2500 PB"), (None, "–")],
)
def test_prefixed(value: float | None, text: str) -> None:
    """The prefix keeps the number under 1000 where there is one that does; unknown is a dash."""
    assert prefixed(value, "B") == text


@settings(deadline=None)
@given(SIZES)
def test_prefixed_is_the_quantity(value: float) -> None:
    """Number times prefix is the quantity, within rounding."""
    number, unit = prefixed(value, "B").split()
    assert float(number) * FACTORS[unit[:-1]] == pytest.approx(value, rel=0.0051)


def test_unknown_is_a_dash() -> None:
    """None is a dash everywhere, and never a zero."""
    assert (fixed(None, 2), percent(None)) == ("–", "–")
    assert (fixed(1.005, 1), percent(0.256)) == ("1.0", "26 %")


def test_beyond_all_bounds() -> None:
    """What overflowed is shown, not raised."""
    assert significant(math.inf) == "∞"
    assert prefixed(math.inf, "FLOP/s") == "∞ FLOP/s"
    assert significant(math.nan) == "–"


def test_rate_unit() -> None:
    """Integers are no floating-point operations."""
    assert [rate_unit(precision) for precision in ("fp32", "bf16", "int8")] == ["FLOP/s", "FLOP/s", "OP/s"]
