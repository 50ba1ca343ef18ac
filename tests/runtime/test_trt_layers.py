"""What TensorRT's profiler and inspector tell of a layer, in the forms of releases 8 to 10 and of 11."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nervbench.errors import UnsupportedError
from nervbench.runtime import trt_layers
from nervbench.runtime.base import Opening, WithProfile
from nervbench.runtime.trt import RUNTIME
from tests.runtime.fake_tensorrt import RELEASES

STARTS = (0, 3, 1)
TIMES = [[("conv", 2.0), ("gone", 0.5)], [("conv", 4.0), ("gone", 0.5)]]


def tensor(dimensions: list[int], words: str, *, split: bool) -> dict[str, Any]:
    """A tensor, as told to release 10 or, split, from 11 on."""
    return {"Name": "x", "Dimensions": dimensions} | ({"DataType": words} if split else {"Format/Datatype": words})


def convolution(*, split: bool, **other: Any) -> dict[str, Any]:
    """A 3×3 convolution of 8 channels to 16 over a batch of two pictures of 5×4 pixels, in fp32."""
    words = "Float" if split else "Row major linear FP32"
    return {
        "Name": "conv", "LayerType": "CaskConvolution", "ParameterType": "Convolution", "OutMaps": 16,
        "Inputs": [tensor([2, 8, 5, 4], words, split=split)], "Outputs": [tensor([2, 16, 5, 4], words, split=split)],
        "Weights": {"Type": "Float", "Count": 16 * 8 * 9}, "Bias": {"Type": "Float", "Count": 16},
    } | other  # fmt: skip


def said(*layers: dict[str, Any]) -> str:
    """The inspector's JSON."""
    return json.dumps({"Layers": layers})


@pytest.mark.parametrize("version", RELEASES)
def test_profile(version: str, install: Any, given: Opening) -> None:
    """The first decode is not counted; sizes are those of the context, and the engine is the kept one."""
    module = install(version)
    module.behaviour.times = [list(decode) for decode in TIMES]
    module.behaviour.inspected = said(convolution(split=version.startswith("11")))
    with RUNTIME.open(given) as session:
        session.decode(0)
    conv, gone = RUNTIME.profile(given, STARTS)

    assert isinstance(RUNTIME, WithProfile)
    assert (conv.name, conv.kind) == ("conv", "Convolution")
    assert (conv.seconds, gone.seconds) == pytest.approx((3e-3, 5e-4))
    assert conv.flop == 2 * 2 * 16 * 5 * 4 * 8 * 9
    assert conv.bytes == 4 * (2 * 8 * 20 + 2 * 16 * 20 + 16 * 72 + 16)
    assert (gone.kind, gone.flop, gone.bytes) == ("layer", None, None)
    assert len(module.behaviour.called("build")) == 1
    assert module.behaviour.called("inspect") == [("IExecutionContext",)]


def test_countless() -> None:
    """What only moves values computes nothing; what is fused under a name of its own is not guessed at."""
    shuffle = {"Name": "conv", "LayerType": "Shuffle", "Inputs": [tensor([2, 3], "Float", split=True)]}
    shuffle["Outputs"] = [tensor([3, 2], "UInt8", split=True)]
    fused = shuffle | {"Name": "gone", "LayerType": "Myelin"}
    found = trt_layers.operators(TIMES, said(shuffle, fused))

    assert [(each.kind, each.flop, each.bytes) for each in found] == [("Shuffle", 0, 6 * 4 + 6), ("Myelin", None, None)]


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ("Channel major FP16 format where channel % 8 == 0", 2),
        ("Thirty-two wide channel vectorized row major Int8 format", 1),
        ("BFloat16", 2),
        ("UInt8", 1),
        ("Int64", 8),
        ("Half", 2),
        ("Row major linear FP32 format (kLINEAR)", 4),
    ],
)
def test_sizes(words: str, size: int) -> None:
    """Bytes follow from how a type is worded."""
    wide = {"Outputs": [tensor([2, 16, 5, 4], words, split=False)]}
    conv, _ = trt_layers.operators(TIMES, said(convolution(split=False, **wide)))

    assert conv.bytes == 4 * (2 * 8 * 20 + 16 * 72 + 16) + size * 2 * 16 * 20


@pytest.mark.parametrize(
    "other",
    [
        {"Outputs": [{"Dimensions": [-1, 16, 5, 4], "Format/Datatype": "FP16"}]},
        {"Outputs": [{"Dimensions": [2, 16, 5, 4], "Format/Datatype": "Octal"}]},
        {"Outputs": [{"Dimensions": [2, 16, 5, 4]}]},
        {"Outputs": []},
        {"Outputs": None},
        {"Weights": "many"},
        {"OutMaps": 0},
    ],
)
def test_not_told(other: dict[str, Any]) -> None:
    """A size that is missing, depends on the batch or has an unknown form leaves the layer with its time."""
    conv, _ = trt_layers.operators(TIMES, said(convolution(split=False, **other)))

    assert (conv.kind, conv.seconds, conv.flop, conv.bytes) == ("Convolution", 3.0, None, None)


@pytest.mark.parametrize("words", ["", "[]", "3", '{"Layers": ["conv"]}', '{"Layers": [{}]}', '{"Layers": null}'])
def test_names_only(words: str) -> None:
    """An inspector that tells no parameters costs no times."""
    assert [each.kind for each in trt_layers.operators(TIMES, words)] == ["layer", "layer"]


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ([[], []], "no layers"),
        ([], "no layers"),
        ([[("one", 1.0)], [("two", 1.0)]], "other layers each time"),
        ([[("one", 1.0)], []], "other layers each time"),
    ],
)
def test_not_reported(times: Any, why: str) -> None:
    """Times that cannot be put together are refused."""
    with pytest.raises(UnsupportedError, match=why):
        trt_layers.operators(times, "")
