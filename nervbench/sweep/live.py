"""Two cases against each other, live: pairs of warm processes that take turns, renewed several times.

The turns are taken in :mod:`nervbench.sweep.turns`, and what they say is worked out in :mod:`nervbench.compare.paired`.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import groupby

from nervbench.compare.paired import MIN_PAIRS, paired
from nervbench.compare.verdict import Verdict
from nervbench.errors import CompareError
from nervbench.records import Result
from nervbench.sweep import process
from nervbench.sweep.jobs import CaseJob, PairJob, Turn
from nervbench.sweep.local import PREPARE_TIMEOUT_S, Event, Plan, preparation, probe_device

BOUND = 0.01
"""Two whose times differ by less are called the same, where no other bound is given."""
REACH = 3
"""Turns are compared with those so near: see :mod:`nervbench.compare.paired`."""
PAIR_S = 2.5
MOST_PAIRS = 24


@dataclass(frozen=True, slots=True)
class Rule:
    """How long, and what counts as different: see :func:`nervbench.compare.paired.paired`."""

    budget_s: float
    level: float
    bound: float
    seed: int = 0

    @property
    def pairs(self) -> int:
        """Pairs of processes: at least one more than needed, then one for each two and a half seconds, up to 24."""
        return max(MIN_PAIRS + 1, min(MOST_PAIRS, round(self.budget_s / PAIR_S)))


@dataclass(frozen=True, slots=True)
class Live:
    """What came of it. ``wall_s`` counts the starting of processes, not the preparation before the first."""

    verdict: Verdict
    turns: tuple[Turn, ...]
    wall_s: float


def compare_live(plan: Plan, rule: Rule) -> Generator[Event, None, Live]:
    """Compare the two cases of the plan, the second against the first. Yields as things begin.

    Raises CompareError where one of the two cannot run, gives wrong frames, or dies.
    """
    ready = yield from preparation(plan)
    card = probe_device(plan.device, 0.0)
    jobs = [runnable(ready.job(case, card)) for case in plan.cases]
    a, b = (jobs * 2)[:2]  # one case twice: how much do equals differ?
    return (yield from compare_jobs((a, b), rule, plan.bench.limits.case_timeout_s))


def compare_jobs(sides: tuple[CaseJob, CaseJob], rule: Rule, timeout_s: float) -> Generator[Event, None, Live]:
    """Compare two cases that are prepared.

    Where they are so slow that a pair takes longer than its share of the time, there are fewer pairs.
    """
    began = time.monotonic()
    turns: list[Turn] = []
    chance = random.Random(rule.seed)
    with process.Standing() as ground:
        for pair in range(rule.pairs):
            if pair > MIN_PAIRS and time.monotonic() > began + rule.budget_s:
                break
            yield Event(f"pair {pair + 1} of {rule.pairs}", 0, 0)
            until_s = began + rule.budget_s * (pair + 1) / rule.pairs
            answer = ground.run(PairJob(sides, pair, until_s, chance.getrandbits(32), timeout_s), PREPARE_TIMEOUT_S)
            if isinstance(answer, process.Died):
                raise CompareError(answer.reason)
            turns += answer
    found = paired(log_ratios(turns), rule.level, rule.bound)
    return Live(found, tuple(turns), time.monotonic() - began)


def log_ratios(turns: Sequence[Turn]) -> list[list[float]]:
    """For each pair of processes, log(time of b / time of a) of every two of their turns that are at most 3 apart."""
    ratios: list[list[float]] = []
    for _, group in groupby(turns, key=lambda turn: turn.pair):
        of_pair = list(group)
        ratios.append(
            [
                math.log(y.seconds / x.seconds) * (1 if y.side == "b" else -1)
                for at, x in enumerate(of_pair)
                for y in of_pair[at + 1 : at + 1 + REACH]
                if x.side != y.side
            ]
        )
    return ratios


def runnable(job: CaseJob | Result) -> CaseJob:
    """The job of a case; raises CompareError where it ended before it could begin."""
    if isinstance(job, Result):
        msg = f"{job.case.name} cannot run here: {job.status.value}, {job.reason}"
        raise CompareError(msg)
    return job
