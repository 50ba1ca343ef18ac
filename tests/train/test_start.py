"""Training from given weights, with weights that stay zero."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nervbench.data.clip import Frames
from nervbench.errors import CheckpointError, ConfigError
from nervbench.model.family import network_of
from nervbench.train.loop import STATE, Start, train
from tests.train.small import RECIPE, SPEC, run, same, state


@pytest.fixture
def start() -> Start:
    """Random weights in float16, of which about half of every matrix is kept."""
    generator = torch.Generator().manual_seed(5)
    tensors = {name: 0.2 * torch.randn(p.shape, generator=generator) for name, p in network_of(SPEC).named_parameters()}
    kept = {name: torch.rand(t.shape, generator=generator) < 0.5 for name, t in tensors.items() if t.dim() > 1}
    return Start({name: tensor.half() for name, tensor in tensors.items()}, kept)


def test_it_begins_at_the_given_weights(tmp_path: Path, frames: Frames, start: Start) -> None:
    """With a learning rate that changes nothing, what is left is what was given, with zeros where nothing is kept."""
    run(frames, tmp_path, recipe=replace(RECIPE, learning_rate=1e-30), start=start)
    found: dict[str, Tensor] = state(tmp_path)["model"]
    for name, tensor in start.tensors.items():
        mask = start.kept.get(name, torch.ones(tensor.shape, dtype=torch.bool))
        torch.testing.assert_close(found[name], tensor.float() * mask, rtol=0, atol=1e-20)


def test_zeros_stay(tmp_path: Path, frames: Frames, start: Start) -> None:
    """What is not kept is +0.0 to the bit after training, and most of what is kept has moved."""
    run(frames, tmp_path, recipe=replace(RECIPE, learning_rate=1e-2), start=start)
    found: dict[str, Tensor] = state(tmp_path)["model"]
    for name, mask in start.kept.items():
        weight = found[name].contiguous()
        assert not weight.view(torch.int32)[~mask].any()
        assert (weight[mask] != start.tensors[name].float()[mask]).float().mean() > 0.5


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_it_resumes(tmp_path: Path, frames: Frames, start: Start, stop: int) -> None:
    """A resumed run from given weights is the uninterrupted one to the last bit."""
    run(frames, tmp_path / "whole", start=start)
    run(frames, tmp_path / "parts", stop, start=start)
    run(frames, tmp_path / "parts", start=start)
    assert same(state(tmp_path / "whole"), state(tmp_path / "parts"))


def test_another_start_is_another_run(tmp_path: Path, frames: Frames, start: Start) -> None:
    """A state is not continued with another weight, another mask, or none."""
    run(frames, tmp_path, 2, start=start)
    before = (tmp_path / STATE).read_bytes()
    name = next(iter(start.kept))
    other = Start(start.tensors | {name: start.tensors[name] + 1}, start.kept)
    fewer = Start(start.tensors, start.kept | {name: ~start.kept[name]})
    for another in (other, fewer, Start(start.tensors, {}), None):
        with pytest.raises(ConfigError, match="of another run"):
            run(frames, tmp_path, start=another)
    assert (tmp_path / STATE).read_bytes() == before


def test_what_does_not_fit_is_refused(tmp_path: Path, frames: Frames, start: Start) -> None:
    """A missing or unknown name, another shape and a mask of numbers are refused by name before anything is written."""
    name, tensor = next((name, tensor) for name, tensor in start.tensors.items() if tensor.dim() > 1)
    fewer = {key: each for key, each in start.tensors.items() if key != name}
    faults = {
        f"missing are '{name}'": Start(fewer, {}),
        f"weight to start from '{name}x'; .*did you mean '{name}'": Start(start.tensors | {f"{name}x": tensor}, {}),
        f"{name} to start from has the shape": Start(start.tensors | {name: tensor[:1]}, {}),
        "unknown parameter of a mask 'none'": Start(start.tensors, {"none": tensor > 0}),
        "a mask is boolean": Start(start.tensors, {name: tensor}),
    }
    for message, fault in faults.items():
        with pytest.raises(CheckpointError, match=message):
            list(train(SPEC, frames, RECIPE, tmp_path, fault))
    assert list(tmp_path.iterdir()) == []
