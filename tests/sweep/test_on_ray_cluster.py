"""A sweep on a real Ray cluster of this machine."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from nervbench import store
from nervbench.sweep.local import RESULTS
from tests.sweep.test_on_ray import bench_in

RAY = importlib.util.find_spec("ray") is not None


@pytest.mark.slow
@pytest.mark.skipif(not RAY, reason="Ray is not installed (the extra ray)")
def test_three_nodes_of_which_one_is_killed(tmp_path: Path) -> None:
    """Three nodes of which one is killed as it measures: every case has its row; another driver finds nothing left."""
    start = [sys.executable, "-m", "tests.sweep.ray_cluster", "red", "blue", "green"]
    with (
        (tmp_path / "cluster.log").open("w") as log,
        subprocess.Popen(start, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as cluster,
    ):
        assert cluster.stdin
        assert cluster.stdout
        address = cluster.stdout.readline().split()[-1]
        out = tmp_path / "out"
        run = [sys.executable, "-m", "nervbench", "run", str(bench_in(tmp_path)), "--out", str(out), "--json"]
        run += ["--cache", str(tmp_path / "cache"), "--on", f"ray:{address}", "--device", "cpu:green,cpu:red"]
        said, killed = [], False
        with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as driver:
            assert driver.stderr
            assert driver.stdout
            for line in driver.stderr:
                said.append(line)
                if not killed and "cpu:green: nerv-xs" in line and line.endswith("…\n"):
                    cluster.stdin.write("2\n+green+blue\n")
                    cluster.stdin.flush()
                    killed = True
            answer = json.loads(driver.stdout.read())
        again = subprocess.run([*run, "--resume"], capture_output=True, text=True, check=False)
        cluster.stdin.close()
    assert killed
    assert driver.returncode == 0, "".join(said)
    assert sorted((row["place"], row["case"], row["status"]) for row in answer["cases"]) == [
        (place, f"nerv-xs/fp32/{runtime}/b1", "OK")
        for place in ("cpu:green", "cpu:red")
        for runtime in ("eager", "ort")
    ]
    assert any("was lost while it measured" in line for line in said), "".join(said)
    assert (out / "report.html").is_file()
    assert again.returncode == 0
    assert len(store.read(out / RESULTS)) == 4
