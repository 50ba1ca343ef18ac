"""The training loop: Adam, one frame a step, the authors' schedule; resumes as if it had not been interrupted.

What makes that hold, bit for bit: the order of frames is drawn from (seed, epoch) and not from a running generator, the
learning rate is a function of the step, and weights and optimiser are saved together in one atomic file at the end of
an epoch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from nervbench.data.clip import Frames
from nervbench.errors import CheckpointError, ConfigError, TrainingError
from nervbench.files import write_atomically
from nervbench.model import checkpoint
from nervbench.model.family import Spec, network_of
from nervbench.model.network import Network, positions, weights
from nervbench.model.plain import plain_data
from nervbench.train.losses import LOSSES, mean_psnr
from nervbench.train.schedule import factor
from nervbench.train.start import Start as Start
from nervbench.train.start import Zeros, begin

STATE = "training-state.pt"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train; the defaults are those of the published runs, but for ``epochs`` (there 1200)."""

    epochs: int = 200
    batch: int = 1
    learning_rate: float = 5e-4
    warmup_share: float = 0.2
    loss: str = "fusion6"
    seed: int = 1
    save_every: int = 10

    def to_json(self) -> str:
        """One line of JSON; two runs with the same line and clip give the same weights."""
        fields = dataclasses.asdict(self)
        del fields["save_every"]  # when to save changes nothing in the result
        return json.dumps(fields, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Epoch:
    """What happened in one epoch; ``psnr_db`` is of the training steps, on float frames."""

    number: int
    of: int
    loss: float
    psnr_db: float
    learning_rate: float


def train(spec: Spec, frames: Frames, recipe: Recipe, folder: Path, start: Start | None = None) -> Iterator[Epoch]:
    """Train on (N, H, W, 3) uint8 frames, yielding after every epoch; the state is saved in ``folder``.

    Begins at random weights, or at those of ``start``. Continues from a state that is there. Raises ConfigError where
    that state is of another model, recipe, clip or start, CheckpointError where it is damaged or the start is not the
    model's, and TrainingError on a loss or weights that are not finite (the last saved state stays).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = network_of(spec)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
    zeros = begin(model, start) if start else Zeros()
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, betas=(0.5, 0.999))
    identity = _identity(spec, frames, recipe, start)
    done = _restore(folder / STATE, identity, model, optimiser)
    for number in range(done, recipe.epochs):
        epoch = _one_epoch(model, optimiser, zeros, frames, recipe, number)
        if epoch.number % recipe.save_every == 0 or epoch.number == recipe.epochs:
            _save(folder / STATE, identity, model, optimiser, epoch.number)
        yield epoch  # after the save: whoever stops here loses nothing that was due


def trained(spec: Spec, frames: int, folder: Path, notes: dict[str, str]) -> checkpoint.Checkpoint:
    """The weights of the saved state in ``folder`` as a float16 checkpoint for ``frames`` frames."""
    tensors = _read(folder / STATE)["model"]
    half = {name: tensor.to(torch.float16).contiguous() for name, tensor in weights(tensors).items()}
    return checkpoint.Checkpoint(spec, half, frames, notes)


def _one_epoch(
    model: Network, optimiser: torch.optim.Optimizer, zeros: Zeros, frames: Frames, recipe: Recipe, number: int
) -> Epoch:
    """All frames once, in an order drawn from the seed and the epoch."""
    order = torch.randperm(len(frames), generator=torch.Generator().manual_seed(recipe.seed * 1_000_003 + number))
    batches = [order[first : first + recipe.batch] for first in range(0, len(order), recipe.batch)]
    loss_function = LOSSES[recipe.loss]
    losses, qualities, rate = [], [], 0.0
    for step, indices in enumerate(batches):
        rate = recipe.learning_rate * factor(number + step / len(batches), recipe.epochs, recipe.warmup_share)
        for group in optimiser.param_groups:
            group["lr"] = rate
        target_B3HW = _target(frames, indices)
        predicted_B3HW = model(positions(indices, len(frames)))
        loss = loss_function(predicted_B3HW, target_B3HW)
        if not math.isfinite(value := loss.item()):
            _diverged(f"the loss became {value} in epoch {number + 1}, step {step + 1}", recipe)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        zeros.restore()
        losses.append(value)
        qualities.append(mean_psnr(predicted_B3HW, target_B3HW).item())
    # The last step of an epoch has no loss after it that would show what it did.
    if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
        _diverged(f"weights became NaN or infinite in epoch {number + 1}", recipe)
    return Epoch(number + 1, recipe.epochs, sum(losses) / len(losses), sum(qualities) / len(qualities), rate)


def _diverged(what: str, recipe: Recipe) -> NoReturn:
    advice = f"train again with a lower --learning-rate (now {recipe.learning_rate:g})"
    msg = f"{what}; the last saved state is kept; {advice}"
    raise TrainingError(msg)


def _target(frames: Frames, indices: Tensor) -> Tensor:
    """Source frames as (B, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(frames[indices.numpy()]).permute(0, 3, 1, 2).to(torch.float32) / 255


def _identity(spec: Spec, frames: Frames, recipe: Recipe, start: Start | None) -> str:
    """What a saved state must share with this run to be continued by it."""
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame.tobytes())
    clip = {"frames": list(frames.shape), "sha256": digest.hexdigest()}
    parts = {"spec": spec.to_json(), "recipe": recipe.to_json(), "clip": clip}
    return json.dumps(parts if start is None else parts | {"start": start.sha256()})


def _save(path: Path, identity: str, model: Network, optimiser: torch.optim.Optimizer, epoch: int) -> None:
    buffer = io.BytesIO()
    state = {"identity": identity, "model": model.state_dict(), "optimiser": optimiser.state_dict(), "epoch": epoch}
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def _read(path: Path) -> dict[str, Any]:
    """A saved state with its four parts. Raises CheckpointError where it is damaged or something else."""
    state = plain_data(path, "training state")
    if not isinstance(state, dict) or not {"identity", "model", "optimiser", "epoch"} <= state.keys():
        msg = f"{path} is no saved state of a training; remove it to start anew"
        raise CheckpointError(msg)
    return state


def _restore(path: Path, identity: str, model: Network, optimiser: torch.optim.Optimizer) -> int:
    """Load a saved state if there is one; returns the epoch to go on with."""
    if not path.exists():
        return 0
    state = _read(path)
    if state["identity"] != identity:
        advice = "give another folder with -o, or remove it"
        msg = f"{path} is of another run (model, recipe, clip or first weights differ); {advice}"
        raise ConfigError([msg])
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    epoch: int = state["epoch"]
    return epoch
