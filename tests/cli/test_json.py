"""``--json`` of the verbs that make files: one object on stdout, nothing else there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.report.factory import a_run
from tests.report.test_pages import stored


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A run's folder."""
    stored(tmp_path / "run" / "results.jsonl", a_run())
    return tmp_path / "run"


def test_report(run: Run, results: Path) -> None:
    """The page; with --check the pages that differ, and the exit code says the same."""
    assert json.loads(run("report", results, "--json").out) == {"page": str(results / "report.md")}
    checked = run("report", results, "--check", "--json")
    assert (checked.code, json.loads(checked.out)) == (0, {"pages": 1, "stale": []})
    (results / "report.md").write_text("changed")
    changed = run("report", results, "--check", "--json")
    assert (changed.code, json.loads(changed.out)["stale"]) == (1, ["report.md"])


def test_export(run: Run, tmp_path: Path) -> None:
    """The file and what is in it."""
    found = json.loads(run("export", "nerv-xs", "--to", "torchscript", "-o", tmp_path / "a.pt", "--json").out)
    assert (found["file"], found["format"], found["precision"]) == (str(tmp_path / "a.pt"), "torchscript", "fp32")
    assert found["size_bytes"] == (tmp_path / "a.pt").stat().st_size


def test_decode(run: Run, tmp_path: Path) -> None:
    """How many frames of which size are where."""
    found = json.loads(run("decode", "nerv-xs", "-o", tmp_path / "frames", "--frames", "0,65", "--json").out)
    assert found == {"out": str(tmp_path / "frames"), "frames": 2, "width": 320, "height": 180}


def test_rate(run: Run, decoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page and every point."""
    monkeypatch.setattr("nervbench.codec.points.MIN_WALL_S", 0.0)
    words = ("rate", "--clip", decoded, "--codecs", "x264:ultrafast", "--threads", 1, "--repeats", 2)
    found = json.loads(run(*words, "-o", tmp_path / "rate", "--json").out)
    assert found["page"] == str(tmp_path / "rate" / "rate.md")
    assert {point["method"] for point in found["points"]} == {"x264"}


def test_train(run: Run, tmp_path: Path) -> None:
    """The checkpoint and the recipe."""
    words = ("train", "nerv-xs", "--clip", "bigbuckbunny:2", "--epochs", 1, "-o", tmp_path / "t", "--json")
    found = json.loads(run(*words).out)
    assert Path(found["checkpoint"]).is_file()
    assert found["recipe"]["epochs"] == 1
