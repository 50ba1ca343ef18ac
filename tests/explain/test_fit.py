"""The fit of the networks: what it tells apart, on times that are made."""

from __future__ import annotations

import numpy as np
import pytest

from nervbench.cards import card
from nervbench.explain import features
from nervbench.explain.predictor import MEASURED
from nervbench.shapes import Convolution
from tests.bench import fit_networks
from tests.bench.fit_networks import Launching, fitted, launching

pytestmark = pytest.mark.alone
"""Loops over threads that wait for each other take ten times as long beside another test."""
LONGEST_S = np.array([7e-4, 7e-4, 4.5e-4, 2.8e-4, 2.9e-4])


def made(count: int) -> list[Convolution]:
    """Convolutions of all sizes."""
    rng = np.random.default_rng(0)
    drawn = np.exp(rng.uniform(np.log([1, 4, 4, 6]), np.log([64, 512, 512, 64]), (count, 4))).astype(int)
    return [Convolution(*(int(size) for size in (*row, row[-1]))) for row in drawn]


def test_launching_is_told_apart() -> None:
    """Times of work and of a launch that all GPUs share: where it shows, how much was launching is found."""
    kernels, rng = made(600), np.random.default_rng(1)
    roofs = np.exp(np.stack([features.roof(kernels, card(key)) for key in MEASURED], 1))
    work_s = 1.5 * roofs * np.exp(rng.normal(0, 0.1, roofs.shape))
    share = rng.uniform(0, 1, len(kernels))
    found = launching(kernels, work_s + share[:, None] * LONGEST_S, MEASURED)
    shows = (work_s < LONGEST_S).all(1)

    assert shows.sum() > 100
    assert np.corrcoef(found.share[shows], share[shows])[0, 1] > 0.95
    assert np.median(np.abs(found.work_s - work_s)[shows] / LONGEST_S) < 0.1
    assert (found.work_s > 0).all()


def test_networks_find_a_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a time that is work and launching, of another speed each, networks come nearer than any one ratio."""
    monkeypatch.setattr(fit_networks, "EPOCHS", 60)
    rng = np.random.default_rng(0)
    work, share = np.exp(rng.uniform(-2, 2, 800)), rng.uniform(0, 1, 800)
    own_s, other_s = work + share, 3 * work + 0.5 * share
    x, ratio = np.log(np.column_stack([work, own_s])), np.log(other_s / own_s)
    networks = fitted(x, ratio[:, None], own_s, Launching(share, np.column_stack([work, 3 * work])))

    assert np.abs(networks(x)[:, 0] - ratio).mean() < 0.2 * np.abs(ratio - np.median(ratio)).mean()
