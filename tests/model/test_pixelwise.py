"""SIREN and FFN: a frame is the same, in one piece or row by row, in evaluation or in training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nervbench.model import checkpoint, pixelwise
from nervbench.model.family import from_json, network_of
from nervbench.model.pixelwise_spec import PixelwiseSpec

SIREN = PixelwiseSpec("siren", 12, 7, (16, 8), omega=5.0)
FFN = PixelwiseSpec("ffn", 12, 7, (16, 8), embed_base=2.0, embed_levels=3)
T = torch.tensor([0.0, 0.3])


def by_hand(spec: PixelwiseSpec, tensors: dict[str, Tensor], t: float) -> Tensor:
    """The frame at t, pixel by pixel as the papers have it: one product of all that is known of a pixel a layer."""
    rows = []
    for y in range(spec.height):
        for x in range(spec.width):
            place = torch.tensor([(x + 0.5) / spec.width, (y + 0.5) / spec.height, t])
            if spec.kind == "siren":
                place = 2 * place - 1
            else:
                angles = place[:, None] * torch.pi * spec.embed_base ** torch.arange(spec.embed_levels)
                place = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten()
            first = torch.cat([tensors["place.weight"], tensors["time.weight"]], dim=1)
            z = first @ place + tensors["place.bias"]
            for layer in range(len(spec.hidden)):
                active = torch.sin(spec.omega * z) if spec.kind == "siren" else functional.relu(z)
                z = tensors[f"layers.{layer}.weight"] @ active + tensors[f"layers.{layer}.bias"]
            rows.append((torch.tanh(z) + 1) / 2)
    return torch.stack(rows).reshape(spec.height, spec.width, 3).permute(2, 0, 1)


@pytest.mark.parametrize("spec", [SIREN, FFN], ids=["siren", "ffn"])
def test_by_hand(spec: PixelwiseSpec) -> None:
    """Every pixel is what the perceptron gives for its coordinates."""
    weights = checkpoint.seeded(spec, 0)
    with torch.inference_mode():
        found = weights.model()(T)
    assert found.shape == (2, 3, 7, 12)
    torch.testing.assert_close(found[1], by_hand(spec, weights.tensors, 0.3), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("spec", [SIREN, FFN], ids=["siren", "ffn"])
def test_rows_and_gradients(monkeypatch: pytest.MonkeyPatch, spec: PixelwiseSpec) -> None:
    """Frame and gradients do not depend on how many rows are computed at once."""
    outcomes = []
    for pixels in (1, 30, 1 << 14):
        monkeypatch.setattr(pixelwise, "PIXELS_AT_ONCE", pixels)
        torch.manual_seed(0)
        network = network_of(spec).train()
        frames = network(T)
        frames.square().sum().backward()
        outcomes.append([frames.detach(), *(p.grad for p in network.parameters())])
    for other in outcomes[1:]:
        for a, b in zip(outcomes[0], other, strict=True):
            torch.testing.assert_close(a, b)


def test_memory_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """In training, no activations are kept for the backward pass but those of the rows in hand."""
    monkeypatch.setattr(pixelwise, "PIXELS_AT_ONCE", SIREN.width)
    kept: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    network = network_of(SIREN).train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(T)
    assert max(kept) <= max(p.numel() for p in network.parameters()) + 2 * 3 * SIREN.width * SIREN.height
    assert sum(size >= 2 * 16 * SIREN.width for size in kept) <= 3


def test_sirens_first_values_spread() -> None:
    """SIREN's own initialisation: the products under the second sine have about unit variance."""
    torch.manual_seed(0)
    network: Any = network_of(PixelwiseSpec("siren", 64, 36, (256, 256)))
    torch.nn.init.zeros_(network.layers[0].bias)
    seen: list[Tensor] = []
    network.layers[0].register_forward_hook(lambda _layer, _inputs, out: seen.append(out))
    with torch.inference_mode():
        network.eval()(T)
    assert (30 * torch.cat(seen, dim=1)).std().item() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_coordinates_stay_in_float32(precision: torch.dtype) -> None:
    """With 16-bit weights neighbouring pixels still differ, on a frame wider than a 16-bit type can count."""
    spec = PixelwiseSpec("siren", 4096, 2, (8,), omega=300.0)
    with torch.inference_mode():
        frame = checkpoint.seeded(spec, 0).model().to(precision)(T[:1])
    assert (frame[0, :, 0, 1:] != frame[0, :, 0, :-1]).any(dim=0).float().mean() > 0.8


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ('"kind": "nerf", "width": 8, "height": 8, "hidden": [4]', "kind must be one of siren, ffn, found 'nerf'"),
        ('"kind": "ffn", "width": 8, "height": 8, "hidden": []', "hidden must be a list of 1 to 64"),
        ('"kind": "ffn", "width": 8, "height": 8', "lacks hidden"),
        ('"kind": "ffn", "width": 8, "height": 1048576, "hidden": [4]', "pixels; the bounds are"),
        ('"kind": "ffn", "width": 8, "height": 8, "hidden": [1048576, 1048576]', "parameters; the bound is"),
        ('"kind": "ffn", "width": 8, "height": 8, "hidden": [4], "embed_levels": 1000', "frequencies over"),
        ('"kind": "siren", "width": 8, "height": 8, "hidden": [4], "omega": 0', "omega must be a number from 0.01"),
    ],
)
def test_malformed_specs(values: str, named: str) -> None:
    """A spec that is malformed or too large raises ValueError with the key."""
    with pytest.raises(ValueError, match=named):
        from_json("{" + f'"family": "pixelwise", {values}' + "}")
