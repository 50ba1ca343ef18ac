"""A block of a NeRV decoder on a GPU, one Triton kernel: convolution, bias, activation and PixelShuffle.

The convolution is a product of matrices that are not written down: a row is the 3×3 neighbourhood of a pixel, a column
one of the outputs. Images are (B, H + 2, W + 2, channels) with a border of zeros, so that three pixels of a row of a
neighbourhood lie one after the other in memory and nothing is asked about edges. The columns are ordered by sub-pixel,
then channel: what belongs to one row of the shuffled image is stored as one piece, straight into the next block's
image. After the last block the same kernel multiplies each sub-pixel's channels by the head while they are in
registers, and stores bytes: of 1280×720 with 96 channels, 2.8 MB leave instead of 177 MB in 16 bits.

The floor of a frame of NeRV-S at 1280×720: 201.9 GFLOP, and in 16 bits 126 MB that must move (four images between the
blocks, 58 MB, written and read; 6 MB of weights; the picture). A runtime that fuses nothing moves 1,907 MB. By NVIDIA's
data sheet an H200 multiplies for 204 µs (989 TFLOP/s, bf16) and moves for 26 µs (4.8 TB/s): a frame is bound by its
arithmetic, 1,600 FLOP a byte; and by memory, 397 µs, where nothing is fused.

Images and weights may be float8 (e4m3) where the chip multiplies it: each column of the weights and the images as a
whole are scaled to its range, sums scaled back. What a block gives is scaled for the next one as it is stored, so none
is quantised by itself. The head stays in 16 bits.

Sums are float32. :func:`nervbench_kernels.ops.block.reference` is the meaning. Run by Triton's interpreter on a CPU in
the tests; no GPU has run it yet. Only what Triton's compiler has built in is called: its library is compiled as these
kernels are, and whether for the interpreter is decided when it is imported.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from nervbench_kernels.ops.block import Head

INTERPRETED = bool(triton.knobs.runtime.interpret)
"""Kernels run on the CPU, by NumPy, which has no bfloat16: operands of a product are made float32 first."""

ACTIVATIONS = ("relu", "leaky", "leaky01", "relu6", "gelu", "swish", "softplus", "hardswish")
MOST_ELEMENTS = 2**31
"""Offsets within an image are 32 bits."""
EIGHT_BITS, LARGEST = torch.float8_e4m3fn, 448.0
TINY = torch.finfo(torch.float32).tiny

_TILES = (
    (128, 128, 64, 4, 4),
    (128, 128, 64, 8, 3),
    (128, 128, 32, 4, 4),
    (128, 128, 32, 8, 5),
    (256, 128, 64, 8, 3),
    (256, 128, 32, 8, 4),
    (128, 256, 64, 8, 3),
    (64, 128, 64, 4, 4),
    (64, 64, 64, 4, 4),
    (32, 64, 32, 4, 3),
)
"""Pixels, columns and depth of a tile, warps, stages."""
_CONFIGS = [
    triton.Config({"PIXELS": pixels, "COLUMNS": columns, "DEEP": deep}, num_warps=warps, num_stages=stages)
    for pixels, columns, deep, warps, stages in _TILES
]
_FOR_THE_INTERPRETER = [triton.Config({"PIXELS": 32, "COLUMNS": 32, "DEEP": 16})]


def _tuned(kernel: Any) -> Any:
    """The fastest tiles for each shape and type, looked for once and kept in Triton's cache."""
    configs = _FOR_THE_INTERPRETER if INTERPRETED else _CONFIGS
    key = ["pixels", "HEIGHT", "WIDTH", "INPUTS", "OUTPUTS", "STRIDE"]
    return triton.autotune(configs, key=key, cache_results=True)(kernel)


@triton.jit
def _activated(x, KIND: tl.constexpr):
    if KIND == "relu":
        y = tl.maximum(x, 0.0)
    elif KIND == "leaky":
        y = tl.where(x > 0, x, 0.01 * x)
    elif KIND == "leaky01":
        y = tl.where(x > 0, x, 0.1 * x)
    elif KIND == "relu6":
        y = tl.minimum(tl.maximum(x, 0.0), 6.0)
    elif KIND == "gelu":
        y = 0.5 * x * (1.0 + tl.erf(x * 0.7071067811865476))
    elif KIND == "softplus":
        y = tl.where(x > 20.0, x, tl.log(1.0 + tl.exp(tl.minimum(x, 20.0))))
    elif KIND == "hardswish":
        y = x * tl.minimum(tl.maximum(x + 3.0, 0.0), 6.0) / 6.0
    else:
        y = x / (1.0 + tl.exp(-x))
    return y


@triton.jit
def _product(a, b, sums, WIDEN: tl.constexpr):
    if WIDEN:
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, sums, input_precision="ieee")


@triton.jit
def _as_stored(x, target, scale, WIDEN: tl.constexpr):
    """What is written to ``target`` for x: of float8 the nearest that it has, within its range."""
    if target.dtype.element_ty == tl.float8e4nv:
        x = tl.minimum(tl.maximum(x * scale, -448.0), 448.0)
        if (
            WIDEN
        ):  # Triton 3.6's interpreter loses the carry as it rounds up to a power of two: nothing to round is left
            bits = tl.maximum(tl.abs(x), 0.015625).to(tl.int32, bitcast=True) & 0x7F800000  # of the power of two below
            steps = 1572864.0 * bits.to(tl.float32, bitcast=True)  # 1.5 · 2^23 eighths of it
            x = (x + steps) - steps
    return x.to(target.dtype.element_ty)


@triton.jit
def _convolved(image, pixel, weight, first, WIDTH: tl.constexpr, INPUTS: tl.constexpr, WIDE: tl.constexpr,
               PIXELS: tl.constexpr, COLUMNS: tl.constexpr, DEEP: tl.constexpr, WIDEN: tl.constexpr):  # fmt: skip
    """Sums of PIXELS neighbourhoods for the COLUMNS outputs from ``first`` on; ``pixel`` is where each begins."""
    ROW: tl.constexpr = 3 * INPUTS
    STEPS: tl.constexpr = (ROW + DEEP - 1) // DEEP
    column = first + tl.arange(0, COLUMNS)
    sums = tl.full((PIXELS, COLUMNS), 0.0, tl.float32)
    for step in range(3 * STEPS):
        row = step // STEPS
        along = (step % STEPS) * DEEP + tl.arange(0, DEEP)
        a_at = image + pixel[:, None] + (row * ((WIDTH + 2) * INPUTS) + along)[None, :]
        b_at = weight + (row * ROW + along)[:, None] + (column * (3 * ROW))[None, :]
        if ROW % DEEP == 0:  # noqa: SIM108 (decided when it is compiled)
            a = tl.load(a_at)
        else:
            a = tl.load(a_at, mask=(along < ROW)[None, :], other=0.0)
        if ROW % DEEP == 0 and WIDE % COLUMNS == 0:
            b = tl.load(b_at)
        else:
            b = tl.load(b_at, mask=(along < ROW)[:, None] & (column < WIDE)[None, :], other=0.0)
        sums = _product(a, b, sums, WIDEN)
    return sums


@triton.jit
def _places(at, pixels, HEIGHT: tl.constexpr, WIDTH: tl.constexpr, PIXELS: tl.constexpr):
    """Image, row and column of PIXELS pixels, the last one again after the end; and which there are."""
    pixel = at * PIXELS + tl.arange(0, PIXELS)
    there = pixel < pixels
    pixel = tl.minimum(pixel, pixels - 1)
    return pixel // (HEIGHT * WIDTH), pixel // WIDTH % HEIGHT, pixel % WIDTH, there


@triton.jit
def _scaled_back(sums, gain, bias, column, WIDE: tl.constexpr):
    gains = tl.load(gain + column, mask=column < WIDE, other=0.0)
    biases = tl.load(bias + column, mask=column < WIDE, other=0.0)
    return sums * gains[None, :] + biases[None, :]


@_tuned
@triton.jit
def _to_image(image, weight, gain, bias, target, pixels, scale, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
              INPUTS: tl.constexpr, OUTPUTS: tl.constexpr, STRIDE: tl.constexpr, KIND: tl.constexpr,
              WIDEN: tl.constexpr, PIXELS: tl.constexpr, COLUMNS: tl.constexpr, DEEP: tl.constexpr):  # fmt: skip
    WIDE: tl.constexpr = OUTPUTS * STRIDE * STRIDE
    ACROSS: tl.constexpr = (WIDE + COLUMNS - 1) // COLUMNS
    LINE: tl.constexpr = (WIDTH * STRIDE + 2) * OUTPUTS
    program = tl.program_id(0)
    which, y, x, there = _places(program // ACROSS, pixels, HEIGHT, WIDTH, PIXELS)
    first = program % ACROSS * COLUMNS  # neighbours in time share the pixels
    begin = ((which * (HEIGHT + 2) + y) * (WIDTH + 2) + x) * INPUTS
    sums = _convolved(image, begin, weight, first, WIDTH, INPUTS, WIDE, PIXELS, COLUMNS, DEEP, WIDEN)
    column = first + tl.arange(0, COLUMNS)
    features = _activated(_scaled_back(sums, gain, bias, column, WIDE), KIND)
    corner = (which * (HEIGHT * STRIDE + 2) + y * STRIDE + 1) * LINE + (x * STRIDE + 1) * OUTPUTS
    within = column // (STRIDE * OUTPUTS) * LINE + column % (STRIDE * OUTPUTS)
    stored = _as_stored(features, target, scale, WIDEN)
    tl.store(target + corner[:, None] + within[None, :], stored, mask=there[:, None] & (column < WIDE)[None, :])


@_tuned
@triton.jit
def _to_picture(image, weight, gain, bias, head, shift, target, pixels, steep, HEIGHT: tl.constexpr,
                WIDTH: tl.constexpr, INPUTS: tl.constexpr, OUTPUTS: tl.constexpr, STRIDE: tl.constexpr,
                KIND: tl.constexpr, WIDEN: tl.constexpr, COLOURS: tl.constexpr, PIXELS: tl.constexpr,
                COLUMNS: tl.constexpr, DEEP: tl.constexpr):  # fmt: skip
    WIDE: tl.constexpr = OUTPUTS * STRIDE * STRIDE
    LINE: tl.constexpr = WIDTH * STRIDE * 3
    which, y, x, there = _places(tl.program_id(0), pixels, HEIGHT, WIDTH, PIXELS)
    begin = ((which * (HEIGHT + 2) + y) * (WIDTH + 2) + x) * INPUTS
    colour = tl.arange(0, COLOURS)
    z = tl.full((PIXELS, COLOURS), 0.0, tl.float32)
    for first in range(0, WIDE, COLUMNS):
        sums = _convolved(image, begin, weight, first, WIDTH, INPUTS, WIDE, PIXELS, COLUMNS, DEEP, WIDEN)
        column = first + tl.arange(0, COLUMNS)
        features = _activated(_scaled_back(sums, gain, bias, column, WIDE), KIND).to(head.dtype.element_ty)
        mixes = tl.load(head + column[:, None] * COLOURS + colour[None, :], mask=(column < WIDE)[:, None], other=0.0)
        z = _product(features, mixes, z, WIDEN)
    z += tl.load(shift + colour)[None, :]
    level = 255.0 / (1.0 + tl.exp(-steep * z))
    level = (level + 12582912.0) - 12582912.0  # 1.5 · 2^23: what is left is the nearest integer, a half to the even
    corner = (which * (HEIGHT * STRIDE) + y * STRIDE) * LINE + x * (STRIDE * 3)
    within = colour // (STRIDE * 3) * LINE + colour % (STRIDE * 3)
    drawn = there[:, None] & (colour < 3 * STRIDE * STRIDE)[None, :]
    tl.store(target + corner[:, None] + within[None, :], level.to(tl.uint8), mask=drawn)


class FusedBlock:
    """A block on a batch of images of one size. Fill ``inside``, then call it with where its output goes.

    weight (out · stride², in, 3, 3) and bias as PyTorch's Conv2d has them; their type is that of the images, unless
    ``peak`` is given: the largest magnitude among these; they and the weights are float8 then, what is filled in is
    multiplied by ``scale`` before. The output is the next block's ``image``, or with a head the pictures
    (B, H · stride, W · stride, 3) uint8. Nothing is allocated in a call, so it can be captured in a CUDA graph after a
    first one, which compiles and looks for the best tiles. Raises ValueError for an activation without a kernel and for
    images over 2^31 elements.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        stride: int,
        size: tuple[int, int],
        activation: str,
        batch: int,
        head: Head | None = None,
        peak: float | None = None,
    ) -> None:
        if activation not in ACTIVATIONS:
            msg = f"no kernel for the activation '{activation}'; there are: {', '.join(ACTIVATIONS)}"
            raise ValueError(msg)
        self._height, self._width = size
        self._stride, self._activation = stride, activation
        inputs, outputs = weight.shape[1], weight.shape[0] // stride**2
        self._channels = inputs, outputs
        elements = batch * (self._height + 2) * (self._width + 2) * inputs
        after = batch * (self._height * stride + 2) * (self._width * stride + 2) * (3 if head else outputs)
        if max(elements, after) >= MOST_ELEMENTS:
            found = max(elements, after)
            msg = f"a batch of {batch} is too large here: an image has {found} elements, less than 2^31 are possible"
            raise ValueError(msg)
        self.scale = 1.0 if peak is None else LARGEST / max(peak, TINY)
        shape = batch, self._height + 2, self._width + 2, inputs
        self.image = weight.new_zeros(shape, dtype=weight.dtype if peak is None else EIGHT_BITS)
        self.inside = self.image[:, 1:-1, 1:-1]
        self._pixels = batch * self._height * self._width
        # (out, row, column, in, 3, 3) → (row, column, out, 3, 3, in), row and column of the sub-pixel
        parts = weight.reshape(outputs, stride, stride, inputs, 3, 3)
        columns = parts.permute(1, 2, 0, 4, 5, 3).reshape(-1, 9 * inputs)
        step = torch.ones(len(columns), 1, device=weight.device)
        if peak is not None:
            step = (columns.float().abs().amax(1, keepdim=True) / LARGEST).clamp(min=TINY)
        self._weight = (columns / step).to(self.image.dtype).contiguous()
        self._gain = (step / self.scale).reshape(-1)
        self._bias = bias.float().reshape(outputs, stride, stride).permute(1, 2, 0).reshape(-1).contiguous()
        self._head = self._mixes(head, weight) if head else None

    def _mixes(self, head: Head, like: Tensor) -> tuple[Tensor, Tensor, float]:
        """The head for all sub-pixels at once: a matrix of blocks (sub-pixels · channels, colours), and its bias."""
        outputs, parts = self._channels[1], self._stride**2
        colours = max(16, triton.next_power_of_2(3 * parts))
        mixes = torch.zeros(parts, outputs, colours)
        shift = torch.zeros(colours)
        for part in range(parts):
            mixes[part, :, 3 * part : 3 * part + 3] = torch.from_numpy(head.weight).T
            shift[3 * part : 3 * part + 3] = torch.from_numpy(head.bias)
        return mixes.reshape(-1, colours).to(like), shift.to(like.device), head.steep

    def __call__(self, target: Tensor, scale: float = 1.0) -> None:
        """Enqueue it on the current stream. A float8 target gets what comes out times ``scale``."""
        inputs, outputs = self._channels
        shape = (self._height, self._width, inputs, outputs, self._stride, self._activation, INTERPRETED)
        inside = (self.image, self._weight, self._gain, self._bias)
        if self._head:
            head, shift, steep = self._head
            pictures = (*inside, head, shift, target, self._pixels, steep)
            _to_picture[self._pictures_grid](*pictures, *shape, head.shape[1])
        else:
            _to_image[self._images_grid](*inside, target, self._pixels, scale, *shape)

    def _pictures_grid(self, tiles: dict[str, int]) -> tuple[int]:
        return (triton.cdiv(self._pixels, tiles["PIXELS"]),)

    def _images_grid(self, tiles: dict[str, int]) -> tuple[int]:
        return (triton.cdiv(self._pixels, tiles["PIXELS"]) * triton.cdiv(self._weight.shape[0], tiles["COLUMNS"]),)
