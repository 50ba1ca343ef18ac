"""Numbers of a row follow from its samples, and only from them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nervbench.records import OFFLINE, Result, Status, Telemetry
from nervbench.report.rows import Row, groups_of, latest, one_line
from tests.report.factory import CARD, failed, made, scaled


def row_of(result: Result, *others: Result) -> Row:
    """The row of the first result among all."""
    rows = [row for group in groups_of([result, *others]) for row in group.rows]
    return next(row for row in rows if row.result is result)


def test_fps() -> None:
    """FPS is the batch over the median of the samples."""
    assert row_of(made(samples_s=(0.5, 0.25, 9.0), batch=4)).fps == 8


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
def test_no_number_without_ok(status: Status) -> None:
    """A case that did not end OK has no rank and no number, though its record holds samples."""
    row = row_of(failed(status, "so it was"), made())
    assert (row.rank, row.fps, row.speedup, row.share, row.noise) == (None,) * 5
    assert row.latency_s == (None, None, None)
    assert not row.timed


@pytest.mark.parametrize("samples", [(), (0.0, 0.0)])
def test_ok_without_a_usable_sample(samples: tuple[float, ...]) -> None:
    """OK without a sample, or with samples of no time at all, has no number either."""
    assert not row_of(made(samples_s=samples)).timed


def test_speedup_reference() -> None:
    """The reference is fp32 eager of the same model, weights, batch, scenario and device."""
    fast = made(runtime="ov", samples_s=(0.5,))
    eager = made(samples_s=(2.0,))
    assert row_of(fast, eager).speedup == 4
    strangers = (
        made(samples_s=(2.0,), batch=2),
        made(samples_s=(2.0,), weights="seeded:1"),
        made(samples_s=(2.0,), precision="bf16"),
        made(samples_s=(2.0,), scenario=OFFLINE),
        made("nerv-xs", samples_s=(2.0,)),
        replace(eager, device=replace(CARD, name="another")),
        replace(eager, status=Status.CRASHED),
    )
    assert row_of(fast, *strangers).speedup is None
    assert row_of(eager).speedup == 1


@pytest.mark.parametrize(
    ("count", "known"), [(10, "---"), (11, "5--"), (63, "5--"), (64, "59-"), (661, "59-"), (662, "599")]
)
def test_percentiles_need_samples(count: int, known: str) -> None:
    """p50, p90 and p99 appear at 11, 64 and 662 samples, not earlier."""
    latency = row_of(made(samples_s=scaled(1.0, count))).latency_s
    assert [value is not None for value in latency] == [letter != "-" for letter in known]


def test_averages_have_no_percentiles() -> None:
    """Samples that average several calls, and offline samples, are no latencies."""
    offline = made(samples_s=scaled(1.0, 700), scenario=OFFLINE)
    averaged = replace(made(samples_s=scaled(1.0, 700)), telemetry=Telemetry(calls_per_sample=8))
    assert row_of(offline).latency_s == row_of(averaged).latency_s == (None, None, None)


def test_order_and_rank() -> None:
    """Within a model the fastest is first and ranked 1; cases without a number come last and unranked."""
    results = [failed(Status.CRASHED, None), made(samples_s=(2.0,)), made(runtime="ov", samples_s=(1.0,))]
    (group,) = groups_of(results)
    assert [(row.rank, row.result.case.runtime) for row in group.rows] == [(1, "ov"), (2, "eager"), (None, "ort")]


def test_weights_are_kept_apart() -> None:
    """A model with other weights is another group."""
    assert [group.weights for group in groups_of([made(), made(weights="bundled")])] == ["seeded:0", "bundled"]


def test_last_row_counts() -> None:
    """Of a case that was run again the last row counts, also where the first died before its device was known."""
    dead = replace(failed(Status.CRASHED, "killed", runtime="eager"), device=None)
    again = made()
    assert latest([dead, again]) == [again]


def test_devices_are_kept_apart() -> None:
    """The same case on two devices is two rows, labelled with their devices."""
    here, there = made(), replace(made(), device=replace(CARD, name="another"))
    assert latest([here, there]) == [here, there]
    labels = {row.label for group in groups_of([here, there]) for row in group.rows}
    assert labels == {f"{CARD.name}: nerv-s/fp32/eager/b1", "another: nerv-s/fp32/eager/b1"}


def test_reason_of_a_traceback() -> None:
    """A traceback becomes one line with its last line."""
    text = "died\nTraceback (most recent call last):\n  File x, line 1\n    f()\nValueError: no such file"
    assert one_line(text) == "died ValueError: no such file"


def test_long_reason_is_cut() -> None:
    """A reason of any length fills at most one line of 300 letters, and says that it was cut."""
    short = one_line("word " * 1000)
    assert len(short) == 300
    assert short.endswith("…")


def test_reason_without_control_letters() -> None:
    """A reason cannot colour or clear the terminal that it is shown on."""
    assert one_line("a\x1b[2Jb\tc") == "a [2Jb c"


def test_missing_reason() -> None:
    """A case without a number and without a reason says so."""
    assert row_of(failed(Status.CRASHED, None)).reason == "no reason was recorded"
