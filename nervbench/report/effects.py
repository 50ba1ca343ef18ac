"""What the rows of a suite say about its conclusions: effects with intervals, and verdicts. Pure functions.

An effect is a difference (PSNR, MS-SSIM) or a ratio (all else) between the means of two arms over their seeds; of
ratios the means and intervals are of logarithms. How much a value scatters from seed to seed (and, of times, from
process to process) is taken to be the same for all arms and pooled over those with more than one run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean

from nervbench.rates import NETWORK, RatePoint
from nervbench.records import Result, Status
from nervbench.report.rows import decoding_fps
from nervbench.stats import student
from nervbench.suites import Arm, Claim, Conclusion, Quantity, Suite, Trained, published, trainings
from nervbench.suites.chosen import Chosen
from nervbench.trials import Trial

LEVEL = 0.05
FURTHEST = 300.0  # of a logarithm, so that no ratio overflows
DIFFERENCES: frozenset[Quantity] = frozenset({"psnr_db", "ms_ssim"})
EXACT: frozenset[Quantity] = frozenset({"params", "bits_per_pixel"})
"""Quantities that another run does not change."""


class Verdict(StrEnum):
    """What becomes of a claim here."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNDECIDED = "undecided"
    SEEN = "so in one run"
    SEEN_NOT = "not so in one run"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Measured:
    """The values of an arm, one a run; ``reason`` says why there are none."""

    values: dict[Quantity, tuple[float, ...]] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference or a ratio, with its interval where runs were repeated."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim with what was published (by source) and measured."""

    claim: Claim
    published: dict[str, float]
    measured: Effect | None
    verdict: Verdict


def measured(
    suite: Suite, chosen: Chosen, trials: Sequence[Trial], results: Sequence[Result], points: Sequence[RatePoint]
) -> dict[str, Measured]:
    """What every arm came to, by its key."""
    found: dict[str, Measured] = {}
    trained = {each.arm.key: each for each in trainings(suite, chosen.scale)}
    for arm in suite.arms:
        if suite.rates:
            found[arm.key] = _of_points(arm.models.get(chosen.scale, arm.key), points)
        elif arm.key in trained:
            found[arm.key] = _of_trials(trained[arm.key], trials, results)
        else:
            found[arm.key] = Measured(reason=f"not at scale {chosen.scale}")
    for each in chosen.joined:
        found[each.key] = _of_results([result for result in results if f"/{each.key}/" in f"/{result.case.weights}"])
    return found


def judged(suite: Suite, conclusion: Conclusion, found: Mapping[str, Measured]) -> list[Judged]:
    """The claims of a conclusion, each with its verdict."""
    return [_judged(suite, claim, found) for claim in conclusion.claims]


def together(claims: Sequence[Judged]) -> Verdict:
    """What becomes of a conclusion: as its worst claim of those that were run."""
    verdicts = [each.verdict for each in claims if each.verdict is not Verdict.NOT_RUN]
    order = (Verdict.FAILS, Verdict.SEEN_NOT, Verdict.UNDECIDED, Verdict.SEEN, Verdict.HOLDS)
    return next((each for each in order if each in verdicts), Verdict.NOT_RUN)


def effect(claim: Claim, found: Mapping[str, Measured]) -> Effect | None:
    """What a claim compares, as measured; None where a side was not."""
    quantity = claim.quantity
    sides = [found[key].values.get(quantity, ()) if key in found else () for key in (claim.of, claim.against)]
    if not all(sides):
        return None
    of, against = (tuple(_scaled(quantity, value) for value in side) for side in sides)
    change = fmean(of) - fmean(against)
    if quantity in EXACT:
        value = _unscaled(quantity, change)
        return Effect(value, value, value)
    scatter, freedom = pooled(quantity, found)
    if not freedom:
        return Effect(_unscaled(quantity, change))
    reach = student(LEVEL, freedom) * scatter * math.sqrt(1 / len(of) + 1 / len(against))
    return Effect(*(_unscaled(quantity, each) for each in (change, change - reach, change + reach)))


def pooled(quantity: Quantity, found: Mapping[str, Measured]) -> tuple[float, int]:
    """Standard deviation between runs of the same arm, with its degrees of freedom; of ratios, of the logarithm."""
    squares, freedom = 0.0, 0
    for each in found.values():
        values = [_scaled(quantity, value) for value in each.values.get(quantity, ())]
        if len(values) > 1:
            middle = fmean(values)
            squares += sum((value - middle) ** 2 for value in values)
            freedom += len(values) - 1
    return (math.sqrt(squares / freedom) if freedom else 0.0), freedom


def _judged(suite: Suite, claim: Claim, found: Mapping[str, Measured]) -> Judged:
    was = _published(suite, claim)
    seen = effect(claim, found)
    return Judged(claim, was, seen, _verdict(claim, seen) if seen else Verdict.NOT_RUN)


def _published(suite: Suite, claim: Claim) -> dict[str, float]:
    """The effect by each source that has both sides."""
    of, against = (published(suite, _arm(suite, key)) for key in (claim.of, claim.against))
    effects = dict(claim.ratios)
    for source in of.keys() & against.keys():
        a, b = of[source].get(claim.quantity), against[source].get(claim.quantity)
        if a is not None and b is not None:
            effects[source] = a - b if claim.quantity in DIFFERENCES else a / b
    return {source: effects[source] for source in suite.sources if source in effects}


def _verdict(claim: Claim, seen: Effect) -> Verdict:
    neutral = 0.0 if claim.quantity in DIFFERENCES else 1.0
    below, above = (-claim.within, claim.within) if neutral == 0 else (1 / (1 + claim.within), 1 + claim.within)
    if seen.low is None or seen.high is None:
        so = {
            "more": seen.value > neutral,
            "less": seen.value < neutral,
            "same": below <= seen.value <= above,
        }[claim.change]
        return Verdict.SEEN if so else Verdict.SEEN_NOT
    holds, fails = {
        "more": (seen.low > neutral, seen.high <= neutral),
        "less": (seen.high < neutral, seen.low >= neutral),
        "same": (below <= seen.low and seen.high <= above, seen.high < below or seen.low > above),
    }[claim.change]
    return Verdict.HOLDS if holds else Verdict.FAILS if fails else Verdict.UNDECIDED


def _arm(suite: Suite, key: str) -> Arm:
    return next(arm for arm in suite.arms if arm.key == key)


def _scaled(quantity: Quantity, value: float) -> float:
    return value if quantity in DIFFERENCES else math.log(value)


def _unscaled(quantity: Quantity, value: float) -> float:
    return value if quantity in DIFFERENCES else math.exp(max(-FURTHEST, min(FURTHEST, value)))


def _of_trials(trained: Trained, trials: Sequence[Trial], results: Sequence[Result]) -> Measured:
    """The values of an arm's trainings, and of the decodings of what they left."""
    runs = [trained.run(seed) for seed in trained.seeds]
    own = [trial for trial in trials if trial.name in runs]
    whole = [trial for trial in own if trial.quality and trial.whole]
    if not whole:
        failed = next((trial.reason for trial in own if trial.reason), None)
        return Measured(reason=failed or "not trained yet")
    decodings = [result for result in results if any(f"/{run}/" in f"/{result.case.weights}" for run in runs)]
    values: dict[Quantity, list[float | None]] = {
        "params": [float(trial.params) for trial in whole if trial.params],
        "psnr_db": [trial.quality.psnr_db for trial in whole if trial.quality],
        "ms_ssim": [trial.quality.ms_ssim for trial in whole if trial.quality],
        "epoch_s": [trial.usual_epoch_s for trial in whole],
        "train_s": [trial.usual_epoch_s * trial.epochs for trial in whole if trial.usual_epoch_s],
        "decode_fps": [decoding_fps(result) for result in decodings],
    }
    return Measured(_known(values))


def _of_results(results: Sequence[Result]) -> Measured:
    """The values of a checkpoint that was only decoded."""
    whole = [result for result in results if result.status is Status.OK]
    if not whole:
        failed = next((result.reason for result in results if result.reason), None)
        return Measured(reason=failed or "not decoded yet")
    values: dict[Quantity, list[float | None]] = {
        "params": [float(result.cost.params) for result in whole if result.cost],
        "psnr_db": [result.quality.psnr_db for result in whole if result.quality],
        "ms_ssim": [result.quality.ms_ssim for result in whole if result.quality],
        "decode_fps": [decoding_fps(result) for result in whole],
    }
    return Measured(_known(values))


def _of_points(method: str, points: Sequence[RatePoint]) -> Measured:
    """The values of a network's file, by the point with the most threads."""
    own = sorted(
        (point for point in points if point.kind == NETWORK and point.method == method), key=lambda point: point.threads
    )
    if not own or not own[-1].quality:
        return Measured(reason=(own[-1].reason if own else None) or "not measured yet")
    quality, decode = own[-1].quality, own[-1].decode_rgb
    values: dict[Quantity, list[float | None]] = {
        "bits_per_pixel": [quality.bits_per_pixel],
        "psnr_db": [quality.psnr_db],
        "ms_ssim": [quality.ms_ssim],
        "decode_fps": [decode.fps if decode else None],
    }
    return Measured(_known(values))


def _known(values: Mapping[Quantity, Sequence[float | None]]) -> dict[Quantity, tuple[float, ...]]:
    """Without what is unknown, and without values that no logarithm has."""
    kept = {name: tuple(each for each in found if each is not None) for name, found in values.items()}
    return {
        name: found
        for name, found in kept.items()
        if found and (name in DIFFERENCES or all(each > 0 for each in found))
    }
