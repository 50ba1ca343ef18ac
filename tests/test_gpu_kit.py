"""What `make gpu-kit` gathers is all that measuring and training need beside what a GPU machine has."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from nervbench import store

KIT = Path(__file__).parent / "bench" / "gpu-kit.txt"
THERE = {"torch", "triton", "numpy", "pillow", "onnx", "ml-dtypes", "protobuf", "onnxruntime"} | {
    *("filelock", "fsspec", "jinja2", "markupsafe", "mpmath", "networkx", "setuptools", "sympy"),  # PyTorch's
    *("flatbuffers", "coloredlogs", "humanfriendly"),  # ONNX Runtime's
    *("matplotlib", "contourpy", "cycler", "fonttools", "kiwisolver", "pyparsing", "python-dateutil", "six"),
}
"""Distributions of an image with PyTorch, Triton, ONNX Runtime and Matplotlib."""
BLOCKER = """
import sys
from importlib.machinery import PathFinder
BLOCKED = {blocked!r}
class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in BLOCKED else PathFinder.find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Bare
"""
BENCH = """
[clip]
source = "bigbuckbunny:4"
[[models]]
name = "nerv-xs"
weights = "seeded:0"
[[matrix]]
models = ["nerv-xs"]
runtimes = ["eager", "ort_cuda"]
[stopping]
budget_s = 0.5
min_samples = 3
"""


def kit() -> set[str]:
    """The names in the kit."""
    return {line for line in KIT.read_text().splitlines() if line and not line.startswith("#")}


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a Python that has no other package."""
    have = {name.lower().replace("_", "-") for name in kit() | THERE | {"nervbench"}}
    packages = metadata.packages_distributions()
    blocked = {
        module for module, owners in packages.items() if not {name.lower().replace("_", "-") for name in owners} & have
    }
    assert {"numba", "scipy", "openvino", "sklearn"} <= blocked
    (tmp_path / "sitecustomize.py").write_text(BLOCKER.format(blocked=blocked))
    return {**os.environ, "PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.mark.slow
def test_enough_to_measure(bare: dict[str, str], tmp_path: Path) -> None:
    """Cases are measured, and what has no package ends as a row that says so."""
    (tmp_path / "few.toml").write_text(BENCH)
    command = [sys.executable, "-m", "nervbench", "run", "few.toml", "--out", "out"]
    ended = subprocess.run(command, env=bare, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = {row.case.runtime: row for row in store.read(tmp_path / "out" / "results.jsonl")}
    assert {name: row.status.value for name, row in rows.items()} == {"eager": "OK", "ort_cuda": "UNSUPPORTED"}


@pytest.mark.slow
def test_enough_to_train(bare: dict[str, str], tmp_path: Path) -> None:
    """A clip is trained."""
    command = [sys.executable, "-m", "nervbench", "train", "nerv-xs", "--epochs", "1", "--clip", "bigbuckbunny:4"]
    ended = subprocess.run([*command, "--out", "out"], env=bare, cwd=tmp_path, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert list((tmp_path / "out").rglob("*.safetensors"))
