"""Ranges for int8: finely rounded where nothing is far out, cut where little is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nervbench.export import calibrate
from nervbench.export.calibrate import best_range, ranges_of
from nervbench.model import checkpoint
from nervbench.model.spec import NervSpec

SPEC = NervSpec(fc_dim=12, strides=(2, 2), stem_widths=(64,), lower_width=12, fc_height=6, fc_width=8)


def floats(values: object) -> calibrate.Floats:
    """An array as it is seen at a convolution."""
    return np.asarray(values, np.float32)


def test_even_values() -> None:
    """Of values that fill their range nothing is cut; zero is always within."""
    assert best_range(floats(np.linspace(-0.25, 4, 10_001))) == pytest.approx((-0.25, 4.0))
    assert best_range(floats(np.linspace(2, 4, 10_001))) == pytest.approx((0.0, 4.0))
    assert best_range(floats([-3.0, -1.0])) == (-3.0, 0.0)
    assert best_range(floats([0.0, 0.0])) == (0.0, 0.0)


def test_one_far_out() -> None:
    """A single value far out is cut for the sake of the others: that makes the error less, not more."""
    values = floats([*np.linspace(0, 1, 1_000_000), 2.0])
    low, high = best_range(values)

    assert low == 0
    assert 1 <= high < 1.5
    assert calibrate._error(values, (low, high)) < calibrate._error(values, (0.0, 2.0))


def test_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block's convolution has the range of what enters it, on frames of the clip; the model is left as it was."""
    weights = checkpoint.seeded(SPEC, 0)
    asked: list[float] = []
    forward = checkpoint.Checkpoint.model

    def model(self: checkpoint.Checkpoint) -> torch.nn.Module:
        made = forward(self)
        made.register_forward_pre_hook(lambda _, inputs: asked.append(float(inputs[0])))
        return made

    monkeypatch.setattr(checkpoint.Checkpoint, "model", model)
    found = ranges_of(weights)

    assert len(found) == len(SPEC.strides) + 1
    assert all(span and span[0] < 0 < span[1] for span in found)
    assert asked == [0.125, 0.375, 0.625, 0.875]


@pytest.mark.parametrize(("share", "in_float"), [(0.0, 0), (0.2, 1), (0.98, 2)])
def test_first_blocks_stay_in_float(monkeypatch: pytest.MonkeyPatch, share: float, in_float: int) -> None:
    """Of 12 → 48 channels at 6×8, 12 → 48 at 12×16 and a head of 12 → 3 at 24×32: a fifth, three quarters, a little."""
    monkeypatch.setattr(calibrate, "FLOAT_SHARE", share)
    found = ranges_of(checkpoint.seeded(SPEC, 0))

    assert [span is None for span in found] == [True] * in_float + [False] * (3 - in_float)


def test_positions() -> None:
    """With a clip they are those of its frames."""
    assert [calibrate._position(frame, 30) for frame in range(4)] == [3 / 30, 11 / 30, 18 / 30, 26 / 30]
    assert [calibrate._position(frame, 1) for frame in range(4)] == [0.0] * 4
