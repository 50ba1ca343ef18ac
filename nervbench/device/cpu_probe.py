"""What a CPU can do at most, measured: the roofs that every result is held against.

Arithmetic: an n³ matrix product takes 2·n³ operations on 3·n² numbers, so at n = 2048 it is bound by arithmetic on any
CPU; the best of several is kept, since everything that disturbs it makes it slower. Memory: a copy far larger than the
caches moves its bytes twice (read and write; a processor that reads the target first moves more, which counts against
it here).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from nervbench.model.precision import DTYPES
from nervbench.records import Ceilings

SIDE = 2048
COPY_BYTES = 256 << 20
MIN_ROUNDS = 3


def probe(precisions: tuple[str, ...], threads: int | None, budget_s: float) -> Ceilings:
    """Matrix-product rate (operations/s) by precision and copy bandwidth (bytes/s), in about ``budget_s`` s in all."""
    began = time.perf_counter()
    if threads:
        torch.set_num_threads(threads)
    share_s = budget_s / (len(precisions) + 1)
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        rates = {name: 2 * SIDE**3 / _best(_product(name, generator), share_s) for name in precisions}
        source = torch.randn(COPY_BYTES // 4, generator=generator)
        target = torch.empty_like(source)
        copy = 2 * COPY_BYTES / _best(lambda: target.copy_(source), share_s)
    return Ceilings(rates, copy, time.perf_counter() - began)


def _product(precision: str, generator: torch.Generator) -> Callable[[], object]:
    """A matrix product of random numbers: of zeros, some processors are faster."""
    if precision == "int8":
        left, right = (torch.randint(-127, 128, (SIDE, SIDE), dtype=torch.int8, generator=generator) for _ in range(2))
        return lambda: torch._int_mm(left, right)  # sums in int32; it has no other name
    a, b = (torch.randn(SIDE, SIDE, generator=generator).to(DTYPES[precision]) for _ in range(2))
    out = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=out)


def _best(call: Callable[[], object], budget_s: float) -> float:
    """The shortest of as many calls as fit, in seconds; at least three after one that is not counted."""
    call()
    best, rounds, began = float("inf"), 0, time.perf_counter()
    while rounds < MIN_ROUNDS or time.perf_counter() - began < budget_s:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
        rounds += 1
    return best
