"""The authors' files: keys, prefixes, masks, the architecture from the shapes, and what is refused."""

from __future__ import annotations

import dataclasses
import io
import os
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils import prune

from nervbench.errors import CheckpointError
from nervbench.model import checkpoint
from nervbench.model.authors import PUBLISHED
from nervbench.model.nerv import Nerv
from nervbench.model.network import positions
from nervbench.model.spec import NervSpec
from nervbench.model.zoo import MODELS

TINY = NervSpec(fc_dim=4, strides=(2, 1), stem_widths=(8,), lower_width=6)


def state_of(spec: NervSpec) -> dict[str, Tensor]:
    """A state dict as the authors' code has it, of constant weights (what they are does not matter for its shapes)."""
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in Nerv(spec).state_dict().items()}
    return {name: torch.full(shape, 0.01) for name, shape in shapes.items()}


def saved(folder: Path, state: object, **beside: object) -> Path:
    """A file as the authors' code saves it."""
    path = folder / "model_latest.pth"
    torch.save({"epoch": 300, "state_dict": state, "train_best_psnr": torch.tensor(36.5), **beside}, path)
    return path


@pytest.mark.parametrize(
    "spec",
    [
        *(MODELS[name] for name in ("nerv-s", "nerv-m", "nerv-l")),
        NervSpec(8, (5, 3, 2, 2, 2), expansion=8, lower_width=32),
        NervSpec(8, (5, 3, 2, 2, 2), expansion=6, lower_width=32, blocks_per_stage=2),
        NervSpec(26, (5, 2, 2), blocks_per_stage=2),
        NervSpec(26, (5, 4, 4)),
        NervSpec(26, (2, 2), stem_widths=()),
        NervSpec(26, (2, 2), stem_widths=(512, 64)),
        NervSpec(26, (2, 2), embed_levels=80),
        NervSpec(81, (2, 2, 2), reduction=3, lower_width=4),
        dataclasses.replace(TINY, norm="bn"),
        TINY,
    ],
)
def test_the_spec_follows_from_the_shapes(tmp_path: Path, spec: NervSpec) -> None:
    """The spec inferred from a file has the strides, the stem and the widths of the network that was saved."""
    found = checkpoint.load(saved(tmp_path, state_of(spec)))
    assert isinstance(found.spec, NervSpec)
    assert found.spec.blocks == spec.blocks
    assert found.spec.stem == spec.stem
    assert (found.spec.width, found.spec.height) == (spec.width, spec.height)
    assert found.assumed == PUBLISHED
    assert found.frames is None


@pytest.mark.parametrize("name", ["nerv-s", "nerv-m", "nerv-l"])
def test_published_specs_come_back(tmp_path: Path, name: str) -> None:
    """The inferred spec of a published model is the one under its name, rule of widths included."""
    spec = MODELS[name]
    assert isinstance(spec, NervSpec)
    assert checkpoint.load(saved(tmp_path, state_of(spec))).spec == spec


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("prefix", ["", "module.", "blocks.0.", "module.blocks.0."])
def test_prefixes_are_stripped(tmp_path: Path, prefix: str, inside: bool) -> None:
    """What data parallel and older files put before or into a key changes nothing in the frames."""
    torch.manual_seed(0)
    model = Nerv(TINY).eval()
    names = {
        name: name.replace("layers.0.conv", "layers.0.blocks.0.conv") if inside else name for name in model.state_dict()
    }
    state = {prefix + names[name]: tensor for name, tensor in model.state_dict().items()}
    found = checkpoint.load(saved(tmp_path, state)).model()
    t = positions(torch.tensor([0, 5]), 9)
    with torch.inference_mode():
        torch.testing.assert_close(found(t), model(t), rtol=0, atol=0)


def test_masks_are_applied(tmp_path: Path) -> None:
    """A file of a model pruned by torch's own prune gives the weights times their masks."""
    torch.manual_seed(0)
    model = Nerv(TINY)
    convolutions = [module for module in model.modules() if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear))]
    prune.global_unstructured([(module, "weight") for module in convolutions], prune.L1Unstructured, amount=0.4)
    state = model.state_dict()
    assert "stem.0.weight_orig" in state
    found = checkpoint.load(saved(tmp_path, {f"module.{name}": tensor for name, tensor in state.items()}))
    assert found.spec == TINY
    weights = [found.tensors[f"{name}.weight"] for name in ("stem.0", "stem.2", "layers.0.conv.conv", "head_layers.1")]
    expected = [state[f"{name}.weight_orig"] * state[f"{name}.weight_mask"]
                for name in ("stem.0", "stem.2", "layers.0.conv.conv", "head_layers.1")]  # fmt: skip
    assert all(torch.equal(a, b) for a, b in zip(weights, expected, strict=True))
    zeros = sum(int((tensor == 0).sum()) for name, tensor in found.tensors.items() if name.endswith("weight"))
    total = sum(tensor.numel() for name, tensor in found.tensors.items() if name.endswith("weight"))
    assert zeros / total == pytest.approx(0.4, abs=0.01)


def test_a_flat_file_with_remarks_loads(tmp_path: Path) -> None:
    """A file that is the state dict itself, with an epoch and a name beside the tensors, loads."""
    path = tmp_path / "flat.pth"
    torch.save({**state_of(TINY), "epoch": 3, "name": "bunny", "psnr": 36.5, "best": None}, path)
    assert checkpoint.load(path).spec == TINY


def test_an_optimiser_beside_the_weights_is_no_hindrance(tmp_path: Path) -> None:
    """The optimiser's state, which the authors save too, is passed over."""
    optimiser = torch.optim.Adam(Nerv(TINY).parameters()).state_dict()
    assert checkpoint.load(saved(tmp_path, state_of(TINY), optimizer=optimiser)).spec == TINY


def test_parameters_that_want_gradients_are_weights(tmp_path: Path) -> None:
    """A file of parameters instead of tensors gives the same checkpoint, hash and copy on disk included."""
    plain = checkpoint.load(saved(tmp_path, state_of(TINY)))
    wanting = {name: torch.nn.Parameter(tensor) for name, tensor in state_of(TINY).items()}
    found = checkpoint.load(saved(tmp_path, wanting))
    assert found.sha256() == plain.sha256()
    checkpoint.save(tmp_path / "a.safetensors", found)
    assert checkpoint.load(tmp_path / "a.safetensors").sha256() == plain.sha256()


class Code:
    """An object whose unpickling makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    """A pickle that would make a folder is refused with the name of what it asks for, and there is no folder."""
    path = saved(tmp_path, {"stem.0.weight": Code(tmp_path / "owned")})
    with pytest.raises(CheckpointError, match=r"refused, .*mkdir.*; nothing in it was run") as raised:
        checkpoint.load(path)
    assert not (tmp_path / "owned").exists()
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("cut", [0, 1, 30, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_is_refused(tmp_path: Path, cut: float, zipped: bool) -> None:
    """A PyTorch file that was cut off anywhere, of the present or the old format, is refused on one line."""
    buffer = io.BytesIO()
    torch.save({"state_dict": state_of(TINY)}, buffer, _use_new_zipfile_serialization=zipped)
    data = buffer.getvalue()
    path = tmp_path / "cut.pth"
    path.write_bytes(data[: int(cut * len(data)) if 0 < cut < 1 else int(cut)])
    with pytest.raises(CheckpointError, match=r"cut\.pth: (no whole PyTorch file|refused)") as raised:
        checkpoint.load(path)
    assert str(raised.value).isprintable()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), zipped=st.booleans())
def test_a_damaged_file_loads_or_is_refused(tmp_path: Path, seed: int, zipped: bool) -> None:
    """Whatever bytes of a file are changed, it loads as weights that fit or raises CheckpointError, nothing else."""
    buffer = io.BytesIO()
    torch.save({"state_dict": state_of(TINY)}, buffer, _use_new_zipfile_serialization=zipped)
    data = bytearray(buffer.getvalue())
    draw = random.Random(seed)
    for _ in range(draw.choice((1, 2, 5))):
        data[draw.randrange(min(len(data), 2500))] = draw.randrange(256)
    path = tmp_path / "damaged.pth"
    path.write_bytes(data)
    try:
        assert isinstance(checkpoint.load(path), checkpoint.Checkpoint)
    except CheckpointError as error:
        assert str(error).isprintable()  # noqa: PT017 (either end is right)


def resnet() -> dict[str, Tensor]:
    """Some of a ResNet's weights."""
    return {
        "conv1.weight": torch.zeros(64, 3, 7, 7),
        "bn1.weight": torch.zeros(64),
        "bn1.num_batches_tracked": torch.tensor(0),
        "layer1.0.conv1.weight": torch.zeros(64, 64, 3, 3),
        "fc.weight": torch.zeros(1000, 512),
    }


def without(name: str) -> dict[str, Tensor]:
    """The tiny network's weights without one of them."""
    return {key: tensor for key, tensor in state_of(TINY).items() if key != name}


@pytest.mark.parametrize(
    ("state", "named"),
    [
        (resnet(), r"of another model: stem\.0\.weight, .*, head_layers\.K\.weight missing; found 'conv1\.weight', "),
        ({}, "no weights in it"),
        ([1, 2], "no weights in it"),
        ({"stem.0.weight": {"quant": torch.zeros(2)}}, "no weights in it"),
        (without("stem.0.bias"), r"'stem\.0\.bias' is missing, expected \(8,\)"),
        (without("head_layers.1.weight"), r"head_layers\.K\.weight missing"),
        (without("layers.1.conv.conv.weight"), r"no chain of PixelShuffle blocks|does not fit its spec"),
        (state_of(TINY) | {"layers.0.norm.weight": torch.zeros(4)}, r"norm\.bias' is missing, expected \(4,\)"),
        (state_of(TINY) | {"head_layers.0.weight": torch.zeros(3, 4, 1, 1)}, "not those of a single-resolution NeRV"),
        (state_of(TINY) | {"layers.1.conv.conv.weight": torch.zeros(6, 4, 5, 5)}, "not those of a single-resolution"),
        (state_of(TINY) | {"layers.1.conv.conv.weight": torch.zeros(0, 4, 3, 3)}, "not those of a single-resolution"),
        (state_of(TINY) | {"head_layers.1.weight": torch.zeros(3, 0, 1, 1)}, "not those of a single-resolution"),
        (state_of(TINY) | {"layers.0.conv.conv.weight": torch.zeros(17, 4, 3, 3)}, "no chain of PixelShuffle blocks"),
        (state_of(dataclasses.replace(TINY, fc_height=8)), "512 values .* 128 positions; only the published 9x16 grid"),
        (state_of(NervSpec(8, (2, 2, 2), lower_width=4)) | {"layers.1.conv.conv.weight": torch.zeros(40, 8, 3, 3),
          "layers.2.conv.conv.weight": torch.zeros(16, 10, 3, 3)}, "widths .* follow no rule of NeRV's"),
        (state_of(TINY) | {"stem.2.weight_mask": torch.zeros(576, 8)}, "a pruned weight is a pair _orig and _mask"),
        (state_of(TINY) | {"module.stem.0.bias": torch.zeros(8)}, r"'stem\.0\.bias' is there twice"),
        (state_of(TINY) | {"stem.0.weight": torch.zeros(1).expand(1 << 20, 1 << 20)}, "more than the file holds"),
        (state_of(TINY) | {"stem.0.bias": torch.zeros(8).to_sparse()}, "is no plain tensor of numbers"),
        (state_of(TINY) | {"stem.0.bias": torch.full((8,), torch.nan)}, "8 values that are NaN or infinite"),
        (state_of(TINY) | {"stem.0.bias": torch.zeros(8, dtype=torch.int64)}, r"holds torch\.int64"),
    ],
)  # fmt: skip
def test_other_weights_are_refused_by_name(tmp_path: Path, state: object, named: str) -> None:
    """A file of another model, or damaged in its contents, is refused with what is missing or does not fit."""
    with pytest.raises(CheckpointError, match=named) as raised:
        checkpoint.load(saved(tmp_path, state))
    assert str(raised.value).isprintable()


def test_other_kinds_of_files(tmp_path: Path) -> None:
    """A text file and a list of numbers are no checkpoints."""
    path = tmp_path / "a.pth"
    path.write_text("epoch 300\n" * 20)
    with pytest.raises(CheckpointError, match="no whole PyTorch file"):
        checkpoint.load(path)
    torch.save([1, 2, 3], path)
    with pytest.raises(CheckpointError, match="no weights in it, but a list"):
        checkpoint.load(path)
