"""Rows: the numbers of every case, computed from its samples when read.

A case that did not end OK has no number at all, whatever its record holds: no rank, no zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nervbench.records import MEAN, OFFLINE, SINGLE_STREAM, STRICT, Case, Result, Status
from nervbench.report.markdown import plain
from nervbench.report.roof import UNKNOWN_ROOF, Roof, roof_of
from nervbench.stats import Floats, mean, median, median_interval, noise, percentile
from nervbench.units import prefixed

Latency = tuple[float | None, float | None, float | None]
UNSAID = "no reason was recorded"
REASON_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Row:
    """A result with what follows from it.

    ``label`` names the case, with its device where the results are of several. ``fps`` is frames per second (batch /
    median of the samples), ``fps_between`` its interval at 95 % confidence, None where the samples do not support one
    or FPS are of their mean; ``speedup`` is over fp32 eager of the same model, weights, device, batch and scenario;
    ``latency_s`` is p50, p90, p99 in seconds, each None where the samples do not support it or where a sample is an
    average of several calls; ``share`` is the attained share of the binding roof.
    """

    result: Result
    label: str
    rank: int | None = None
    fps: float | None = None
    fps_between: tuple[float, float] | None = None
    speedup: float | None = None
    latency_s: Latency = (None, None, None)
    noise: float | None = None
    roof: Roof = UNKNOWN_ROOF
    share: float | None = None

    @property
    def timed(self) -> bool:
        """Whether the case ended OK with samples: only then has it numbers and a rank."""
        return self.fps is not None

    @property
    def reason(self) -> str:
        """Why the case has no number and how long that took, on one line; a traceback is cut to its last line."""
        after = f" (after {prefixed(self.result.wall_s, 's')})" if self.result.wall_s else ""
        return f"{one_line(self.result.reason or UNSAID)}{after}"


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one model with one set of weights; ranked ones first, the fastest at the top.

    ``apart`` are those whose numbers are of another kind: of a published protocol, or of a scenario that has a section
    of its own. They have no rank.
    """

    model: str
    weights: str
    rows: tuple[Row, ...]
    apart: tuple[Row, ...] = ()

    @property
    def timed(self) -> tuple[Row, ...]:
        """The rows with numbers, fastest first."""
        return tuple(row for row in self.rows if row.timed)

    @property
    def untimed(self) -> tuple[Row, ...]:
        """The rows without numbers."""
        return tuple(row for row in self.rows if not row.timed)

    @property
    def seeded(self) -> bool:
        """Whether the weights are random: such a model has fidelity, but no quality."""
        return self.weights.startswith("seeded:")


def one_line(text: str, length: int = REASON_LENGTH) -> str:
    """A text of any shape on one line without control letters: of a traceback its end, of a long text its start."""
    before, trace, after = text.partition("Traceback (most recent call last)")
    if trace:
        last = after.strip().splitlines()[-1:]
        text = " ".join([before, *last])
    text = plain(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def latest(results: Iterable[Result]) -> list[Result]:
    """The last row of every case on every device: a case that was run again counts once.

    A row without a device (its worker died early) belongs to the only device there is.
    """
    every = tuple(results)
    one_device = len({device_name(result) for result in every} - {""}) <= 1
    kept: dict[tuple[str | None, ...], Result] = {}
    for result in every:
        key = ("" if one_device else device_name(result), result.place, result.case.name, result.case.weights)
        kept.pop(key, None)
        kept[key] = result
    return list(kept.values())


def groups_of(results: Sequence[Result]) -> list[Group]:
    """The rows of every model and its weights, in the order in which the models first appear."""
    references = _references(results)
    several = len({device_name(result) for result in results} - {""}) > 1 or len({row.place for row in results}) > 1
    members: dict[tuple[str, str], list[Row]] = {}
    for result in results:
        label = f"{_where(result)}: {result.case.name}" if several else result.case.name
        row = _row(result, label, references.get(_reference_key(result)))
        members.setdefault((result.case.model, result.case.weights), []).append(row)
    return [
        Group(
            model,
            weights,
            _ranked(row for row in rows if _comparable(row.result.case)),
            tuple(row for row in rows if not _comparable(row.result.case)),
        )
        for (model, weights), rows in members.items()
    ]


def _comparable(case: Case) -> bool:
    """Whether its FPS mean the same as those of most."""
    return case.protocol == STRICT and case.scenario in (SINGLE_STREAM, OFFLINE)


def usual_of(row: Row, group: Group) -> Row | None:
    """The single stream, timed strictly, of the case of a row that is apart, on the same device."""
    case, device = row.result.case, device_name(row.result)
    wanted = (case.runtime, case.precision, case.batch, SINGLE_STREAM, device, row.result.place)
    for usual in group.timed:
        other = usual.result.case
        found = (other.runtime, other.precision, other.batch, other.scenario, device_name(usual.result))
        if (*found, usual.result.place) == wanted:
            return usual
    return None


def device_name(result: Result) -> str:
    """The name of the device of a row, empty where the case ended before the device was known."""
    return result.device.name if result.device else ""


def decoding_fps(result: Result) -> float | None:
    """Frames per second: batch / median (or mean) of the samples; None unless the case ended OK with samples."""
    if result.status is not Status.OK:
        return None
    averaged = result.telemetry is not None and result.telemetry.averaged == MEAN
    middle = mean(result.samples_s) if averaged else median(result.samples_s)
    return result.case.batch / middle if middle and middle > 0 else None


def _where(result: Result) -> str:
    """Device, and the place that was asked for, of rows of several."""
    name = device_name(result) or "?"
    return f"{name} ({result.place})" if result.place else name


def fp32_eager(result: Result) -> bool:
    """Whether a row is of the reference that others are compared with."""
    return (result.case.runtime, result.case.precision) == ("eager", "fp32")


def _reference_key(result: Result) -> tuple[object, ...]:
    """What a case and its reference must have in common."""
    case = result.case
    return device_name(result), result.place, case.model, case.weights, case.batch, case.scenario, case.protocol


def _references(results: Iterable[Result]) -> dict[tuple[object, ...], float]:
    """The FPS of every fp32 eager case that has one."""
    return {_reference_key(result): fps for result in results if fp32_eager(result) and (fps := decoding_fps(result))}


def _row(result: Result, label: str, reference_fps: float | None) -> Row:
    """The numbers of one result."""
    fps = decoding_fps(result)
    if fps is None:
        return Row(result, label)
    limit = roof_of(result)
    samples_s = np.asarray(result.samples_s)  # once, of what may be ten thousand rows
    return Row(
        result=result,
        label=label,
        fps=fps,
        fps_between=_between(result, samples_s),
        speedup=fps / reference_fps if reference_fps else None,
        latency_s=_latency(result, samples_s),
        noise=noise(samples_s),
        roof=limit,
        share=limit.least_s * fps if limit.least_s else None,
    )


def _between(result: Result, samples_s: Floats) -> tuple[float, float] | None:
    """FPS by the interval of the median sample."""
    if result.telemetry is not None and result.telemetry.averaged == MEAN:
        return None
    found = median_interval(samples_s)
    return found and (result.case.batch / found[1], result.case.batch / found[0])


def _latency(result: Result, samples_s: Floats) -> Latency:
    """p50, p90 and p99 of single calls; offline samples are averages over calls and have none."""
    averaged = result.telemetry is not None and result.telemetry.calls_per_sample > 1
    if averaged or result.case.scenario != SINGLE_STREAM or result.case.protocol != STRICT:
        return (None, None, None)
    low, high, highest = (percentile(samples_s, share) for share in (0.5, 0.9, 0.99))
    return low, high, highest


def _ranked(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Rows with numbers first, fastest at the top and numbered; the others after them by name."""
    ordered = sorted(rows, key=lambda row: (-(row.fps or 0.0), row.label))
    timed = (row for row in ordered if row.timed)
    numbered = [replace(row, rank=rank) for rank, row in enumerate(timed, 1)]
    return (*numbered, *(row for row in ordered if not row.timed))
