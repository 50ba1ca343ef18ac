"""A TensorRT to install, and an ONNX file to give it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

from nervbench.records import Artifact
from nervbench.runtime import trt_gpu
from nervbench.runtime.base import Opening
from tests.runtime import fake_tensorrt
from tests.runtime.fake_gpu import BATCH, CONTENT, FRAMES, FakeGpu, card
from tests.runtime.fake_tensorrt import RELEASES


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that installs a release and gives the module; with an A100 that PyTorch can use."""

    def installed(version: str = "10.16.1.11") -> Any:
        module = fake_tensorrt.make(version, RELEASES.get(version, "8.6.1"))
        monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
        monkeypatch.setitem(sys.modules, "tensorrt", module)
        monkeypatch.setattr(trt_gpu, "Gpu", FakeGpu)
        monkeypatch.setattr(trt_gpu, "missing", lambda: None)
        return module

    return installed


@pytest.fixture
def given(tmp_path: Path) -> Opening:
    """An ONNX file in a cache, and a batch of two of five frames of it, in fp32."""
    path = tmp_path / "model.onnx"
    path.write_bytes(CONTENT)
    artifact = Artifact("onnx", "fp32", "key", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "{}", {})
    return Opening(path, artifact, "fp32", BATCH, FRAMES, card())
