"""``nervbench doctor``, with and without a GPU in sight."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pynvml
import pytest

from nervbench.device import gpus


def test_json(run: Callable[..., Any]) -> None:
    """The device, the GPUs and every runtime in every precision are there; what does not run says why."""
    outcome = run("doctor", "--json")
    report = json.loads(outcome.out)

    assert outcome.code == 0, outcome.err
    assert report["device"]["kind"] == "cpu"
    assert report["device"]["threads"] >= 1
    assert {row["runtime"] for row in report["runtimes"]} >= {"eager", "torchscript", "compiled", "ort", "ov"}
    assert all(row["runs"] or len(row["reason"]) > 20 for row in report["runtimes"])
    assert {"runtime": "eager", "precision": "fp32", "runs": True, "reason": None} in report["runtimes"]


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a driver the reason is NVML's own."""

    def fail() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)

    assert "none seen (NVML Shared Library Not Found)" in gpus.gpus()


def test_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that is there is named, and it is said that cases do not run on it yet."""
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 1)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda handle: "Tesla P100-PCIE-16GB")

    assert gpus.gpus().startswith("Tesla P100-PCIE-16GB. --device cuda takes the first")
