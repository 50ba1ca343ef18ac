"""ONNX Runtime on a GPU, on a fake that records: what providers are told, and that frames stay on the device."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from nervbench.errors import FellBackError, LoadError
from nervbench.records import Artifact
from nervbench.runtime import ort
from nervbench.runtime.base import NOTHING_YET, Opening
from tests.runtime.fake_gpu import card

FRAMES, BATCH = 5, 2
OVERRIDE = "NVIDIA_TF32_OVERRIDE"


class Value:
    """An array on a place."""

    def __init__(self, array: Any, place: str) -> None:
        self.array, self.place = array, place

    def update_inplace(self, array: Any) -> None:
        assert array.shape == self.array.shape
        self.array = array

    @staticmethod
    def ortvalue_from_numpy(array: Any, place: str) -> Value:
        return Value(array, place)


class Binding:
    """What is bound to an input and an output, and how often frames were brought to the host."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        self.copies = 0

    def bind_ortvalue_input(self, name: str, value: Value) -> None:
        self.places[name], self.input = value.place, value

    def bind_output(self, name: str, place: str) -> None:
        self.places[name] = place

    def copy_outputs_to_cpu(self) -> list[Any]:
        self.copies += 1
        return [np.tile(np.round(self.input.array * 250).astype(np.uint8)[:, None, None, None], (1, 4, 6, 3))]


class InferenceSession:
    """A session that notes what it was told."""

    made: list[InferenceSession]
    active: tuple[str, ...] = ()
    elsewhere: tuple[tuple[str, str], ...] = ()
    error: Exception | None = None

    def __init__(self, path: str, options: Any, providers: Any) -> None:
        if self.error:
            raise self.error
        self.providers, self.binding, self.runs = providers, Binding(), 0
        self.made.append(self)

    def get_providers(self) -> list[str]:
        return [*(self.active or [name for name, _ in self.providers]), ort.CPU]

    def get_provider_graph_assignment_info(self) -> list[Any]:
        return [
            SimpleNamespace(ep_name=place, get_nodes=lambda kind=kind: [SimpleNamespace(op_type=kind)])
            for kind, place in self.elsewhere
        ]

    def io_binding(self) -> Binding:
        return self.binding

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="t")]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="frames")]

    def run_with_iobinding(self, binding: Binding) -> None:
        assert binding is self.binding
        self.runs += 1


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Opening]:
    """ONNX Runtime with all its providers, and a function that gives an opening in a precision."""
    made: list[InferenceSession] = []
    monkeypatch.setattr(onnxruntime, "InferenceSession", type("Made", (InferenceSession,), {"made": made}))
    monkeypatch.setattr(onnxruntime, "OrtValue", Value)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [ort.TENSORRT, ort.CUDA, ort.CPU])
    monkeypatch.setattr(os, "environ", dict(os.environ))
    os.environ.pop(OVERRIDE, None)
    artifact = Artifact("onnx_rewritten", "fp32", "key", "0" * 64, 1, "{}", {})
    return lambda precision: Opening(tmp_path / "model.onnx", artifact, precision, BATCH, FRAMES, card("sm_90"))


@pytest.mark.parametrize(
    ("runtime", "precision", "told"),
    [
        (ort.ON_CUDA, "fp32", {"use_tf32": "0"}),
        (ort.ON_CUDA, "fp16", {}),
        (ort.ON_TENSORRT, "fp32", {}),
        (ort.ON_TENSORRT, "fp16", {"trt_fp16_enable": "1"}),
    ],
)
def test_frames_stay(runtime: ort.Ort, precision: str, told: dict[str, str], given: Any) -> None:
    """Input and output are bound on the GPU; frames come to the host when they are fetched, and wrap round."""
    assert runtime.refusal(card("sm_90"), precision) is None
    with runtime.open(given(precision)) as session:
        (made,) = onnxruntime.InferenceSession.made
        with pytest.raises(RuntimeError, match=NOTHING_YET):
            session.fetch()
        session.decode(1)
        session.decode(FRAMES - 1)
        assert (made.runs, made.binding.copies) == (2, 0)
        frames = session.fetch()

    assert frames[:, 0, 0, 0].tolist() == [200, 0]
    assert made.providers == [(runtime.provider, told)]
    assert made.binding.places == {"t": "cuda", "frames": "cuda"}


def test_no_tf32(given: Any) -> None:
    """TensorRT inside ONNX Runtime is kept from TF32 by the only switch there is; others are left alone."""
    ort.ON_CUDA.open(given("fp32"))
    assert OVERRIDE not in os.environ
    ort.ON_TENSORRT.open(given("fp32"))
    assert os.environ[OVERRIDE] == "0"


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ({"active": (ort.CUDA,)}, FellBackError, "asked for Tensorrt.*, the session runs on CUDA"),
        ({"elsewhere": (("Conv", ort.CUDA), ("Conv", ort.CUDA))}, FellBackError, "2 × Conv on CUDA"),
        ({"error": RuntimeError("Failed to create TensorrtExecutionProvider")}, LoadError, "Failed to create"),
    ],
)
def test_faults(
    fault: dict[str, Any], error: type[Exception], says: str, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another provider than asked for, for all or for some of the arithmetic, is no result of this one."""
    for name, value in fault.items():
        monkeypatch.setattr(onnxruntime.InferenceSession, name, value, raising=False)
    with pytest.raises(error, match=says):
        ort.ON_TENSORRT.open(given("fp32"))


def test_cheap_nodes_elsewhere(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only moves numbers may be computed where ONNX Runtime likes; the row says so."""
    session: Any = ort.ON_CUDA.open(given("fp32"))
    assert session.notes == ()
    elsewhere = (("Shape", ort.CPU), ("Round", ort.CPU), ("Shape", ort.CPU))
    monkeypatch.setattr(onnxruntime.InferenceSession, "elsewhere", elsewhere, raising=False)
    session = ort.ON_CUDA.open(given("fp32"))
    assert session.notes[0].endswith(f"2 × Shape on {ort.CPU}, 1 × Round on {ort.CPU}")
