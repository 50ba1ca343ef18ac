"""The network against formulas written out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from nervbench.model.nerv import Nerv
from nervbench.model.network import ACTIVATIONS, FrameDecoder, PositionalEmbedding, activation, positions
from nervbench.model.spec import NervSpec

TINY = NervSpec(fc_dim=4, strides=(2, 1), stem_widths=(8,), fc_height=3, fc_width=5, lower_width=6, embed_levels=5)


class Fixed(nn.Module):
    """A model whose frames are given."""

    def __init__(self, frames_B3HW: torch.Tensor) -> None:
        super().__init__()
        self.frames = frames_B3HW

    def forward(self, t_B: torch.Tensor) -> torch.Tensor:
        """The given frames."""
        return self.frames[: len(t_B)]


def test_positions_are_t_over_count() -> None:
    """The position of frame t of T is t/T, so the last one is below 1."""
    assert positions(torch.tensor([0, 33, 131]), 132).tolist() == pytest.approx([0, 0.25, 131 / 132])
    assert positions(torch.tensor([1]), 2).dtype == torch.float32


def test_embedding_by_hand() -> None:
    """Each level is sin(b^i π t), cos(b^i π t), interleaved, as computed in float64."""
    t = np.arange(132) / 132
    by_hand = np.empty((132, 80))
    for level in range(40):
        by_hand[:, 2 * level] = np.sin(1.25**level * math.pi * t)
        by_hand[:, 2 * level + 1] = np.cos(1.25**level * math.pi * t)
    found = PositionalEmbedding(1.25, 40)(positions(torch.arange(132), 132)[:, None]).numpy()
    assert found.shape == (132, 80)
    # The largest angle is 18,900; half a unit in its last float32 digit is 0.001.
    np.testing.assert_allclose(found, by_hand, atol=3e-3)
    np.testing.assert_allclose(found[:, :20], by_hand[:, :20], atol=3e-6)


def test_embedding_of_the_first_frame() -> None:
    """At t = 0 every sine is 0 and every cosine 1."""
    assert PositionalEmbedding(1.25, 3)(torch.zeros(1, 1)).tolist() == [[0, 1, 0, 1, 0, 1]]


def test_forward_by_hand() -> None:
    """The network is stem, SiLU, reshape, then conv, PixelShuffle, SiLU a block, then a 1×1 head and (tanh + 1) / 2."""
    torch.manual_seed(0)
    model = Nerv(TINY).eval()
    weights = model.state_dict()
    t = torch.tensor([0.25, 0.75])
    x = PositionalEmbedding(1.25, 5)(t[:, None])
    for layer in ("stem.0", "stem.2"):
        x = x @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]
        x = x * torch.sigmoid(x)
    x = x.reshape(2, 4, 3, 5)
    for block, stride in ((0, 2), (1, 1)):
        name = f"layers.{block}.conv.conv"
        x = nn.functional.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)
        batch, channels, height, width = x.shape
        x = x.reshape(batch, channels // stride**2, stride, stride, height, width).permute(0, 1, 4, 2, 5, 3)
        x = x.reshape(batch, channels // stride**2, height * stride, width * stride)
        x = x * torch.sigmoid(x)
    head = weights["head_layers.1.weight"][:, :, 0, 0]
    x = torch.einsum("bchw,oc->bohw", x, head) + weights["head_layers.1.bias"][:, None, None]
    with torch.inference_mode():
        found = model(t)
    assert found.shape == (2, 3, 6, 10)
    torch.testing.assert_close(found, (torch.tanh(x) + 1) / 2, atol=1e-6, rtol=1e-5)


def test_names_are_the_authors() -> None:
    """The keys of the weights are those of the authors' files; the embedding is none of them."""
    names = ["stem.0", "stem.2", "layers.0.conv.conv", "layers.1.conv.conv", "head_layers.1"]
    assert list(Nerv(TINY).state_dict()) == [f"{name}.{kind}" for name in names for kind in ("weight", "bias")]


def test_sigmoid_output() -> None:
    """With the sigmoid output the frame is σ(x); tanh's is σ(2x)."""
    torch.manual_seed(0)
    tanh = Nerv(TINY)
    sigmoid = Nerv(NervSpec(4, (2, 1), (8,), 3, 5, 6, embed_levels=5, output="sigmoid"))
    sigmoid.load_state_dict(tanh.state_dict())
    t = torch.tensor([0.5])
    torch.testing.assert_close(2 * torch.logit(sigmoid(t)), torch.logit(tanh(t)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_keeps_embedding_and_output(dtype: torch.dtype) -> None:
    """In a 16-bit type neighbouring frames keep different embeddings, and frames come out as float32."""
    model = Nerv(TINY).to(dtype)
    model.pe = PositionalEmbedding(1.25, 40)
    near = model.embedding(torch.tensor([130 / 132, 131 / 132]))
    assert near.dtype == torch.float32
    assert (near[0] - near[1]).abs().max() > 0.5
    plain = Nerv(TINY).to(dtype)
    plain.pe = PositionalEmbedding(1.25, 5)
    assert plain.dtype == dtype
    assert plain(torch.tensor([0.5])).dtype == torch.float32


@pytest.mark.parametrize(("name", "value"), [("relu", 0), ("leaky", -0.01), ("leaky01", -0.1), ("relu6", 0)])
def test_activations(name: str, value: float) -> None:
    """The activations that the authors' code offers, at −1."""
    assert activation(name)(torch.tensor(-1.0)).item() == pytest.approx(value)


def test_swish_is_silu() -> None:
    """Swish is x·σ(x)."""
    assert activation("swish")(torch.tensor(2.0)).item() == pytest.approx(2 / (1 + math.exp(-2)))
    assert len(ACTIVATIONS) == 7


def test_decoder_rounds_to_nearest() -> None:
    """A frame value v becomes the level nearest to 255·v, in (B, H, W, 3)."""
    levels = torch.tensor([0.0, 0.4, 0.6, 127.4, 127.6, 254.4, 254.6, 255.0])
    frames = (levels / 255).reshape(1, 1, 1, 8).expand(2, 3, 2, 8).clone()
    frames[:, 1] = 0
    decoded = FrameDecoder(Fixed(frames))(torch.zeros(2))
    assert decoded.shape == (2, 2, 8, 3)
    assert decoded.dtype == torch.uint8
    assert decoded[1, 1, :, 0].tolist() == [0, 0, 1, 127, 128, 254, 255, 255]
    assert decoded[..., 1].max() == 0
