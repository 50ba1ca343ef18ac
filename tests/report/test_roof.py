"""The least time of a frame is arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nervbench.records import Ceilings, Cost, Telemetry
from nervbench.report.roof import least_bytes, roof, roof_of
from tests.report.factory import CARD, made

COST = Cost(params=1000, flop_per_frame=2_000_000, bytes_per_frame=10**9, width=10, height=20)


@pytest.mark.parametrize(("precision", "item"), [("fp32", 4), ("bf16", 2), ("fp16", 2), ("int8", 1)])
def test_least_bytes(precision: str, item: int) -> None:
    """Weights are read once a batch, and each frame is written once as uint8 RGB."""
    assert least_bytes(COST, precision, 1) == 1000 * item + 600
    assert least_bytes(COST, precision, 4) == 250 * item + 600


def test_compute_binds() -> None:
    """Where the arithmetic takes longer than the traffic it is the roof."""
    limit = roof(COST, Ceilings({"fp32": 1e6}, 1e9, 1), "fp32", 1)
    assert (limit.compute_s, limit.memory_s) == (2.0, 4.6e-6)
    assert (limit.least_s, limit.binding) == (2.0, "compute")


def test_memory_binds() -> None:
    """Where the traffic takes longer than the arithmetic it is the roof."""
    limit = roof(COST, Ceilings({"fp32": 1e12}, 4600, 1), "fp32", 1)
    assert (limit.least_s, limit.binding) == (1.0, "memory")


@pytest.mark.parametrize("rates", [{}, {"bf16": 1e9}, {"fp32": 0.0}])
def test_unknown_rate(rates: dict[str, float]) -> None:
    """Without a rate for the precision there is no roof, rather than one of zero or infinity."""
    limit = roof(COST, Ceilings(rates, 1e9, 1), "fp32", 1)
    assert (limit.compute_s, limit.least_s, limit.binding) == (None, None, None)


def test_unknown_memory() -> None:
    """Without a copy rate the arithmetic alone is the roof."""
    assert roof(COST, Ceilings({"fp32": 1e6}, None, 1), "fp32", 1).binding == "compute"


def test_unknown_precision() -> None:
    """A precision whose item size is not known has no memory roof."""
    assert roof(COST, Ceilings({"fp4": 1e6}, 1e9, 1), "fp4", 1).memory_s is None


def test_row_without_ceilings() -> None:
    """A row without a device, its ceilings or its cost has no roof."""
    result = made()
    bare = (
        replace(result, device=None),
        replace(result, device=replace(CARD, ceilings=None)),
        replace(result, cost=None),
    )
    assert all(roof_of(row).least_s is None for row in bare)


def test_another_algorithm() -> None:
    """A runtime that executes a quarter of the direct convolution's FLOP has a quarter of its least time."""
    direct = made()
    assert direct.cost is not None
    own = replace(direct, telemetry=Telemetry(algorithm="Winograd", flop_per_frame=direct.cost.flop_per_frame // 4))

    assert roof_of(own).compute_s == pytest.approx((roof_of(direct).compute_s or 0) / 4)
