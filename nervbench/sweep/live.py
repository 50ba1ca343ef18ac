"""Two cases against each other, live: two warm processes that take turns, renewed several times.

What the turns say is worked out in :mod:`nervbench.compare.paired`; here they are taken. Only one side computes at a
time. Between two turns both rest for a moment, so that the threads of the first, which spin for a while when they have
no work, do not take the processor from the second.
"""

from __future__ import annotations

import contextlib
import json
import math
import pickle
import random
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from nervbench.compare.paired import MIN_PAIRS, paired
from nervbench.compare.verdict import Verdict
from nervbench.errors import CompareError
from nervbench.records import Result
from nervbench.sweep.jobs import CaseJob
from nervbench.sweep.local import Event, Plan, preparation, probe_device
from nervbench.sweep.process import last_words

REST_S = 0.004
TURN_S = 0.005
"""A turn takes as many decodes as fill this: under it, what the processes say to each other would count."""
PAIR_S = 10.0
MIN_ROUNDS = 5
ORDERS = ("abba", "baab")


@dataclass(frozen=True, slots=True)
class Rule:
    """How long, and what counts as different: see :func:`nervbench.compare.paired.paired`."""

    budget_s: float
    level: float
    bound: float
    seed: int = 0

    @property
    def pairs(self) -> int:
        """Pairs of processes: one for each ten seconds, at least one more than needed, at most twelve."""
        return max(MIN_PAIRS + 1, min(12, round(self.budget_s / PAIR_S)))


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: the pair of processes and the round it belongs to, the side, seconds a frame."""

    pair: int
    round: int
    side: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Live:
    """What came of it. ``wall_s`` counts the starting of processes, not the preparation before the first."""

    verdict: Verdict
    turns: tuple[Turn, ...]
    wall_s: float


class Side:
    """A process that has a case open and decodes when asked."""

    def __init__(self, name: str, job: CaseJob, folder: Path, timeout_s: float) -> None:
        self._name, self._timeout_s = name, timeout_s
        self._log = folder / f"{name}.log"
        (folder / name).write_bytes(pickle.dumps(job))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "nervbench.sweep.turns", str(folder / name)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip

    def opened(self) -> float:
        """Wait until it is open and its frames were compared: seconds of a warm decode."""
        return float(self._answer()["warm_s"])

    def turn(self, index: int, count: int) -> float:
        """Seconds a frame over so many decodes."""
        with contextlib.suppress(BrokenPipeError):  # it died; the answer says how
            _pipe(self._process.stdin).write(f"{index} {count}\n")
            _pipe(self._process.stdin).flush()
        return float(self._answer()["s"])

    def verified(self) -> None:
        """End the input; the frames are compared once more."""
        _pipe(self._process.stdin).close()
        self._answer()

    def end(self) -> None:
        """Take the process down if it is still there."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                _pipe(pipe).close()

    def _answer(self) -> Any:
        """Its next answer. Raises CompareError where it says that something is wrong, ends, or is silent."""
        out = _pipe(self._process.stdout)
        if not select.select([out], [], [], self._timeout_s)[0]:
            msg = f"{self._name} gave no answer for {self._timeout_s:g} s"
            raise CompareError(msg)
        line = out.readline()
        if not line:
            msg = f"{self._name} ended with exit code {self._process.wait()}{last_words(self._log)}"
            raise CompareError(msg)
        answer = json.loads(line)
        if wrong := answer.get("wrong"):
            msg = f"{self._name}: {wrong}"
            raise CompareError(msg)
        return answer


def compare_live(plan: Plan, rule: Rule) -> Generator[Event, None, Live]:
    """Compare the two cases of the plan, the second against the first. Yields as things begin.

    Raises CompareError where one of them cannot run, gives wrong frames, or dies.
    """
    ready = yield from preparation(plan)
    card = probe_device(plan.device, 0.0)
    jobs = [ready.job(case, card) for case in plan.cases]
    a, b = (_runnable(job) for job in (jobs * 2)[:2])  # one case twice: how much do equals differ?
    began = time.monotonic()
    turns: list[Turn] = []
    chance = random.Random(rule.seed)
    for pair in range(rule.pairs):
        yield Event(f"pair {pair + 1} of {rule.pairs}", 0, 0)
        until = began + rule.budget_s * (pair + 1) / rule.pairs
        turns += _pair(pair, (a, b), until, chance, plan.bench.limits.case_timeout_s)
    found = paired(list(log_ratios(turns)), rule.level, rule.bound)
    return Live(found, tuple(turns), time.monotonic() - began)


def log_ratios(turns: list[Turn]) -> Iterator[list[float]]:
    """For each pair of processes, log(time of b / time of a) of each round."""
    for pair in sorted({turn.pair for turn in turns}):
        rounds: dict[int, float] = {}
        for turn in turns:
            if turn.pair == pair:
                sign = 0.5 if turn.side == "b" else -0.5  # two turns a side
                rounds[turn.round] = rounds.get(turn.round, 0.0) + sign * math.log(turn.seconds)
        yield list(rounds.values())


def _pair(
    pair: int, jobs: tuple[CaseJob, CaseJob], until: float, chance: random.Random, timeout_s: float
) -> Iterator[Turn]:
    """The turns of one pair of fresh processes."""
    with tempfile.TemporaryDirectory(prefix="nervbench-") as folder, contextlib.ExitStack() as stack:
        sides: dict[str, Side] = {}
        for name, job in chance.sample(list(zip("ab", jobs, strict=True)), 2):
            sides[name] = Side(name, job, Path(folder), timeout_s)
            stack.callback(sides[name].end)
        counts = {name: math.ceil(TURN_S / min(TURN_S, side.opened())) for name, side in sides.items()}
        frames, number = jobs[0].prepared.frames, 0
        while number < MIN_ROUNDS or time.monotonic() < until:
            index = number % frames
            for name in chance.choice(ORDERS):
                time.sleep(REST_S)
                yield Turn(pair, number, name, sides[name].turn(index, counts[name]))
            number += 1
        for side in sides.values():
            side.verified()


def _runnable(job: CaseJob | Result) -> CaseJob:
    if isinstance(job, Result):
        msg = f"{job.case.name} cannot run here: {job.status.value}, {job.reason}"
        raise CompareError(msg)
    return job


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe  # Popen was asked for it
    return pipe
