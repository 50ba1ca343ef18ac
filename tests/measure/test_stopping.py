"""When to stop, over any samples."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean, median, pstdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nervbench import stats
from nervbench.measure.stopping import stopped_by
from nervbench.settings import Stopping

RULE = Stopping(noise=0.05, min_samples=5, max_samples=20, budget_s=8.0)
LONG = Stopping(noise=0.05, min_samples=5, max_samples=10_000, budget_s=8.0)
RULES = st.builds(
    lambda noise, least, more, budget: Stopping(noise, least, least + more, budget),
    st.floats(0.001, 0.999),
    st.integers(1, 30),
    st.integers(0, 30) | st.integers(100, 500),
    st.floats(0.01, 100),
)
TIMES = st.floats(1e-6, 1e3)
REPEATED = st.builds(
    lambda pattern, count: (pattern * count)[:count],
    st.lists(TIMES, min_size=2, max_size=4, unique=True),
    st.sampled_from([80, 96, 160]) | st.integers(60, 200),
)
"""Of these the noise does settle; of so many independent ones it seldom would."""
SAMPLES = REPEATED | st.lists(TIMES, min_size=1, max_size=60)
Draw = Callable[[np.random.Generator], NDArray[np.float64]]
RAMP = np.linspace(0, 1, 500)
STEADY: dict[str, Draw] = {
    "log-normal": lambda random: random.lognormal(0, 0.3, 500),
    "Pareto": lambda random: 1 + 0.2 * random.pareto(1.5, 500),
    "half of Student's t": lambda random: 1 + 0.1 * np.abs(random.standard_t(2, 500)),
}
"""Noise that stays as it is, with tails so heavy that the variance of two of them is infinite."""
MOVING: dict[str, Draw] = {
    "drifts": lambda random: (1 + 2 * RAMP) * random.lognormal(0, 0.05, 500),
    "grows": lambda random: 1 + RAMP * random.lognormal(0, 0.3, 500),
    "grows with heavy tails": lambda random: 1 + 0.2 * RAMP * np.abs(random.standard_t(2, 500)),
}


@pytest.mark.parametrize(
    ("samples", "elapsed_s", "expected"),
    [
        ([1.0] * 4, 5.0, None),  # under min_samples
        ([1.0] * 5, 1.9, None),  # under a quarter of the budget
        ([1.0] * 5, 2.0, "noise"),
        ([1.0, 2.0] * 5, 2.0, None),  # noisy
        ([1.0, 2.0] * 5, 8.0, "budget"),
        ([1.0, 2.0] * 2, 80.0, None),  # a slow case gets its samples, whatever they take
        ([1.0, 2.0] * 10, 1.0, "samples"),
        ([1.0] * 20, 9.0, "samples"),
    ],
)
def test_rules(samples: list[float], elapsed_s: float, expected: str | None) -> None:
    """Each rule fires at its bound and not before."""
    assert stopped_by(samples, elapsed_s, RULE) == expected


@pytest.mark.parametrize(
    ("samples", "elapsed_s", "expected"),
    [
        ([1.0, 2.0] * 40, 1.9, None),  # under a quarter of the budget
        ([1.0, 2.0] * 40, 2.0, "settled"),
        ([1.0, 2.0] * 32, 2.0, None),  # under 80 samples
        ([1.0, 2.0] * 47, 2.0, None),  # between two looks
        ([1.0, 2.0] * 48, 2.0, "settled"),
        ([1.0, 2.0] * 40, 8.0, "budget"),
        ([1.0, 1.05] * 40, 2.0, "noise"),  # settled too, but it is low that counts
        ([1.0, 2.0] * 32 + [3.0] * 16, 2.0, None),
        ([0.0] * 80, 2.0, None),  # of which there is no noise
    ],
)
def test_settled(samples: list[float], elapsed_s: float, expected: str | None) -> None:
    """Noise that no longer changes ends a case at a look, after the same share of the budget as low noise."""
    assert stopped_by(samples, elapsed_s, LONG) == expected


@pytest.mark.parametrize(
    ("last", "expected"), [(1.1282, "settled"), (1.1283, None), (0.8781, "settled"), (0.8780, None)]
)
def test_settled_bound(last: float, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four looks at a noise of 1 and one at x agree where 0.4 · |x - 1| is at most 5 % of their mean, (4 + x) / 5."""
    monkeypatch.setattr(stats, "noise", lambda samples: last if len(samples) == 80 else 1.0)

    assert stopped_by([1.0] * 80, 2.0, LONG) == expected


def settled_at(samples: NDArray[np.float64]) -> int:
    """After how many samples their noise has settled; one more than there are where it does not."""
    counts = range(16, len(samples) + 1, 16)
    return next((n for n in counts if stopped_by(samples[:n].tolist(), 2.0, LONG) == "settled"), len(samples) + 1)


@pytest.mark.parametrize("draw", STEADY.values(), ids=STEADY)
def test_steady_noise_settles(draw: Draw) -> None:
    """Steady noise settles, in most cases within 144 samples: outliers do not put it off."""
    counts = [settled_at(draw(np.random.default_rng(seed))) for seed in range(20)]

    assert median(counts) <= 144
    assert max(counts) <= 320


@pytest.mark.parametrize("draw", MOVING.values(), ids=MOVING)
def test_moving_noise_does_not_settle(draw: Draw) -> None:
    """While samples drift or scatter more and more, their noise takes far longer to settle than any steady one."""
    counts = [settled_at(draw(np.random.default_rng(seed))) for seed in range(20)]

    assert median(counts) >= 256
    assert min(counts) > 144


def constant(samples: list[float]) -> bool:
    """Whether this is a look at which the noise has settled."""
    looks = [stats.noise(samples[:until]) for until in range(len(samples) - 64, len(samples) + 1, 16)]
    known = [spread for spread in looks if spread is not None]
    return len(known) == 5 and pstdev(known) <= 0.05 * fmean(known)


@given(SAMPLES, st.floats(0, 2), RULES)
def test_reasons_hold(samples: list[float], share: float, rule: Stopping) -> None:
    """Whichever rule fires, what it claims is true; where none does, none could."""
    elapsed_s = share * rule.budget_s
    fired = stopped_by(samples, elapsed_s, rule)
    spread = stats.noise(samples)
    quiet = spread is not None and spread <= rule.noise
    settled = len(samples) >= 80 and len(samples) % 16 == 0 and constant(samples)

    match fired:
        case "samples":
            assert len(samples) >= rule.max_samples
        case "budget":
            assert elapsed_s >= rule.budget_s
            assert len(samples) >= rule.min_samples
        case "noise":
            assert quiet
            assert len(samples) >= rule.min_samples
            assert elapsed_s >= rule.budget_s / 4
        case "settled":
            assert settled
            assert not quiet
            assert len(samples) >= rule.min_samples
            assert elapsed_s >= rule.budget_s / 4
        case _:
            assert len(samples) < rule.max_samples
            assert elapsed_s < rule.budget_s or len(samples) < rule.min_samples
            early = len(samples) < rule.min_samples or elapsed_s < rule.budget_s / 4
            assert early or not (quiet or settled)


@given(SAMPLES, RULES)
def test_it_ends(samples: list[float], rule: Stopping) -> None:
    """With the budget spent, the least samples are also the most."""
    assert (stopped_by(samples, rule.budget_s, rule) is None) == (len(samples) < rule.min_samples)
