"""Two measurements of one model: why is B not as fast as A? Causes that multiply up to the ratio of the speeds.

Suspected is what differs between the two rows and is known to change a time: ceilings of the two devices, what their
processors did for others meanwhile, and what was chosen otherwise (precision, runtime, protocol …). Nothing else is:
where nothing differs, everything is residual.

Every suspect first gets what is known of it without looking at the ratio. Of a figure of the device: what the model of
:mod:`nervbench.explain.frame_model` makes of it, split by Shapley values. Of a choice: what it changes where the files
have rows that differ in nothing else; without such rows, nothing is known of it.

Then the measured ratio is brought in. What the suspects do not add up to is shared out between them and the residual
by how uncertain each was: the mean of normal distributions under the condition that they add up (Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006, A.6). So a lone suspect gets what no figure foretold, one that
a row beside has measured keeps what it had, and the intervals, 80 %, follow from the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from statistics import fmean, stdev

import numpy as np

from nervbench.errors import ResultsError
from nervbench.explain import frame_model
from nervbench.explain.frame_model import EFFICIENCY, Found
from nervbench.explain.gap import MEASURED, NORMAL_80, Gap, Part, Side
from nervbench.explain.measured import interval, medians
from nervbench.explain.row_figures import alike, frame_time
from nervbench.records import MEAN, Case, Result, Status
from nervbench.stats import Floats

CHOICES = ("precision", "runtime", "protocol", "scenario", "batch")
"""What of a case changes its time and is no figure of a device."""
UNKNOWN_SD = 1.0
"""Of the logarithm of what a choice changes of which nothing is known: a factor of 2.7, either way."""
CONTROL_SD, CONTROL_SHARE = 0.02, 0.1
"""Of a choice that rows beside have measured: from process to process, and as a share of its logarithm."""
STACK_SD = 0.3
"""Of another version of a library or another setting of its."""
ALIKE_SD, OTHER_SD = 0.02, 0.25
"""Of the residual: between processes on one device, and between two devices, whose ceilings say no more than that."""
BETWEEN = 0.005
"""Standard deviation of the logarithm of a time from process to process, taken where there is one process."""
OWN_SETTINGS = frozenset({"process", "threads"})
ALLOCATORS = ("MALLOC_", "LD_PRELOAD")
"""Settings that say nothing of kernels: what an allocator does shows in page faults."""


def explain(
    a: Result,
    b: Result,
    rows_a: Sequence[Result] = (),
    rows_b: Sequence[Result] = (),
    differs: Sequence[str] = (),
    between: tuple[float, float] = (BETWEEN, BETWEEN),
) -> Gap:
    """Split the ratio of the speeds of ``b`` and ``a``; the other rows of their files are looked through for controls.

    ``between`` are the standard deviations of the logarithms of both times from process to process, see :func:`usual`;
    ``differs`` is kept in the answer. Raises ResultsError where a row has no samples or no device, or where the rows
    are of different models.
    """
    if a.case.model != b.case.model:
        msg = f"{a.case.name} and {b.case.name} are of two models: name cases of one model on both sides"
        raise ResultsError(msg)
    names = ("A", "B") if alike(a, b) else tuple(each.device.name if each.device else "" for each in (a, b))
    sides = side(a, names[0]), side(b, names[1])
    stack = _stack(a, b)
    by_figure, left_out = frame_model.suspects(a, b, stack)
    found = [*by_figure, *(_chosen(what, a, b, (rows_a, rows_b)) for what in CHOICES if _of(a, what) != _of(b, what))]
    if stack:
        found = _with_stack(found, "; ".join(stack))
    whole = math.log(sides[0].time_s / sides[1].time_s)
    noise = math.hypot(*(_sd(each) for each in sides), *between)
    parts, residual = condition(whole, found, math.hypot(ALIKE_SD if alike(a, b) else OTHER_SD, noise))
    total = Part("in all", math.exp(whole), *_around(whole, noise), f"{MEASURED} → {MEASURED}")
    return Gap(a.case.model, *sides, total, parts, residual, tuple(left_out), (), fitted=True, differs=tuple(differs))


def usual(runs: Sequence[Result]) -> tuple[Result, float]:
    """Of several processes of a case the one in the middle, and how uncertain the logarithm of its time is thereby.

    Without a run that has samples the last one, which will be refused.
    """
    timed = sorted((run for run in runs if run.status is Status.OK and run.samples_s), key=frame_time)
    if not timed:
        return runs[-1], BETWEEN
    logs = [math.log(frame_time(run)) for run in timed]
    spread = max(BETWEEN, stdev(logs)) if len(logs) > 1 else BETWEEN
    return timed[(len(timed) - 1) // 2], spread / math.sqrt(len(timed))


def condition(whole: float, suspects: Sequence[Found], rest_sd: float) -> tuple[tuple[Part, ...], Part]:
    """The parts and the residual: their logarithms, as they are distributed when they add up to ``whole``.

    The interval of the residual is what processes in which nothing differs scatter by, around it: where it holds 1, the
    residual may be nothing.
    """
    variance = rest_sd**2 + math.fsum(each.sd**2 for each in suspects)
    gap = whole - math.fsum(each.middle for each in suspects)

    def part(cause: str, middle: float, sd: float, evidence: str) -> Part:
        share = sd**2 / variance
        log = middle + share * gap
        return Part(cause, math.exp(log), *_around(log, sd * math.sqrt(max(0.0, 1 - share))), evidence)

    found = tuple(part(each.cause, each.middle, each.sd, _told(each)) for each in suspects)
    rest = rest_sd**2 / variance * gap
    return found, Part("residual", math.exp(rest), *_around(rest, rest_sd), "what none of these says")


def side(result: Result, name: str) -> Side:
    """One row as a side. Raises ResultsError where it has no samples or no device."""
    case, device = result.case, result.device
    if result.status is not Status.OK or not result.samples_s:
        msg = f"{case.name} has no samples (it ended {result.status.value}); measure it again"
        raise ResultsError(msg)
    if device is None:
        msg = f"{case.name} does not say on which device it was measured; measure it again"
        raise ResultsError(msg)
    by_mean = result.telemetry is not None and result.telemetry.averaged == MEAN
    samples_s = [sample / case.batch for sample in result.samples_s]
    low, high = _of_mean(samples_s) if by_mean else interval(samples_s, medians)
    threads = f", {device.threads} threads" if device.threads else ""
    says = f"{case.name} on {device.name}{threads}, {len(result.samples_s)} samples by the protocol {case.protocol}"
    key = re.sub(r"[^a-z0-9]+", "-", device.name.lower()).strip("-") or "device"
    return Side(key, name, MEASURED, frame_time(result), low, high, says)


def _chosen(what: str, a: Result, b: Result, files: Sequence[Sequence[Result]]) -> Found:
    """What a choice changes, by the rows that differ in it alone."""
    words = f"{_of(a, what)} → {_of(b, what)}"
    known = [ratio for rows in files for ratio in _controls(what, a.case, b.case, rows)]
    if known:
        middle = fmean(known)
        pairs = "two rows that differ" if len(known) == 1 else f"{len(known)} pairs of rows that differ"
        return Found(what, middle, CONTROL_SD + CONTROL_SHARE * abs(middle), f"{words}; by {pairs} in nothing else")
    ceilings = a.device.ceilings if a.device else None
    rates = ceilings.flop_per_s if ceilings and what == "precision" else {}
    if rates.keys() >= {a.case.precision, b.case.precision}:
        middle = math.log(rates[b.case.precision] / rates[a.case.precision])
        return Found(what, middle, UNKNOWN_SD, f"{words}; by the matrix products of the device")
    return Found(what, 0.0, UNKNOWN_SD, f"{words}; no two rows differ in nothing else")


def _controls(what: str, a: Case, b: Case, rows: Sequence[Result]) -> list[float]:
    """Logarithms of the speed after a choice over that before, all other choices as in A or as in B."""
    usable = {_key(row.case): row for row in rows if row.case.model == a.model and row.status is Status.OK}
    found = []
    for before in usable.values():
        case = before.case
        fits = all(_of(before, each) in (getattr(a, each), getattr(b, each)) for each in CHOICES)
        after = usable.get(tuple(getattr(b if each == what else case, each) for each in CHOICES))
        if fits and after and getattr(case, what) == getattr(a, what) and _as_before(before, after):
            found.append(math.log(frame_time(before) / frame_time(after)))
    return found


def _as_before(before: Result, after: Result) -> bool:
    """Whether two rows of one file were measured alike but for what was chosen."""
    threads = [each.device.threads if each.device else None for each in (before, after)]
    return bool(before.samples_s and after.samples_s) and alike(before, after) and threads[0] == threads[1]


def _with_stack(found: Sequence[Found], words: str) -> list[Found]:
    """With what differs in the libraries, which the convolution of the probe need not show."""
    known = next((each for each in found if each.cause == EFFICIENCY), None)
    middle, sd, evidence = (known.middle, known.sd, f"{known.evidence}; {words}") if known else (0.0, 0.0, words)
    rest = [each for each in found if each is not known]
    return [*rest, Found(EFFICIENCY, middle, math.hypot(sd, STACK_SD), evidence)]


def _stack(a: Result, b: Result) -> list[str]:
    """Versions of packages that both use, and settings, where they differ."""
    if a.environment is None or b.environment is None:
        return []
    one, other = a.environment, b.environment
    names = sorted((one.versions.keys() & other.versions.keys()) - {"nervbench"})
    settings = (one.settings.keys() | other.settings.keys()) - OWN_SETTINGS
    told = sorted(name for name in settings if not name.startswith(ALLOCATORS))
    pairs = [
        *((name, one.versions[name], other.versions[name]) for name in names),
        *((name, one.settings.get(name, "unset"), other.settings.get(name, "unset")) for name in told),
    ]
    return [f"{name} {before} → {after}" for name, before, after in pairs if before != after]


def _told(suspect: Found) -> str:
    """What it rests on, with what it would be without the measured ratio where that is known."""
    return f"{suspect.evidence}; by itself × {math.exp(suspect.middle):.2f}" if suspect.middle else suspect.evidence


def _of_mean(samples_s: Sequence[float]) -> tuple[float, float]:
    """The interval of a mean that counts a first call: that one is in every mean, the others are by chance."""
    first, *rest = samples_s
    if not rest:
        return first, first
    low, high = ((first + len(rest) * each) / len(samples_s) for each in interval(rest, _means))
    return low, high


def _means(samples: Floats) -> Floats:
    found: Floats = np.mean(samples, axis=-1)
    return found


def _sd(each: Side) -> float:
    """Standard deviation of the logarithm of a side's time, by its samples."""
    return math.log(each.high_s / each.low_s) / (2 * NORMAL_80)


def _around(log: float, sd: float) -> tuple[float, float]:
    return math.exp(log - NORMAL_80 * sd), math.exp(log + NORMAL_80 * sd)


def _of(result: Result, what: str) -> object:
    return getattr(result.case, what)


def _key(case: Case) -> tuple[object, ...]:
    return tuple(getattr(case, each) for each in CHOICES)
