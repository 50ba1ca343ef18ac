"""What the protocol alone changes: a case timed as published code does, beside the same case timed strictly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nervbench.records import STRICT
from nervbench.report.markdown import escape
from nervbench.report.rows import Group, Row, usual_of
from nervbench.report.tables import section, speed, times, without_number
from nervbench.stats import median

HEAD = ("case", "FPS", "strict FPS", "ratio", "first call counts", "mean, not median", "the rest", "calls")
WORDS = """\
Published code times otherwise, and its FPS are not ranked here. The ratio to the strict row of the same case is the
product of the three columns after it. The first call counts: loading, compiling and searching are in the number, the
less the more calls follow. Mean, not median: every disturbance is in it. The rest: the frames stay floats, a frame is
decoded several times in a row, and two processes met the machine at two moments: where the rows are noisy, that may be
all of it. Not as published: a budget may end the calls before the clip does (the last column says so; the first call
then counts for more), and convolutions take no TF32 on a GPU that has it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The ratio of a replay's FPS to the strict FPS as a product."""

    ratio: float
    first_call: float
    mean: float
    rest: float


def parts(replay: Row, strict: Row) -> Parts | None:
    """What the protocol changes, and by what; None where a side has no number or there is a single call.

    With calls of s₁ … sₙ seconds: FPS are n / Σs; without the first call they would be (n − 1) / (Σs − s₁), and by the
    median 1 / median(s).
    """
    samples, middle = replay.result.samples_s, median(replay.result.samples_s)
    if not replay.fps or not strict.fps or not middle or len(samples) < 2:
        return None
    batch, later = replay.result.case.batch, samples[1:]
    without_first = batch * len(later) / sum(later)
    by_median = batch / middle
    return Parts(replay.fps / strict.fps, replay.fps / without_first, without_first / by_median, by_median / strict.fps)


def beside(groups: Sequence[Group]) -> str:
    """The section: words, then a line for each replay; empty where there is none."""
    lines = [
        _line(row, usual_of(row, group))
        for group in groups
        for row in group.apart
        if row.result.case.protocol != STRICT
    ]
    return section(WORDS, HEAD, lines)


def said(groups: Sequence[Group], model: str) -> list[str]:
    """What the protocol changes of each replay of a model that has a strict row beside it, in words."""
    found = []
    for group in groups:
        for row in group.apart if group.model == model else ():
            strict = usual_of(row, group)
            factors = parts(row, strict) if strict and row.result.case.protocol != STRICT else None
            if strict and factors:
                found.append(
                    f"{row.label}: {speed(row.fps)} FPS, strictly {speed(strict.fps)} FPS, × {times(factors.ratio)} "
                    f"(the first call counts × {times(factors.first_call)}, mean instead of median "
                    f"× {times(factors.mean)}, the rest × {times(factors.rest)})"
                )
    return found


def _line(row: Row, strict: Row | None) -> list[str]:
    """The cells of a replay; one without a number says why, one without a strict row stands alone."""
    if not row.timed:
        return without_number(row, len(HEAD))
    found = parts(row, strict) if strict else None
    factors = (found.ratio, found.first_call, found.mean, found.rest) if found else (None,) * 4
    seen = row.result.telemetry
    calls = str(len(row.result.samples_s))
    if seen and seen.stopped_by:
        calls += f" (ended by the {escape(seen.stopped_by)})"
    return [escape(row.label), speed(row.fps), speed(strict.fps if strict else None), *map(times, factors), calls]
