"""The probe of a device's limits, on tiny products and copies and a made-up clock."""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

import pytest
import torch

from nervbench.device import cpu, products
from nervbench.device.cpu import CpuDevice
from nervbench.records import Ceilings

TINY = products.Sizes(32, 1 << 16, 1 << 10, 4, 8)


def test_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every precision asked for, the copies and the launch have a finite value over 0; a CPU is its own host."""
    monkeypatch.setattr(products, "HIDDEN", 0.0)
    found = products.probe(("fp32", "bf16", "int8"), 0.05, TINY)

    assert set(found.flop_per_s) == {"fp32", "bf16", "int8"}
    copies = found.copy_bytes_per_s, found.cache_bytes_per_s
    for rate in (*found.flop_per_s.values(), *copies, found.launch_s, found.convolution_flop_per_s, found.probe_s):
        assert rate is not None
        assert 0 < rate < math.inf
    assert (found.to_device_bytes_per_s, found.to_host_bytes_per_s) == (None, None)


def test_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its product is allowed shorter numbers, and nothing after it."""
    seen: list[bool] = []
    call = products.product("tf32", 32)
    monkeypatch.setattr(torch, "mm", lambda *_, **__: seen.append(torch.backends.cuda.matmul.allow_tf32))
    call()

    assert seen == [True]
    assert torch.backends.cuda.matmul.allow_tf32 is False


def test_fp8() -> None:
    """A product of 8-bit floats, where this PyTorch has one on a processor."""
    try:
        found = products.product("fp8", 32, torch.Generator().manual_seed(0))()
    except (RuntimeError, NotImplementedError) as error:
        pytest.skip(f"PyTorch has no fp8 product on this processor: {error}")
    assert isinstance(found, torch.Tensor)
    assert found.shape == (32, 32)
    assert float(found.float().std()) > 1


def test_what_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product is 2·n³ FLOP, a copy moves its bytes twice, and the best call counts; of small ones there are many."""
    fast = [0.0] * 4  # of a smaller product, which says that this one does not take too long
    times = {"product": iter([*fast, 9.0, 4.0, 2.0, 8.0]), "copy": iter([9.0, 5.0, 3.0, 4.0])}
    small_s = 0.25
    clock = Clock(monkeypatch)
    monkeypatch.setattr(torch, "mm", lambda *_, **__: clock.pass_by(next(times["product"])))
    monkeypatch.setattr(torch.Tensor, "copy_", lambda *_: clock.pass_by(next(times["copy"], small_s)))
    monkeypatch.setattr(torch.Tensor, "add_", lambda *_: clock.pass_by(small_s / 4))
    monkeypatch.setattr(torch, "conv2d", lambda *_, **__: clock.pass_by(2.0))
    found = products.probe(("fp32",), 2.0, TINY)

    assert found.flop_per_s == {"fp32": 2 * 32**3 / 2.0}
    assert found.copy_bytes_per_s == 2 * (1 << 16) / 3.0
    assert found.cache_bytes_per_s == 2 * (1 << 10) / small_s
    assert found.launch_s == small_s / 4
    assert found.convolution_flop_per_s == 2 * 9 * 4 * 4 * 8 * 8 / 2.0
    small = 4 * small_s * (products.COPIES + products.LAUNCHES / 4) + 4 * 2.0  # four calls of each
    assert found.probe_s == 9 + 4 + 2 + 8 + 9 + 5 + 3 + 4 + small


@pytest.mark.parametrize(("small_s", "side"), [(0.014, 64), (0.016, 8)])
def test_too_slow(monkeypatch: pytest.MonkeyPatch, small_s: float, side: int) -> None:
    """A product that would take far longer than it may is a smaller one: 512 times 16 ms are over four times 1.8 s."""
    clock, sides = Clock(monkeypatch), list[int]()

    def product(left: torch.Tensor, _right: torch.Tensor, out: torch.Tensor) -> None:
        sides.append(len(out))
        clock.pass_by(small_s * (len(left) / 8) ** 3)

    monkeypatch.setattr(torch, "mm", product)
    rate = products._rate("fp32", 64, torch.Generator().manual_seed(0), 1.8, "cpu")

    assert rate == pytest.approx(2 * 8**3 / small_s)
    assert sides[:4] == [8] * 4
    assert set(sides[4:]) == {side}


def test_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy within a cache that takes about as long as its launch says nothing of the cache."""
    clock = Clock(monkeypatch)
    monkeypatch.setattr(torch.Tensor, "copy_", lambda *_: clock.pass_by(1.4))
    monkeypatch.setattr(torch.Tensor, "add_", lambda *_: clock.pass_by(1.0))
    monkeypatch.setattr(torch, "conv2d", lambda *_, **__: clock.pass_by(1.0))

    assert products.probe((), 1.0, TINY).cache_bytes_per_s is None


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

    def probe(precisions: tuple[str, ...], *_: Any) -> Ceilings:
        asked.append(precisions)
        return Ceilings({}, None, 0.1)

    monkeypatch.setattr(products, "probe", probe)
    found = CpuDevice().ceilings(0.01)

    assert (found.yardstick_s or 0) > 0
    assert 0 < (found.fault_s or 0) < 1e-3
    assert asked == [("fp32",)]


def test_yardstick() -> None:
    """As many short products as fit, one at least, each with its own time."""
    found = CpuDevice().yardstick(0.05)

    assert len(found) > 1
    assert all(0 < each < 0.05 for each in found)
    assert len(CpuDevice().yardstick(0.0)) == 1


class Clock:
    """A clock that moves only when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = 0.0
        monkeypatch.setattr(time, "perf_counter", lambda: self._now)

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
