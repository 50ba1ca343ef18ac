"""Statistics of samples, against MLPerf LoadGen's table and against what holds for any samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervbench.stats import median, median_interval, noise, percentile, samples_needed

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
    """Without samples there is no median, under four no noise and no interval; a median of 0 has no relative noise."""
    assert median([]) is None
    assert noise([1, 2, 3]) is None
    assert median_interval([1, 2, 3]) is None
    assert noise([0, 0, 0, 0]) is None


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


@settings(deadline=None)
@given(SAMPLES)
def test_interval_holds_the_median(samples: list[float]) -> None:
    """The interval is ordered, within the samples, holds the median, and is the same each time."""
    interval = median_interval(samples, rounds=200)
    if interval is None:
        assert len(samples) < 4
        return
    low, high = interval
    middle = median(samples)
    assert middle is not None
    assert min(samples) <= low <= high <= max(samples)
    assert low <= middle <= high
    assert median_interval(samples, rounds=200) == interval


def test_interval_narrows() -> None:
    """A hundred times the samples gives a narrower interval of the median."""
    draw = np.random.default_rng(1).normal(10, 1, 2000)
    few, many = median_interval(list(draw[:20])), median_interval(list(draw))
    assert few is not None
    assert many is not None
    assert many[1] - many[0] < 0.3 * (few[1] - few[0])
