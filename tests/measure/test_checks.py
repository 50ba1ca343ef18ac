"""The bound on fidelity, and the reasons to distrust samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervbench.measure.checks import doubts_about, doubts_unchecked, fidelity_bound_db

CALM = [1.0, 1.01] * 10


def codes(samples: list[float], noise: float = 0.05) -> list[str]:
    """The doubts about samples, by code."""
    return [doubt.code for doubt in doubts_about(samples, noise)]


@given(st.floats(20, 60), st.floats(0.01, 1))
def test_bound_means_the_loss(quality_db: float, loss_db: float) -> None:
    """Independent errors at the bound and at the quality add up to the quality less the loss."""
    bound = fidelity_bound_db(quality_db, loss_db)
    total = 10 ** (-bound / 10) + 10 ** (-quality_db / 10)

    assert -10 * math.log10(total) == pytest.approx(quality_db - loss_db)


def test_bound_on_frames() -> None:
    """The same on frames: noise at the bound costs the allowed loss of PSNR."""
    generator = np.random.default_rng(0)
    deviation = {db: 10 ** (-db / 20) for db in (30.0, fidelity_bound_db(30.0, 0.1))}
    total = sum(generator.normal(0, each, 1_000_000) for each in deviation.values())

    assert -10 * math.log10(np.mean(np.square(total))) == pytest.approx(29.9, abs=0.02)


def test_calm() -> None:
    """Enough quiet samples raise no doubt."""
    assert codes(CALM) == []


def test_few_samples() -> None:
    """Under 11 samples not even a median is stated."""
    (doubt,) = doubts_about(CALM[:10], 0.05)

    assert (doubt.code, doubt.values) == ("few_samples", {"samples": 10})
    assert codes(CALM[:11]) == []


def test_noisy() -> None:
    """Noise over the bound is a doubt with both numbers; at the bound it is none."""
    (doubt,) = doubts_about([1.0, 1.2] * 10, 0.05)

    assert doubt.code == "noisy"
    assert doubt.values == {"noise": pytest.approx(0.2 / 1.1), "bound": 0.05}
    assert codes([1.0, 1.2] * 10, noise=0.2) == []


def test_drift() -> None:
    """Samples that grow from the first third to the last by more than the noise are a doubt, with the share."""
    (doubt,) = doubts_about([1.0] * 16 + [1.1] * 4 + [1.2] * 4, 0.5)

    assert doubt.code == "drift"
    assert doubt.values == {"share": pytest.approx(0.15)}
    assert codes([1.0] * 16 + [1.02] * 8) == []  # under 3 %
    assert codes([1.0] * 4 + [2.0] * 4) == ["few_samples", "noisy"]  # too few to tell a drift
    assert codes([1.0, 2.0] * 12 + [1.1], noise=0.95) == []  # within the noise


def test_bimodal() -> None:
    """Two clumps are a doubt even within the noise, with how much they explain; one clump is none, nor are equals."""
    random = np.random.default_rng(0)
    clumps = [float(random.normal(middle, 0.002)) for middle in (1.0, 1.03) * 30]
    (doubt,) = doubts_about(clumps, 0.05)

    assert doubt.code == "bimodal"
    assert 0.95 < doubt.values["share"] < 1
    assert codes(clumps[:49]) == []  # too few to tell
    assert codes(clumps[::2] * 2) == []
    assert codes([0.1] * 60) == []
    assert codes([0.1] * 59 + [9.0]) == []


def test_all_at_once() -> None:
    """Doubts do not hide each other."""
    assert codes([1.0, 2.0, 1.0, 2.0]) == ["few_samples", "noisy"]


def test_unchecked() -> None:
    """A timed run of which no frame was compared is doubted."""
    assert [doubt.code for doubt in doubts_unchecked(())] == ["unchecked"]
    assert doubts_unchecked((3,)) == ()
