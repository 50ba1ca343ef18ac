"""The saved state of a training: what it holds, and for which run it is."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from nervbench.data.clip import Frames
from nervbench.errors import CheckpointError, ConfigError
from nervbench.files import write_atomically
from nervbench.model.family import Spec
from nervbench.model.network import Network
from nervbench.model.plain import plain_data
from nervbench.train.start import Start

STATE = "training-state.pt"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train; the defaults are those of the published runs, but for ``epochs`` (there 1200).

    A step takes ``batch`` · ``accumulate`` frames, ``batch`` of them at a time: the gradient is the mean over all.
    With ``precision`` bf16 the network runs under autocast; weights, loss and optimiser stay in fp32. After every
    ``evaluate_every`` epochs, and after the last, all frames are decoded; 0 is never.
    """

    epochs: int = 200
    batch: int = 1
    accumulate: int = 1
    learning_rate: float = 5e-4
    warmup_share: float = 0.2
    loss: str = "fusion6"
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 1
    save_every: int = 10
    evaluate_every: int = 0

    def to_json(self) -> str:
        """One line of JSON; two runs with the same line, clip and start give the same weights."""
        fields = dataclasses.asdict(self)
        for name in ("save_every", "evaluate_every"):  # they change nothing in the result
            del fields[name]
        return json.dumps(fields, sort_keys=True)


def identity(spec: Spec, frames: Frames, recipe: Recipe, start: Start | None, place: str = "cpu") -> str:
    """What a saved state must share with this run to be continued by it.

    The device too, unless it is the CPU: only there is a run that goes on equal to one that never stopped.
    """
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame.tobytes())
    clip = {"frames": list(frames.shape), "sha256": digest.hexdigest()}
    parts = {"spec": spec.to_json(), "recipe": recipe.to_json(), "clip": clip}
    if start is not None:
        parts["start"] = start.sha256()
    return json.dumps(parts if place == "cpu" else parts | {"place": place})


def save(path: Path, run: str, model: Network, optimiser: torch.optim.Optimizer, epoch: int) -> None:
    """Write the state after ``epoch`` epochs of the run with that identity; a kill leaves the old file or the new."""
    buffer = io.BytesIO()
    state = {"identity": run, "model": model.state_dict(), "optimiser": optimiser.state_dict(), "epoch": epoch}
    torch.save(state, buffer)
    write_atomically(path, buffer.getvalue())


def read(path: Path) -> dict[str, Any]:
    """A saved state with its four parts. Raises CheckpointError where it is damaged or something else."""
    state = plain_data(path, "training state")
    if not isinstance(state, dict) or not {"identity", "model", "optimiser", "epoch"} <= state.keys():
        msg = f"{path} is no saved state of a training; remove it to start anew"
        raise CheckpointError(msg)
    return state


def restore(path: Path, run: str, model: Network, optimiser: torch.optim.Optimizer) -> int:
    """Load a saved state if there is one; returns the epoch to go on with.

    Raises ConfigError where it is of another run and CheckpointError where it is damaged.
    """
    if not path.exists():
        return 0
    state = read(path)
    if state["identity"] != run:
        advice = "give another folder with -o, or remove it"
        msg = f"{path} is of another run (model, recipe, clip, first weights or device differ); {advice}"
        raise ConfigError([msg])
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    epoch: int = state["epoch"]
    return epoch
