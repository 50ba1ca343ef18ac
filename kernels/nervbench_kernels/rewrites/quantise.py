"""Convolutions in int8: their inputs and weights are rounded, and the runtime multiplies integers.

Weights get a scale an output channel, inputs one for all. An input is unsigned with a zero point, for what comes out of
an activation is mostly on one side of zero; it is rounded before the shuffle that it passes through, which then moves
bytes. What a convolution gives stays float32: it is rounded once, when it enters the next one.

A convolution whose input has a zero point takes OpenVINO twice as long as one without. So the zero point is taken out
of the product: with ``x = s · (q - z)``, ``w * x + b = w * (s · q) + (b - s · z · sum(w))``, exactly, where the border
is padded with ``z`` instead of 0.

TensorRT takes neither unsigned bytes nor a zero point. For it the middle of the range is subtracted while the input is
still float, right where the convolution reads it; signed bytes then are as fine as unsigned ones with a zero point
(without that, half of them would go unused and the error be 6 dB larger).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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
    source,
)

Range = tuple[float, float]
INT8 = "convolutions in int8"
LEVELS = 255
WEIGHT_LEVELS = 127
SIGNED = 128
"""What an unsigned byte is more than the signed one."""


def in_int8(ranges: Sequence[Range | None], *, signed: bool = False) -> Rule:
    """The rule for a graph whose convolutions, in order, have inputs in these ranges; None leaves one as it is.

    Convolutions behind the last of the ranges stay as they are too. ``signed`` is as TensorRT wants it.
    """
    rounded = _signed_input if signed else _input

    def apply(graph: ir.Graph) -> int:
        found = nodes_of(graph, "Conv")
        if len(found) < len(ranges):
            msg = f"the graph has {len(found)} convolutions, ranges are given for {len(ranges)}"
            raise Refusal(msg)
        chosen = [(node, span) for node, span in zip(found, ranges, strict=False) if span]
        for node, _ in chosen:
            if constant(node.inputs[1]) is None:
                msg = f"the weight of {node.name} is no constant"
                raise Refusal(msg)
        for node, span in chosen:
            _weight(graph, node, *rounded(graph, node, span))
        return len(chosen)

    return Rule(INT8, apply)


def _input(graph: ir.Graph, node: ir.Node, span: Range) -> tuple[float, int]:
    """Round what enters a convolution, pad it, and scale it back without its zero point; the scale and zero point."""
    entering = source(node)
    maker = entering.producer()
    assert maker
    shuffle = maker if maker.op_type == "DepthToSpace" and only_reader(entering, "Conv") is node else None
    value = source(shuffle) if shuffle else entering
    after = value.producer()
    assert after
    scale, zero = scale_of(span)
    steps = [
        add_constant(graph, f"{value.name}.scale", np.array(scale, np.float32)),
        add_constant(graph, f"{value.name}.zero", np.array(zero, np.uint8)),
    ]
    bytes_ = add_node(graph, after, "QuantizeLinear", [value, *steps]).outputs[0]
    if shuffle:
        shuffle.replace_input_with(0, bytes_)
        entering.type = ir.TensorType(ir.DataType.UINT8)
        bytes_ = entering
    padded = _padded(graph, node, bytes_, steps[1])
    scaled = ir.node("DequantizeLinear", [padded, steps[0]])
    graph.insert_before(node, scaled)
    node.replace_input_with(0, scaled.outputs[0])
    return scale, zero


def _signed_input(graph: ir.Graph, node: ir.Node, span: Range) -> tuple[float, int]:
    """Pad what enters a convolution, shift it, round it to signed bytes and back; the scale and what became of 0."""
    weight = constant(node.inputs[1])
    assert weight is not None
    scale, zero = scale_of(span)
    scale, zero = float(weight.dtype.type(scale)), zero - SIGNED
    filler, shift, step, none = (
        add_constant(graph, f"{node.name}.{name}", array)
        for name, array in (
            ("filler", np.array(0, weight.dtype)),
            ("shift", np.array(scale * zero, weight.dtype)),
            ("scale", np.array(scale, weight.dtype)),
            ("zero", np.array(0, np.int8)),
        )
    )
    padded = _padded(graph, node, source(node), filler)
    shifted = ir.node("Add", [padded, shift])
    rounded = ir.node("QuantizeLinear", [shifted.outputs[0], step, none])
    scaled = ir.node("DequantizeLinear", [rounded.outputs[0], step, none])
    for made in (shifted, rounded, scaled):
        graph.insert_before(node, made)
    node.replace_input_with(0, scaled.outputs[0])
    return scale, zero


def _padded(graph: ir.Graph, node: ir.Node, value: ir.Value, filler: ir.Value) -> ir.Value:
    """The input of a convolution with the border that the convolution would have put around it."""
    top, left, bottom, right = attribute(node, "pads", [0, 0, 0, 0])
    if not any((top, left, bottom, right)):
        return value
    border = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
    made = ir.node("Pad", [value, add_constant(graph, f"{value.name}.border", border), filler], {"mode": "constant"})
    graph.insert_before(node, made)
    node.attributes["pads"] = ir.AttrInt64s("pads", [0, 0, 0, 0])
    return made.outputs[0]


def _weight(graph: ir.Graph, node: ir.Node, scale: float, zero: int) -> None:
    """Keep the weight of a convolution as int8 and take the zero point of its input into its bias."""
    value, array = node.inputs[1], constant(node.inputs[1])
    assert value is not None
    assert array is not None
    largest = np.abs(array).reshape(len(array), -1).max(axis=1)
    scales = np.where(largest > 0, largest / WEIGHT_LEVELS, 1).astype(array.dtype)
    rounded = np.round(array / scales[:, None, None, None]).clip(-WEIGHT_LEVELS, WEIGHT_LEVELS).astype(np.int8)
    inputs = [
        add_constant(graph, f"{value.name}.int8", rounded),
        add_constant(graph, f"{value.name}.scale", scales),
        add_constant(graph, f"{value.name}.zero", np.zeros(len(array), np.int8)),
    ]
    made = ir.node("DequantizeLinear", inputs, {"axis": 0})
    graph.insert_before(node, made)
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    sums = rounded.reshape(len(array), -1).sum(axis=1, dtype=np.int64) * scales
    shifted = ((0.0 if bias is None else bias) - scale * zero * sums).astype(array.dtype)
    node.resize_inputs(3)
    node.replace_input_with(1, made.outputs[0])
    node.replace_input_with(2, add_constant(graph, f"{value.name}.bias", shifted))


def scale_of(span: Range) -> tuple[float, int]:
    """Scale and zero point of uint8 for a range, widened so that zero is in it and exact.

    >>> scale_of((-64.0, 191.0))
    (1.0, 64)
    """
    low, high = min(span[0], 0.0), max(span[1], 0.0)
    scale = (high - low) / LEVELS or 1.0
    return scale, round(-low / scale)
