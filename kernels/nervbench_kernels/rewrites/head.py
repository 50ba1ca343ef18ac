"""The 1×1 head folded through the last pixel shuffle.

The head mixes the channels of one pixel, so it may as well do so before the shuffle, for r² pixels at a time: where the
shuffle moved C · r² channels it then moves 3 · r². It is written as one convolution over all C · r² channels, whose
weights are zero between different sub-pixels. That multiplies r² times as often as the head did, which for r = 2 is 1 %
of what the 3×3 convolution before it does. A convolution of r² groups would not multiply more often, but leaves the
blocked layout in which runtimes keep channels; measured on two threads it was never faster beyond the noise, at r of 2,
3 or 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnxscript import ir

from nervbench_kernels.rewrites.graph import (
    Refusal,
    Rule,
    add_constant,
    add_node,
    attribute,
    constant,
    nodes_of,
    only_reader,
    pass_on,
    source,
)

Array = npt.NDArray[Any]


def _fold(graph: ir.Graph) -> int:
    """Put the head before the last shuffle; its outputs are ordered by sub-pixel first."""
    shuffle = nodes_of(graph, "DepthToSpace")[-1]
    head, weight, bias = _head_behind(shuffle)
    r = attribute(shuffle, "blocksize", 0)
    dense = block_diagonal(weight, r * r, by_channel=attribute(shuffle, "mode", "DCR") == "CRD")
    inputs = [source(shuffle), add_constant(graph, "head.weight", dense[:, :, None, None])]
    if bias is not None:
        inputs.append(add_constant(graph, "head.bias", np.tile(bias, r * r)))
    low = add_node(graph, head, "Conv", inputs, kernel_shape=[1, 1])
    pass_on(head.outputs[0], add_node(graph, low, "DepthToSpace", low.outputs, blocksize=r, mode="DCR").outputs[0])
    graph.remove([head, shuffle], safe=True)
    return 1


def _head_behind(shuffle: ir.Node) -> tuple[ir.Node, Array, Array | None]:
    """The 1×1 convolution that alone reads a shuffle: (it, weight (out, C), bias (out) or None). Raises Refusal."""
    head = only_reader(shuffle.outputs[0], "Conv")
    arrays = [constant(value) for value in head.inputs[1:]] if head else []
    weight = arrays[0] if arrays else None
    if head is None or weight is None or not _mixes_channels_only(head, weight):
        msg = "the last shuffle is not followed by a 1×1 convolution"
        raise Refusal(msg)
    if any(array is None for array in arrays):
        msg = "the bias of the 1×1 convolution is no constant"
        raise Refusal(msg)
    return head, weight[:, :, 0, 0], arrays[1] if len(arrays) > 1 else None


def _mixes_channels_only(head: ir.Node, weight: Array) -> bool:
    """Whether a convolution is a plain 1×1: no groups, no strides, no padding."""
    plain = attribute(head, "group", 1) == 1 and not any(attribute(head, "pads", [0]))
    return plain and weight.shape[2:] == (1, 1) and set(attribute(head, "strides", [1])) == {1}


def block_diagonal(weight: Array, parts: int, *, by_channel: bool) -> Array:
    """A weight (out, C) for each of several parts at a time: (parts · out, parts · C), zero between different parts.

    The inputs are ordered by part first; ``by_channel``, as PyTorch's PixelShuffle has them, by channel first.
    """
    outputs, channels = weight.shape
    whole = np.zeros((parts, outputs, parts, channels), weight.dtype)
    for part in range(parts):
        whole[part, :, part] = weight
    return (whole.swapaxes(2, 3) if by_channel else whole).reshape(parts * outputs, parts * channels)


HEAD_FIRST = Rule("head before the shuffle", _fold)
