"""Two cases that take turns: who is slower, whether they are the same, and what becomes of one that fails."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from nervbench.compare.verdict import Word
from nervbench.errors import CompareError
from nervbench.sweep import live, process
from nervbench.sweep.jobs import PairJob, Turn
from nervbench.sweep.live import Live, Rule, compare_live, log_ratios
from nervbench.sweep.local import told
from tests.sweep.conftest import Studio

# Sleeping decoders differ by what the system's timer adds, so equals may differ by a few percent.
RULE = Rule(budget_s=1.0, level=0.01, bound=0.1)


def compared(studio: Studio, out: Path, *runtimes: str, rule: Rule = RULE) -> Live:
    """The outcome of comparing two fake runtimes (or one with itself)."""
    steps = compare_live(studio.plan(out, [f"{name}/fp32/1/single_stream" for name in runtimes], timeout_s=20), rule)
    return told(steps, id)


def test_slower(studio: Studio, tmp_path: Path) -> None:
    """Twice the time is seen, with its sign; what a runtime prints does not come between; all turns are kept."""
    found = compared(studio, tmp_path / "out", "paced", "slower")
    rounds = Counter((turn.pair, turn.round, turn.side) for turn in found.turns)

    assert found.verdict.word is Word.SLOWER
    assert found.verdict.ratio == pytest.approx(2, rel=0.2)
    assert set(rounds.values()) == {2}
    assert {turn.pair for turn in found.turns} == set(range(RULE.pairs))
    assert not [child for child in psutil.Process().children(recursive=True) if child.is_running()]


def test_one_with_itself(studio: Studio, tmp_path: Path) -> None:
    """One case alone is compared with itself; at the usual level one test in a hundred would find a difference."""
    found = compared(studio, tmp_path / "out", "paced", rule=replace(RULE, level=1e-5))

    assert found.verdict.word not in (Word.FASTER, Word.SLOWER)
    assert found.verdict.ratio == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("runtime", "says"),
    [
        ("wrong", "before timing"),
        ("late", "dB"),
        ("raises", "the driver said no"),
        ("segfaults", "ended by SIGSEGV"),
        ("no_load", "the file is newer than this runtime"),
        ("refuses", "cannot run here: UNSUPPORTED, needs a device of 1977"),
    ],
)
def test_one_that_fails(studio: Studio, tmp_path: Path, runtime: str, says: str) -> None:
    """A side that is wrong, dies or cannot run ends the comparison in its words; no process is left."""
    with pytest.raises(CompareError, match=says):
        compared(studio, tmp_path / "out", "paced", runtime)
    assert not [child for child in psutil.Process().children(recursive=True) if child.is_running()]


def test_silence(studio: Studio, tmp_path: Path) -> None:
    """A side that hangs is given up after the limit of a case."""
    plan = studio.plan(tmp_path / "out", ["paced/fp32/1/single_stream", "hangs/fp32/1/single_stream"], timeout_s=2)
    with pytest.raises(CompareError, match="gave no answer for 2 s"):
        list(compare_live(plan, RULE))


def test_log_ratios() -> None:
    """Turns up to three apart count by the logarithm of b against a, whoever was first; each pair by itself."""
    order = (("a", 1.0), ("b", math.e), ("b", 2.0), ("a", 2.0), ("b", 100.0))
    turns = [Turn(0, 0, side, seconds) for side, seconds in order] + [Turn(1, 0, "b", 1.0), Turn(1, 0, "a", math.e)]

    first, second = log_ratios(turns)
    with_the_first, with_the_last = [1.0, math.log(2)], [1 - math.log(2), 0.0, math.log(50)]
    assert first == pytest.approx(with_the_first + with_the_last)
    assert second == pytest.approx([-1.0])


@pytest.mark.parametrize(("took_s", "pairs"), [(1.0, 8), (4.0, 6), (100.0, 4)])
def test_fewer_pairs_of_slow_cases(monkeypatch: pytest.MonkeyPatch, took_s: float, pairs: int) -> None:
    """A pair that takes longer than its share leaves fewer of them, but enough for a verdict."""
    clock, asked = [50.0], []

    def run(job: PairJob, _timeout_s: float) -> tuple[Turn, ...]:
        asked.append(job)
        clock[0] += took_s
        return (Turn(job.pair, 0, "a", 1.0), Turn(job.pair, 0, "b", 1.0))

    ground = contextlib.nullcontext(SimpleNamespace(run=run))
    monkeypatch.setattr(live, "process", SimpleNamespace(Standing=lambda: ground, Died=process.Died))
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    side: Any = None
    found = told(live.compare_jobs((side, side), Rule(20.0, level=0.01, bound=0.1), 1.0), id)

    assert [job.pair for job in asked] == list(range(pairs))
    assert [job.until_s for job in asked] == [50 + 2.5 * (pair + 1) for pair in range(pairs)]
    assert len({job.seed for job in asked}) == pairs
    assert found.wall_s == took_s * pairs
