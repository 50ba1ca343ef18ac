"""Global magnitude pruning."""

from __future__ import annotations

import pytest
import torch

from nervbench.codec.prune import kept, prunable, pruned
from nervbench.model import checkpoint
from nervbench.model.zoo import MODELS

TENSORS = {
    "stem.0.weight": torch.tensor([[1.0, -8.0], [3.0, 0.5]]),
    "stem.0.bias": torch.tensor([0.1]),
    "layers.0.weight": torch.tensor([[[[-2.0]], [[4.0]]], [[[5.0]], [[-6.0]]]]),
    "head_layers.0.weight": torch.tensor([[0.1, 0.2]]),
    "embed": torch.tensor([[0.1, 0.2]]),
}


def test_the_smallest_of_all_go() -> None:
    """The share is of stem and convolutions together; the smallest magnitudes go, wherever they are, and no others."""
    found = pruned(TENSORS, kept(TENSORS, 3 / 8))

    assert found["stem.0.weight"].tolist() == [[0, -8], [3, 0]]
    assert found["layers.0.weight"].flatten().tolist() == [0, 4, 5, -6]
    for name in ("stem.0.bias", "head_layers.0.weight", "embed"):
        assert found[name] is TENSORS[name]


@pytest.mark.parametrize(("share", "zeros"), [(0, 0), (0.25, 2), (0.5, 4), (1, 8)])
def test_the_share_is_removed(share: float, zeros: int) -> None:
    """A share of 0.25 removes a quarter, and keeps three."""
    assert sum(int((~mask).sum()) for mask in kept(TENSORS, share).values()) == zeros


def test_equals() -> None:
    """Of equal magnitudes no more go than were asked for, the first of them."""
    same = {"a.weight": torch.ones(2, 3)}

    assert kept(same, 0.5)["a.weight"].tolist() == [[False, False, False], [True, True, True]]


@pytest.mark.parametrize("name", ["nerv-xs", "hnerv-0.35m", "ffn-xs"])
def test_families(name: str) -> None:
    """In every family weights are pruned, and what is stored for single frames is not."""
    chosen = prunable(checkpoint.seeded(MODELS[name], 0).tensors)

    assert len(chosen) >= 4
    assert not [each for each in chosen if each.startswith(("head", "embed")) or each.endswith("bias")]
