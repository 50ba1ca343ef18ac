"""Whether training is faster than by the authors' recipe, at the same result: ``make bench-train [EPOCHS=20]``.

Two processes take turns of some steps, A B B A, on Big Buck Bunny: one trains as the authors' code does (see
``tests/train/authors.py``), one as ``nervbench train``. Two, because ours changes how its process keeps memory. The
ratio of each pair of neighbouring turns is taken, so that what loads the machine for longer than a turn counts for
both. The first frame of a turn is waited for before the clock starts: the start of four workers is not counted.

``--quality EPOCHS`` (with make: ``EPOCHS``) trains both for so many epochs from the same seed, and prints the PSNR of
their decoded frames.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nervbench.data.clip import Frames, load, open_clip
from nervbench.model.network import FrameDecoder, Network, positions
from nervbench.model.zoo import spec_of
from nervbench.quality import psnr_per_frame
from nervbench.train.loop import Recipe, one_step, order_of, prepare, target
from nervbench.train.loop import train as train_ours
from tests.train import authors

PHASES = ("data", "forward", "loss", "gradient of the loss", "gradient of the network", "optimiser")


@dataclass(frozen=True, slots=True)
class Side:
    """One way to train: what a step does, and the same in parts, to see where the time goes."""

    step: Callable[[Any, int], None]
    batches: Callable[[int], Iterator[Any]]
    target: Callable[[Any], tuple[Tensor, Tensor]]
    forward: Callable[[Tensor], Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]
    optimiser: torch.optim.Optimizer
    frames: int
    place: str

    def wait(self) -> float:
        """The moment when all that was enqueued is done."""
        if self.place == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def theirs(model: str, frames: Frames, recipe: Recipe, files: list[Path], place: str) -> Side:
    """As the authors' code."""
    run = authors.begun(spec_of(model), files, recipe, place=place)

    def step(batch: Any, epoch: int) -> None:
        target_B3HW, indices = batch
        run.step(target_B3HW, indices, epoch)

    def with_target(batch: Any) -> tuple[Tensor, Tensor]:
        target_B3HW, indices = batch
        return target_B3HW.to(place), indices

    return Side(step, run.batches, with_target, run.model, authors.fusion6, run.optimiser, len(frames), place)


def ours(model: str, frames: Frames, recipe: Recipe, _files: list[Path], place: str) -> Side:
    """As ``nervbench train``."""
    run = prepare(spec_of(model), frames, recipe, place=place)

    def step(batch: Any, epoch: int) -> None:
        one_step(run, batch, f"in epoch {epoch}")

    def batches(epoch: int) -> Iterator[Tensor]:
        yield from torch.split(order_of(recipe.seed, epoch, len(frames)), recipe.batch)

    def with_target(indices: Tensor) -> tuple[Tensor, Tensor]:
        return target(frames, indices, run.place), indices

    return Side(step, batches, with_target, run.forward, run.loss, run.optimiser, len(frames), place)


SIDES = {"theirs": theirs, "ours": ours}


def turn(side: Side, number: int, steps: int) -> float:
    """Seconds a step, over a turn of some steps."""
    batches = side.batches(number)
    side.step(next(batches), number)
    began = side.wait()
    done = 0
    for batch in itertools.islice(batches, steps):
        side.step(batch, number)
        done += 1
    return (side.wait() - began) / done


def parts(side: Side, number: int, steps: int) -> list[float]:
    """Median seconds of each phase of a step, in the order of ``PHASES``."""
    rows: list[list[float]] = []
    batches = side.batches(number)
    for _ in range(steps):
        clock = [side.wait()]
        target_B3HW, indices = side.target(next(batches))
        clock.append(side.wait())
        predicted = side.forward(positions(indices, side.frames).to(side.place))
        clock.append(side.wait())
        leaf = predicted.detach().requires_grad_()
        loss = side.loss(leaf, target_B3HW)
        clock.append(side.wait())
        (by_frames,) = torch.autograd.grad(loss, leaf)
        clock.append(side.wait())
        side.optimiser.zero_grad()
        predicted.backward(by_frames)  # type: ignore[no-untyped-call]
        clock.append(side.wait())
        side.optimiser.step()
        clock.append(side.wait())
        rows.append([b - a for a, b in itertools.pairwise(clock)])
    return [statistics.median(column) for column in zip(*rows[2:], strict=True)]


def psnr(model: Network, frames: Frames) -> float:
    """Of the decoded frames, averaged, in dB."""
    found: list[float] = []
    with torch.inference_mode():
        for index in torch.arange(len(frames)).view(-1, 1):
            found += psnr_per_frame(FrameDecoder(model)(positions(index, len(frames))).numpy(), frames[index.numpy()])
    return sum(found) / len(found)


def serve(
    name: str, model: str, frames: Frames, recipe: Recipe, files: list[Path], place: str, pipe: Connection
) -> None:
    """One side in its process: answers what is asked until there is nothing more."""
    warnings.filterwarnings("ignore", message="This DataLoader will create 4 worker processes")  # theirs is so
    side = SIDES[name](model, frames, recipe, files, place)
    doing: dict[str, Callable[[Side, int, int], Any]] = {"turn": turn, "parts": parts}
    while asked := pipe.recv():
        what, number, steps = asked
        pipe.send(doing[what](side, number, steps))


def compare(
    model: str, frames: Frames, recipe: Recipe, files: list[Path], place: str, turns: int, steps: int
) -> dict[str, Any]:
    """Print the ratio of a step's times with its scatter, and where the time goes; returns the same in seconds."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    processes = []
    for name in SIDES:
        pipes[name], far = context.Pipe()
        processes.append(context.Process(target=serve, args=(name, model, frames, recipe, files, place, far)))
        processes[-1].start()

    def ask(name: str, *question: object) -> Any:
        pipes[name].send(question)
        return pipes[name].recv()

    took: dict[str, list[float]] = {name: [ask(name, "turn", 0, 3)] for name in SIDES}
    for number in range(turns):
        for name in sorted(SIDES, reverse=number % 2 == 0):
            took[name].append(ask(name, "turn", number, steps))
    phases = {name: ask(name, "parts", 0, steps) for name in SIDES}
    for pipe in pipes.values():
        pipe.send(None)
    for process in processes:
        process.join()
    ratios = sorted(a / b for a, b in zip(took["theirs"][1:], took["ours"][1:], strict=True))
    low, middle, high = ratios[len(ratios) // 10], statistics.median(ratios), ratios[-1 - len(ratios) // 10]
    where = torch.cuda.get_device_name() if place == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{model}, {turns} turns of {steps} steps each, {where}:")
    print(f"a step of theirs takes {middle:.2f} times that of ours (8 of 10 turns: {low:.2f} to {high:.2f})")
    print(f"\n{'milliseconds a step, median':<30}{'theirs':>9}{'ours':>9}")
    for phase, one, other in zip(PHASES, phases["theirs"], phases["ours"], strict=True):
        print(f"{phase:<30}{1e3 * one:>9.1f}{1e3 * other:>9.1f}")
    print(f"{'all':<30}{1e3 * sum(phases['theirs']):>9.1f}{1e3 * sum(phases['ours']):>9.1f}")
    of_phase = {name: dict(zip(PHASES, found, strict=True)) for name, found in phases.items()}
    return {"model": model, "where": where, "ratios": ratios, "step_s": took, "phases_s": of_phase}


def quality(model: str, frames: Frames, recipe: Recipe, files: list[Path]) -> None:
    """Print the PSNR of both after the same epochs from the same seed."""
    run = authors.begun(spec_of(model), files, recipe)
    for number in range(recipe.epochs):
        run.epoch(number)
    with tempfile.TemporaryDirectory() as folder:
        *_, last = train_ours(spec_of(model), frames, recipe, Path(folder))
    assert last.decoded_psnr_db is not None
    found = psnr(run.model, frames)
    print(f"PSNR after {recipe.epochs} epochs of {len(frames)} frames: theirs {found:.2f} dB, "
          f"ours {last.decoded_psnr_db:.2f} dB, difference {last.decoded_psnr_db - found:+.2f} dB")  # fmt: skip


def main() -> None:
    """Compare, and with ``--quality`` train both."""
    warnings.filterwarnings("ignore", message="This DataLoader will create 4 worker processes")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nerv-xs", help="default: nerv-xs")
    parser.add_argument("--turns", type=int, default=10, help="turns of each side (default: 10)")
    parser.add_argument("--steps", type=int, default=20, help="steps a turn (default: 20)")
    parser.add_argument("--frames", type=int, default=132, help="frames of the clip that are used (default: 132)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of the steps (default: cpu)")
    parser.add_argument("--json", type=Path, help="a file for what the turns took, too")
    parser.add_argument("--quality", type=int, default=0, metavar="EPOCHS", help="train both for so many epochs")
    options = parser.parse_args()
    spec = spec_of(options.model)
    frames = load(open_clip("bigbuckbunny"), (spec.width, spec.height))[: options.frames]
    recipe = Recipe(epochs=max(1, options.quality), learning_rate=1e-3, evaluate_every=options.quality)
    with tempfile.TemporaryDirectory() as folder:
        files = authors.written(frames, Path(folder))
        if options.turns:
            found = compare(options.model, frames, recipe, files, options.device, options.turns, options.steps)
            if options.json:
                options.json.write_text(json.dumps(found))
        if options.quality:
            quality(options.model, frames, recipe, files)


if __name__ == "__main__":
    main()
