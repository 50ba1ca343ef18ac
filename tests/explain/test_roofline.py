"""What binds an operator and how near it is, by arithmetic that can be done by hand."""

from __future__ import annotations

import dataclasses

import pytest

from nervbench.explain.roofline import Placed, breakdown, place
from nervbench.records import Ceilings, DeviceCard, Operator, Profile
from tests.explain.rows_made import Machine

CEILINGS = Ceilings({"fp32": 100e9, "int8": 400e9}, 10e9, 1.0, cache_bytes_per_s=100e9, launch_s=1e-5)
CARD = DeviceCard("cpu", "a CPU", 2, 2, None, {"l2": 1 << 20}, ceilings=CEILINGS)


@pytest.mark.parametrize(
    ("operator", "precision", "least_s", "bound"),
    [
        (Operator("conv", "Conv", 0.02, 10**9, 10**7), "fp32", 0.01, "compute"),
        (Operator("conv", "Conv", 0.02, 10**9, 10**7), "int8", 0.0025, "compute"),
        (Operator("add", "Add", 0.02, 0, 10**8), "fp32", 0.01, "memory"),
        (Operator("near", "Add", 0.02, 0, 1 << 20), "fp32", (1 << 20) / 100e9, "memory"),
        (Operator("small", "Add", 0.02, 10, 100), "fp32", 1e-5, "launch"),
    ],
)
def test_bound(operator: Operator, precision: str, least_s: float, bound: str) -> None:
    """The longest of arithmetic, bytes and launch is the least time."""
    found = place(operator, CARD, precision)

    assert found.bound == bound
    assert found.least_s == pytest.approx(least_s)
    assert found.attained == pytest.approx(least_s / 0.02)


def test_no_ceilings() -> None:
    """Without ceilings, or where the runtime says neither FLOP nor bytes, nothing is said to bind."""
    assert place(Operator("unsaid", "Add", 0.02), CARD, "fp32").bound == "unknown"
    operator = Operator("conv", "Conv", 0.02, 10**9, 10**7)

    assert place(operator, None, "fp32") == Placed(operator, None, "unknown")
    assert place(operator, dataclasses.replace(CARD, ceilings=None), "fp32").attained is None


@pytest.mark.parametrize(("seconds", "between"), [(0.25, 0.5), (0.5, 0.0), (0.8, 0.0)])
def test_between(seconds: float, between: float) -> None:
    """What the samples took and no operator did is between them; watched operators may take longer."""
    row = Machine().row()
    operators = (
        Operator("a", "Conv", seconds * row.samples_s[2], 10),
        Operator("b", "Add", seconds * row.samples_s[2]),
    )
    found = breakdown(dataclasses.replace(row, profile=Profile("a clock", 3, operators)))

    assert found is not None
    assert found.between_s / found.whole_s == pytest.approx(between, abs=0.01)
    assert found.share(found.operators) == pytest.approx(1 - between, abs=0.01)


def test_without() -> None:
    """A row without a profile, or with a reason instead, has no breakdown."""
    row = Machine().row()

    assert breakdown(row) is None
    assert breakdown(dataclasses.replace(row, profile=Profile("", 0, reason="it does not tell"))) is None
