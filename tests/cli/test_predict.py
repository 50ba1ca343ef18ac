"""``nervbench predict``."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROWS = "batch,in_channels,out_channels,height_width,v100_ms\n1,96,384,160,1.9\n"


def test_model(run: Callable[..., Any]) -> None:
    """A model on two devices: a time with its interval for each, as a table and as JSON."""
    outcome = run("predict", "nerv-s", "--on", "p100,rtx-2080-ti", "--json")
    p100, turing = json.loads(outcome.out)["predicted"]

    assert outcome.code == 0
    assert (p100["device"], turing["device"]) == ("p100", "rtx-2080-ti")
    assert p100["low_s"] < p100["frame_s"] < p100["high_s"]
    assert turing["frame_s"] < p100["frame_s"]
    assert "GeForce RTX 2080 Ti" in run("predict", "nerv-s", "--on", "rtx-2080-ti").out


def test_published(run: Callable[..., Any]) -> None:
    """What was published of three models on an RTX 2080 Ti, and was not fitted, is within 12 % of what is predicted."""
    for model, published_fps in (("nerv-s", 54.5), ("nerv-m", 53.8), ("nerv-l", 52.9)):
        (found,) = json.loads(run("predict", model, "--on", "rtx-2080-ti", "--json").out)["predicted"]
        assert 1 / found["frame_s"] == pytest.approx(published_fps, rel=0.12)
        assert 1 / found["high_s"] < published_fps < 1 / found["low_s"]


def test_kernels(run: Callable[..., Any], tmp_path: Path) -> None:
    """Rows come back with three columns more, on stdout or in a file."""
    path, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    path.write_text(ROWS)
    outcome = run("predict", "--kernels", path, "--on", "p100", "--from", "v100")
    row = next(csv.DictReader(outcome.out.splitlines()))

    assert outcome.code == 0
    assert float(row["low_ms"]) < float(row["predicted_ms"]) < float(row["high_ms"])
    assert run("predict", "--kernels", path, "--on", "p100", "--from", "v100", "-o", out).out == ""
    assert out.read_text() == outcome.out
    assert (
        run("predict", "--kernels", path, "--on", "a100").out
        == run("predict", "--kernels", path, "--on", "a100-80").out
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nerv-s", "--on", "rtx-2080"), "did you mean 'rtx-2080-ti'?"),
        (("nerv-q", "--on", "p100"), "unknown model 'nerv-q'"),
        (("--on", "p100"), "give either MODEL or --kernels"),
        (("nerv-s", "--on", "p100", "--from", "none.jsonl"), "cannot read none.jsonl"),
        (("--kernels", "none.csv", "--on", "p100"), "cannot read none.csv"),
        (("--kernels", "none.csv", "--on", "p100,t4"), "takes one device"),
    ],
)
def test_refuses(run: Callable[..., Any], words: tuple[str, ...], says: str) -> None:
    """What cannot be predicted is refused with what is possible."""
    outcome = run("predict", *words)

    assert outcome.code == 1
    assert says in outcome.err
