"""What a device can do at most, measured by PyTorch: the roofs that every result is held against.

Arithmetic: an n³ matrix product takes 2·n³ operations on 3·n² numbers, so at n = 2048 it is bound by arithmetic on any
CPU and at 8192 on any GPU; the best of several is kept, since everything that disturbs it makes it slower. Memory: a
copy far larger than the caches moves its bytes twice (read and write; a processor that reads the target first moves
more, which counts against it here). Caches: the same of buffers that stay in the second level, again and again; unknown
where the launches take about as long, as with a small cache of a fast GPU. Launch: many operations on one number.
Convolution: one as large as a decoder's last ones, by the library that PyTorch uses, which may need fewer operations
than are counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from nervbench.model.precision import DTYPES, stored
from nervbench.records import Ceilings

MIN_ROUNDS = 3
SMALLER, TOO_LONG = 8, 4
LAUNCHES, COPIES = 500, 50
SMALL_SHARE = 0.05
"""Of the budget, for each of the short ones: caches, launches, convolution, copies to the host and back."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """n of the products, bytes of the copy, and of the one that is to stay in the second-level cache.

    ``channels`` are those of the convolution, in and out, over ``pixels`` by as many.
    """

    side: int
    copy_bytes: int
    cached_bytes: int
    channels: int
    pixels: int


CPU = Sizes(2048, 256 << 20, 1 << 17, 64, 128)
GPU = Sizes(8192, 1 << 30, 1 << 20, 256, 256)
HIDDEN = 1.5
"""How much longer than a launch a copy must take to be seen beside it."""
KERNEL = 3
"""Pixels a side of the convolution's kernel."""


def probe(precisions: tuple[str, ...], budget_s: float, sizes: Sizes = CPU, place: str = "cpu") -> Ceilings:
    """Matrix-product rate (operations/s) by precision, bandwidths (bytes/s), launch: in about ``budget_s`` s in all."""
    began = time.perf_counter()
    small_s = SMALL_SHARE * budget_s
    share_s = (budget_s - 5 * small_s) / (len(precisions) + 1)
    generator = torch.Generator(place).manual_seed(0)
    with torch.inference_mode(), torch.device(place):
        rates = {name: _rate(name, sizes.side, generator, share_s, place) for name in precisions}
        source = torch.randn(sizes.copy_bytes // 4, generator=generator)
        target = torch.empty_like(source)
        copy = 2 * sizes.copy_bytes / best(lambda: target.copy_(source), share_s, place)
        one = torch.zeros(1)
        launch_s = best(_repeated(lambda: one.add_(1), LAUNCHES), small_s, place) / LAUNCHES
        near, nearer = source[: sizes.cached_bytes // 4], target[: sizes.cached_bytes // 4]
        near_s = best(_repeated(lambda: nearer.copy_(near), COPIES), small_s, place) / COPIES
        cached = 2 * sizes.cached_bytes / near_s if near_s > HIDDEN * launch_s else None
        convolved = _convolution(sizes, generator, small_s, place)
    there, back = _over_the_bus(source, small_s, place) if place != "cpu" else (None, None)
    return Ceilings(rates, copy, time.perf_counter() - began, cached, launch_s, there, back, convolved)


def _rate(precision: str, side: int, generator: torch.Generator, budget_s: float, place: str) -> float:
    """Operations/s of the product of this side, or of a smaller one where that would take far longer than it may.

    What a library emulates (bf16 under ONEDNN_MAX_CPU_ISA=AVX2: 1 GFLOP/s) would take minutes.
    """
    smaller = side // SMALLER
    if best(product(precision, smaller, generator), 0.0, place) * SMALLER**3 > TOO_LONG * budget_s:
        side = smaller
    return 2 * side**3 / best(product(precision, side, generator), budget_s, place)


def _convolution(sizes: Sizes, generator: torch.Generator, budget_s: float, place: str) -> float:
    """FLOP/s of a convolution in fp32, counted as a direct one."""
    torch.backends.cudnn.allow_tf32 = False  # left alone, PyTorch takes TF32 for convolutions
    channels, pixels = sizes.channels, sizes.pixels
    frame = torch.randn(1, channels, pixels, pixels, generator=generator)
    weight = torch.randn(channels, channels, KERNEL, KERNEL, generator=generator)
    flop = 2 * KERNEL**2 * channels**2 * pixels**2
    return flop / best(lambda: torch.conv2d(frame, weight, padding=KERNEL // 2), budget_s, place)


def _repeated(call: Callable[[], object], times: int) -> Callable[[], None]:
    def calls() -> None:
        for _ in range(times):
            call()

    return calls


def _over_the_bus(there: torch.Tensor, budget_s: float, place: str) -> tuple[float, float]:
    """Bytes/s from pinned memory to the device and back."""
    here = torch.empty_like(there, device="cpu").pin_memory()
    size = there.numel() * there.element_size()
    to_device = best(lambda: there.copy_(here, non_blocking=True), budget_s, place)
    to_host = best(lambda: here.copy_(there, non_blocking=True), budget_s, place)
    return size / to_device, size / to_host


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
    if precision == "fp8":  # of the GPUs that have it; the right one is wanted column by column
        eight = torch.float8_e4m3fn
        a, b = (torch.randn(shape, generator=generator).to(eight) for shape in (shapes[0], shapes[1][::-1]))
        one = torch.ones(())
        return lambda: torch._scaled_mm(a, b.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
    a, b = (torch.randn(shape, generator=generator).to(DTYPES[stored(precision)]) for shape in shapes)
    out = a @ b
    if precision != "tf32":
        return lambda: torch.mm(a, b, out=out)

    def shorter() -> None:
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.mm(a, b, out=out)
        torch.backends.cuda.matmul.allow_tf32 = False  # as it is by default: everything else here is in fp32

    return shorter


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
