"""Published decoding speeds and training rates, each with the device and its source, as records."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Decoding:
    """Decoding FPS of a model on a device by its card's key; ``protocol`` is how it was timed, if that is public."""

    model: str
    device: str
    fps: float
    source: str
    conditions: str
    protocol: str | None = None


@dataclass(frozen=True, slots=True)
class Training:
    """Iterations (batch 1) a second while a model was trained on a device."""

    model: str
    device: str
    iterations_per_s: float
    source: str


@functools.cache
def _file() -> dict[str, list[dict[str, object]]]:
    return tomllib.loads(resources.files(__name__).joinpath("speeds.toml").read_text(encoding="utf-8"))


def decoding(model: str, device: str | None = None) -> Decoding | None:
    """What was published of a model, on a device or on any; None where nothing was."""
    fit = (Decoding(**row) for row in _file()["decoding"] if row["model"] == model)  # type: ignore[arg-type]
    return next((found for found in fit if device in (None, found.device)), None)


def training(model: str, device: str) -> Training | None:
    """What was published of a model's training on a device; None where nothing was."""
    fit = (Training(**row) for row in _file()["training"])  # type: ignore[arg-type]
    return next((found for found in fit if (found.model, found.device) == (model, device)), None)
