"""``nervbench explain``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nervbench import store
from nervbench.records import DeviceCard, Result, Status, case_of

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


def test_rows_that_do_not_fit(run: Callable[..., Any], tmp_path: Path) -> None:
    """Rows of another model are refused, and those of a device that has no card."""
    other = results(tmp_path / "m", "Tesla T4", 0.1, case=case_of("nerv-m", "fp32", "eager", 1, "single_stream", "s"))
    strange = results(tmp_path / "x", "Voodoo 2", 0.1)

    assert "no results of nerv-s, found those of nerv-m" in run("explain", other, "v100").err
    assert "measured on Voodoo 2, which has no card" in run("explain", "v100", strange).err
