"""HNeRV's decoder, and its authors' quantised files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from nervbench.errors import CheckpointError
from nervbench.model import checkpoint
from nervbench.model.family import from_json, network_of
from nervbench.model.hnerv_spec import PUBLISHED, HnervSpec
from nervbench.model.network import positions
from nervbench.model.zoo import MODELS

PUBLISHED_FILE = Path(__file__).parents[3] / "shared/data/hnerv_bunny/quant_vid.pth"
TINY = HnervSpec(
    frames=3, fc_dim=8, strides=(3, 2), embed_channels=4, embed_height=2, embed_width=3, lower_width=6, max_kernel=3
)


def quantised(tensor: Tensor) -> dict[str, Tensor]:
    """A tensor as 8-bit codes, one range for all of it."""
    low, scale = tensor.min().to(torch.float16), ((tensor.max() - tensor.min()) / 255).to(torch.float16)
    codes = ((tensor - low.float()) / scale.float()).round().clamp(0, 255).to(torch.uint8)
    one = [1] * tensor.dim()
    return {"quant": codes, "min": low.reshape(one), "scale": scale.reshape(one)}


def content(spec: HnervSpec = TINY) -> dict[str, Any]:
    """A file's content as the authors save it."""
    coded = {name: quantised(tensor) for name, tensor in checkpoint.seeded(spec, 0).tensors.items()}
    for name in [name for name in coded if name.endswith("bias")]:
        coded[name]["scale"] += 1  # biases of zero have no range
    return {"embed": coded.pop("embed"), "model": coded}


def saved(folder: Path, state: object) -> Path:
    """A file with that content."""
    path = folder / "quant_vid.pth"
    torch.save(state, path)
    return path


def test_a_quantised_file(tmp_path: Path) -> None:
    """Its weights are min + scale · code, its architecture follows from the shapes, its size is the file's own."""
    path = saved(tmp_path, content())
    found = checkpoint.load(path)

    assert found.spec == TINY
    assert (found.frames, found.assumed, found.size_bytes) == (3, PUBLISHED, path.stat().st_size)
    assert found.notes == {"resized_with": "crop"}
    part = content()["model"]["head_layer.weight"]
    assert torch.equal(found.tensors["head_layer.weight"], part["min"].float() + part["scale"].float() * part["quant"])


@pytest.mark.skipif(not PUBLISHED_FILE.exists(), reason="the published HNeRV checkpoint is not beside this checkout")
def test_the_published_file() -> None:
    """The published checkpoint is the 1.5M model under its name, and frame 43, its worst, is what it is known to be."""
    found = checkpoint.load(PUBLISHED_FILE)
    assert found.spec == MODELS["hnerv-1.5m"]
    with torch.inference_mode():
        frame_3HW = found.model()(positions(torch.tensor([43]), 132))[0]
    assert frame_3HW.shape == (3, 640, 1280)
    assert frame_3HW.mean().item() == pytest.approx(0.4, abs=0.2)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda c: c.update(model=[1]), "is no dictionary of quantised weights"),
        (lambda c: c.update(embed=3), "'embed' is not made of 'quant'"),
        (lambda c: c["embed"].pop("min"), "'embed' is not made of 'quant'"),
        (lambda c: c["embed"].update(quant=c["embed"]["quant"].float()), "'embed' is not made of 'quant'"),
        (lambda c: c["embed"].update(scale=torch.ones(2)), "'embed' is not made of 'quant'"),
        (lambda c: c["embed"].update(quant=torch.zeros(1, dtype=torch.uint8).expand(1 << 20, 9)), "'embed' is not"),
        (lambda c: c["embed"].update(quant=c["embed"]["quant"][0]), "'embed' is not made of"),
        (lambda c: c["model"].pop("head_layer.weight"), "of another model: embed .* are not those of an HNeRV decoder"),
        (lambda c: c["model"].pop("decoder.1.conv.upconv.0.weight"), "follow no rule of HNeRV's|does not fit its spec"),
        (lambda c: c["model"].pop("head_layer.bias"), r"does not fit its spec: 'head_layer\.bias' is missing"),
        (lambda c: c["model"].update({"head_layer.weight": quantised(torch.ones(3, 5, 3, 3))}), "follow no rule"),
        (lambda c: c["embed"].update(scale=torch.full((1, 1, 1, 1), torch.nan)), "NaN or infinite"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused(tmp_path: Path, damage: Any, named: str) -> None:
    """A file that is not such a decoder, or not whole, is refused with what does not fit."""
    state = content()
    damage(state)
    with pytest.raises(CheckpointError, match=named):
        checkpoint.load(saved(tmp_path, state))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"family": "hnerv", "fc_dim": 8}', "lacks frames"),
        ('{"family": "hnerv", "fc_dim": 8, "frames": 0}', "frames must be a positive integer"),
        ('{"family": "hnerv", "fc_dim": 8, "frames": 3, "max_kernel": 33, "min_kernel": 33}', "odd and at most 31"),
        ('{"family": "hnerv", "fc_dim": 8, "frames": 3, "min_kernel": 2}', "kernels .* must be odd"),
        ('{"family": "hnerv", "fc_dim": 8, "frames": 1048576, "embed_channels": 1048576}', "parameters; the bound is"),
        ('{"family": "hnerv", "fc_dim": 8, "frames": 3, "reduction": 0.5}', "reduction must be a number from 1 to 16"),
        ('{"family": "hnerv", "fc_dim": 8, "frames": 3, "strides": [100, 100]}', "pixels; the bounds are"),
    ],
)
def test_malformed_specs(text: str, named: str) -> None:
    """A spec that is malformed or too large raises ValueError with the key."""
    with pytest.raises(ValueError, match=named):
        from_json(text)


def test_by_hand() -> None:
    """The network is what the paper's layers compute, one after the other."""
    weights = checkpoint.seeded(TINY, 1)
    tensors = weights.tensors
    x = tensors["embed"][1:2]
    x = functional.gelu(functional.conv2d(x, tensors["decoder.0.conv.downconv.weight"]))
    x = functional.gelu(functional.pixel_shuffle(functional.conv2d(x, tensors["decoder.1.conv.upconv.0.weight"]), 3))
    x = functional.conv2d(x, tensors["decoder.2.conv.upconv.0.weight"], padding=1)
    x = functional.gelu(functional.pixel_shuffle(x, 2))
    x = functional.conv2d(x, tensors["head_layer.weight"], padding=1)
    with torch.inference_mode():
        found = weights.model()(positions(torch.tensor([1]), 3))
    torch.testing.assert_close(found, (torch.tanh(x) + 1) / 2)


@pytest.mark.parametrize("frames", [3, 132, 99_991])
def test_every_frame_has_its_embedding(frames: int) -> None:
    """The position t / T of frame t gives exactly the embedding that is stored for it, for long clips too."""
    network: Any = network_of(HnervSpec(frames=frames, fc_dim=2, strides=(2,), embed_channels=1, embed_height=1,
                                        embed_width=1, lower_width=2))  # fmt: skip
    with torch.inference_mode():
        network.embed.copy_(torch.arange(frames)[:, None, None, None])
        found = network.embedding(positions(torch.arange(frames), frames))
    assert torch.equal(found.flatten(), torch.arange(frames, dtype=torch.float32))


def test_between_frames() -> None:
    """A position between two frames has the mean of their embeddings by distance; after the last, that of the last."""
    network: Any = checkpoint.seeded(TINY, 0).model()
    embed = network.embed.detach()
    with torch.inference_mode():
        found = network.embedding(torch.tensor([0.25 / 3, 1.5 / 3, 2.9 / 3]))
    torch.testing.assert_close(found[0], 0.75 * embed[0] + 0.25 * embed[1])
    torch.testing.assert_close(found[1], (embed[1] + embed[2]) / 2)
    torch.testing.assert_close(found[2], embed[2])
