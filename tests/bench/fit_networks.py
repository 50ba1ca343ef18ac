"""Fits the networks that predict the times of convolutions on other GPUs from the time on one.

Every measured time begins with launching: an event is recorded, then the library gets ready on the host while the GPU
waits. How long it takes is another for every row but the same for all GPUs, up to the speed of their hosts: the times
of small convolutions on the five GPUs are correlated by 0.89 to 0.97, and nothing of their shape says which take long.
So what a network sees is a sum of two things. It learns to tell them apart: beside the ratios it has to say the time
without the launching, and how much of that there was. Both are known of a row only by all of its GPUs together, so they
are never asked of a network, and what says them is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import cross_val_predict

from nervbench.cards import card
from nervbench.explain import features
from nervbench.explain.features import Floats
from nervbench.explain.networks import FARTHEST, Networks
from nervbench.shapes import Convolution

SMALL = 1 / 20
"""Of the rows, those with the least arithmetic: they take little else than launching."""
ROUNDS = 3
WORK_SD, LAUNCH_SD = 0.12, 0.3
"""Of the logarithm of a time without launching, as it is predicted; and of a launch, over the longest."""
LEAST_WORK = 0.15
"""Of a time: what is left at least without launching."""
MEMBERS, WIDTH, DROPPED = 4, 96, 0.1
EPOCHS, BATCH, RATE, DECAY = 300, 128, 2e-3, 0.01
BESIDE = 1 / 3
"""What an error of the time without launching counts of that of a ratio."""


@dataclass(frozen=True, slots=True)
class Launching:
    """How much of a row's times is launching, as a ``share`` (rows,) of the longest, and what is not (rows, GPUs)."""

    share: Floats
    work_s: Floats


def launching(kernels: list[Convolution], times_s: Floats, keys: tuple[str, ...]) -> Launching:
    """Take the times (rows, GPUs) apart: what trees say of the work alone, and a launch that all GPUs agree on."""
    cards = [card(key) for key in keys]
    roofs = np.exp(np.stack([features.roof(kernels, each) for each in cards], 1))
    x = [np.clip(features.alone(kernels, each), -1e4, 1e4) for each in cards]
    flop = np.array([kernel.flop for kernel in kernels], float)
    longest = np.subtract(*np.quantile(times_s[flop <= np.quantile(flop, SMALL)], (0.95, 0.05), axis=0))
    share = np.full(len(kernels), 0.5)
    trees = HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=120, max_leaf_nodes=16, max_features=0.3, early_stopping=False, random_state=0
    )

    def worked() -> Floats:
        found: Floats = np.maximum(times_s - share[:, None] * longest, LEAST_WORK * times_s)
        return found

    for _ in range(ROUNDS):
        ratios = np.log(worked() / roofs)
        said = np.stack([cross_val_predict(trees, *each, cv=5) for each in zip(x, ratios.T, strict=True)], 1)
        work_s = roofs * np.exp(said)
        sure = (longest / (WORK_SD * work_s)) ** 2
        seen = (sure * (times_s - work_s) / longest).sum(1) + 0.5 / LAUNCH_SD**2
        share = np.clip(seen / (sure.sum(1) + 1 / LAUNCH_SD**2), 0.0, 1.2)
    return Launching(share, worked())


def fitted(x: Floats, ratios: Floats, own_s: Floats, launched: Launching) -> Networks:
    """Networks of log ratios (rows, GPUs) to the time on one GPU, ``own_s``, from ``x`` (rows, what is known)."""
    torch.manual_seed(0)
    beside = np.column_stack([np.log(launched.work_s / own_s[:, None]), launched.share])
    y = np.hstack([ratios, beside])
    mean, scale = x.mean(0), x.std(0) + 1e-6
    middle, spread = y.mean(0), y.std(0)
    inputs = torch.tensor(np.clip((x - mean) / scale, -FARTHEST, FARTHEST), dtype=torch.float32)
    wanted = torch.tensor((y - middle) / spread, dtype=torch.float32)
    unit = torch.tensor(spread[: ratios.shape[1]], dtype=torch.float32)

    sizes = (x.shape[1], WIDTH, WIDTH, WIDTH // 2, y.shape[1])
    weights: list[torch.nn.Parameter] = []
    biases: list[torch.nn.Parameter] = []
    for before, after in pairwise(sizes):
        for parameters, rows in ((weights, before), (biases, 1)):
            drawn = (2 * torch.rand(MEMBERS, rows, after) - 1) / before**0.5
            parameters.append(torch.nn.Parameter(drawn))
    steps = EPOCHS * -(-len(x) // BATCH)
    optimizer = torch.optim.AdamW([*weights, *biases], lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        order = torch.stack([torch.randperm(len(x)) for _ in range(MEMBERS)])
        for some in torch.split(order, BATCH, 1):
            value = inputs[some]
            for at, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                if at:
                    value = torch.nn.functional.silu(value)
                if at in (1, 2):
                    value = torch.nn.functional.dropout(value, DROPPED)
                value = torch.baddbmm(bias, value, weight)
            off = value - wanted[some]
            of_time = torch.expm1(torch.clamp(off[..., : len(unit)] * unit, -3, 1)).abs() / unit  # the error asked for
            loss = MEMBERS * (of_time.sum(-1) + BESIDE * off[..., len(unit) :].abs().sum(-1)).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    count = ratios.shape[1]
    arrays = [[np.asarray(each.detach(), float) for each in every] for every in (weights, biases)]
    arrays[0][-1] = arrays[0][-1][..., :count] * spread[:count]
    arrays[1][-1] = arrays[1][-1][..., :count] * spread[:count] + middle[:count]
    return Networks(mean, scale, tuple(arrays[0]), tuple(arrays[1]))
