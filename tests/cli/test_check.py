"""``nervbench check``: a gate with four exits, which never fails on an improvement."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nervbench import store
from nervbench.records import SINGLE_STREAM, Doubt, Environment, Result, Status, case_of

Run = Callable[..., Any]


def timed(seconds: float, runtime: str = "ov", nervbench: str = "1.0", torch: str = "2.13") -> Result:
    """A case with 40 samples within ±1 % of so many seconds."""
    return Result(
        case_of("nerv-xs", "fp32", runtime, 1, SINGLE_STREAM, "bundled"),
        Status.OK,
        environment=Environment("3.11", "Linux", {"nervbench": nervbench, "torch": torch}),
        samples_s=tuple(seconds * (1 + 0.01 * ((7 * place) % 5 - 2) / 2) for place in range(40)),
    )


def failed(runtime: str = "ov", status: Status = Status.CRASHED) -> Result:
    """A case without a number."""
    return replace(timed(0.01, runtime), status=status, reason="signal 9", samples_s=())


@pytest.fixture
def check(run: Run, tmp_path: Path) -> Callable[..., Any]:
    """Check results against a baseline, both as lists."""

    def call(baseline: list[Result], results: list[Result], *words: str) -> Any:
        for name, rows in (("baseline.jsonl", baseline), ("results.jsonl", results)):
            for row in rows:
                store.append(tmp_path / name, row)
        return run("check", tmp_path / "results.jsonl", "--baseline", tmp_path / "baseline.jsonl", *words)

    return call


@pytest.mark.parametrize(
    ("seconds", "code", "word"),
    [(0.005, 0, "faster"), (0.01, 0, "same"), (0.0103, 3, "undecided"), (0.012, 2, "slower")],
)
def test_exits(check: Run, seconds: float, code: int, word: str) -> None:
    """0 same or faster, 2 slower, 3 undecided; another version of this program is what one checks."""
    outcome = check([timed(0.01)], [timed(seconds, nervbench="1.1")])

    assert outcome.code == code, outcome.out + outcome.err
    assert word in outcome.out


def test_fail_on(check: Run) -> None:
    """A slowdown within what is allowed passes, though it is certain."""
    assert check([timed(0.01)], [timed(0.0112)], "--fail-on", "20%").code == 0


def test_the_worst_counts(check: Run) -> None:
    """One slower case among faster and undecided ones is slower."""
    before = [timed(0.01), timed(0.01, "ort"), timed(0.01, "eager")]
    after = [timed(0.005), timed(0.0103, "ort"), timed(0.02, "eager")]

    assert check(before, after).code == 2


def test_the_first_time(run: Run, tmp_path: Path) -> None:
    """A missing baseline is written from the results, said, and held against them afterwards."""
    store.append(tmp_path / "run" / "results.jsonl", timed(0.01))
    baseline = tmp_path / "new" / "baseline.jsonl"

    first = run("check", tmp_path / "run", "--baseline", baseline)
    second = run("check", tmp_path / "run", "--baseline", baseline)

    assert (first.code, second.code) == (0, 0)
    assert f"wrote {baseline}" in first.out
    assert store.read(baseline) == [timed(0.01)]
    assert "same" in second.out


def test_no_baseline_of_failures(check: Run, tmp_path: Path) -> None:
    """Results without a number make no baseline: it would pass for ever."""
    outcome = check([], [failed()])

    assert outcome.code == 1
    assert "no case ended OK" in outcome.err
    assert not (tmp_path / "baseline.jsonl").exists()


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([timed(0.01, "ort")], "case: present against missing"),
        ([failed(), timed(0.01, "ort")], "status: OK against CRASHED (signal 9)"),
        ([timed(0.01, torch="2.14"), timed(0.01, "ort")], "package torch: 2.13 against 2.14"),
    ],
)
def test_what_cannot_be_checked(check: Run, results: list[Result], said: str) -> None:
    """A case that is missing, failed, or was measured otherwise is an error, and it is said which and why."""
    outcome = check([timed(0.01), timed(0.01, "ort")], results)

    assert outcome.code == 1
    assert f"nerv-xs/fp32/ov/b1 refused: {said}" in outcome.out
    assert "not every case of the baseline could be checked" in outcome.err


def test_allowed(check: Run) -> None:
    """An upgrade that is to be checked is named."""
    assert check([timed(0.01)], [timed(0.01, torch="2.14")], "--allow", "torch").code == 0


def test_passed_over(check: Run) -> None:
    """Cases that are new, and those that had no number before, are named and change nothing."""
    outcome = check(
        [timed(0.01), failed("ort", Status.UNSUPPORTED)], [timed(0.01), failed("ort"), timed(0.01, "eager")]
    )

    assert outcome.code == 0
    assert "without a number in the baseline, not checked: nerv-xs/fp32/ort/b1" in outcome.out
    assert "not in the baseline, not checked: nerv-xs/fp32/eager/b1" in outcome.out


def test_json(check: Run) -> None:
    """With --json stdout is one object, the words are the gate's, and the exit code is that of the table."""
    before = [timed(0.01), timed(0.01, "ort"), failed("compiled", Status.UNSUPPORTED)]
    after = [timed(0.0112), timed(0.02, "ort"), timed(0.01, "eager")]

    outcome = check(before, after, "--fail-on", "20%", "--json")
    said = json.loads(outcome.out)
    verdicts = {each["a"]: each["verdict"] for each in said["comparisons"]}

    assert (outcome.code, outcome.err) == (2, "")
    assert (said["level"], said["fail_on"], said["baseline_written"]) == (0.005, 0.2, False)
    assert verdicts["nerv-xs/fp32/ov/b1"]["word"] == "same"
    assert verdicts["nerv-xs/fp32/ov/b1"]["ratio"] == pytest.approx(1.12)
    assert verdicts["nerv-xs/fp32/ort/b1"]["word"] == "slower"
    assert said["without_number_in_baseline"] == ["nerv-xs/fp32/compiled/b1"]
    assert said["not_in_baseline"] == ["nerv-xs/fp32/eager/b1"]


def test_json_of_what_cannot_be_checked(check: Run) -> None:
    """A refusal is in the object with its reason; that it is an error is said on stderr."""
    outcome = check([timed(0.01)], [failed()], "--json")
    (comparison,) = json.loads(outcome.out)["comparisons"]

    assert outcome.code == 1
    assert comparison["refused"]
    assert comparison["verdict"] is None
    assert [each["what"] for each in comparison["ledger"]] == ["status"]
    assert "not every case of the baseline could be checked" in outcome.err


def test_json_the_first_time(run: Run, tmp_path: Path) -> None:
    """The object says that the baseline was written, and compares nothing."""
    store.append(tmp_path / "results.jsonl", timed(0.01))
    baseline = tmp_path / "baseline.jsonl"

    outcome = run("check", tmp_path / "results.jsonl", "--baseline", baseline, "--json")
    said = json.loads(outcome.out)

    assert outcome.code == 0
    assert (said["baseline_written"], said["comparisons"]) == (True, [])
    assert store.read(baseline) == [timed(0.01)]


def test_wrong_usage(run: Run, tmp_path: Path) -> None:
    """Results that are not there, and a share that is none, are errors of usage, not verdicts."""
    missing = run("check", tmp_path / "nothing", "--baseline", tmp_path / "baseline.jsonl")
    nonsense = run("check", tmp_path, "--baseline", tmp_path / "baseline.jsonl", "--fail-on", "little")

    assert (missing.code, nonsense.code) == (1, 1)
    assert "cannot read" in missing.err
    assert "'little' is no number" in nonsense.err
    assert not (tmp_path / "baseline.jsonl").exists()


def test_disturbed(check: Run) -> None:
    """A machine that was disturbed when the case was slower proves nothing; who knows better may say so."""
    disturbed = replace(timed(0.012), doubts=(Doubt("others_busy", {"share": 0.4}),))
    outcome = check([timed(0.01)], [disturbed])
    assert outcome.code == 3
    assert "again in a quiet hour" in " ".join(outcome.out.split())
    assert check([], [], "--allow", "doubts").code == 2


def test_a_baseline_that_failed_once(check: Run) -> None:
    """A case of the baseline counts by its runs that ended well, whichever came last."""
    assert check([timed(0.01), failed()], [timed(0.02)]).code == 2


def scattered(seconds: float) -> Result:
    """A case of which a handful of samples say little."""
    return replace(timed(seconds), samples_s=tuple(seconds * share for share in (0.7, 0.8, 1.0, 1.2, 1.3)))


@pytest.mark.parametrize(("seconds", "code"), [(0.0085, 0), (0.0099, 3), (0.0115, 3)])
def test_an_improvement_that_is_not_sure_passes(check: Run, seconds: float, code: int) -> None:
    """Of an undecided case the gate waits for, unless it looks faster by what would fail if it were slower."""
    outcome = check([scattered(0.01)], [scattered(seconds)])
    assert outcome.code == code, outcome.out
    assert "undecided" in outcome.out


def test_against_itself(check: Run) -> None:
    """A measurement is no slower than itself, however much it scatters."""
    assert check([scattered(0.01)], [scattered(0.01)]).code == 0
