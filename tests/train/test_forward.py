"""The faster forward pass: the same function of the same weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from nervbench.model.family import network_of
from nervbench.model.hnerv_spec import FAMILY as HNERV
from nervbench.model.spec import NervSpec
from nervbench.train.forward import faster

SPEC = NervSpec(fc_dim=4, strides=(5, 2, 2), stem_widths=(8,), fc_height=3, fc_width=4, lower_width=4, embed_levels=6)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"output": "sigmoid", "activation": "gelu"},
        {"strides": (2,), "stem_widths": ()},
        {"strides": (2, 3), "blocks_per_stage": 2},
        {"fc_height": 13, "fc_width": 9},
        {"strides": (5, 5, 2), "fc_dim": 32, "lower_width": 32},  # with a convolution by Winograd
    ],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_frames_and_gradients(changed: dict[str, Any], layout: torch.memory_format) -> None:
    """Frames equal those of the model to 1e-5, and the gradients of all weights to 1e-4 of the largest."""
    torch.manual_seed(3)
    model = network_of(replace(SPEC, **changed))
    model.to(memory_format=layout)  # type: ignore[call-overload]
    t_B = torch.tensor([0.0, 0.3, 0.7])
    forward = faster(model)
    assert forward is not model
    found, expected = forward(t_B), model(t_B)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    by_frames = torch.randn(expected.shape)
    of_ours = torch.autograd.grad(found, list(model.parameters()), by_frames)
    of_model = torch.autograd.grad(expected, list(model.parameters()), by_frames)
    for ours, models in zip(of_ours, of_model, strict=True):
        torch.testing.assert_close(ours, models, atol=1e-4 * models.abs().max().item(), rtol=0)


@pytest.mark.parametrize("changed", [{"norm": "bn"}, {"upscale": "transpose"}, {"upscale": "bilinear"}])
def test_what_has_no_such_order_runs_as_it_is(changed: dict[str, Any]) -> None:
    """With a normalisation or without a shuffle, the model itself runs; and so do other families."""
    model = network_of(replace(SPEC, **changed))
    assert faster(model) is model
    other = network_of(next(iter(HNERV.models.values())))
    assert faster(other) is other
