"""When to stop, over any samples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervbench import stats
from nervbench.config import Stopping
from nervbench.measure.stopping import stopped_by

RULE = Stopping(noise=0.05, min_samples=5, max_samples=20, budget_s=8.0)
RULES = st.builds(
    lambda noise, least, more, budget: Stopping(noise, least, least + more, budget),
    st.floats(0.001, 0.999),
    st.integers(1, 30),
    st.integers(0, 30),
    st.floats(0.01, 100),
)
SAMPLES = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=60)


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


@given(SAMPLES, st.floats(0, 200), RULES)
def test_reasons_hold(samples: list[float], elapsed_s: float, rule: Stopping) -> None:
    """Whichever rule fires, what it claims is true; where none does, none could."""
    fired = stopped_by(samples, elapsed_s, rule)
    spread = stats.noise(samples)
    quiet = spread is not None and spread <= rule.noise

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
        case _:
            assert len(samples) < rule.max_samples
            assert elapsed_s < rule.budget_s or len(samples) < rule.min_samples
            assert not quiet or len(samples) < rule.min_samples or elapsed_s < rule.budget_s / 4


@given(SAMPLES, RULES)
def test_it_ends(samples: list[float], rule: Stopping) -> None:
    """With the budget spent, the least samples are also the most."""
    assert (stopped_by(samples, rule.budget_s, rule) is None) == (len(samples) < rule.min_samples)
