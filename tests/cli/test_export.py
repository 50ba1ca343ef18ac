"""``nervbench export``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from nervbench.model import checkpoint
from nervbench.model.network import FrameDecoder


@pytest.mark.parametrize("form", ["onnx", "onnx_rewritten", "torchscript"])
def test_file_and_description(run: Callable[..., Any], tiny_file: Path, tmp_path: Path, form: str) -> None:
    """The file lies where it was asked for, beside its description; another program gets its frames, at any batch."""
    target = tmp_path / "out" / "model.bin"
    outcome = run("export", tiny_file, "--to", form, "-o", target)
    described = json.loads((tmp_path / "out" / "model.bin.json").read_text())

    assert outcome.code == 0, outcome.err
    assert described["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert (described["format"], described["precision"]) == (form, "fp32")
    assert described["versions"]["torch"] == torch.__version__
    assert json.loads(described["spec"])["family"] == "nerv"
    assert "weights: random, seed 3" in outcome.out

    assert bool(described["notes"]) == (form == "onnx_rewritten")

    if form.startswith("onnx"):
        t_B = np.array([0.0, 0.2, 0.8], np.float32)
        session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
        (frames,) = session.run(None, {"t": t_B})
        with torch.inference_mode():
            expected = FrameDecoder(checkpoint.load(tiny_file).model())(torch.from_numpy(t_B)).numpy()

        assert frames.dtype == np.uint8
        assert np.abs(frames.astype(int) - expected).max() <= 1


def test_precision(run: Callable[..., Any], tiny_file: Path, tmp_path: Path) -> None:
    """A lower precision is smaller, and what no graph is written in is refused with what there is."""
    sizes = []
    for precision in ("fp32", "fp16"):
        outcome = run("export", tiny_file, "--to", "onnx", "--precision", precision, "-o", tmp_path / precision)
        assert outcome.code == 0, outcome.err
        assert f"onnx in {precision}, " in outcome.out
        sizes.append((tmp_path / precision).stat().st_size)
    refused = run("export", tiny_file, "--to", "onnx", "--precision", "int8", "-o", tmp_path / "int8")

    assert sizes[1] < sizes[0]
    assert (refused.code, (tmp_path / "int8").exists()) == (1, False)
    assert "int8" in refused.err
    assert "bf16, fp16, fp32" in refused.err


def test_seeded_is_said(run: Callable[..., Any], tmp_path: Path) -> None:
    """Random weights are called random."""
    outcome = run("export", "nerv-xs", "--to", "torchscript", "--weights", "seeded:7", "-o", tmp_path / "x.pt")

    assert outcome.code == 0, outcome.err
    assert "random, seed 7" in outcome.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nerv-xz", "--to", "onnx", "-o", "x.onnx"], "did you mean 'nerv-xs'?"),
        (["nerv-xs", "--to", "torchscript", "-o", "/proc/nowhere/x.pt"], "cannot write"),
        (["nerv-xs", "--to", "onnx", "-o", "x.onnx", "--weights", "none.safetensors"], "no such file"),
    ],
)
def test_refused(run: Callable[..., Any], words: list[str], says: str) -> None:
    """What cannot be exported or written is one message and exit code 1."""
    outcome = run("export", *words)

    assert outcome.code == 1
    assert says in outcome.err
