"""Training: it learns, it resumes as if it had not stopped, and it never replaces a good state by a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from nervbench.data.clip import Frames
from nervbench.errors import CheckpointError, ConfigError, OutputError, TrainingError
from nervbench.model import checkpoint
from nervbench.model.spec import NervSpec
from nervbench.train import loop
from nervbench.train.loop import STATE, Epoch, Recipe, train, trained
from nervbench.train.losses import LOSSES, l1
from tests.train.small import RECIPE, SPEC, run, same, state


def test_it_learns(tmp_path: Path, frames: Frames) -> None:
    """The loss falls and the PSNR rises; every epoch is told, with its number."""
    told = run(frames, tmp_path, recipe=Recipe(epochs=30, learning_rate=1e-2))
    assert [epoch.number for epoch in told] == list(range(1, 31))
    assert all(epoch.of == 30 for epoch in told)
    assert told[-1].loss < 0.5 * told[0].loss
    assert told[-1].psnr_db > told[0].psnr_db + 3
    assert max(epoch.learning_rate for epoch in told) <= 1e-2


@pytest.mark.parametrize("stops", [(2,), (1,), (3,), (5,), (2, 2), (3, 1, 1), (6,)])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, frames: Frames, stops: tuple[int, ...]) -> None:
    """Stopped where a state was saved or between, once or often, the result is equal to the last bit."""
    whole = run(frames, tmp_path / "whole")
    told: dict[int, Epoch] = {}
    for stop in (*stops, None):
        told |= {epoch.number: epoch for epoch in run(frames, tmp_path / "parts", stop)}
    assert same(state(tmp_path / "whole"), state(tmp_path / "parts"))
    assert [told[epoch.number] for epoch in whole] == whole


def test_batches_resume_too(tmp_path: Path, frames: Frames) -> None:
    """With two frames a step and one left over, a resumed run is the uninterrupted one as well."""
    recipe = Recipe(epochs=4, batch=2, save_every=1)
    run(frames, tmp_path / "whole", recipe=recipe)
    run(frames, tmp_path / "parts", 2, recipe)
    run(frames, tmp_path / "parts", recipe=recipe)
    assert same(state(tmp_path / "whole"), state(tmp_path / "parts"))


def test_the_seed_decides(tmp_path: Path, frames: Frames) -> None:
    """Another seed gives other weights, and the global generator is left alone."""
    before = torch.get_rng_state()
    run(frames, tmp_path / "1")
    run(frames, tmp_path / "2", recipe=Recipe(epochs=6, learning_rate=5e-3, save_every=2, seed=2))
    assert torch.equal(before, torch.get_rng_state())
    assert not same(state(tmp_path / "1")["model"], state(tmp_path / "2")["model"])


def test_a_due_state_is_there_when_the_epoch_is_told(tmp_path: Path, frames: Frames) -> None:
    """Whoever stops after an epoch that was to be saved has it saved, the last one included."""
    for epoch in train(SPEC, frames, RECIPE, tmp_path):
        if epoch.number % 2 == 0:
            assert state(tmp_path)["epoch"] == epoch.number
        else:
            assert not (tmp_path / STATE).exists() or state(tmp_path)["epoch"] == epoch.number - 1


def test_a_finished_run_is_left_as_it_is(tmp_path: Path, frames: Frames) -> None:
    """A run that is done does no epoch again."""
    run(frames, tmp_path)
    before = (tmp_path / STATE).read_bytes()
    assert run(frames, tmp_path) == []
    assert (tmp_path / STATE).read_bytes() == before


def test_how_often_is_saved_does_not_matter(tmp_path: Path, frames: Frames) -> None:
    """A run may be continued with another interval between saved states."""
    run(frames, tmp_path, 2)
    told = run(frames, tmp_path, recipe=Recipe(epochs=6, learning_rate=5e-3, save_every=1))
    assert [epoch.number for epoch in told] == [3, 4, 5, 6]


@pytest.mark.parametrize(
    "other",
    [Recipe(epochs=7, learning_rate=5e-3), Recipe(epochs=6), Recipe(epochs=6, learning_rate=5e-3, loss="l1")],
)
def test_a_state_of_another_recipe_is_refused(tmp_path: Path, frames: Frames, other: Recipe) -> None:
    """A state of another recipe is not continued and not overwritten."""
    run(frames, tmp_path, 2)
    before = (tmp_path / STATE).read_bytes()
    with pytest.raises(ConfigError, match="of another run"):
        run(frames, tmp_path, recipe=other)
    assert (tmp_path / STATE).read_bytes() == before


def test_a_state_of_another_clip_or_model_is_refused(tmp_path: Path, frames: Frames) -> None:
    """A clip in another order, with one other value or of another length is another clip; and so with a spec."""
    run(frames, tmp_path, 2)
    changed = frames.copy()
    changed[0, 0, 0, 0] += 1
    for others in (frames[::-1], changed, frames[:4]):
        with pytest.raises(ConfigError, match="of another run"):
            run(others, tmp_path)
    with pytest.raises(ConfigError, match="of another run"):
        list(train(NervSpec(5, (2,), (8,), 6, 8, 4, embed_levels=6), frames, RECIPE, tmp_path))


@pytest.mark.parametrize("cut", [0, 10, 0.5, 0.99])
def test_a_damaged_state_is_refused(tmp_path: Path, frames: Frames, cut: float) -> None:
    """A truncated state is refused by name, and not taken for a fresh start."""
    run(frames, tmp_path, 2)
    data = (tmp_path / STATE).read_bytes()
    (tmp_path / STATE).write_bytes(data[: int(cut * len(data)) if 0 < cut < 1 else int(cut)])
    with pytest.raises(CheckpointError, match=r"training state .*training-state\.pt"):
        run(frames, tmp_path)


def test_another_file_in_its_place_is_refused(tmp_path: Path, frames: Frames) -> None:
    """A PyTorch file that is no saved state is refused with what to do."""
    torch.save([1, 2], tmp_path / STATE)
    with pytest.raises(CheckpointError, match="no saved state of a training; remove it to start anew"):
        run(frames, tmp_path)


def test_a_loss_that_is_not_finite_ends_the_run(
    tmp_path: Path, frames: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A NaN loss raises TrainingError with what to do, and the last saved state stays as it was."""
    run(frames, tmp_path, 3)
    before = (tmp_path / STATE).read_bytes()
    monkeypatch.setitem(LOSSES, "fusion6", lambda predicted, target: l1(predicted, target) * float("nan"))
    with pytest.raises(TrainingError, match=r"loss became nan in epoch 3, step 1; .* kept; .*lower --learning-rate"):
        run(frames, tmp_path)
    assert (tmp_path / STATE).read_bytes() == before


def test_weights_that_are_not_finite_are_not_saved(
    tmp_path: Path, frames: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the last step of an epoch spoils the weights, the good state is not replaced by them."""
    run(frames[:1], tmp_path, 3)
    before = (tmp_path / STATE).read_bytes()

    def finite_without_a_gradient(predicted: Tensor, target: Tensor) -> Tensor:
        return l1(predicted, target) + (predicted - predicted.detach()).sum().square().sqrt()

    monkeypatch.setitem(LOSSES, "fusion6", finite_without_a_gradient)
    with pytest.raises(TrainingError, match="weights became NaN or infinite in epoch 3; the last saved state is kept"):
        run(frames[:1], tmp_path)
    assert (tmp_path / STATE).read_bytes() == before


def test_a_failed_write_keeps_the_state(tmp_path: Path, frames: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a state cannot be written, the one before it stays and can be continued."""
    run(frames, tmp_path, 2)
    before = (tmp_path / STATE).read_bytes()

    def full(_path: Path, _content: bytes) -> None:
        msg = "No space left on device"
        raise OutputError(msg)

    monkeypatch.setattr(loop, "write_atomically", full)
    with pytest.raises(OutputError):
        run(frames, tmp_path)
    monkeypatch.undo()
    assert (tmp_path / STATE).read_bytes() == before
    run(frames, tmp_path)
    run(frames, tmp_path / "whole")
    assert same(state(tmp_path), state(tmp_path / "whole"))


def test_trained(tmp_path: Path, frames: Frames) -> None:
    """What a run leaves is a float16 checkpoint that loads, with its frame count, notes and hash."""
    run(frames, tmp_path)
    made = trained(SPEC, 5, tmp_path, {"clip": "ramp"})
    checkpoint.save(tmp_path / "a.safetensors", made)
    found = checkpoint.load(tmp_path / "a.safetensors")
    assert (found.spec, found.frames, found.notes) == (SPEC, 5, {"clip": "ramp"})
    assert {tensor.dtype for tensor in found.tensors.values()} == {torch.float16}
    assert found.sha256() == made.sha256()
    weights = state(tmp_path)["model"]
    assert all(torch.equal(tensor, weights[name].half()) for name, tensor in found.tensors.items())
