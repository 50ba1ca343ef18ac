"""Two results from files: the ratio of their times, with an interval that admits what their samples cannot show.

The samples of one process do not show how much the next process would differ (memory layout, the neighbours of that
minute, the clock's mood), and often that is the larger part. Where a file holds several runs of a case, their spread
is measured and used. Where it holds one, ``BETWEEN`` is allowed for, and the comparison is no better than that guess:
on a machine whose runs differ by more, one run a side will find differences that are not there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from nervbench.compare.ledger import Difference, Ledger, ledger, refused
from nervbench.compare.verdict import LEVEL, Verdict, Word, gate, verdict
from nervbench.records import Result
from nervbench.stats import Floats, bootstrap_error, middle_mean, student

BOUND = 0.03
BETWEEN = 0.005
"""Standard deviation (relative) allowed for between processes where it is not measured: that of a quiet machine with
fixed clocks. Two single processes then differ by up to 2 % at the default level without a verdict."""
FURTHEST = 300.0  # of a logarithm, so that no ratio overflows


@dataclass(frozen=True, slots=True)
class Comparison:
    """Case ``b`` against case ``a``. ``verdict`` is None where the ledger refuses the comparison.

    ``time_a_s`` and ``time_b_s`` are seconds a frame (middle mean of the samples / batch, geometric mean over
    processes; of ``to_file`` all stages); ``runs_a`` and ``runs_b`` are the numbers of processes they rest on.
    """

    a: str
    b: str
    ledger: Ledger
    verdict: Verdict | None = None
    time_a_s: float | None = None
    time_b_s: float | None = None
    runs_a: int = 0
    runs_b: int = 0


def word_of(found: Comparison, bound: float | None = None) -> Word | None:
    """The word that counts: the verdict's, or with a ``bound`` the gate's, as far as the ledger lets it be said.

    None where the comparison was refused. What was hindered is not slower, nor is the other faster for that (a gate,
    which passes what is faster, does not ask); and what ended worse is neither faster nor the same.
    """
    if found.verdict is None:
        return None
    word = found.verdict.word if bound is None else gate(found.verdict, bound)
    hindered = {side for each in found.ledger for side in each.hinders}
    weak = (word is Word.SLOWER and "b" in hindered) or (word is Word.FASTER and bound is None and "a" in hindered)
    worse = word in (Word.FASTER, Word.SAME) and any(each.worse for each in found.ledger)
    return Word.UNDECIDED if weak or worse else word


def holds_up(found: Comparison, bound: float) -> bool:
    """Whether a gate waits for it: undecided, and it does not look faster by ``bound``. No improvement fails."""
    if found.verdict is None or word_of(found, bound) is not Word.UNDECIDED:
        return False
    return found.verdict.ratio > 1 - bound or any(each.worse for each in found.ledger)


def compare(
    a: Sequence[Result],
    b: Sequence[Result],
    level: float = LEVEL,
    bound: float = BOUND,
    free: Collection[str] = (),
    between: float = BETWEEN,
) -> Comparison:
    """Compare two cases, each as its runs (processes) in the order of the file, at least one a side.

    The last run of a side stands for it in the ledger; earlier ones count where nothing but the samples differs.
    ``level`` is the probability of a false verdict, ``bound`` the difference that matters, ``free`` what may differ,
    ``between`` the relative standard deviation allowed for between processes.
    """
    last_a, last_b = a[-1], b[-1]
    runs_a, runs_b = _like(a), _like(b)
    found = ledger(last_a, last_b, free)
    if len(runs_a) < len(a) or len(runs_b) < len(b):
        used_a, used_b = (f"{len(runs)} of {len(every)} used" for runs, every in ((runs_a, a), (runs_b, b)))
        found = (*found, Difference("runs", used_a, used_b, blocking=False))
    if refused(found):
        return Comparison(last_a.case.name, last_b.case.name, found)
    side_a, side_b = _side(runs_a), _side(runs_b)
    change = side_b.centre - side_a.centre
    reach = max(_reach_within(side_a, side_b, level, between), _reach_between(side_a, side_b, level))
    if runs_a == runs_b:  # not two measurements, but one: nothing can differ
        reach = 0.0
    ratio, low, high = (_exp(each) for each in (change, change - reach, change + reach))
    return Comparison(
        last_a.case.name,
        last_b.case.name,
        found,
        verdict(ratio, low, high, level, bound),
        _exp(side_a.centre),
        _exp(side_b.centre),
        len(runs_a),
        len(runs_b),
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """The logarithm of the time a frame in each process, and its standard error and degrees of freedom there."""

    centres: tuple[float, ...]
    errors: tuple[tuple[float, float], ...]

    @property
    def centre(self) -> float:
        return mean(self.centres)

    @property
    def count(self) -> int:
        return len(self.centres)


def _side(runs: Sequence[Result]) -> _Side:
    """The centre of every run, and how well its own samples know it."""
    timed = [_times_s(run) for run in runs]
    logs = (float(_log_centre(np.array(times))) for times in timed)
    centres = tuple(log - math.log(run.case.batch) for log, run in zip(logs, runs, strict=True))
    errors = (bootstrap_error(_log_centre, times) for times in timed)
    return _Side(centres, tuple(error for error in errors if error))


def _times_s(run: Result) -> Sequence[float]:
    """Seconds of each batch: of its decode, or of all its stages where these are what was asked for."""
    stages = run.telemetry.stages if run.telemetry else None
    if not stages:
        return run.samples_s
    return [sum(parts) for parts in zip(stages.decode_s, stages.fetch_s, stages.write_s, strict=True)]


def _like(runs: Sequence[Result]) -> list[Result]:
    """The last run, and the earlier ones that are runs of the very same thing."""
    return [run for run in runs[:-1] if not refused(ledger(run, runs[-1]))] + [runs[-1]]


def _reach_within(a: _Side, b: _Side, level: float, between: float) -> float:
    """Half the interval from what is seen in the processes, and ``between`` from one to the next.

    Variances add up; the degrees of freedom of their sum are Welch's and Satterthwaite's (1946).
    """
    parts = [(error / side.count, freedom) for side in (a, b) for error, freedom in side.errors]
    seen = sum(part**2 for part, _ in parts)
    total = seen + between**2 * (1 / a.count + 1 / b.count)
    certain = sum(part**4 / freedom for part, freedom in parts)
    return student(level, total**2 / certain if certain else math.inf) * math.sqrt(total)


def _reach_between(a: _Side, b: _Side, level: float) -> float:
    """Half the interval from the spread of the processes alone, pooled over both sides; 0 where each has one.

    Processes are the independent samples here, so this holds whatever happens within them. To resample two to five of
    them instead would give intervals far too narrow: hence Student's t, which says that two processes a side tell
    little.
    """
    freedom = a.count + b.count - 2
    if freedom < 1:
        return 0.0
    squares = sum((centre - side.centre) ** 2 for side in (a, b) for centre in side.centres)
    return student(level, freedom) * math.sqrt(squares / freedom * (1 / a.count + 1 / b.count))


def _log_centre(values: Floats) -> Floats:
    """The logarithm of the middle mean: differences of it are ratios."""
    logarithm: Floats = np.log(middle_mean(values))
    return logarithm


def _exp(logarithm: float) -> float:
    """The number of this logarithm, kept finite and above 0."""
    return math.exp(max(-FURTHEST, min(FURTHEST, logarithm)))
