"""Two cases that take turns: who is slower, whether they are the same, and what becomes of one that fails."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import psutil
import pytest

from nervbench.compare.verdict import Word
from nervbench.errors import CompareError
from nervbench.sweep import live
from nervbench.sweep.live import Live, Rule, Turn, compare_live, log_ratios
from nervbench.sweep.local import told
from tests.sweep.conftest import Studio

# Sleeping decoders differ by what the system's timer adds, so equals may differ by a few percent.
RULE = Rule(budget_s=1.0, level=0.01, bound=0.1)


def compared(studio: Studio, out: Path, *runtimes: str) -> Live:
    """The outcome of comparing two fake runtimes (or one with itself)."""
    steps = compare_live(studio.plan(out, [f"{name}/fp32/1/single_stream" for name in runtimes], timeout_s=20), RULE)
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
    """One case alone is compared with itself."""
    found = compared(studio, tmp_path / "out", "paced")

    assert found.verdict.word not in (Word.FASTER, Word.SLOWER)
    assert found.verdict.ratio == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("runtime", "says"),
    [
        ("wrong", "before timing"),
        ("late", "dB"),
        ("raises", "the driver said no"),
        ("segfaults", "ended with exit code -11"),
        ("no_load", "the file is newer than this runtime"),
        ("refuses", "cannot run here: UNSUPPORTED, needs a device of 1977"),
    ],
)
def test_one_that_fails(
    studio: Studio, tmp_path: Path, runtime: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A side that is wrong, dies or cannot run ends the comparison in its words; no process is left."""
    monkeypatch.setattr(live, "MIN_ROUNDS", 6)
    with pytest.raises(CompareError, match=says):
        compared(studio, tmp_path / "out", "paced", runtime)
    assert not [child for child in psutil.Process().children(recursive=True) if child.is_running()]


def test_silence(studio: Studio, tmp_path: Path) -> None:
    """A side that hangs is given up after the limit of a case."""
    plan = studio.plan(tmp_path / "out", ["paced/fp32/1/single_stream", "hangs/fp32/1/single_stream"], timeout_s=2)
    with pytest.raises(CompareError, match="gave no answer for 2 s"):
        list(compare_live(plan, RULE))


def test_log_ratios() -> None:
    """A round counts by the mean of b's two logarithms less that of a's, each pair of processes by itself."""
    seconds = {"a": (1.0, 4.0), "b": (2.0, 2.0)}
    turns = [Turn(pair, 0, side, value) for pair in (0, 1) for side in "ab" for value in seconds[side]]
    turns.append(Turn(1, 1, "b", math.e))
    turns.append(Turn(1, 1, "a", 1.0))

    first, second = log_ratios(turns)
    assert first == pytest.approx([0.0])
    assert second == pytest.approx([0.0, 0.5])
