"""Doubts provoked end to end: by runtimes whose times misbehave, by one that is stopped, and by a neighbour.

What only hardware can do (steal, swap, clocks, a shared GPU) is made up in tests/measure/test_checks_meanwhile.py.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys

import pytest

from nervbench.records import SINGLE_STREAM, Result, Status
from nervbench.stats import MODES_NEED

from .conftest import Studio, ended

pytestmark = pytest.mark.alone

PROVOKED = {"drifts": {"noisy", "drift"}, "two_speeds": {"noisy", "bimodal"}, "stands_still": {"suspended"}}
"""The doubts that each runtime raises; there may be others as well."""


def codes(result: Result) -> set[str]:
    """The doubts about a case that worked, by code."""
    assert result.status == Status.OK, result.reason
    return {doubt.code for doubt in result.doubts}


@pytest.fixture(scope="module")
def results(studio: Studio) -> dict[str, Result]:
    """One sweep over all of them, with samples enough to tell two clumps."""
    plan = studio.plan(studio.root / "doubts", [f"{name}/fp32/1/{SINGLE_STREAM}" for name in PROVOKED])
    stopping = dataclasses.replace(plan.bench.stopping, max_samples=MODES_NEED + 10)
    return ended(dataclasses.replace(plan, bench=dataclasses.replace(plan.bench, stopping=stopping)))[0]


@pytest.mark.parametrize(("runtime", "doubts"), PROVOKED.items())
def test_provoked(results: dict[str, Result], runtime: str, doubts: set[str]) -> None:
    """What the runtime does is told in its row."""
    assert doubts <= codes(results[runtime])


def test_busy_neighbours(studio: Studio) -> None:
    """Programs that compute while a case is timed are told in its row, and so is a runtime too slow for the budget."""
    plan = studio.plan(studio.root / "neighbours", [f"slow/fp32/1/{SINGLE_STREAM}"])
    with contextlib.ExitStack() as stack:
        for _ in range(1 + len(os.sched_getaffinity(0)) // 8):  # an eighth of the processors, at the least
            busy = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(busy.kill)
        results, _ = ended(plan)

    assert {"others_busy", "few_samples"} <= codes(results["slow"])
