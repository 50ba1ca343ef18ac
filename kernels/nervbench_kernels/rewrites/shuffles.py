"""Elementwise operators and pixel shuffles commute: a shuffle moves numbers about, whatever they are.

So activations can go before the shuffle, next to the convolution that a runtime may fuse them into; and what ends a
decoder (tanh, scale, round, cast) before the last shuffle and the transpose to NHWC, which then move bytes instead of
floats. The transpose goes first: then the shuffle moves runs of bytes, the r pixels of a line that were one.
"""

from __future__ import annotations

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
    pass_on,
    source,
)

_CURVES = "Celu Clip Elu Gelu HardSigmoid HardSwish LeakyRelu Mish Relu Selu Sigmoid Softplus Softsign Swish Tanh"
_ARITHMETIC = "Abs Add Cast Ceil Div Erf Exp Floor Greater Less Log Max Min Mul Neg Pow Round Sqrt Sub Where"
ELEMENTWISE = frozenset((*_CURVES.split(), *_ARITHMETIC.split()))
TO_NHWC = [0, 2, 3, 1]


def elementwise_after(start: ir.Value) -> tuple[list[ir.Node], ir.Value | None]:
    """The elementwise operators that ``start`` and single numbers alone feed: (they, the one value that leaves them).

    The value is None where there is no such operator or where more than one value leaves them, ``start`` included.
    """
    makers: dict[ir.Value, ir.Node] = {}
    waiting = [start]
    while waiting:
        for node in waiting.pop().consumers():
            if node.outputs[0] not in makers and _is_elementwise(node, {start, *makers}):
                makers[node.outputs[0]] = node
                waiting.append(node.outputs[0])
    inside = set(makers.values())
    values = (start, *makers)
    leaving = [value for value in values if value.is_graph_output() or not inside.issuperset(value.consumers())]
    return list(inside), leaving[0] if len(leaving) == 1 and leaving[0] is not start else None


def _is_elementwise(node: ir.Node, inside: set[ir.Value]) -> bool:
    """Whether a node treats all elements alike: its other inputs are constants of one element."""
    if node.domain != "" or node.op_type not in ELEMENTWISE:
        return False
    others = [constant(value) for value in node.inputs if value is not None and value not in inside]
    return all(array is not None and array.size == 1 and array.ndim <= 1 for array in others)


def _sink(graph: ir.Graph, *kinds: str) -> int:
    """Move shuffles or transposes behind the elementwise operators that follow them, the last ones first."""
    moved = sum(_sunk(graph, node) for node in reversed(nodes_of(graph, *kinds)))
    if not moved:
        msg = f"no {' or '.join(kinds)} is followed by elementwise operators alone"
        raise Refusal(msg)
    return moved


def _sunk(graph: ir.Graph, node: ir.Node) -> bool:
    """Move one, if elementwise operators follow it."""
    region, end = elementwise_after(node.outputs[0])
    last = end.producer() if end else None
    if end is None or last is None:
        return False
    moved = add_node(graph, last, node.op_type, [source(node)], **node.attributes)
    pass_on(end, moved.outputs[0])
    moved.replace_input_with(0, end)
    node.outputs[0].replace_all_uses_with(source(node))
    graph.remove(node, safe=True)
    for inner in region:
        inner.outputs[0].shape = None  # inferred again at the end
    return True


def _drop(graph: ir.Graph) -> int:
    """Take out shuffles by one, which move nothing."""
    found = [node for node in nodes_of(graph, "DepthToSpace") if attribute(node, "blocksize", 0) == 1]
    found = [node for node in found if not node.outputs[0].is_graph_output()]
    for node in found:
        node.outputs[0].replace_all_uses_with(source(node))
        graph.remove(node, safe=True)
    if not found:
        msg = "every DepthToSpace has a block size above 1"
        raise Refusal(msg)
    return len(found)


def _transpose_first(graph: ir.Graph) -> int:
    """Shuffle, then transpose to NHWC → transpose, then move whole runs of r · C numbers.

    (B, r·r·C, H, W) → (B, H, W, r·r·C) = (B·H, W, r, r·C) → (B·H, r, W, r·C) = (B, H·r, W·r, C).
    """
    shuffle, transpose = _shuffle_and_transpose(graph)
    shape = transpose.outputs[0].shape
    sizes = [size for size in shape[1:] if isinstance(size, int)] if shape else []
    if len(sizes) != 3:
        msg = "the size of the picture is not known"
        raise Refusal(msg)
    r = attribute(shuffle, "blocksize", 0)
    height, width, channels = sizes
    rows = add_constant(graph, "rows", np.array([-1, width // r, r, r * channels], np.int64))
    picture = add_constant(graph, "picture", np.array([-1, height, width, channels], np.int64))
    pixels = add_node(graph, transpose, "Transpose", [source(shuffle)], perm=TO_NHWC)
    split = add_node(graph, pixels, "Reshape", [pixels.outputs[0], rows])
    lines = add_node(graph, split, "Transpose", split.outputs, perm=[0, 2, 1, 3])
    joined = add_node(graph, lines, "Reshape", [lines.outputs[0], picture])
    pass_on(transpose.outputs[0], joined.outputs[0])
    graph.remove([transpose, shuffle], safe=True)
    return 1


def _shuffle_and_transpose(graph: ir.Graph) -> tuple[ir.Node, ir.Node]:
    """A shuffle that keeps the channels of a pixel together, and the transpose to NHWC behind it. Raises Refusal."""
    for shuffle in nodes_of(graph, "DepthToSpace"):
        transpose = only_reader(shuffle.outputs[0], "Transpose")
        if transpose and list(attribute(transpose, "perm", [])) == TO_NHWC:
            if attribute(shuffle, "mode", "DCR") == "DCR":
                return shuffle, transpose
            msg = "the shuffle before the transpose to NHWC takes the channels of a pixel from far apart (mode CRD)"
            raise Refusal(msg)
    msg = "no DepthToSpace is followed by a transpose to NHWC"
    raise Refusal(msg)


NO_SHUFFLE_BY_ONE = Rule("no shuffle by one", _drop)
ACTIVATION_FIRST = Rule("activation before the shuffle", lambda graph: _sink(graph, "DepthToSpace"))
BYTES_MOVED = Rule("bytes are shuffled, not floats", lambda graph: _sink(graph, "DepthToSpace", "Transpose"))
TRANSPOSE_FIRST = Rule("transpose before the shuffle", _transpose_first)
