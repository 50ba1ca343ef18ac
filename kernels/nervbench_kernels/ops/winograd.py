"""Conv2d 3×3 → PixelShuffle → activation (→ head → uint8) on a CPU, by Winograd's F(4×4, 3×3).

Direct convolution multiplies 9 times an output and input channel, F(4×4, 3×3) 36 / 16 = 2.25 times (Lavin and Gray,
Fast Algorithms for Convolutional Neural Networks, CVPR 2016, arXiv 1509.09308): a patch of 6×6 inputs and the kernel
are transformed to 36 points each, multiplied point by point, and transformed back to 4×4 outputs. Summed over channels
the multiplications are 36 matrix products, left to PyTorch. What lies before and after them is compiled here by Numba:

    patches ─(transform)─► V (36, tiles, C) ─(36 products with U)─► M (36, tiles, O) ─(transform, bias, activation)─► …

A strip of tiles at a time stays in the cache of its core, one thread a strip. Each sub-pixel of the shuffle has its
own U, so that its outputs go straight to their shuffled places; the last block ends in bytes of the picture, and the
widest tensor of the network (96 × 1280 × 720 for NeRV-S, 354 MB) never exists.

Images are (height, width, channels), float32, kept inside a border: see :func:`padded`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from nervbench_kernels.ops.scalar import ACTIVATIONS, F32, sigmoid

Array = npt.NDArray[np.float32]
Kernel = Callable[..., None]
Row = tuple[F32, ...]

TILE = 4
PATCH = TILE + 2
POINTS = PATCH * PATCH
_AREA = TILE * TILE

KERNEL_TRANSFORM = np.array(
    [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6],
     [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]
)  # fmt: skip
"""G of the paper, for the points 0, 1, −1, 2, −2 and ∞: (6, 3)."""

_kernel = njit(nogil=True, error_model="numpy", fastmath={"nnan", "ninf", "nsz", "contract"})
_inline = njit(forceinline=True, error_model="numpy")


@njit(error_model="numpy", fastmath=True)
def _dot(a: Array, b: Array) -> F32:
    """The inner product, in an order that LLVM chooses: the exponential, apart from here, depends on its own."""
    total = F32(0)
    for c in range(a.size):
        total += a[c] * b[c]
    return total


def tiles_across(length: int) -> int:
    """How many tiles cover ``length`` pixels."""
    return -(-length // TILE)


def padded(height: int, width: int, channels: int) -> Array:
    """Zeros for an image of that size inside its border: one pixel all round, and what fills the last tiles.

    The image is ``[1 : 1 + height, 1 : 1 + width]``; the border must stay zero.
    """
    return np.zeros((TILE * tiles_across(height) + 2, TILE * tiles_across(width) + 2, channels), np.float32)


def transformed(weight: Array, bias: Array, stride: int) -> tuple[Array, Array]:
    """Weights of a block as its matrix products want them.

    weight (out · stride², in, 3, 3) and bias (out · stride²), as PyTorch's Conv2d before PixelShuffle(stride) has
    them → U (stride², 36, in, out) and bias (stride², out), float32; computed in float64.
    """
    outputs, inputs = weight.shape[0] // stride**2, weight.shape[1]
    parts = weight.astype(np.float64).reshape(outputs, stride**2, inputs, 3, 3)
    points = np.einsum("ia,oqcab,jb->qijco", KERNEL_TRANSFORM, parts, KERNEL_TRANSFORM, optimize=True)
    u = points.reshape(stride**2, POINTS, inputs, outputs).astype(np.float32)
    return np.ascontiguousarray(u), np.ascontiguousarray(bias.reshape(outputs, stride**2).T, np.float32)


@_inline
def _to_points(a: F32, b: F32, c: F32, d: F32, e: F32, f: F32) -> Row:
    """Six inputs of a row to six points: Bᵀ of the paper."""
    even, odd = e - F32(4) * c, d - F32(4) * b
    half_even, half_odd = e - c, F32(2) * (d - b)
    return (
        F32(4) * a - F32(5) * c + e,
        even + odd,
        even - odd,
        half_even + half_odd,
        half_even - half_odd,
        F32(4) * b - F32(5) * d + f,
    )


@_inline
def _from_points(a: F32, b: F32, c: F32, d: F32, e: F32, f: F32) -> Row:
    """Six points of a row to four outputs: Aᵀ of the paper."""
    ones, minus_ones = b + c, b - c
    twos, minus_twos = d + e, d - e
    return a + ones + twos, minus_ones + F32(2) * minus_twos, ones + F32(4) * twos, minus_ones + F32(8) * minus_twos + f


@cache
def patches_to_points(tiles: int, channels: int) -> Kernel:
    """The kernel before the products: (image, across, first, count, v).

    Transforms the patches of the tiles first, …, first + count − 1 (row by row, ``across`` a row) of a padded image
    into v (36 · tiles · channels). ``tiles`` and ``channels`` are compiled in: with known distances between the 36
    points LLVM can tell that they do not overlap, and vectorises over the channels.
    """
    step = tiles * channels

    @_inline
    def row(line: Array, c: int) -> Row:
        """The points of six neighbours of one row."""
        return _to_points(
            line[c],
            line[c + channels],
            line[c + 2 * channels],
            line[c + 3 * channels],
            line[c + 4 * channels],
            line[c + 5 * channels],
        )

    @_inline
    def column(v: Array, c: int, p: Row) -> None:
        """Write the six points of one column."""
        v[c] = p[0]
        v[c + PATCH * step] = p[1]
        v[c + 2 * PATCH * step] = p[2]
        v[c + 3 * PATCH * step] = p[3]
        v[c + 4 * PATCH * step] = p[4]
        v[c + 5 * PATCH * step] = p[5]

    @_kernel
    def kernel(image: Array, across: int, first: int, count: int, v: Array) -> None:
        line = image.shape[1] * channels
        flat = image.reshape(-1)
        for tile in range(count):
            y, x = divmod(first + tile, across)
            # Slices, so that indices into them are seen to be positive: Numba lets negative ones wrap, which costs the
            # vectorisation.
            r0 = flat[TILE * (y * line + x * channels) :]
            r1, r2, r3, r4, r5 = r0[line:], r0[2 * line :], r0[3 * line :], r0[4 * line :], r0[5 * line :]
            to = v[tile * channels :]
            for c in range(channels):
                a, b, d = row(r0, c), row(r1, c), row(r2, c)
                e, f, g = row(r3, c), row(r4, c), row(r5, c)
                column(to, c, _to_points(a[0], b[0], d[0], e[0], f[0], g[0]))
                column(to, c + step, _to_points(a[1], b[1], d[1], e[1], f[1], g[1]))
                column(to, c + 2 * step, _to_points(a[2], b[2], d[2], e[2], f[2], g[2]))
                column(to, c + 3 * step, _to_points(a[3], b[3], d[3], e[3], f[3], g[3]))
                column(to, c + 4 * step, _to_points(a[4], b[4], d[4], e[4], f[4], g[4]))
                column(to, c + 5 * step, _to_points(a[5], b[5], d[5], e[5], f[5], g[5]))

    return kernel


def _outputs(tiles: int, channels: int, activation: str) -> Kernel:
    """The part that both kernels after the products begin with: (m from a tile on, bias, out (16 · channels))."""
    step = tiles * channels
    activate: Any = ACTIVATIONS[activation]

    @_inline
    def column(m: Array, at: int) -> Row:
        """The four outputs of one column of the points."""
        return _from_points(
            m[at],
            m[at + PATCH * step],
            m[at + 2 * PATCH * step],
            m[at + 3 * PATCH * step],
            m[at + 4 * PATCH * step],
            m[at + 5 * PATCH * step],
        )

    @_inline
    def row(out: Array, at: int, bias: F32, y: Row) -> None:
        """Write the four outputs of one row."""
        out[at] = y[0] + bias
        out[at + channels] = y[1] + bias
        out[at + 2 * channels] = y[2] + bias
        out[at + 3 * channels] = y[3] + bias

    @_inline
    def outputs(m: Array, bias: Array, out: Array) -> None:
        for c in range(channels):
            a, b, d = column(m, c), column(m, c + step), column(m, c + 2 * step)
            e, f, g = column(m, c + 3 * step), column(m, c + 4 * step), column(m, c + 5 * step)
            row(out, c, bias[c], _from_points(a[0], b[0], d[0], e[0], f[0], g[0]))
            row(out, c + TILE * channels, bias[c], _from_points(a[1], b[1], d[1], e[1], f[1], g[1]))
            row(out, c + 2 * TILE * channels, bias[c], _from_points(a[2], b[2], d[2], e[2], f[2], g[2]))
            row(out, c + 3 * TILE * channels, bias[c], _from_points(a[3], b[3], d[3], e[3], f[3], g[3]))
        # A loop of its own: in the one above LLVM does not vectorise an exponential.
        for k in range(_AREA * channels):
            out[k] = activate(out[k])

    return outputs


@cache
def points_to_image(tiles: int, channels: int, activation: str) -> Kernel:
    """The kernel after the products of an inner block: (m, bias, across, first, count, stride, sub_y, sub_x, image).

    ``image`` is the padded input of the next block; this sub-pixel of every output pixel of the strip is written.
    """
    outputs = _outputs(tiles, channels, activation)

    @_kernel
    def kernel(
        m: Array, bias: Array, across: int, first: int, count: int, height: int, width: int, stride: int, sub_y: int,
        sub_x: int, image: Array,
    ) -> None:  # fmt: skip
        out = np.empty(_AREA * channels, F32)
        for tile in range(count):
            outputs(m[tile * channels :], bias, out)
            tile_y, tile_x = divmod(first + tile, across)
            for i in range(TILE):
                y = TILE * tile_y + i
                if y >= height:
                    break
                for j in range(TILE):
                    x = TILE * tile_x + j
                    if x >= width:
                        break
                    at = (i * TILE + j) * channels
                    pixel = image[1 + y * stride + sub_y, 1 + x * stride + sub_x]
                    for c in range(channels):
                        pixel[c] = out[at + c]

    return kernel


@cache
def points_to_picture(tiles: int, channels: int, activation: str) -> Kernel:
    """The kernel after the products of the last block, with the 1×1 head to RGB and the last step of every decoder.

    Arguments as for :func:`points_to_image`, then head (3, channels), head_bias (3), steep (2 for tanh, 1 for
    sigmoid: (tanh z + 1) / 2 is sigmoid(2 z)) and the picture (H, W, 3) uint8, rounded to nearest.
    """
    outputs = _outputs(tiles, channels, activation)

    @_kernel
    def kernel(
        m: Array, bias: Array, across: int, first: int, count: int, height: int, width: int, stride: int, sub_y: int,
        sub_x: int, picture: npt.NDArray[np.uint8], head: Array, head_bias: Array, steep: F32,
    ) -> None:  # fmt: skip
        out = np.empty(_AREA * channels, F32)
        levels = np.empty(_AREA * 3, F32)
        for tile in range(count):
            outputs(m[tile * channels :], bias, out)
            for pixel in range(_AREA):
                features = out[pixel * channels : (pixel + 1) * channels]
                for colour in range(3):
                    levels[pixel * 3 + colour] = _dot(head[colour], features) + head_bias[colour]
            for k in range(_AREA * 3):
                levels[k] = np.rint(F32(255) * sigmoid(steep * levels[k]))
            tile_y, tile_x = divmod(first + tile, across)
            for i in range(min(TILE, height - TILE * tile_y)):
                for j in range(min(TILE, width - TILE * tile_x)):
                    y, x = (TILE * tile_y + i) * stride + sub_y, (TILE * tile_x + j) * stride + sub_x
                    for k in range(3):
                        picture[y, x, k] = np.uint8(levels[(i * TILE + j) * 3 + k])

    return kernel
