"""The recipe as the authors' code runs it: fp32, planes one after the other, Adam as PyTorch has it by default.

Written from the facts of their code, as what ours is measured against: the loss by pytorch-msssim, frames from PNG
files through a DataLoader with four workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pytorch_msssim import ssim
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nervbench.data.clip import Frames
from nervbench.model.family import Spec, network_of
from nervbench.model.network import Network, positions
from nervbench.train.loop import order_of
from nervbench.train.schedule import factor
from nervbench.train.state import Recipe

WORKERS = 4


class Pictures(Dataset[tuple[Tensor, int]]):
    """Frames in PNG files, as (3, H, W) float32 in [0, 1] with their number."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self.files[index]) as picture:
            pixels_HW3 = torch.from_numpy(np.array(picture.convert("RGB")))
        return pixels_HW3.permute(2, 0, 1).contiguous().to(torch.float32) / 255, index


def written(frames: Frames, folder: Path) -> list[Path]:
    """The frames as PNG files."""
    files = [folder / f"{number:05}.png" for number in range(len(frames))]
    for file, frame in zip(files, frames, strict=True):
        Image.fromarray(frame).save(file)
    return files


@dataclass(frozen=True, slots=True)
class Authors:
    """A run of theirs."""

    model: Network
    optimiser: torch.optim.Optimizer
    pictures: Pictures
    recipe: Recipe
    workers: int = WORKERS
    place: str = "cpu"

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The frames of an epoch in the order that ours has, so that only the arithmetic differs."""
        count = len(self.pictures.files)
        order: list[int] = order_of(self.recipe.seed, epoch, count).tolist()
        yield from DataLoader(self.pictures, self.recipe.batch, sampler=order, num_workers=self.workers)

    def epoch(self, number: int) -> None:
        """All frames once."""
        steps = -(-len(self.pictures.files) // self.recipe.batch)
        for step, (target, indices) in enumerate(self.batches(number)):
            self.step(target, indices, number + step / steps)

    def step(self, target_B3HW: Tensor, indices: Tensor, epoch: float) -> None:
        """One step at a fractional epoch."""
        predicted = self.model(positions(indices, len(self.pictures.files)).to(self.place))
        loss = fusion6(predicted, target_B3HW.to(self.place))
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * factor(epoch, self.recipe.epochs, self.recipe.warmup_share)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        loss.item()


def fusion6(predicted_B3HW: Tensor, target_B3HW: Tensor) -> Tensor:
    """0.7 · L1 + 0.3 · (1 − SSIM)."""
    similarity: Tensor = ssim(predicted_B3HW, target_B3HW, data_range=1, size_average=True)
    return 0.7 * (predicted_B3HW - target_B3HW).abs().mean() + 0.3 * (1 - similarity)


def begun(spec: Spec, files: Sequence[Path], recipe: Recipe, workers: int = WORKERS, place: str = "cpu") -> Authors:
    """A run before its first step, at the weights that ours begins with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = network_of(spec).to(place)
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, betas=(0.5, 0.999))
    return Authors(model, optimiser, Pictures(files), recipe, workers, place)
