"""``nervbench compare``: two files or two cases in, a table or JSON out, and refusals that say why."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nervbench import store
from nervbench.records import SINGLE_STREAM, DeviceCard, Environment, Result, Status, case_of

Run = Callable[..., Any]
CARD = DeviceCard("cpu", "a CPU", 2, 2, 8 << 30)


def timed(seconds: float, runtime: str = "ov", batch: int = 1, torch: str = "2.13", card: DeviceCard = CARD) -> Result:
    """A case with 40 samples within ±1 % of so many seconds."""
    return Result(
        case_of("nerv-xs", "fp32", runtime, batch, SINGLE_STREAM, "bundled"),
        Status.OK,
        device=card,
        environment=Environment("3.11", "Linux", {"torch": torch}),
        samples_s=tuple(seconds * (1 + 0.01 * ((7 * place) % 5 - 2) / 2) for place in range(40)),
    )


def folder(path: Path, *results: Result) -> Path:
    """A run's folder with these results."""
    for result in results:
        store.append(path / "results.jsonl", result)
    return path


def test_two_folders(run: Run, tmp_path: Path) -> None:
    """Case by case: what became faster, slower and stayed the same, and that one process a side is a guess."""
    a = folder(tmp_path / "a", timed(0.01), timed(0.02, "ort"), timed(0.03, "eager"))
    b = folder(tmp_path / "b", timed(0.009), timed(0.022, "ort"), timed(0.03, "eager"))

    outcome = run("compare", a, b / "results.jsonl")
    lines = {line.split()[0]: line for line in outcome.out.splitlines() if line.strip().startswith("nerv-xs")}

    assert outcome.code == 0, outcome.err
    assert "faster" in lines["nerv-xs/fp32/ov/b1"]
    assert "0.9000" in lines["nerv-xs/fp32/ov/b1"]
    assert "slower" in lines["nerv-xs/fp32/ort/b1"]
    assert "same" in lines["nerv-xs/fp32/eager/b1"]
    assert "One process a side" in outcome.out


def test_refused(run: Run, tmp_path: Path) -> None:
    """Two machines are not compared: the differences are listed and the exit code is 1."""
    a = folder(tmp_path / "a", timed(0.01))
    b = folder(tmp_path / "b", timed(0.01, torch="2.14", card=replace(CARD, name="[red]another", threads=4)))

    outcome = run("compare", a, b)
    as_json = run("compare", a, b, "--json")
    comparison = json.loads(as_json.out)["comparisons"][0]

    assert outcome.code == as_json.code == 1
    for words in ("refused", "a CPU against [red]another", "device threads: 2 against 4", "torch: 2.13 against 2.14"):
        assert words in outcome.out
    assert "--allow" in outcome.out
    assert comparison["refused"]
    assert comparison["verdict"] is None
    assert [each["what"] for each in comparison["ledger"]] == ["device name", "device threads", "package torch"]


def test_allowed(run: Run, tmp_path: Path) -> None:
    """A difference that is what one compares is let through and still said; a failure never is."""
    a, b = folder(tmp_path / "a", timed(0.01)), folder(tmp_path / "b", timed(0.008, torch="2.14"))
    failed = folder(tmp_path / "c", replace(timed(0.01), status=Status.CRASHED, reason="signal 9", samples_s=()))

    outcome = run("compare", a, b, "--allow", "torch")
    hopeless = run("compare", a, failed, "--allow", "status")

    assert outcome.code == 0
    assert "noted: package torch: 2.13 against 2.14" in outcome.out
    assert hopeless.code == 1
    assert "status: OK against CRASHED (signal 9)" in hopeless.out
    assert "--allow" not in hopeless.out


def test_two_named_cases(run: Run, tmp_path: Path) -> None:
    """Runtime and batch may differ between two cases that are named; the time is that of a frame."""
    a = folder(tmp_path / "a", timed(0.01), timed(0.036, "eager", batch=4))

    outcome = run("compare", f"{a}::nerv-xs/fp32/ov/b1", f"{a}::nerv-xs/fp32/eager/b4", "--json")
    comparison = json.loads(outcome.out)["comparisons"][0]

    assert outcome.code == 0, outcome.err
    assert comparison["verdict"]["word"] == "faster"
    assert comparison["verdict"]["ratio"] == pytest.approx(0.9)
    assert 0 < comparison["verdict"]["smallest_effect"] < 0.05


def test_several_runs(run: Run, tmp_path: Path) -> None:
    """A folder of run folders gives several processes of each case, and their spread decides."""
    for number, (first, second) in enumerate([(0.010, 0.011), (0.012, 0.010), (0.011, 0.013)]):
        folder(tmp_path / "a" / str(number), timed(first))
        folder(tmp_path / "b" / str(number), timed(second))

    outcome = run("compare", tmp_path / "a", tmp_path / "b", "--json")
    comparison = json.loads(outcome.out)["comparisons"][0]

    assert (comparison["runs_a"], comparison["runs_b"]) == (3, 3)
    assert comparison["verdict"]["word"] == "undecided"
    assert comparison["verdict"]["smallest_effect"] > 0.2
    assert "One process a side" not in run("compare", tmp_path / "a", tmp_path / "b").out


@pytest.mark.parametrize(("seconds", "code"), [(0.009, 0), (0.01, 0), (0.0103, 3), (0.012, 2)])
def test_fail_on(run: Run, tmp_path: Path, seconds: float, code: int) -> None:
    """With --fail-on it is a gate: 2 slower, 3 undecided; without it, it only tells."""
    a, b = folder(tmp_path / "a", timed(0.01)), folder(tmp_path / "b", timed(seconds))

    assert run("compare", a, b, "--fail-on", "3%").code == code
    assert run("compare", a, b, "--fail-on", "0.03").code == code
    assert run("compare", a, b).code == 0


def test_only(run: Run, tmp_path: Path) -> None:
    """--only chooses cases of both sides; a glob that fits none says what there is; a case of one side is refused."""
    a = folder(tmp_path / "a", timed(0.01), timed(0.02, "ort"))
    b = folder(tmp_path / "b", timed(0.01))

    outcome = run("compare", a, b, "--only", "*/ov/*")
    nothing = run("compare", a, b, "--only", "nerv-l/*")

    assert "ort" not in outcome.out
    assert nothing.code == 1
    assert "no case matches 'nerv-l/*'" in nothing.err
    assert "nerv-xs/fp32/ort/b1 refused: case: present against missing" in run("compare", a, b).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{a}", "{a}", "--fail-on", "fast"), "'fast' is no number; write a share"),
        (("{a}", "{a}", "--fail-on", "3"), "'3' is 300%"),
        (("{a}", "{a}", "--fail-on", "-1%"), "'-1%' is -1%"),
        (("{a}", "{a}", "--fail-on", "nan"), "such as 3% or 0.03"),
        (("{a}", "{a}", "--level", "0"), "write a share from 0.0001% to under 100%"),
        (("{a}::x", "{a}"), "name a case on both sides"),
        (("{a}::nerv-xs/fp32/ow/b1", "{a}::nerv-xs/fp32/ov/b1"), "did you mean 'nerv-xs/fp32/ov/b1'"),
        (("{a}", "{a}/nothing"), "cannot read"),
        (("{a}", "{empty}"), "no results in"),
    ],
)
def test_wrong_usage(run: Run, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """What is wrong with the words is said, with what was possible; the exit code is 1."""
    a, empty = folder(tmp_path / "a", timed(0.01)), tmp_path / "empty"
    empty.mkdir()

    outcome = run("compare", *(word.format(a=a, empty=empty) for word in words))

    assert outcome.code == 1
    assert said in outcome.err


def test_a_refused_case_fails_a_gate(run: Run, tmp_path: Path) -> None:
    """With --fail-on a case that one side lacks is an error, unless another is slower; without, it is told."""
    a = folder(tmp_path / "a", timed(0.01), timed(0.02, "ort"))
    b = folder(tmp_path / "b", timed(0.01))
    c = folder(tmp_path / "c", timed(0.02))
    assert [run("compare", a, each, *gate).code for each in (b, c) for gate in ((), ("--fail-on", "3%"))] == [
        0,
        1,
        0,
        2,
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--live", "--only", "x"), "--only is not for --live"),
        (("--live", "--allow", "torch", "--between", "1%"), "--allow and --between are not for --live"),
        (("--for", "5m", "--bench", "none.toml"), "--for and --bench are for --live"),
    ],
)
def test_options_of_the_other_kind(run: Run, words: tuple[str, ...], says: str) -> None:
    """An option that would be ignored is refused."""
    outcome = run("compare", "a", "b", *words)
    assert outcome.code == 1
    assert says in outcome.err


def test_allowing_what_does_not_differ(run: Run, tmp_path: Path) -> None:
    """A name that no difference has is told, with those there are."""
    a, b = folder(tmp_path / "a", timed(0.01)), folder(tmp_path / "b", timed(0.01, torch="2.14"))
    outcome = run("compare", a, b, "--allow", "torhc")
    assert "--allow torhc: nothing of that name differs; what does: torch" in outcome.err
