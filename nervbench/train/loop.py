"""The training loop: Adam, one frame a step, the authors' schedule; resumes as if it had not been interrupted.

What makes that hold, bit for bit: the order of frames is drawn from (seed, epoch) and not from a running generator, the
learning rate is a function of the step, and weights and optimiser are saved together in one atomic file at the end of
an epoch.

What makes it fast, at the same result: the forward pass of ``forward``, the SSIM of ``ssim``, the memory that
``memory`` keeps, Adam in one fused pass, and frames that lie in memory as bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from nervbench.data.clip import Frames
from nervbench.errors import TrainingError
from nervbench.model import checkpoint
from nervbench.model.family import Spec, network_of
from nervbench.model.network import FrameDecoder, Network, positions, weights
from nervbench.quality import psnr_per_frame
from nervbench.train import state
from nervbench.train.forward import faster
from nervbench.train.losses import loss_of, mean_psnr
from nervbench.train.memory import keep_freed_memory
from nervbench.train.place import check_bf16, place_of
from nervbench.train.schedule import factor
from nervbench.train.start import Start as Start
from nervbench.train.start import Zeros, begin
from nervbench.train.state import STATE as STATE
from nervbench.train.state import Recipe as Recipe


@dataclass(frozen=True, slots=True)
class Epoch:
    """What happened in one epoch; ``loss`` and ``psnr_db`` are of the training steps, on float frames.

    ``decoded_psnr_db`` is of all frames as a viewer gets them after the epoch, None where that was not due.
    """

    number: int
    of: int
    loss: float
    psnr_db: float
    learning_rate: float
    decoded_psnr_db: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What the steps of a run share; the weights in ``model`` and the state of ``optimiser`` change with each."""

    model: Network
    forward: Callable[[Tensor], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    optimiser: torch.optim.Optimizer
    zeros: Zeros
    frames: Frames
    recipe: Recipe
    place: torch.device


def train(
    spec: Spec, frames: Frames, recipe: Recipe, folder: Path, start: Start | None = None, place: str = "cpu"
) -> Iterator[Epoch]:
    """Train on (N, H, W, 3) uint8 frames, yielding after every epoch; the state is saved in ``folder``.

    Begins at random weights, or at those of ``start``. Continues from a state that is there. Raises ConfigError where
    that state is of another model, recipe, clip or start, or the recipe cannot be followed, CheckpointError where it is
    damaged or the start is not the model's, and TrainingError on a loss, gradient or weights that are not finite (the
    last saved state stays).
    """
    run = prepare(spec, frames, recipe, start, place)
    return _epochs(run, folder / STATE, state.identity(spec, frames, recipe, start, place))


def _epochs(run: Run, path: Path, identity: str) -> Iterator[Epoch]:
    """The epochs that are left."""
    recipe = run.recipe
    for number in range(state.restore(path, identity, run.model, run.optimiser), recipe.epochs):
        epoch = _one_epoch(run, number)
        if epoch.number % recipe.save_every == 0 or epoch.number == recipe.epochs:
            state.save(path, identity, run.model, run.optimiser, epoch.number)
        yield epoch  # after the save: whoever stops here loses nothing that was due


def prepare(spec: Spec, frames: Frames, recipe: Recipe, start: Start | None = None, place: str = "cpu") -> Run:
    """A run before its first step. Raises ConfigError and CheckpointError as :func:`train` does.

    From here on the process keeps the memory that it frees, and cuDNN chooses its algorithms by trying them.
    """
    loss = loss_of(recipe.loss, *frames.shape[1:3])
    device = place_of(place)
    if recipe.precision == "bf16":
        check_bf16(device)
    keep_freed_memory()
    torch.backends.cudnn.benchmark = True  # as in the authors' code; without a GPU it changes nothing
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = network_of(spec)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stub
    zeros = (begin(model, start) if start else Zeros()).on(device)
    model.to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, betas=(0.5, 0.999), fused=True)
    return Run(model, faster(model), loss, optimiser, zeros, frames, recipe, device)


def trained(spec: Spec, frames: int, folder: Path, notes: dict[str, str]) -> checkpoint.Checkpoint:
    """The weights of the saved state in ``folder`` as a float16 checkpoint for ``frames`` frames."""
    tensors = state.read(folder / STATE)["model"]
    half = {name: tensor.to(torch.float16).contiguous() for name, tensor in weights(tensors).items()}
    return checkpoint.Checkpoint(spec, half, frames, notes)


def order_of(seed: int, epoch: int, frames: int) -> Tensor:
    """The order of frames in an epoch, counted from 0."""
    return torch.randperm(frames, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def _one_epoch(run: Run, number: int) -> Epoch:
    """All frames once, in an order drawn from the seed and the epoch."""
    recipe, count = run.recipe, len(run.frames)
    steps = torch.split(order_of(recipe.seed, number, count), recipe.batch * recipe.accumulate)
    total_loss = total_psnr = rate = 0.0
    for step, indices in enumerate(steps):
        rate = recipe.learning_rate * factor(number + step / len(steps), recipe.epochs, recipe.warmup_share)
        for group in run.optimiser.param_groups:
            group["lr"] = rate
        loss, psnr = one_step(run, indices, f"in epoch {number + 1}, step {step + 1}")
        total_loss += loss * len(indices)
        total_psnr += psnr * len(indices)
    # The last step of an epoch has no loss after it that would show what it did.
    if not all(bool(torch.isfinite(parameter).all()) for parameter in run.model.parameters()):
        _diverged(f"weights became NaN or infinite in epoch {number + 1}", recipe)
    decoded = _decoded_psnr(run) if _due(recipe, number + 1) else None
    return Epoch(number + 1, recipe.epochs, total_loss / count, total_psnr / count, rate, decoded)


def one_step(run: Run, indices: Tensor, where: str) -> tuple[float, float]:
    """The gradient over these frames, and a step by it; returns the means of their losses and PSNR."""
    run.optimiser.zero_grad()
    total_loss = total_psnr = 0.0
    for some in torch.split(indices, run.recipe.batch):
        share = len(some) / len(indices)
        target_B3HW = target(run.frames, some, run.place)
        with torch.autocast(run.place.type, torch.bfloat16, enabled=run.recipe.precision == "bf16"):
            predicted_B3HW = run.forward(positions(some, len(run.frames)).to(run.place))
        loss = run.loss(predicted_B3HW, target_B3HW) * share
        loss.backward()  # type: ignore[no-untyped-call]
        total_loss += loss.item()
        total_psnr += mean_psnr(predicted_B3HW, target_B3HW).item() * share
    if not math.isfinite(total_loss):
        _diverged(f"the loss became {total_loss} {where}", run.recipe)
    norms = [torch.linalg.vector_norm(each.grad) for each in run.model.parameters() if each.grad is not None]
    if not math.isfinite(norm := torch.stack(norms).sum().item()):
        _diverged(f"the norm of the gradient became {norm} {where}", run.recipe)
    run.optimiser.step()
    run.zeros.restore()
    return total_loss, total_psnr


def _diverged(what: str, recipe: Recipe) -> NoReturn:
    advice = f"train again with a lower --learning-rate (now {recipe.learning_rate:g})"
    msg = f"{what}; the last saved state is kept; {advice}"
    raise TrainingError(msg)


def _due(recipe: Recipe, done: int) -> bool:
    every = recipe.evaluate_every
    return every > 0 and (done % every == 0 or done == recipe.epochs)


def _decoded_psnr(run: Run) -> float:
    """PSNR of each frame as a viewer gets it, in dB, averaged."""
    run.model.eval()
    decoder = FrameDecoder(run.model)
    found: list[float] = []
    with torch.inference_mode():
        for indices in torch.split(torch.arange(len(run.frames)), run.recipe.batch):
            decoded = decoder(positions(indices, len(run.frames)).to(run.place)).cpu().numpy()
            found += psnr_per_frame(decoded, run.frames[indices.numpy()])
    run.model.train()
    return sum(found) / len(found)


def target(frames: Frames, indices: Tensor, place: torch.device) -> Tensor:
    """Source frames as (B, 3, H, W) float32 in [0, 1]; bytes travel to the device, not floats."""
    return torch.from_numpy(frames[indices.numpy()]).to(place).permute(0, 3, 1, 2).to(torch.float32) / 255
