"""What is said of TensorRT's releases: by the fake, by the table, and to someone who has the wrong one or none."""

from __future__ import annotations

import inspect
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch

from nervbench.errors import UnsupportedError
from nervbench.runtime import trt, trt_gpu
from nervbench.runtime.base import Opening, Runtime, capability_of
from nervbench.runtime.trt_versions import GENERATIONS, advice, generation, refusal
from tests.runtime import fake_tensorrt, trt_api
from tests.runtime.fake_gpu import A100, FakeGpu, card
from tests.runtime.fake_tensorrt import RELEASES

RUNTIME: Runtime = trt.RUNTIME


def parameters(method: Any) -> list[list[str]]:
    """[name, default or ""] of every parameter but self, as trt_api.json has them."""
    named = list(inspect.signature(method).parameters.values())[1:]
    return [[each.name, "" if each.default is each.empty else str(each.default)] for each in named]


@pytest.mark.parametrize(("version", "row"), RELEASES.items())
def test_fake_is_like_the_real_one(version: str, row: str) -> None:
    """Every method and property of the fake is one of the bindings, with their names, order and defaults."""
    module = fake_tensorrt.make(version, row)
    for kind, members in fake_tensorrt.TABLE[row]["classes"].items():
        has = {name: value for name, value in vars(getattr(module, kind)).items() if name in members}
        public = {name for name in vars(getattr(module, kind)) if not name.startswith("_")} - {"Severity"}
        assert public <= set(members)
        assert set(members) - {"__init__"} <= set(has), kind
        for name, value in has.items():
            if isinstance(value, property):
                assert members[name] == "property", (kind, name)
            elif name != "__init__" or kind in ("Builder", "OnnxParser", "Runtime", "ILogger"):
                mine = parameters(value)
                fits = [
                    signature[: len(mine)] == mine and all(default for _, default in signature[len(mine) :])
                    for signature in members[name]
                ]
                assert any(fits), (kind, name, mine, members[name])


def test_signatures_are_read() -> None:
    """A docstring of the bindings gives each overload's parameters with their defaults."""
    doc = "f(*args, **kwargs)\n\n1. f(self: m.A, x: int = 0, y: m.B = <E.S: 0>) -> bool\n\n2. f(self: m.A) -> None\n"

    assert trt_api.parameters(doc, "f") == [[["x", "0"], ["y", "<E.S: 0>"]], []]


def test_real_bindings() -> None:
    """Where TensorRT is installed, its bindings are as the table's of the same version, or a new row is needed."""
    real = pytest.importorskip("tensorrt", exc_type=ImportError)
    if real.__version__ not in fake_tensorrt.TABLE:
        pytest.skip(f"no row for {real.__version__}; tests/runtime/trt_api.py writes one")
    assert trt_api.described(real) == fake_tensorrt.TABLE[real.__version__]


def test_not_installed(monkeypatch: pytest.MonkeyPatch, given: Opening) -> None:
    """Without TensorRT every case is refused with the package for its GPU, and opening says so too."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    for features, package in (
        (("sm_60",), "tensorrt==8.6.1.post1"),
        (("sm_70",), "'tensorrt-cu12<10.5'"),
        (("sm_75",), "tensorrt-cu13, or tensorrt-cu12"),
        (("sm_120",), "tensorrt-cu13, or tensorrt-cu12"),
        ((), "tensorrt-cu13, or tensorrt-cu12"),
    ):
        reason = str(RUNTIME.refusal(card(*features), "fp16"))
        assert reason.startswith("TensorRT is not installed; ")
        assert f"pip install {package}" in reason
    assert RUNTIME.wants("fp16") == ("onnx_20", "fp16")
    assert RUNTIME.packages == ("tensorrt", "torch")
    with pytest.raises(UnsupportedError, match="not installed"):
        RUNTIME.open(given)


def test_broken_installation(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bindings without their libraries are refused with the loader's words."""
    install()
    monkeypatch.setitem(sys.modules, "tensorrt", None)

    assert "could not be imported" in str(RUNTIME.refusal(card("sm_80"), "fp32"))


def test_on_a_cpu() -> None:
    """A CPU is refused for what it is, whatever is installed."""
    assert "needs an NVIDIA GPU" in str(RUNTIME.refusal(card(kind="cpu"), "fp32"))


def test_without_cuda(install: Any, given: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PyTorch that sees no GPU is refused, with what it was built for."""
    install()
    monkeypatch.undo()
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    reason = str(trt_gpu.missing())
    assert torch.__version__ in reason

    install()
    assert RUNTIME.refusal(card("sm_80"), "fp32") is None
    monkeypatch.setattr(trt_gpu, "missing", lambda: reason)
    assert RUNTIME.refusal(card("sm_80"), "fp32") == reason
    with pytest.raises(UnsupportedError):
        RUNTIME.open(given)


@pytest.mark.parametrize(
    ("version", "capability", "precision", "words"),
    [
        ("8.6.1", (6, 0), "fp16", None),
        ("8.6.1", (6, 1), "fp16", "no fp16 for compute capability 6.1; possible: fp32"),
        ("8.6.1", (8, 0), "bf16", "no bf16; it came after 8.6; possible: fp32, fp16"),
        ("8.6.1", (12, 0), "fp32", "does not support compute capability 12.0"),
        ("8.5.3.1", (3, 5), "fp32", None),
        ("8.6.1", (3, 5), "fp32", r"tensorrt==8.5.3.1 \(Python up to 3.10\)"),
        ("10.4.0", (7, 0), "fp16", None),
        ("10.5.0", (7, 0), "fp16", "tensorrt-cu12<10.5'; TensorRT 10.5 and later no longer"),
        ("10.16.1.11", (6, 0), "fp32", "tensorrt==8.6.1.post1"),
        ("10.16.1.11", (7, 5), "bf16", "no bf16 for compute capability 7.5; possible: fp32, fp16, int8"),
        ("10.16.1.11", (8, 0), "bf16", None),
        ("11.4.0.106", (7, 5), "fp16", None),
        ("11.4.0.106", (8, 9), "int8", None),
        ("8.6.1", (7, 5), "int8", "strongly typed networks, which came after TensorRT 8.6.1; possible: fp32, fp16"),
        ("11.4.0.106", (8, 9), "fp8", "not used for fp8 here; possible: fp32, fp16, bf16, int8"),
        ("11.4.0.106", None, "bf16", None),
        ("9.3.0", (9, 0), "fp32", "written for"),
        ("12.0.1", (9, 0), "fp32", "written for"),
        ("11.4.0.106", (2, 0), "fp32", "no TensorRT from 8.5 on supports"),
    ],
)
def test_refusals(version: str, capability: Any, precision: str, words: str | None) -> None:
    """What a release has not for a GPU is refused with what is possible or what to install."""
    reason = refusal(version, capability, precision)
    if words is None:
        assert reason is None
    else:
        with pytest.raises(UnsupportedError, match=words):
            raise UnsupportedError(reason)


def test_refused_where_opened(install: Any, given: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that does not say its compute capability is found out when the session opens."""
    install()
    monkeypatch.setattr(FakeGpu, "known", replace(A100, capability=(6, 0)))
    assert RUNTIME.refusal(card(), "fp32") is None
    with pytest.raises(UnsupportedError, match="tensorrt==8"):
        RUNTIME.open(given)


def test_versions() -> None:
    """The table is in order, each flag and type that it names is in the bindings, and cards are read."""
    assert list(GENERATIONS) == sorted(GENERATIONS, key=lambda row: row.since)
    assert generation((8, 4)) is None
    for version, row in RELEASES.items():
        major, minor, *_ = map(int, version.split("."))
        used = generation((major, minor))
        enums = fake_tensorrt.TABLE[row]["enums"]
        assert used is not None
        assert set(used.network_flags) <= set(enums["NetworkDefinitionCreationFlag"])
        assert {flag for build in used.builds.values() for flag in build.flags} <= set(enums["BuilderFlag"])
    assert capability_of(card("avx2", "sm_120")) == (12, 0)
    assert capability_of(card("sm_90a")) == (9, 0)
    assert capability_of(card()) is None
    assert "for compute capability 9.0: pip install" in advice((9, 0))
