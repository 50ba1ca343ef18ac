"""A replay stands beside the strict row, apart from the ranks, and its ratio is taken to pieces."""

from __future__ import annotations

import math

import pytest

from nervbench.records import Doubt, Result, Status
from nervbench.report.compose import Surroundings, page
from nervbench.report.protocols import beside, parts
from nervbench.report.rows import Group, groups_of, usual_of
from nervbench.report.terminal import table

from .factory import failed, made

STRICT_S = (0.1, 0.1, 0.1, 0.1, 0.1)
REPLAY_S = (1.0, 0.1, 0.1, 0.1, 0.2)


def run(*more: Result) -> Group:
    """A strict row of 10 FPS, its replay, and more."""
    results = [made(samples_s=STRICT_S), made(samples_s=REPLAY_S, protocol="nerv"), *more]
    (group,) = groups_of(results)
    return group


def test_parts() -> None:
    """The factors are those of the first call, of the mean and of the rest; their product is the ratio."""
    group = run()
    (replay,) = group.apart
    strict = usual_of(replay, group)
    assert strict
    found = parts(replay, strict)

    assert replay.fps == pytest.approx(5 / 1.5)
    assert found
    assert found.ratio == pytest.approx(1 / 3)
    assert found.first_call == pytest.approx((5 / 1.5) / (4 / 0.5))
    assert found.mean == pytest.approx((4 / 0.5) * 0.1)
    assert found.rest == pytest.approx(1)
    assert math.prod((found.first_call, found.mean, found.rest)) == pytest.approx(found.ratio)


def test_no_rank() -> None:
    """However fast a replay is, the answer is of strict rows; latency and reference are its own kind's."""
    group = run(made(runtime="ov", samples_s=(0.001, 0.001), protocol="hnerv"))

    assert [row.rank for row in group.rows] == [1]
    assert [row.rank for row in group.apart] == [None, None]
    assert [row.speedup for row in group.apart] == [1.0, None]
    assert {row.latency_s for row in group.apart} == {(None, None, None)}


def test_table() -> None:
    """One line a replay: its factors, or why it has none."""
    died = made(runtime="ort", protocol="nerv")
    text = beside([run(made(runtime="ov", samples_s=STRICT_S, protocol="hnerv"))])
    dead = beside(groups_of([Result(died.case, Status.CRASHED, "the worker died")]))

    assert "| nerv-s/fp32/eager/b1/nerv | 3.33 | 10.0 | 0.333 | 0.417 | 0.800 | 1.00 | 5 (ended by the noise) |" in text
    assert "| nerv-s/fp32/ov/b1/hnerv | 10.0 | – | – | – | – | – | 5 (ended by the noise) |" in text
    assert "| nerv-s/fp32/ort/b1/nerv | CRASHED |" in dead
    assert "the worker died" in dead
    assert beside(groups_of([made(), failed(Status.CRASHED, "x")])) == ""


def test_page() -> None:
    """The section is on the page, with the doubts of a replay; the terminal shows it too."""
    results = [made(samples_s=STRICT_S), made(protocol="nerv", doubts=(Doubt("few_samples", {"samples": 5}),))]
    text = page(results, groups_of(results), Surroundings("nervbench report x", {}, {}))

    assert "## What the protocol changes" in text
    assert "nerv-s/fp32/eager/b1/nerv (5 samples)" in text
    assert table(results).row_count == 2


def test_one_call() -> None:
    """A single call cannot be taken to pieces."""
    group = groups_of([made(samples_s=STRICT_S), made(samples_s=(1.0,), protocol="nerv")])[0]
    assert parts(group.apart[0], group.rows[0]) is None
