"""The gap between two GPUs adds up, turns round, and says what it cannot tell."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from nervbench.cards import Peaks, card, cards
from nervbench.explain import gap as gaps
from nervbench.explain.gap import (
    ARITHMETIC,
    CLOCK,
    MEASURED,
    MEMORY,
    PUBLISHED,
    WAVES,
    Gap,
    Part,
    Side,
    explain,
    predicted,
)
from nervbench.model.kernels import kernels_of
from nervbench.model.zoo import spec_of

KERNELS = kernels_of(spec_of("nerv-s"))


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for the order of an interval's ends."""
    monkeypatch.setattr(gaps, "DRAWS", 20)


def known(key: str, time_s: float, kind: str = MEASURED) -> Side:
    """A side that was timed to a part in a thousand."""
    return Side(key, card(key).name, kind, time_s, 0.999 * time_s, 1.001 * time_s, "a test")


def product(found: Gap) -> float:
    """All parts and the residual."""
    return math.prod(part.factor for part in (*found.parts, found.residual))


def everything(found: Gap) -> tuple[Part, ...]:
    """All parts, the residual and the whole."""
    return (*found.parts, found.residual, found.whole)


def of_cards(a: Peaks, b: Peaks) -> Gap:
    """Both predicted."""
    return explain("nerv-s", KERNELS, predicted(KERNELS, a), predicted(KERNELS, b))


@pytest.mark.parametrize(("a", "b"), [("p100", "rtx-2080-ti"), ("t4", "v100"), ("a100-80", "p4")])
def test_adds_up(a: str, b: str) -> None:
    """The parts and the residual multiply up to the whole, and every interval holds its factor."""
    found = explain("nerv-s", KERNELS, predicted(KERNELS, card(a)), known(b, 0.02))

    assert product(found) == pytest.approx(found.whole.factor)
    assert found.whole.factor == pytest.approx(found.a.time_s / 0.02)
    assert all(part.low <= part.factor <= part.high for part in everything(found))
    assert found.residual.low < found.residual.factor / 1.05
    assert found.residual.high > found.residual.factor * 1.05


def test_turned_round() -> None:
    """The gap from B to A is that from A to B, every factor inverted."""
    sides = known("p100", 0.03), known("rtx-2080-ti", 0.02, PUBLISHED)
    there, back = explain("nerv-s", KERNELS, *sides), explain("nerv-s", KERNELS, sides[1], sides[0])

    for one, other in zip(everything(there), everything(back), strict=True):
        assert one.cause == other.cause
        assert one.factor == pytest.approx(1 / other.factor)


@pytest.mark.parametrize(
    ("cause", "figures", "factor"),
    [
        (ARITHMETIC, {"fp32_flop_per_s": 2.82e13, "boost_hz": 2.76e9}, 1.3),
        (CLOCK, {"held_hz": 0.69e9}, 1.3),
        (MEMORY, {"memory_bytes_per_s": 2.7e12, "copy_bytes_per_s": 2.31e12}, 1.1),
        (WAVES, {"sms": 40}, 1.0),
    ],
)
def test_one_cause(monkeypatch: pytest.MonkeyPatch, cause: str, figures: dict[str, Any], factor: float) -> None:
    """Of two cards that differ in the figures of one cause, all of the difference is that cause's."""
    one = dataclasses.replace(card("v100"), key="one")  # as if it had not been among the fitted
    other = dataclasses.replace(one, key="other", **figures, sources=one.sources | dict.fromkeys(figures, "a test"))
    monkeypatch.setattr(gaps, "card", {"one": one, "other": other}.__getitem__)
    found = of_cards(one, other)

    of = {part.cause: part.factor for part in found.parts}
    assert of.pop(cause) == pytest.approx(found.whole.factor)
    assert all(rest == pytest.approx(1) for rest in of.values())
    assert max(found.whole.factor, 1 / found.whole.factor) >= factor * 0.999
    assert found.residual.factor == pytest.approx(1)


def test_both_predicted() -> None:
    """Nothing is left over where both speeds are the model's own."""
    found = of_cards(card("rtx-3090"), card("rtx-2080-ti"))

    assert found.residual.factor == pytest.approx(1, abs=1e-6)
    assert (found.residual.low, found.residual.high) == pytest.approx((1, 1))
    assert found.whole.low < found.whole.factor < found.whole.high


def test_residual_beyond_the_error() -> None:
    """A side that is three times slower than its card says is not excused by the model's error."""
    usual = predicted(KERNELS, card("v100")).time_s
    fine = explain("nerv-s", KERNELS, known("p100", 0.03), known("v100", usual))
    slow = explain("nerv-s", KERNELS, known("p100", 0.03), known("v100", 3 * usual))

    assert not slow.error_explains
    assert slow.residual.factor == pytest.approx(fine.residual.factor / 3)
    assert [part.factor for part in slow.parts] == [part.factor for part in fine.parts]


def test_clock_that_nobody_noted() -> None:
    """It is taken as the boost clock, and the interval reaches towards the base clock."""
    found = of_cards(card("rtx-2080-ti"), card("p100"))
    clock = next(part for part in found.parts if part.cause == CLOCK)

    assert clock.factor < 1
    assert clock.low < 0.99 * clock.factor
    assert "not noted, taken as the boost clock" in clock.evidence


def test_figure_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cause whose figure a card lacks has no part, and the reason is said."""
    bare = dataclasses.replace(card("p100"), key="bare", sms=None)
    monkeypatch.setattr(gaps, "card", lambda key: bare if key == "bare" else card(key))
    found = explain("nerv-s", KERNELS, predicted(KERNELS, bare), known("v100", 0.02))

    assert WAVES not in {part.cause for part in found.parts}
    assert f"{WAVES}: bare has no sms" in found.left_out
    assert product(found) == pytest.approx(found.whole.factor)


def test_every_pair_of_cards() -> None:
    """Cards with whatever figures they have can be compared, if they have an arithmetic peak."""
    able = [each for each in cards().values() if each.fp32_flop_per_s and each.memory_bytes_per_s]
    for each in able[1:]:
        found = of_cards(able[0], each)
        assert product(found) == pytest.approx(found.whole.factor)
