"""The examples of the README: short, and they work from a package of their own, beside nervbench as it is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXAMPLES = ("my_runtime.py", "my_device.py", "my_model.py")
BENCH = """
[[models]]
name = "blurry-xs"
weights = "seeded:0"
[[matrix]]
models = ["blurry-xs"]
runtimes = ["eager", "ort_one_thread"]
precisions = ["fp32", "bf16"]
[stopping]
budget_s = 0.3
"""


@pytest.mark.parametrize("name", EXAMPLES)
def test_short(name: str) -> None:
    """Under forty lines of code, beside what explains them."""
    lines = (HERE / name).read_text().splitlines()
    assert len([line for line in lines if line.strip()]) < 40


def test_together(tmp_path: Path) -> None:
    """Our model, decoded by our runtime on our device: found by their entry points, verified, measured, reported."""
    site = tmp_path / "site"
    (site / "mine-1.0.dist-info").mkdir(parents=True)
    for name in EXAMPLES:
        shutil.copy(HERE / name, site)
    shutil.copy(HERE / "entry_points.txt", site / "mine-1.0.dist-info")
    (site / "mine-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (tmp_path / "bench.toml").write_text(BENCH)
    command = [sys.executable, "-m", "nervbench", "run", str(tmp_path / "bench.toml"), "--device", "one_processor"]
    command += ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"), "--json"]
    inherited = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    ended = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": inherited}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    rows = {row["case"]: row for row in json.loads(ended.stdout)["cases"]}
    assert rows["blurry-xs/fp32/ort_one_thread/b1"]["status"] == "OK"
    assert rows["blurry-xs/fp32/ort_one_thread/b1"]["device"].endswith(", one processor")
    assert rows["blurry-xs/bf16/ort_one_thread/b1"]["reason"] == "ort_one_thread does fp32 on CPUs"
    assert "one processor, 1 threads" in (tmp_path / "out" / "report.md").read_text().splitlines()[0]
