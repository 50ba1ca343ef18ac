"""The probe of a device's limits, on tiny products and copies and a made-up clock."""

from __future__ import annotations

import itertools
import math
import time

import pytest
import torch

from nervbench.device import cpu, products
from nervbench.device.cpu import CpuDevice

TINY = products.Sizes(32, 1 << 16, 1 << 10)


def test_rates() -> None:
    """Every precision asked for, the copies and the launch have a finite value over 0; a CPU is its own host."""
    found = products.probe(("fp32", "bf16", "int8"), 0.05, TINY)

    assert set(found.flop_per_s) == {"fp32", "bf16", "int8"}
    rates = *found.flop_per_s.values(), found.copy_bytes_per_s, found.cache_bytes_per_s, found.launch_s, found.probe_s
    for rate in rates:
        assert rate is not None
        assert 0 < rate < math.inf
    assert (found.to_device_bytes_per_s, found.to_host_bytes_per_s) == (None, None)


def test_what_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product is 2·n³ FLOP, a copy moves its bytes twice, and the best call counts; of small ones there are many."""
    times = {"product": iter([9.0, 4.0, 2.0, 8.0]), "copy": iter([9.0, 5.0, 3.0, 4.0])}
    small_s = 0.25
    clock = Clock(monkeypatch)
    monkeypatch.setattr(torch, "mm", lambda *_, **__: clock.pass_by(next(times["product"])))
    monkeypatch.setattr(torch.Tensor, "copy_", lambda *_: clock.pass_by(next(times["copy"], small_s)))
    monkeypatch.setattr(torch.Tensor, "add_", lambda *_: clock.pass_by(2 * small_s))
    found = products.probe(("fp32",), 2.0, TINY)

    assert found.flop_per_s == {"fp32": 2 * 32**3 / 2.0}
    assert found.copy_bytes_per_s == 2 * (1 << 16) / 3.0
    assert found.cache_bytes_per_s == 2 * (1 << 10) / small_s
    assert found.launch_s == 2 * small_s
    small = 4 * small_s * (products.COPIES + 2 * products.LAUNCHES)  # four calls of each
    assert found.probe_s == 9 + 4 + 2 + 8 + 9 + 5 + 3 + 4 + small


@pytest.mark.parametrize(("budget_s", "calls"), [(10.0, 1 + 10), (0.5, 1 + 3)])
def test_budget(monkeypatch: pytest.MonkeyPatch, budget_s: float, calls: int) -> None:
    """As many calls as fit into the budget are made, three at the least, after one that is not counted."""
    clock = Clock(monkeypatch)
    made = itertools.count()

    def call() -> None:
        next(made)
        clock.pass_by(1.0)

    assert products.best(call, budget_s) == 1.0
    assert next(made) == calls


def test_only_what_the_cpu_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device asks for the limits of the precisions that it has arithmetic for."""
    monkeypatch.setattr(cpu, "ARITHMETIC", {"bf16": frozenset()})
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(products, "probe", lambda precisions, budget_s, sizes: asked.append(precisions))
    CpuDevice().ceilings(0.01)

    assert asked == [("fp32",)]


class Clock:
    """A clock that moves only when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = 0.0
        monkeypatch.setattr(time, "perf_counter", lambda: self._now)

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
