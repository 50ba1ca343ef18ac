"""What a device can do at most, measured by PyTorch: the roofs that every result is held against.

Arithmetic: an n³ matrix product takes 2·n³ operations on 3·n² numbers, so at n = 2048 it is bound by arithmetic on any
CPU and at 8192 on any GPU; the best of several is kept, since everything that disturbs it makes it slower. Memory: a
copy far larger than the caches moves its bytes twice (read and write; a processor that reads the target first moves
more, which counts against it here).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from nervbench.model.precision import DTYPES
from nervbench.records import Ceilings

MIN_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Sizes:
    """n of the products and bytes of the copy."""

    side: int
    copy_bytes: int


CPU = Sizes(2048, 256 << 20)
GPU = Sizes(8192, 1 << 30)


def probe(precisions: tuple[str, ...], budget_s: float, sizes: Sizes = CPU, place: str = "cpu") -> Ceilings:
    """Matrix-product rate (operations/s) by precision and copy bandwidth (bytes/s), in about ``budget_s`` s in all."""
    began = time.perf_counter()
    share_s = budget_s / (len(precisions) + 1)
    generator = torch.Generator(place).manual_seed(0)
    with torch.inference_mode(), torch.device(place):
        operations = 2 * sizes.side**3
        rates = {name: operations / best(product(name, sizes.side, generator), share_s, place) for name in precisions}
        source = torch.randn(sizes.copy_bytes // 4, generator=generator)
        target = torch.empty_like(source)
        copy = 2 * sizes.copy_bytes / best(lambda: target.copy_(source), share_s, place)
    return Ceilings(rates, copy, time.perf_counter() - began)


def product(
    precision: str, side: int, generator: torch.Generator | None = None, columns: int | None = None
) -> Callable[[], object]:
    """(side, side) @ (side, columns) of random numbers, on PyTorch's current default device.

    Of zeros, some processors are faster.
    """
    shapes = (side, side), (side, columns or side)
    if precision == "int8":
        left, right = (torch.randint(-127, 128, shape, dtype=torch.int8, generator=generator) for shape in shapes)
        return lambda: torch._int_mm(left, right)  # sums in int32; it has no other name
    a, b = (torch.randn(shape, generator=generator).to(DTYPES[precision]) for shape in shapes)
    out = a @ b
    return lambda: torch.mm(a, b, out=out)


def best(call: Callable[[], object], budget_s: float, place: str = "cpu") -> float:
    """The shortest of as many calls as fit, in seconds; at least three after one that is not counted."""
    _timed(call, place)
    shortest, rounds, began = float("inf"), 0, time.perf_counter()
    while rounds < MIN_ROUNDS or time.perf_counter() - began < budget_s:
        shortest = min(shortest, _timed(call, place))
        rounds += 1
    return shortest


def _timed(call: Callable[[], object], place: str) -> float:
    """Seconds of a call until its work is done; on a GPU its launch is in it, nothing beside so large a product."""
    start = time.perf_counter()
    call()
    if place != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start
