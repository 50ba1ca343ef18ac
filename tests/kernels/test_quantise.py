"""Convolutions in int8: what the graph computes is what rounded inputs and weights give in float, borders included."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from nervbench_kernels.rewrites.graph import rewrite
from nervbench_kernels.rewrites.quantise import in_int8, scale_of

SHAPE = (1, 8, 5, 7)
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(0, 1, SHAPE).astype(np.float32)


def graph_of(
    weight: np.ndarray[Any, Any], bias: np.ndarray[Any, Any] | None, pads: list[int], shuffle: bool
) -> onnx.ModelProto:
    """x → Identity → (pixel shuffle) → convolution → y."""
    arrays = {"w": weight} | ({} if bias is None else {"b": bias})
    nodes = [helper.make_node("Identity", ["x"], ["a"])]
    if shuffle:
        nodes.append(helper.make_node("DepthToSpace", ["a"], ["s"], blocksize=2, mode="CRD"))
    nodes.append(helper.make_node("Conv", ["s" if shuffle else "a", *arrays], ["y"], pads=pads))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def rounded(values: np.ndarray[Any, Any], scale: float, zero: int) -> np.ndarray[Any, Any]:
    """Values as uint8 of this scale and zero point would give them back."""
    return ((np.clip(np.round(values / scale) + zero, 0, 255) - zero) * scale).astype(np.float32)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("span", [(-0.5, 2.0), (0.0, 3.0), (-3.0, -1.0)])
@pytest.mark.parametrize(("pads", "has_bias"), [([1, 1, 1, 1], True), ([0, 1, 2, 0], False), ([0, 0, 0, 0], True)])
def test_what_is_computed(
    signed: bool, shuffle: bool, span: tuple[float, float], pads: list[int], has_bias: bool
) -> None:
    """The same as a convolution of rounded inputs, padded with zeros, with rounded weights; a channel may be zero."""
    channels = 2 if shuffle else 8
    weight = RANDOM.normal(0, 1, (4, channels, 3, 3)).astype(np.float32)
    weight[1] = 0
    bias = RANDOM.normal(0, 1, 4).astype(np.float32) if has_bias else None
    model, (outcome,) = rewrite(graph_of(weight, bias, pads, shuffle), [in_int8([span], signed=signed)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": X})

    scale, zero = scale_of(span)
    entering = torch.from_numpy(rounded(X, scale, zero))
    if shuffle:
        entering = torch.nn.functional.pixel_shuffle(entering, 2)
    top, left, bottom, right = pads
    entering = torch.nn.functional.pad(entering, (left, right, top, bottom))
    steps = np.abs(weight).max(axis=(1, 2, 3), keepdims=True) / 127
    steps[1] = 1
    kept = torch.from_numpy((np.round(weight / steps) * steps).astype(np.float32))
    expected = torch.nn.functional.conv2d(entering, kept, None if bias is None else torch.from_numpy(bias))

    assert str(outcome) == "convolutions in int8: applied in 1 place"
    assert found == pytest.approx(expected.numpy(), abs=2e-5)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("DequantizeLinear") == 2
    if shuffle:
        assert (kinds.index("QuantizeLinear") < kinds.index("DepthToSpace")) == (not signed)
    types = {array.data_type for array in model.graph.initializer}
    assert TensorProto.INT8 in types
    assert (TensorProto.UINT8 in types) == (not signed)


def test_left_in_float() -> None:
    """A convolution without a range stays as it is."""
    plain = graph_of(np.ones((1, 8, 1, 1), np.float32), None, [0, 0, 0, 0], False)
    model, (outcome,) = rewrite(plain, [in_int8([None])])

    assert [node.op_type for node in model.graph.node] == ["Identity", "Conv"]
    assert "not applied" in str(outcome)


def test_refusals() -> None:
    """More ranges than convolutions, or a weight that is computed: the graph stays as it is, and the reason is said."""
    plain = graph_of(np.ones((1, 8, 1, 1), np.float32), None, [0, 0, 0, 0], False)
    _, (few,) = rewrite(plain, [in_int8([(0, 1), (0, 1)])])
    computed = onnx.ModelProto()
    computed.CopyFrom(plain)
    computed.graph.initializer[0].name = "v"
    computed.graph.node.insert(0, helper.make_node("Neg", ["v"], ["w"]))
    model, (odd,) = rewrite(computed, [in_int8([(0, 1)])])

    assert "the graph has 1 convolutions, ranges are given for 2" in str(few)
    assert "is no constant" in str(odd)
    assert [node.op_type for node in model.graph.node] == ["Neg", "Identity", "Conv"]
