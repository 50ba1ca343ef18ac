"""The model counts its own cost."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nervbench.model import cost
from nervbench.model.family import Spec, network_of
from nervbench.model.nerv import Nerv
from nervbench.model.spec import NervSpec
from nervbench.model.zoo import MODELS
from nervbench.records import PRECISIONS

TINY = NervSpec(fc_dim=6, strides=(2, 3), stem_widths=(10,), lower_width=4, embed_levels=4, blocks_per_stage=2)


@pytest.mark.parametrize(
    ("name", "params", "gflop"),
    [("nerv-s", 3_201_905, 201.9), ("nerv-m", 6_282_001, 202.9), ("nerv-l", 12_524_563, 204.8)],
)
def test_published(name: str, params: int, gflop: float) -> None:
    """Parameters and FLOP a frame of the paper's three models are those published."""
    counted = cost.cost_of(MODELS[name], "fp32")

    assert counted.params == params
    assert counted.flop_per_frame == pytest.approx(gflop * 1e9, rel=0.001)
    assert (counted.width, counted.height) == (1280, 720)


@pytest.mark.parametrize("spec", [TINY, *MODELS.values()])
def test_agrees_with_torch(spec: Spec) -> None:
    """The count equals that of PyTorch's own counter of dispatched operations."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network_of(spec)(torch.zeros(1))

    assert cost.cost_of(spec, "fp32").flop_per_frame == counter.get_total_flops()


def test_last_three_layers_are_the_work() -> None:
    """In NeRV-S the last three 3×3 convolutions are over 98 % of the arithmetic."""
    counted = cost.cost_of(MODELS["nerv-s"], "fp32")
    blocks = [layer.flop for layer in counted.layers if layer.name.endswith("conv.conv")]

    assert sum(blocks[-3:]) / counted.flop_per_frame > 0.98


def test_layer_by_hand() -> None:
    """A convolution's FLOP and bytes are those of the formula: 2 · out · in · 9, and input, output, weights once."""
    first = next(layer for layer in cost.cost_of(TINY, "fp32").layers if layer.name == "layers.0.conv.conv")

    assert first.flop == 2 * 9 * 16 * (6 * 4) * 6 * 9
    assert first.weight_bytes == 4 * (6 * 4 * 6 * 9 + 6 * 4)
    assert first.read_bytes == 4 * 6 * 9 * 16
    assert first.write_bytes == 4 * 6 * 4 * 9 * 16


def test_shuffle_moves_and_computes_nothing() -> None:
    """PixelShuffle reads and writes the same bytes and has no FLOP."""
    shuffles = [layer for layer in cost.cost_of(TINY, "fp32").layers if layer.name.endswith("up_scale")]

    assert len(shuffles) == len(TINY.blocks)
    assert all(layer.flop == 0 and layer.read_bytes == layer.write_bytes > 0 for layer in shuffles)


def test_identity_is_no_layer() -> None:
    """Where nothing is normalised nothing is moved; a normalisation moves what it is given."""
    normalised = [cost.cost_of(dataclasses.replace(TINY, norm=norm), "fp32") for norm in ("none", "bn")]
    names = [[layer.name for layer in counted.layers if layer.name.endswith("norm")] for counted in normalised]

    assert [len(found) for found in names] == [0, len(TINY.blocks)]
    assert normalised[1].bytes_per_frame > normalised[0].bytes_per_frame


def test_sums() -> None:
    """The totals are the sums over the layers."""
    counted = cost.cost_of(TINY, "bf16")

    assert counted.flop_per_frame == sum(layer.flop for layer in counted.layers)
    assert counted.bytes_per_frame == sum(
        layer.weight_bytes + layer.read_bytes + layer.write_bytes for layer in counted.layers
    )
    assert counted.params * 2 == sum(layer.weight_bytes for layer in counted.layers)


def test_precision_changes_bytes_only() -> None:
    """Half the item size is half the bytes of every layer, but for the picture itself; FLOP stay."""
    full, half = cost.cost_of(TINY, "fp32"), cost.cost_of(TINY, "fp16")

    assert full.flop_per_frame == half.flop_per_frame
    assert [layer.read_bytes for layer in full.layers[:-1]] == [2 * layer.read_bytes for layer in half.layers[:-1]]
    assert full.layers[-1] == half.layers[-1]


def test_every_precision_has_a_size() -> None:
    """Every precision that a case may have can be counted."""
    assert set(cost.ITEM_BYTES) == set(PRECISIONS)


def test_of_a_model() -> None:
    """A network costs what its spec costs."""
    assert cost.cost_of(Nerv(TINY), "fp32") == cost.cost_of(TINY, "fp32")


def test_needs_no_memory() -> None:
    """A model far larger than this machine's memory is counted all the same."""
    counted = cost.cost_of(NervSpec(fc_dim=500_000, strides=(5, 2, 2, 2, 2)), "fp32")

    assert counted.params > 1e12


def test_unknown_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer that has weights and no rule is an error, not zero FLOP."""
    monkeypatch.delitem(cost.FLOP, nn.Linear)

    with pytest.raises(TypeError, match=r"stem\.0 \(Linear\) has weights and no rule"):
        cost.cost_of(TINY, "fp32")
