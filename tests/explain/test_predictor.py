"""Predicted times, by the figures that are shipped."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from nervbench.cards import card
from nervbench.errors import ConfigError
from nervbench.explain import features, predictor
from nervbench.explain.kernel_csv import COLUMN_OF, SHAPE
from nervbench.explain.trees import Trees
from nervbench.shapes import Convolution, Move

DATA = Path(__file__).parents[3] / "shared" / "data" / "conv3x3" / "measured.csv"
KERNEL = Convolution(1, 96, 384, 360, 640)


def test_work() -> None:
    """A convolution has 2 FLOP a multiply-add and moves input, output and weights once."""
    assert KERNEL.flop == 2 * 360 * 640 * 96 * 384 * 9
    assert KERNEL.bytes == 4 * (360 * 640 * (96 + 384) + 96 * 384 * 9)


def test_waves() -> None:
    """One tile of 128×64 takes one multiprocessor: a wave of 56 costs what one tile does, and 57 tiles cost two."""
    p100 = card("p100")
    one, full, more = np.exp(features.estimates([Convolution(n, 64, 64, 16, 8) for n in (1, 56, 57)], p100)[:, 0])

    assert one == pytest.approx(2 * 128 * 64 * 64 * 9 / (9.5e12 / 56))
    assert full == pytest.approx(one)
    assert more == pytest.approx(2 * one)


def test_pieces() -> None:
    """The fused Winograd convolution computes pieces of 8×16 pixels and 32 channels; one row more costs one more."""
    p100, at = card("p100"), len(features.DIRECT) + 3
    fits, row, channel = (Convolution(56, 64, *size) for size in ((32, 8, 16), (32, 9, 16), (33, 8, 16)))
    one_each, two_each = np.exp(features.estimates([fits, row, channel], p100)[:, at : at + 2]).T

    assert one_each[0] == pytest.approx(2 * 16 * 32 * 32 * (64 + 16) / (9.5e12 / 56))
    assert one_each / one_each[0] == pytest.approx([1, 2, 2])
    assert two_each / one_each[0] == pytest.approx([2, 2, 2])  # two at once are half as fast each


def test_left_out() -> None:
    """A card without bandwidth or multiprocessors loses that factor, says so, and still predicts; without peak not."""
    bare = dataclasses.replace(card("p100"), key="bare", memory_bytes_per_s=None, copy_bytes_per_s=None, sms=None)

    assert features.left_out(card("p100")) == ()
    assert [said.split(" (")[0] for said in features.left_out(bare)] == ["memory roof", "waves"]
    assert math.isfinite(predictor.alone([KERNEL], bare).middle_s[0])
    with pytest.raises(ConfigError, match="has no memory_bytes_per_s"):
        predictor.moves([Move(10)], bare)
    with pytest.raises(ConfigError, match="has no fp32_flop_per_s"):
        predictor.alone([KERNEL], dataclasses.replace(bare, fp32_flop_per_s=None))


def test_trees() -> None:
    """A tree of one split gives its left leaf up to the threshold, its right one above, on top of the start."""
    tree = Trees(
        np.array([1, 0, 0], np.uint8),
        np.array([2.0, 10.0, 20.0], np.float32),
        np.array([1, 0, 0], np.uint8),
        np.array([2, 0, 0], np.uint8),
        np.array([0], np.uint16),
        0.5,
    )

    assert tree(np.array([[9.0, 2.0], [0.0, 2.1]])).tolist() == [10.5, 20.5]


def test_moves() -> None:
    """A kernel that moves bytes takes a launch and its bytes at no more than the bandwidth."""
    small, large = predictor.moves([Move(1), Move(10**9)], card("t4")).middle_s

    assert 1e-6 < small < 1e-4
    assert 1e9 / 320e9 < large < 1.6e9 / 320e9


def test_intervals_surround() -> None:
    """Low, middle and high are in this order; a GPU that nobody measured has the wider interval."""
    known, unknown = (predictor.alone([KERNEL], card("p100"), unseen) for unseen in (False, True))

    for found in (known, unknown, predictor.beside([KERNEL], np.array([0.01]), card("v100"), card("rtx-2080-ti"))):
        assert found.low_s[0] < found.middle_s[0] < found.high_s[0]
    assert unknown.high_s[0] / unknown.low_s[0] > known.high_s[0] / known.low_s[0]


def test_farther_than_fitted() -> None:
    """A convolution larger than any fitted one still has a finite time, in its interval."""
    huge = Convolution(64, 8192, 8192, 1024, 1024)
    found = predictor.beside([huge], np.array([1000.0]), card("v100"), card("t4"))

    assert 0 < found.low_s[0] < found.middle_s[0] < found.high_s[0] < 1e5


def rows() -> tuple[list[Convolution], dict[str, features.Floats]]:
    """What was measured, or a skip."""
    if not DATA.exists():
        pytest.skip("the measured convolutions are not here")
    with DATA.open(newline="") as file:
        read = list(csv.DictReader(file))
    kernels = [Convolution(*(int(row[name]) for name in (*SHAPE, SHAPE[-1]))) for row in read]
    columns = {key: f"{COLUMN_OF.get(key, key)}_ms" for key in predictor.MEASURED}
    return kernels, {key: np.array([float(row[name]) / 1e3 for row in read]) for key, name in columns.items()}


@pytest.mark.parametrize(
    ("source", "target", "bound"), [("v100", "p100", 0.05), ("t4", "p100", 0.06), ("v100", "t4", 0.045)]
)
def test_from_another(source: str, target: str, bound: float) -> None:
    """From another GPU the mean error on the fitted rows is bounded, and 7 of 10 at least are in the interval."""
    kernels, times = rows()
    found = predictor.beside(kernels, times[source], card(source), card(target))

    assert np.abs(found.middle_s / times[target] - 1).mean() < bound
    assert np.mean((found.low_s <= times[target]) & (times[target] <= found.high_s)) > 0.7


@pytest.mark.parametrize("target", predictor.MEASURED)
def test_from_the_card(target: str) -> None:
    """From the card alone, by trees that never saw the GPU, the mean error is far under that of a plain roofline."""
    kernels, times = rows()
    found = predictor.alone(kernels, card(target), unseen=True)

    assert np.abs(found.middle_s / times[target] - 1).mean() < 0.28
