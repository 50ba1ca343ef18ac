"""``nervbench report`` says what it wrote, what differs, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from nervbench import store
from nervbench.cli import main
from tests.report.factory import a_run


def called(*arguments: str | Path) -> int:
    """The exit code of the verb."""
    with pytest.raises(SystemExit) as ended:
        main(["report", *map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run."""
    for result in a_run():
        store.append(tmp_path / "run" / "results.jsonl", result)
    return tmp_path / "run"


def test_write(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the path of the page."""
    assert called(run) == 0
    assert capsys.readouterr().out == f"{run / 'report.md'}\n"


def test_check(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A check of pages that match exits with 0, of pages that differ with 1, naming them and the way to mend them."""
    assert called(run, "--check") == 1
    err = capsys.readouterr().err
    assert "report.md" in err
    assert f"nervbench report {run}" in err
    called(run)
    capsys.readouterr()
    assert called(run, "--check") == 0
    assert capsys.readouterr().out == "1 page matches its data\n"


def test_publish(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Publishing prints the device's page; the committed folder then checks."""
    reports = tmp_path / "reports"
    assert called(run, "--publish", reports) == 0
    assert capsys.readouterr().out == f"{reports / 'xeon-2.5ghz-2-threads.md'}\n"
    assert called(reports, "--check") == 0
    assert capsys.readouterr().out == "2 pages match their data\n"


def test_default_folder(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a folder it is reports."""
    monkeypatch.chdir(tmp_path)
    called(run, "--publish", "reports")
    capsys.readouterr()
    assert called() == 0
    assert capsys.readouterr().out == "reports/index.md\n"


@pytest.mark.parametrize("options", [[], ["--check"], ["--publish", "x"]])
def test_without_results(tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without results exits with 1 and one line that says what to do; nothing is made."""
    assert called(tmp_path, *options) == 1
    err = capsys.readouterr().err
    assert "no results in" in err
    assert "nervbench run" in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [["--check", "--publish", "x"], ["--name", "x"], ["--nonsense"]])
def test_wrong_usage(run: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Options that exclude or need each other exit with 1."""
    assert called(run, *options) == 1
    assert "Error:" in capsys.readouterr().err
