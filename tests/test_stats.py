"""Statistics of samples, against MLPerf LoadGen's table and against what holds for any samples."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervbench.stats import (
    BIMODAL,
    MODES_NEED,
    autocorrelation,
    bimodality,
    bootstrap_error,
    bootstrap_interval,
    median,
    median_interval,
    middle_mean,
    noise,
    percentile,
    quantile,
    samples_needed,
    student,
    tail,
)

SAMPLES = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=80)


@pytest.mark.parametrize(("share", "count"), [(0.5, 11), (0.9, 64), (0.95, 130), (0.97, 219), (0.99, 662)])
def test_samples_needed(share: float, count: int) -> None:
    """A percentile needs as many samples as LoadGen's early stopping asks of it."""
    assert samples_needed(share) == count


@pytest.mark.parametrize("share", [0.9, 0.95, 0.99])
def test_samples_needed_is_the_least(share: float) -> None:
    """At that count the chance of at most one sample above the percentile is ≤ 1 %, at one less it is not."""

    def chance(count: int) -> float:
        return float(share**count + count * share ** (count - 1) * (1 - share))

    assert chance(samples_needed(share)) <= 0.01 < chance(samples_needed(share) - 1)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_quantile_is_that_of_numpy(samples: list[float], share: float) -> None:
    """To the last bit: pages are compared byte by byte."""
    assert quantile(np.sort(samples), share) == np.quantile(samples, share)
    assert median(samples) == np.median(samples)


@pytest.mark.parametrize(("count", "share"), [(63, None), (64, 0.9), (661, 0.9), (662, 0.99)])
def test_tail(count: int, share: float | None) -> None:
    """The tail is the highest percentile that so many samples support, and says which."""
    assert tail([0.5] * count) == (None if share is None else (share, 0.5))


def test_low_percentiles_need_as_many() -> None:
    """The tenth percentile is as hard to state as the ninetieth."""
    assert samples_needed(0.1) == samples_needed(0.9)
    assert percentile([1.0] * 63, 0.1) is None


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 90, float("nan")])
def test_a_share_is_between_0_and_1(share: float) -> None:
    """The least and the largest sample are no percentiles, and neither is 90."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        samples_needed(share)


def test_percentile_is_absent_below_its_count() -> None:
    """p90 of 63 samples is unknown; of 64 it is the interpolated one."""
    samples = list(np.linspace(0, 63, 64))
    assert percentile(samples[:63], 0.9) is None
    assert percentile(samples, 0.9) == pytest.approx(0.9 * 63)


def test_median_and_noise_by_hand() -> None:
    """Median and relative interquartile range of five numbers."""
    samples = [1.0, 2.0, 3.0, 4.0, 10.0]
    assert median(samples) == 3
    assert noise(samples) == pytest.approx((4 - 2) / 3)


def test_unknown_is_none() -> None:
    """Too few samples have no median, noise, interval or autocorrelation; a median of 0 has no relative noise."""
    assert median([]) is None
    assert noise([1, 2, 3]) is None
    assert bootstrap_interval(middle_mean, [1, 2, 3], 0.01) is None
    assert median_interval([1, 2, 3]) is None
    assert median_interval([1, 2, 3, 4]) is None
    assert autocorrelation([1, 2, 3]) is None
    assert bimodality([1.0] * (MODES_NEED - 1)) is None
    assert noise([0, 0, 0, 0]) is None


@pytest.mark.parametrize("kept", [0.0, 0.7])
def test_median_interval_covers(kept: float) -> None:
    """At 95 % the true median lies within in at least that share, of skewed and of dependent samples too."""
    generator = np.random.default_rng(1)
    found = []
    for _ in range(400):
        shocks = generator.exponential(size=300)
        samples = list(itertools.accumulate(shocks, lambda before, shock: kept * before + shock))[200:]
        found.append(median_interval(samples))
    many = generator.exponential(size=100_000)
    true = float(np.median(list(itertools.accumulate(many, lambda before, shock: kept * before + shock))))
    assert np.mean([each is not None and each[0] <= true <= each[1] for each in found]) >= 0.93


@settings(deadline=None)
@given(SAMPLES)
def test_median_is_inside(samples: list[float]) -> None:
    """The median lies within the samples, and the order of them does not matter."""
    middle = median(samples)
    assert middle is not None
    assert min(samples) <= middle <= max(samples)
    assert median(samples[::-1]) == middle


@settings(deadline=None)
@given(SAMPLES, st.floats(0.5, 100))
def test_noise_has_no_unit(samples: list[float], factor: float) -> None:
    """Noise is never negative, and the same in seconds and in milliseconds."""
    found, scaled = noise(samples), noise([factor * sample for sample in samples])
    if found is None:
        assert len(samples) < 4
    else:
        assert found >= 0
        assert scaled == pytest.approx(found, rel=1e-6, abs=1e-9)


def ar1(random: np.random.Generator, count: int, persistence: float) -> list[float]:
    """Samples around 10 that remember those before them."""
    steps = random.normal(size=count)
    values = [float(steps[0])]
    for step in steps[1:]:
        values.append(persistence * values[-1] + float(step) * (1 - persistence**2) ** 0.5)
    return [10 + value for value in values]


@settings(deadline=None, max_examples=50)
@given(SAMPLES)
def test_interval_holds_the_estimate(samples: list[float]) -> None:
    """The interval is ordered, holds the estimate, and is the same each time."""
    interval = bootstrap_interval(middle_mean, samples, 0.05)
    if interval is None:
        assert len(samples) < 4
        return
    low, high = interval
    assert low <= float(middle_mean(np.array(samples))) <= high
    assert bootstrap_interval(middle_mean, samples, 0.05) == interval


def test_interval_narrows() -> None:
    """A hundred times the samples gives an interval about a tenth as wide."""
    draw = np.random.default_rng(1).normal(10, 1, 2000)
    few, many = (bootstrap_interval(middle_mean, list(each), 0.05) for each in (draw[:20], draw))
    assert few is not None
    assert many is not None
    assert 0.05 < (many[1] - many[0]) / (few[1] - few[0]) < 0.2


def test_error_of_independent_samples() -> None:
    """Of independent normal samples the error of the middle mean is that of theory: 1.09 σ / √n."""
    random = np.random.default_rng(2)
    found = [bootstrap_error(middle_mean, list(random.normal(10, 1, 100))) for _ in range(60)]
    assert np.median([error[0] for error in found if error]) == pytest.approx(0.109, rel=0.15)


def test_error_of_dependent_samples() -> None:
    """Of samples that remember (0.8) the error is √((1 + 0.8) / (1 - 0.8)) = 3 times that of independent ones."""
    random = np.random.default_rng(3)
    found = [bootstrap_error(middle_mean, ar1(random, 400, 0.8)) for _ in range(30)]
    assert np.median([error[0] for error in found if error]) == pytest.approx(3 * 1.0 / 20, rel=0.3)


def test_many_samples_are_resampled_in_parts() -> None:
    """What is resampled in several parts gives the same error as what fits at once."""
    samples = list(np.random.default_rng(4).normal(10, 1, 9000))  # 500 resamples do not fit into ROOM
    found = bootstrap_error(middle_mean, samples)
    assert found is not None
    assert found[0] == pytest.approx(1.09 / 9000**0.5, rel=0.2)


@pytest.mark.parametrize("persistence", [0.5, 0.8])
def test_autocorrelation_is_found(persistence: float) -> None:
    """Lag 1, also under spikes that would drown a plain estimate, and blocks that grow with it."""
    random = np.random.default_rng(5)
    samples = np.array(ar1(random, 2000, persistence))
    plain, spiky = autocorrelation(list(samples)), autocorrelation(list(samples * np.where(samples % 1 < 0.02, 50, 1)))
    assert plain is not None
    assert spiky is not None
    assert plain.lag_1 == pytest.approx(persistence, abs=0.1)
    assert spiky.lag_1 == pytest.approx(persistence, abs=0.15)
    assert plain.block > 5 * persistence
    assert plain.time == pytest.approx((1 + persistence) / (1 - persistence), rel=0.35)


def test_independent_samples_need_no_blocks() -> None:
    """Most draws of independent samples are resampled by ones to threes."""
    random = np.random.default_rng(6)
    found = [autocorrelation(list(random.normal(size=200))) for _ in range(50)]
    assert np.median([each.block for each in found if each]) <= 3
    assert np.median([each.time for each in found if each]) == 1


def test_a_drift_is_worth_two_samples() -> None:
    """Samples that grow from first to last tell no more than their two ends, however many they are."""
    found = autocorrelation([1 + 0.001 * place for place in range(60)])
    assert found is not None
    assert found.block > 10
    assert found.time == 30


def test_equal_samples_have_no_autocorrelation() -> None:
    """Where nothing varies the correlation is unknown, not 0, and the interval has no width."""
    found = autocorrelation([0.1] * 30)
    assert found is not None
    assert (found.lag_1, found.block) == (None, 1)
    interval = bootstrap_interval(middle_mean, [0.1] * 30, 0.01)
    assert interval == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize(
    ("level", "freedom", "table"),
    [(0.05, 1, 12.706), (0.05, 10, 2.228), (0.01, 4, 4.604), (0.001, 30, 3.646), (0.05, 1e6, 1.960)],
)
def test_student(level: float, freedom: float, table: float) -> None:
    """Student's t is that of the tables."""
    assert student(level, freedom) == pytest.approx(table, abs=0.002)


def test_middle_mean_by_hand() -> None:
    """A quarter is cut at either end, so spikes do not count."""
    assert float(middle_mean(np.array([5.0, 1.0, 2.0, 3.0, 1000.0]))) == pytest.approx(10 / 3)


@pytest.mark.parametrize("shape", ["normal", "uniform", "exponential", "lognormal"])
def test_one_clump(shape: str) -> None:
    """Samples in one clump pass for two in at most 1 draw in 50, the widest and the most skewed included."""
    random = np.random.default_rng(7)
    found = [bimodality(list(getattr(random, shape)(size=MODES_NEED))) for _ in range(200)]
    assert sum(each > BIMODAL for each in found if each is not None) <= 4


def test_two_clumps() -> None:
    """Two clumps six standard deviations apart are found, spikes or none; a fifth of the samples too, at ten."""
    random = np.random.default_rng(8)
    halves = random.normal(size=200) + 6 * (random.random(200) < 0.5)
    spiky = np.where(random.random(200) < 0.03, 1000, halves)
    uneven = random.normal(size=200) + 10 * (np.arange(200) % 5 == 0)
    for samples in (halves, spiky, uneven):
        found = bimodality(list(samples))
        assert found is not None
        assert found > BIMODAL
    assert bimodality([1.0] * MODES_NEED) == bimodality([0.1] * MODES_NEED) == 0
