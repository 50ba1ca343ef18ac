"""``nervbench run``: its exit codes and what it prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nervbench import store
from nervbench.records import Status
from nervbench.sweep import local
from tests.here import HERE

Run = Callable[..., Any]

BENCH = """
clip = {{ source = "clip" }}
models = [{{ name = "nerv-xs", weights = "seeded:0" }}]
matrix = [{{ models = ["nerv-xs"], runtimes = ["eager"], precisions = ["fp32", "int8"] }}]
stopping = {{ min_samples = 1, max_samples = 2, budget_s = 0.5 }}
limits = {{ case_timeout_s = {timeout} }}
verify = {{ frames = 1 }}
"""


@pytest.fixture(autouse=True)
def _no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "PROBE_S", 0.0)


@pytest.fixture
def _prepared_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are prepared in this process; :func:`test_done` does it in others, as a user's run does."""
    monkeypatch.setattr(local, "process", HERE)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What these tests share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A bench.toml with one case that works and one that cannot."""
    return written(tmp_path)


def written(folder: Path, timeout: float = 120.0) -> Path:
    """A bench.toml, and its clip of two frames."""
    (folder / "clip").mkdir(exist_ok=True)
    for index in range(2):
        Image.fromarray(np.full((180, 320, 3), 100 * index, np.uint8)).save(folder / "clip" / f"{index}.png")
    path = folder / "bench.toml"
    path.write_text(BENCH.format(timeout=timeout))
    return path


def test_done(run: Run, bench: Path, cache: Path, tmp_path: Path) -> None:
    """A run whose cases end OK or UNSUPPORTED is exit code 0; it prints the table and where the report is."""
    out = tmp_path / "out"
    outcome = run("run", bench, "--out", out, "--cache", cache)
    rows = store.read(out / "results.jsonl")

    assert outcome.code == 0, outcome.err
    assert [row.status for row in rows] == [Status.OK, Status.UNSUPPORTED]
    assert (out / "report.md").is_file()
    assert f"report: {out / 'report.md'}" in outcome.out
    assert "nerv-xs/fp32/eager/b1" in outcome.out
    assert "[1/2] nerv-xs/fp32/eager/b1 OK " in outcome.err
    assert "[2/2] nerv-xs/int8/eager/b1 UNSUPPORTED int8 is not available" in outcome.err

    refused = run("run", bench, "--out", out, "--cache", cache)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        f"nervbench: {out} has results already; add --resume to measure what is missing, or give another with --out\n"
    )
    again = run("run", bench, "--out", out, "--cache", cache, "--resume")
    assert (again.code, again.err) == (0, "")
    assert store.read(out / "results.jsonl") == rows


@pytest.mark.usefixtures("_prepared_here")
def test_profile(run: Run, bench: Path, tmp_path: Path, cache: Path) -> None:
    """With --profile a row has its operators, and the page says where the time goes; without, it has none."""
    out = tmp_path / "out"
    outcome = run("run", bench, "--out", out, "--cache", cache, "--only", "*/fp32/*", "--profile")
    (row,) = store.read(out / "results.jsonl")

    assert outcome.code == 0, outcome.err
    assert row.profile is not None
    assert {"convolution"} <= {operator.kind for operator in row.profile.operators}
    assert row.telemetry is not None
    assert row.telemetry.launches == len(row.profile.operators)
    assert len(row.telemetry.yardstick_s) > 1
    assert "## Where the time goes" in (out / "report.md").read_text()


@pytest.mark.usefixtures("_prepared_here")
def test_resumed_by_other_rules(run: Run, bench: Path, tmp_path: Path, cache: Path) -> None:
    """A run goes on by the rules it began with; more cases are no other rules."""
    out, only = tmp_path / "out", ("--only", "*/int8/*")
    assert run("run", bench, "--out", out, "--cache", cache, *only).code == 0
    before = (out / "results.jsonl").read_bytes()
    bench.write_text(bench.read_text().replace("max_samples", "warm_up = 2, max_samples"))
    outcome = run("run", bench, "--out", out, "--cache", cache, "--resume")

    assert (outcome.code, outcome.out) == (1, "")
    assert "was measured by other rules" in outcome.err
    assert (out / "results.jsonl").read_bytes() == before


@pytest.mark.usefixtures("_prepared_here")
def test_budget(run: Run, bench: Path, tmp_path: Path, cache: Path) -> None:
    """When the time is over no case begins, what is left is counted, and the command that is told does it."""
    bench.write_text(bench.read_text().replace('"fp32", "int8"', '"int8", "fp16"'))
    words = ("run", bench, "--out", tmp_path / "out", "--cache", cache)
    outcome = run(*words, "--budget", "0.001s")

    assert outcome.code == 0
    assert len(store.read(tmp_path / "out" / "results.jsonl")) == 1
    assert "the time is over, 1 of 2 cases are left; go on with: nervbench run " in outcome.err
    assert (tmp_path / "out" / "report.md").is_file()
    told = outcome.err.partition("go on with: nervbench ")[2].split()
    again = run(*told, "--budget", "1h")
    assert again.code == 0
    assert "the time is over" not in again.err
    assert len(store.read(tmp_path / "out" / "results.jsonl")) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.usefixtures("_prepared_here")
def test_no_gpu(run: Run, bench: Path, tmp_path: Path, cache: Path) -> None:
    """A GPU that PyTorch does not see is an error, with what was found and what to do; no case gets a row for it."""
    outcome = run("run", bench, "--out", tmp_path / "out", "--cache", cache, "--device", "cuda")

    assert (outcome.code, outcome.out) == (1, "")
    assert f"nervbench: PyTorch {torch.__version__} " in outcome.err
    assert not (tmp_path / "out" / "results.jsonl").exists()


@pytest.mark.usefixtures("_prepared_here")
def test_some_case_failed(run: Run, tmp_path: Path, cache: Path) -> None:
    """A case that failed is exit code 4; the table and the report are there all the same."""
    out = tmp_path / "out"
    outcome = run("run", written(tmp_path, timeout=0.05), "--out", out, "--only", "*/fp32/*", "--cache", cache)
    (row,) = store.read(out / "results.jsonl")

    assert outcome.code == 4
    assert (row.status, row.reason) == (Status.TIMED_OUT, "no end after 0.05 s")
    assert "TIMED_OUT" in outcome.out
    assert (out / "report.md").is_file()


def test_all_mistakes_at_once(run: Run, bench: Path, tmp_path: Path) -> None:
    """Every mistake of a bench.toml is reported, and nothing is begun."""
    bench.write_text(
        bench.read_text().replace('"clip"', '"clop"').replace("eager", "eagr").replace("max_samples", "max_sample")
        .replace("nerv-xs", "nerv-xz").replace("frames", "framse")
    )  # fmt: skip
    outcome = run("run", bench, "--out", tmp_path / "out")

    assert (outcome.code, outcome.out) == (1, "")
    assert "no such file or folder: " in outcome.err
    for nearest in ("nerv-xs", "eager", "max_samples", "frames"):
        assert f"did you mean '{nearest}'?" in outcome.err
    assert not (tmp_path / "out").exists()


def test_no_bench(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a bench.toml the message says what to give."""
    monkeypatch.chdir(tmp_path)
    outcome = run("run")

    assert outcome.code == 1
    assert outcome.err == (
        "nervbench: bench.toml: cannot be read (No such file or directory); give the path of a bench.toml\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--only", "nerv-l/*"], "no case matches 'nerv-l/*'; there are 2, such as nerv-xs/fp32/eager/b1"),
        (["--resume"], "--resume needs --out"),
        (["--out", "/proc/nervbench"], "cannot write to the folder /proc/nervbench: "),
        (["--out", "bench.toml"], "cannot write to the folder bench.toml: File exists; choose another with --out"),
        (["--out", "bench.toml/out"], "cannot write to the folder bench.toml/out: Not a directory"),
        (["--out", "out", "--cache", "bench.toml/cache"], "cannot write to the folder bench.toml/cache: "),
    ],
)
def test_wrong_words(run: Run, bench: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str) -> None:
    """What is wrong with the command is one message, exit code 1, before anything is measured."""
    monkeypatch.chdir(bench.parent)
    monkeypatch.setattr(local, "execute", None)
    outcome = run("run", *words)

    assert (outcome.code, outcome.out) == (1, "")
    assert says in outcome.err
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.usefixtures("_prepared_here")
def test_damaged_clip(run: Run, bench: Path, cache: Path, tmp_path: Path) -> None:
    """A clip that is found to be damaged is exit code 1 in its own words; no case has begun."""
    (tmp_path / "clip" / "1.png").write_bytes(b"no picture")
    outcome = run("run", bench, "--out", tmp_path / "out", "--cache", cache)

    assert outcome.code == 1
    assert "1.png cannot be read as an image" in outcome.err
    assert not (tmp_path / "out" / "results.jsonl").exists()


def test_damaged_results(run: Run, bench: Path, tmp_path: Path) -> None:
    """Results that cannot be read are not written over, and the line is named."""
    (tmp_path / "results.jsonl").write_text("{}\n{}\n")
    outcome = run("run", bench, "--out", tmp_path, "--resume")

    assert outcome.code == 1
    assert "results.jsonl, line 1: no valid schema number" in outcome.err


def test_without_rules(run: Run, bench: Path, tmp_path: Path) -> None:
    """Results that do not say by which rules they came about are not gone on with, nor those of damaged rules."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.jsonl").touch()
    outcome = run("run", bench, "--out", out, "--resume")
    assert outcome.code == 1
    assert "but no rules.json" in outcome.err
    (out / "rules.json").write_bytes(b"\xff\xfe{")
    assert "was measured by other rules" in run("run", bench, "--out", out, "--resume").err
