"""The runtime ``trt`` against a fake TensorRT: what is built, kept, executed and said. It needs no GPU."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from nervbench.errors import FellBackError, LoadError
from nervbench.runtime import trt
from nervbench.runtime.base import NOTHING_YET, Opening, Runtime
from tests.runtime import fake_tensorrt
from tests.runtime.fake_gpu import A100, BATCH, CAPTURING, CONTENT, FRAMES, REPLAYED, STREAM, FakeGpu
from tests.runtime.fake_tensorrt import RELEASES

RUNTIME: Runtime = trt.RUNTIME
TYPED = [version for version in RELEASES if not version.startswith("8")]


def built(module: Any) -> Any:
    """(flags, shapes, layer types, verbosity) of the only build."""
    ((flags, shapes, types, verbosity),) = module.behaviour.called("build")
    return flags, shapes, types, verbosity


@pytest.mark.parametrize("version", RELEASES)
def test_build_fp32(version: str, install: Any, given: Opening) -> None:
    """In every release: the network's flags, no TF32, workspace limit, one profile for the batch, no types ordered."""
    module = install(version)
    with RUNTIME.open(given):
        pass

    names = {"8": ["EXPLICIT_BATCH"], "10": ["STRONGLY_TYPED"], "11": []}[version.split(".")[0]]
    assert module.behaviour.called("create_network") == [(names,)]
    assert module.behaviour.called("parse") == [(CONTENT,)]
    assert module.behaviour.called("limit") == [
        (
            "WORKSPACE",
            4 << 30,
        )
    ]
    flags, shapes, types, verbosity = built(module)
    assert flags == []
    assert shapes == ("t", (BATCH,), (BATCH,), (BATCH,))
    assert set(types) == {None}
    assert verbosity == "DETAILED"


@pytest.mark.parametrize("version", ["8.5.3.1", "8.6.1"])
def test_build_fp16_by_hints(version: str, install: Any, given: Opening) -> None:
    """TensorRT 8 lowers the fp32 file, and is ordered to leave the embedding and the last step in float."""
    module = install(version)
    assert RUNTIME.wants("fp16") == ("onnx_17", "fp32")
    with RUNTIME.open(replace(given, precision="fp16")):
        pass

    flags, _, types, _ = built(module)
    assert flags == ["FP16", "OBEY_PRECISION_CONSTRAINTS"]
    around, within, untouched = "FLOAT", "HALF", None
    assert types == [
        *(around, untouched, around, untouched, within, within, within, within, within),
        *(around, around, untouched),
    ]
    outputs = [type for *_, type in module.behaviour.called("set_output_type")]
    assert outputs == [type for type in types if type]


@pytest.mark.parametrize(
    ("precision", "form"), [("fp16", "onnx_20"), ("bf16", "onnx_22"), ("int8", "onnx_qdq"), ("fp32", "onnx_20")]
)
@pytest.mark.parametrize("version", TYPED)
def test_build_typed(version: str, precision: str, form: str, install: Any, given: Opening) -> None:
    """From 10 on the precision is the ONNX file's, of an opset that the parser knows, and nothing is ordered."""
    module = install(version)
    assert RUNTIME.wants(precision) == (form, precision)
    with RUNTIME.open(replace(given, precision=precision)):
        pass

    flags, _, types, _ = built(module)
    assert flags == []
    assert set(types) == {None}


def test_workspace_of_a_small_gpu(install: Any, given: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer may use a quarter of a small GPU's memory."""
    module = install()
    monkeypatch.setattr(FakeGpu, "known", replace(A100, memory_bytes=4 << 30))
    RUNTIME.open(given)

    assert module.behaviour.called("limit") == [
        (
            "WORKSPACE",
            1 << 30,
        )
    ]


@pytest.mark.parametrize("version", RELEASES)
def test_decode(version: str, install: Any, given: Opening) -> None:
    """Frames are those of the positions, wrap round, stay as fetched, and are enqueued on the GPU's own stream."""
    module = install(version)
    with RUNTIME.open(given) as session:
        with pytest.raises(RuntimeError, match=NOTHING_YET):
            session.fetch()
        session.decode(1)
        first = session.fetch()
        kept = first.copy()
        session.decode(FRAMES - 1)
        second = session.fetch()
        session.decode(FRAMES + 1)

        assert first.shape == (BATCH, fake_tensorrt.HEIGHT, fake_tensorrt.WIDTH, 3)
        assert first.dtype == np.uint8
        assert first[:, 0, 0, 0].tolist() == [50, 100]
        assert first[0, 0, :, 0].tolist() == [50, 51, 52, 53, 54, 55]
        assert second[:, 0, 0, 0].tolist() == [200, 0]
        assert np.array_equal(first, kept)
        assert np.array_equal(session.fetch(), first)
    assert module.behaviour.called("execute") == [(STREAM,)] * 3


def test_batch_beyond_the_clip(install: Any, given: Opening) -> None:
    """A batch of more frames than there are goes round more than once."""
    install()
    with RUNTIME.open(replace(given, batch=7)) as session:
        session.decode(4)

        assert session.fetch()[:, 0, 0, 0].tolist() == [200, 0, 50, 100, 150, 200, 0]


def test_engine_is_kept(install: Any, given: Opening) -> None:
    """A second opening builds nothing; another batch or release does, with the timings of its own stack."""
    module = install()
    for opening in (given, given, replace(given, batch=3)):
        with RUNTIME.open(opening) as session:
            session.decode(0)
            assert "rebuilt" not in str(session.notes)  # type: ignore[attr-defined]

    assert len(module.behaviour.called("build")) == 2
    assert module.behaviour.called("timings") == [(b"",), (b"+",)]
    newer = install("11.4.0.106")
    with RUNTIME.open(given):
        assert len(newer.behaviour.called("build")) == 1
        assert newer.behaviour.called("timings") == [(b"",)]


def test_engine_of_another_driver(install: Any, given: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine is kept for one driver and one GPU."""
    module = install()
    RUNTIME.open(given)
    for facts in (replace(A100, driver="590.01"), replace(A100, name="NVIDIA A100-SXM4")):
        monkeypatch.setattr(FakeGpu, "known", facts)
        RUNTIME.open(given)

    assert len(module.behaviour.called("build")) == 3


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda engine, _: engine.write_bytes(b"cut"), "did not match its hash"),
        (lambda _, description: description.unlink(), "no readable description"),
        (lambda _, description: description.write_text("[" * 100_000), "no readable description"),
        (lambda _, description: description.write_text("[]"), "did not match its hash"),
        (lambda _, description: relabel(description, gpu="another"), "made for something else"),
    ],
)
def test_engine_not_ours(harm: Any, why: str, install: Any, given: Opening) -> None:
    """A damaged, foreign or mislabelled engine is never loaded: it is built again, and said."""
    module = install()
    RUNTIME.open(given)
    (engine,) = given.path.parent.glob("*.engine")
    harm(engine, engine.with_suffix(".engine.json"))
    module.behaviour.calls.clear()
    session: Any = RUNTIME.open(given)

    assert why in session.notes[0]
    assert len(module.behaviour.called("build")) == 1
    assert len(module.behaviour.called("deserialize")) == 1
    RUNTIME.open(given)
    assert len(module.behaviour.called("build")) == 1


def relabel(description: Path, **facts: str) -> None:
    """Change what a description says."""
    description.write_text(json.dumps(json.loads(description.read_text()) | facts))


def test_engine_that_tensorrt_does_not_take(install: Any, given: Opening) -> None:
    """An engine that is ours and whole, but refused by TensorRT, is built again with its words."""
    module = install()
    RUNTIME.open(given)
    (engine,) = given.path.parent.glob("*.engine")
    engine.write_bytes(b'{"made by": "another"}')
    relabel(engine.with_suffix(".engine.json"), sha256=hashlib.sha256(engine.read_bytes()).hexdigest())
    session: Any = RUNTIME.open(given)

    assert "kSERIALIZATION_VERSION" in session.notes[0]
    assert len(module.behaviour.called("build")) == 2


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ({"parse_errors": ("In node 3: no importer\nfor Swish",)}, LoadError, "opset 24.*no importer for Swish"),
        ({"cannot_build": "Could not find any implementation for node"}, LoadError, "building.*any implementation"),
        ({"cannot_start": "CUDA initialization failure with error: 35"}, LoadError, "its Runtime: CUDA init.*35"),
        ({"cannot_build": ""}, LoadError, "building the engine"),
        ({"cannot_build": "Error Code 2: OutOfMemory (requested 9 bytes)"}, MemoryError, "ran out of memory building"),
        ({"no_context": "Error Code 1: Cuda Runtime (out of memory)"}, MemoryError, "out of memory making"),
        ({"inputs": 2}, LoadError, "found 2 and 1"),
        ({"output_type": "FLOAT"}, LoadError, "UINT8 output"),
    ],
)
def test_failures(fault: dict[str, Any], error: type[Exception], words: str, install: Any, given: Opening) -> None:
    """What TensorRT cannot do is told in its own words, in one line; out of memory has an ending of its own."""
    vars(install().behaviour).update(fault)
    with pytest.raises(error, match=words) as raised:
        RUNTIME.open(given)
    assert "\n" not in str(raised.value)
    assert "chatter" not in str(raised.value)


def test_nothing_to_lower(install: Any, given: Opening) -> None:
    """Below fp32, TensorRT 8 needs a convolution or a matrix product to begin at."""
    install("8.6.1").behaviour.graph = (("UNARY", "FLOAT"),)
    with pytest.raises(LoadError, match="no convolution"):
        RUNTIME.open(replace(given, precision="fp16"))


def test_cannot_execute(install: Any, given: Opening) -> None:
    """A decode that could not be enqueued raises, and is no frame."""
    module = install()
    with RUNTIME.open(given) as session:
        module.behaviour.cannot_execute = "Cuda Runtime (out of memory)"
        with pytest.raises(MemoryError, match="out of memory decoding"):
            session.decode(0)
        with pytest.raises(RuntimeError, match=NOTHING_YET):
            session.fetch()


def test_artifact_of_something_else(install: Any, given: Opening) -> None:
    """An ONNX file that its description does not describe is not given to the parser."""
    module = install()
    given.path.write_bytes(b"other")
    with pytest.raises(LoadError, match="does not match its description"):
        RUNTIME.open(given)
    assert not module.behaviour.called("parse")


def test_decode_by_a_graph(install: Any, given: Opening) -> None:
    """The same frames, and what is launched is what was captured; operators are timed without a graph."""
    module = install()
    with trt.GRAPHED.open(given) as session:
        for index, value in ((1, 50), (4, 200)):
            session.decode(index)
            assert session.fetch()[0, 0, 0, 0] == value
    assert module.behaviour.called("execute") == [(CAPTURING,), (REPLAYED,), (REPLAYED,)]

    module.behaviour.times = [[("one", 1.0)]]
    module.behaviour.calls.clear()
    assert len(trt.GRAPHED.profile(given, [0, 2])) == 1
    assert module.behaviour.called("execute") == [(STREAM,)] * 2


def test_cannot_capture(install: Any, given: Opening) -> None:
    """What TensorRT does not enqueue while it is captured fails when the session is opened."""
    install().behaviour.cannot_execute = "Cuda Runtime (operation not permitted when stream is capturing)"
    with pytest.raises(LoadError, match=r"decoding: .*capturing"):
        trt.GRAPHED.open(given)


@pytest.mark.parametrize(("one", "two"), [("int8", "int8"), ("fp16", "int8"), ("fp16", "fp16"), ("int8", "fp32")])
@pytest.mark.parametrize("quantised", [1, 2])
def test_fall_back_from_int8(one: str, two: str, quantised: int, install: Any, given: Opening) -> None:
    """As many convolutions must be int8 as the file has quantised; the others are in float, as the file says."""
    content = quantised_file(quantised)
    given.path.write_bytes(content)
    described = replace(given.artifact, sha256=hashlib.sha256(content).hexdigest())
    install().behaviour.inspected = fake_tensorrt.typed(one, two)
    in_float = 2 - [one, two].count("int8")
    asked = replace(given, precision="int8", artifact=described)
    if 2 - in_float >= quantised:
        session: Any = RUNTIME.open(asked)
        assert session.notes == ()
    else:
        with pytest.raises(FellBackError, match=f"asked TensorRT for int8, but {in_float} of 2 convolutions"):
            RUNTIME.open(asked)


def quantised_file(quantised: int) -> bytes:
    """An ONNX file of two convolutions, of which the last so many are quantised."""
    nodes, value = [], "x"
    for number in range(2):
        if number >= 2 - quantised:
            nodes.append(helper.make_node("QuantizeLinear", [value, "scale", "zero"], [f"q{number}"]))
            nodes.append(helper.make_node("DequantizeLinear", [f"q{number}", "scale", "zero"], [f"d{number}"]))
            value = f"d{number}"
        nodes.append(helper.make_node("Conv", [value, "w"], [f"y{number}"]))
        value = f"y{number}"
    graph = helper.make_graph(nodes, "g", [], [])
    return bytes(helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_fall_back(precision: str, split: bool, install: Any, given: Opening) -> None:
    """Convolutions in another type than asked for end as FELL_BACK; in the right one there is nothing to note."""
    module = install("11.4.0.106" if split else "10.16.1.11")
    for found in ("fp32", "fp16", "bf16"):
        module.behaviour.inspected = fake_tensorrt.typed(found, found, split=split)
        if found == precision:
            session: Any = RUNTIME.open(replace(given, precision=precision))
            assert session.notes == ()
        else:
            with pytest.raises(FellBackError, match=f"asked TensorRT for {precision}.* 2 of 2 .*one in {found}"):
                RUNTIME.open(replace(given, precision=precision))


@pytest.mark.parametrize("said", ["", "{", '{"Layers": ["a name"]}', '{"Layers": [{"LayerType": "Conv"}]}', "[]", "3"])
def test_fall_back_not_seen(said: str, install: Any, given: Opening) -> None:
    """An inspector that tells nothing of use is not taken for proof: the session notes it."""
    install().behaviour.inspected = said
    session: Any = RUNTIME.open(given)

    assert "could not be seen" in session.notes[0]
