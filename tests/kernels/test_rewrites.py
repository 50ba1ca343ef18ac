"""A rewritten graph computes what the plain one does, and a rule that does not apply says why and changes nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxscript import ir

from nervbench.export.base import write
from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.network import FrameDecoder
from nervbench.model.spec import NervSpec
from nervbench_kernels.rewrites.graph import Outcome, Rule, rewrite
from nervbench_kernels.rewrites.head import HEAD_FIRST
from nervbench_kernels.rewrites.shuffles import ACTIVATION_FIRST, BYTES_MOVED, NO_SHUFFLE_BY_ONE, TRANSPOSE_FIRST

RULES = (NO_SHUFFLE_BY_ONE, ACTIVATION_FIRST, HEAD_FIRST, BYTES_MOVED, TRANSPOSE_FIRST)
SPEC = NervSpec(fc_dim=6, strides=(2, 2), stem_widths=(16,), lower_width=8, fc_height=3, fc_width=5)
SPECS = {
    SPEC: (0, 2, 1, 2, 1),
    # A shuffle by one in the middle: once it is out, the activation behind it stands at its convolution anyway.
    dataclasses.replace(SPEC, strides=(2, 1, 3), activation="softplus", output="sigmoid"): (1, 2, 1, 2, 1),
    # The head follows a 3×3 convolution whose shuffle is by one, and has none to go before.
    dataclasses.replace(SPEC, strides=(5,), blocks_per_stage=2, activation="leaky01"): (1, 1, 0, 1, 0),
}
RANDOM = np.random.default_rng(0)
CHANNELS = 4
Step = tuple[str, list[Any], dict[str, Any]]


def run(model: onnx.ModelProto, given: Any) -> Any:
    """The output of a graph with one input and one output, on ONNX Runtime."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: given})[0]


def chain(*steps: Step, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """x (B, 2, 3, 5) → one operator after the other, each with its constants and attributes → y."""
    nodes, arrays, value = [], [], "x"
    for index, (operator, constants, attributes) in enumerate(steps):
        names = [f"c{index}_{place}" for place in range(len(constants))]
        arrays += [
            numpy_helper.from_array(np.asarray(array), name) for name, array in zip(names, constants, strict=True)
        ]
        output = "y" if index == len(steps) - 1 else f"v{index}"
        nodes.append(helper.make_node(operator, [value, *names], [output], **attributes))
        value = output
    x, y = (
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", 2, 3, 5]),
        helper.make_empty_tensor_value_info("y"),
    )
    y.type.tensor_type.elem_type = kind
    graph = helper.make_graph(nodes, "g", [x], [y], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 24)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)


def normal(*shape: int) -> Any:
    """Float32 numbers of about unit power once summed over what a convolution sums."""
    return (RANDOM.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def wide(r: int) -> Step:
    """A 3×3 convolution to what a shuffle by r takes."""
    outputs = CHANNELS * r * r
    return "Conv", [normal(outputs, 2, 3, 3), RANDOM.normal(size=outputs).astype(np.float32)], {"pads": [1, 1, 1, 1]}


def shuffle(r: int, mode: str = "CRD") -> Step:
    """A pixel shuffle."""
    return "DepthToSpace", [], {"blocksize": r, "mode": mode}


def head(**attributes: Any) -> Step:
    """A 1×1 convolution to three channels."""
    return "Conv", [normal(3, CHANNELS, 1, 1), normal(3)], attributes


def step(operator: str, *constants: Any, **attributes: Any) -> Step:
    """Another operator."""
    return operator, [np.float32(constant) for constant in constants], attributes


TO_NHWC = step("Transpose", perm=[0, 2, 3, 1])
TO_BYTES = step("Cast", to=TensorProto.UINT8)


def seeded(spec: NervSpec) -> Checkpoint:
    """Seeded weights with biases that are not zero, except where the activation is swish: a seeded model has none."""
    source = checkpoint.seeded(spec, 0)
    torch.manual_seed(0)
    extra = 0.0 if spec.activation == "swish" else 0.2
    tensors = {
        name: tensor + extra * torch.randn(tensor.shape) if name.endswith("bias") else tensor
        for name, tensor in source.tensors.items()
    }
    return dataclasses.replace(source, tensors=tensors)


def signature(model: onnx.ModelProto) -> list[str]:
    """Inputs and outputs with their names, types and shapes."""
    return [helper.printable_value_info(value) for value in (*model.graph.input, *model.graph.output)]


def weights(model: onnx.ModelProto) -> dict[str, bytes]:
    """Arrays of more than one number, by name."""
    arrays = {array.name: numpy_helper.to_array(array) for array in model.graph.initializer}
    return {name: array.tobytes() for name, array in arrays.items() if array.size > 1}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.strides}-{spec.activation}")
def test_frames(spec: NervSpec) -> None:
    """Every batch decodes to the frames of the plain export and of PyTorch, but for a rare level; all else is kept."""
    source = seeded(spec)
    plain = onnx.load_from_string(write(source, "onnx", "fp32")[0])
    before = plain.SerializeToString()
    rewritten, outcomes = rewrite(plain, RULES)

    assert tuple(outcome.places for outcome in outcomes) == SPECS[spec]
    assert plain.SerializeToString() == before
    assert signature(rewritten) == signature(plain)
    kept = {name: value for name, value in weights(plain).items() if "head" not in name}
    assert weights(rewritten).items() >= kept.items()
    for batch in (1, 5):
        t_B = (np.arange(batch) / 7).astype(np.float32)
        frames = run(rewritten, t_B).astype(int)
        with torch.inference_mode():
            eager = FrameDecoder(source.model())(torch.from_numpy(t_B)).numpy()
        assert len(np.unique(eager)) > 20
        for meant in (eager, run(plain, t_B)):
            away = np.abs(frames - meant)
            assert away.max() <= 1
            assert np.mean(away > 0) < 0.001


@pytest.mark.parametrize("mode", ["CRD", "DCR"])
@pytest.mark.parametrize("r", [2, 3])
@pytest.mark.parametrize("batch", [1, 3])
def test_floats(batch: int, r: int, mode: str) -> None:
    """Before the bytes the floats are the same within a few units in the last place, in either order of channels."""
    plain = chain(wide(r), shuffle(r, mode), step("Softplus"), head(), step("Tanh"))
    rewritten, outcomes = rewrite(plain, (ACTIVATION_FIRST, HEAD_FIRST, ACTIVATION_FIRST))
    x = RANDOM.normal(size=(batch, 2, 3, 5)).astype(np.float32)

    assert [outcome.places for outcome in outcomes] == [1, 1, 1]
    assert operators(rewritten) == ["Conv", "Softplus", "Conv", "Tanh", "DepthToSpace"]
    np.testing.assert_allclose(run(rewritten, x), run(plain, x), rtol=0, atol=5e-7)


def operators(model: onnx.ModelProto) -> list[str]:
    """The graph's operators in order."""
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("name", ["relu", "relu6", "gelu", "hardswish", "leaky", "swish"])
def test_activations(name: str) -> None:
    """Every activation of the models goes before the shuffle, bit for bit, however many operators it is made of."""
    steps = {
        "relu": step("Relu"),
        "relu6": step("Clip", 0, 6),
        "gelu": step("Gelu"),
        "hardswish": step("HardSwish"),
        "leaky": step("LeakyRelu", alpha=0.01),
        "swish": step("Swish"),
    }
    if name == "swish":  # as the exporter writes it: two readers of the shuffle
        plain = chain(wide(2), shuffle(2), step("Sigmoid"), head())
        sigmoid, last = plain.graph.node[2], plain.graph.node[3]
        plain.graph.node.insert(3, helper.make_node("Mul", [sigmoid.input[0], sigmoid.output[0]], ["product"]))
        last.input[0] = "product"
    else:
        plain = chain(wide(2), shuffle(2), steps[name], head())
    rewritten, (outcome,) = rewrite(plain, [ACTIVATION_FIRST])
    x = RANDOM.normal(size=(2, 2, 3, 5)).astype(np.float32)

    assert outcome.places == 1
    assert operators(rewritten)[-2:] == ["DepthToSpace", "Conv"]
    assert sorted(operators(rewritten)) == sorted(operators(plain))
    np.testing.assert_array_equal(run(rewritten, x), run(plain, x))


def test_bytes() -> None:
    """A decoder's end moves bytes: they are made first, transposed to whole pixels, and shuffled in runs."""
    ending = (step("Sigmoid"), step("Mul", 255.0), TO_NHWC, step("Round"), TO_BYTES)
    plain = chain(wide(3), shuffle(3, "DCR"), *ending, kind=TensorProto.UINT8)
    rewritten, outcomes = rewrite(plain, (BYTES_MOVED, TRANSPOSE_FIRST))
    x = RANDOM.normal(size=(2, 2, 3, 5)).astype(np.float32)

    assert [outcome.places for outcome in outcomes] == [2, 1]
    moves = ["Transpose", "Reshape", "Transpose", "Reshape"]
    assert operators(rewritten) == ["Conv", "Sigmoid", "Mul", "Round", "Cast", *moves]
    assert run(rewritten, x).shape == (2, 9, 15, CHANNELS)
    np.testing.assert_array_equal(run(rewritten, x), run(plain, x))


REFUSALS: dict[str, tuple[Rule, tuple[Step, ...], str]] = {
    "no shuffle": (ACTIVATION_FIRST, (wide(1), step("Relu")), "no DepthToSpace in the graph"),
    "nothing elementwise": (ACTIVATION_FIRST, (wide(2), shuffle(2), head()), "no DepthToSpace is followed by element"),
    "a number a channel": (
        ACTIVATION_FIRST,
        (wide(2), shuffle(2), ("Mul", [normal(CHANNELS, 1, 1)], {}), head()),
        "no DepthToSpace is followed by elementwise operators alone",
    ),
    "no shuffle by one": (
        NO_SHUFFLE_BY_ONE,
        (wide(2), shuffle(2), head()),
        "every DepthToSpace has a block size above 1",
    ),
    "activation between": (
        HEAD_FIRST,
        (wide(2), shuffle(2), step("Relu"), head()),
        "the last shuffle is not followed by a 1×1 convolution",
    ),
    "a head with a border": (
        HEAD_FIRST,
        (wide(2), shuffle(2), head(pads=[1, 1, 1, 1])),
        "the last shuffle is not followed by a 1×1 convolution",
    ),
    "a head that skips": (
        HEAD_FIRST,
        (wide(2), shuffle(2), head(strides=[2, 2])),
        "the last shuffle is not followed by a 1×1 convolution",
    ),
    "no transpose": (
        TRANSPOSE_FIRST,
        (wide(2), shuffle(2), head()),
        "no DepthToSpace is followed by a transpose to NHWC",
    ),
    "another transpose": (
        TRANSPOSE_FIRST,
        (wide(2), shuffle(2), step("Transpose", perm=[0, 3, 2, 1])),
        "no DepthToSpace is followed by a transpose to NHWC",
    ),
    "another order": (TRANSPOSE_FIRST, (wide(2), shuffle(2), TO_NHWC), "from far apart (mode CRD)"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case: str) -> None:
    """A rule that does not apply says why in plain words and leaves the graph as it was."""
    rule, steps, reason = REFUSALS[case]
    plain = chain(*steps)
    rewritten, (outcome,) = rewrite(plain, [rule])

    assert (outcome.rule, outcome.places) == (rule.name, 0)
    assert reason in outcome.reason
    assert operators(rewritten) == operators(plain)
    x = RANDOM.normal(size=(1, 2, 3, 5)).astype(np.float32)
    np.testing.assert_array_equal(run(rewritten, x), run(plain, x))


def test_another_reader() -> None:
    """What someone else reads too is not moved: a shuffle whose own result is an output of the graph."""
    plain = chain(wide(2), shuffle(2), step("Relu"), head())
    plain.graph.output.append(helper.make_tensor_value_info("v1", TensorProto.FLOAT, ["B", CHANNELS, 6, 10]))
    rewritten, outcomes = rewrite(plain, (NO_SHUFFLE_BY_ONE, ACTIVATION_FIRST, HEAD_FIRST))

    assert [outcome.places for outcome in outcomes] == [0, 0, 0]
    assert signature(rewritten) == signature(plain)


def test_a_bias_that_is_computed() -> None:
    """A head is folded only if all of it is known."""
    plain = chain(wide(2), shuffle(2), head())
    plain.graph.input.append(helper.make_tensor_value_info("bias", TensorProto.FLOAT, [3]))
    plain.graph.node[-1].input[2] = "bias"

    assert rewrite(plain, [HEAD_FIRST])[1][0].reason == "the bias of the 1×1 convolution is no constant"


def test_a_rule_that_breaks_the_graph() -> None:
    """A graph that came out wrong is an error, not a file."""

    def break_it(graph: ir.Graph) -> int:
        graph.outputs[0].type = ir.TensorType(ir.DataType.INT8)
        return 1

    with pytest.raises(onnx.shape_inference.InferenceError):
        rewrite(chain(wide(2), shuffle(2)), [Rule("breaks", break_it)])


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (Outcome("a", 1), "a: applied in 1 place"),
        (Outcome("a", 2), "a: applied in 2 places"),
        (Outcome("a", 0, "no b"), "a: not applied, no b"),
    ],
)
def test_words(outcome: Outcome, says: str) -> None:
    """What came of a rule is one line."""
    assert str(outcome) == says
