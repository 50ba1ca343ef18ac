"""``nervbench explain``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nervbench import store
from nervbench.records import DeviceCard, Result, Status, case_of
from tests.explain.rows_made import Machine

CASE = case_of("nerv-s", "fp32", "eager", 1, "single_stream", "seeded:0")


def results(folder: Path, name: str, *samples_s: float, case: Any = CASE) -> Path:
    """A results file of one case on this GPU."""
    path = folder / "results.jsonl"
    store.append(path, Result(case, Status.OK, device=DeviceCard("cuda", name, None, None, None), samples_s=samples_s))
    return path


def test_study(run: Callable[..., Any]) -> None:
    """The question of the source study: a predicted P100 against the published RTX 2080 Ti."""
    outcome = run("explain", "p100", "rtx-2080-ti")

    assert outcome.code == 0
    for said in ("54.5 FPS, published", "FPS, predicted", "arithmetic peak", "residual", "That agrees with"):
        assert said in " ".join(outcome.out.split())


def test_json_of_measured(run: Callable[..., Any], tmp_path: Path) -> None:
    """A measurement has its samples' interval; both kinds are marked."""
    path = results(tmp_path, "Tesla V100-PCIE-16GB", *[0.02 + 0.0001 * (i % 7) for i in range(60)])
    found = json.loads(run("explain", path, "rtx-2080-ti", "--predict", "--json").out)

    assert (found["a"]["key"], found["a"]["kind"], found["b"]["kind"]) == ("v100", "measured", "predicted")
    assert 0.0199 < found["a"]["low_s"] <= found["a"]["time_s"] <= found["a"]["high_s"] < 0.0208
    assert "60 samples" in found["a"]["says"]
    assert len(found["parts"]) == 4


def test_publish(run: Callable[..., Any], tmp_path: Path) -> None:
    """The page stands in the folder, with its data and its figure, and the check of pages knows it."""
    outcome = run("explain", "t4", "v100", "--model", "nerv-m", "--publish", tmp_path)

    assert outcome.out.split() == [str(tmp_path / "t4-vs-v100-nerv-m.md")]
    assert (tmp_path / "gaps/t4-vs-v100-nerv-m.json").exists()
    assert (tmp_path / "figures/gaps/t4-vs-v100-nerv-m.svg").exists()
    assert run("report", tmp_path, "--check").code == 0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("p1000", "v100"), "unknown device 'p1000'"),
        (("p100", "v100", "--model", "nerv-x"), "unknown model 'nerv-x'"),
        (("p100", "nowhere/results.jsonl"), "nowhere/results.jsonl"),
    ],
)
def test_unknown(run: Callable[..., Any], given: tuple[str, ...], says: str) -> None:
    """A name that nobody knows ends in a message with those that are known."""
    outcome = run("explain", *given)

    assert outcome.code == 1
    assert says in outcome.err


def machines(folder: Path, *made: Machine) -> Path:
    """A results file of these."""
    for machine in made:
        store.append(folder / "results.jsonl", machine.row())
    return folder


def test_two_measured(run: Callable[..., Any], tmp_path: Path) -> None:
    """Two files are explained by what was measured of their devices, whatever these are, and the rest is listed."""
    here, there = Machine(), Machine(launch_s=1e-3, settings=(("OMP_NUM_THREADS", "2"),))
    files = machines(tmp_path / "a", here), machines(tmp_path / "b", there)
    outcome = run("explain", *files, "--model", "nerv-xs")
    words = " ".join(outcome.out.split())

    assert outcome.code == 0, outcome.err
    assert f"nerv-xs decodes {here.time_s / there.time_s:.2f} times" in words
    assert "as fast on B (" in words
    assert words.index("launch overhead ×") < words.index("which may be nothing")
    assert "1.00 µs → 1.00 ms, 40 operators" in words
    assert "setting OMP_NUM_THREADS: – against 2" in words
    found = json.loads(run("explain", *files, "--model", "nerv-xs", "--json").out)
    assert found["fitted"]
    assert {part["cause"] for part in found["parts"]} == {"launch overhead", "kernel efficiency"}


def test_two_cases(run: Callable[..., Any], tmp_path: Path) -> None:
    """Cases by name, of one file or of two; what only a choice changed is that choice's."""
    fast = Machine(runtime="ov", faster=2.0, launches=None)
    folder = machines(tmp_path, Machine(), fast)
    outcome = run("explain", f"{folder}::nerv-xs/fp32/eager/b1", f"{folder}::nerv-xs/fp32/ov/b1")

    assert f"Causes: runtime × {Machine().time_s / fast.time_s:.2f}" in " ".join(outcome.out.split())
    assert "how many operators ov launches is not known" in " ".join(outcome.out.split())
    wrong = run("explain", f"{folder}::nerv-xs/fp32/eager/b1", f"{folder}::nerv-xs/fp32/ovv/b1")
    assert (wrong.code, "did you mean 'nerv-xs/fp32/ov/b1'" in wrong.err) == (1, True)


def test_publish_measured(run: Callable[..., Any], tmp_path: Path) -> None:
    """Two devices have a page; of one device there is none to name."""
    here, there = machines(tmp_path / "a", Machine()), machines(tmp_path / "b", Machine(name="B<o>ard", product=50e9))
    words = "explain", here, there, "--model", "nerv-xs", "--publish"
    outcome = run(*words, tmp_path / "reports")

    page = (tmp_path / "reports/acpu-vs-board-nerv-xs.md").read_text()
    assert outcome.code == 0, outcome.err
    assert "B&lt;o&gt;ard" in page
    assert "nervbench explain FILE::nerv-xs/fp32/eager/b1 FILE::nerv-xs/fp32/eager/b1 --publish" in page
    assert run("report", tmp_path / "reports", "--check").code == 0
    refused = run("explain", here, here, "--model", "nerv-xs", "--publish", tmp_path / "reports")
    assert (refused.code, "both of these are a-cpu" in refused.err) == (1, True)


def test_rows_that_do_not_fit(run: Callable[..., Any], tmp_path: Path) -> None:
    """Rows of another model are refused, and those of a device that has no card."""
    other = results(tmp_path / "m", "Tesla T4", 0.1, case=case_of("nerv-m", "fp32", "eager", 1, "single_stream", "s"))
    strange = results(tmp_path / "x", "Voodoo 2", 0.1)

    assert "no results of nerv-s, found those of nerv-m" in run("explain", other, "v100").err
    assert "measured on Voodoo 2, which has no card" in run("explain", "v100", strange).err
