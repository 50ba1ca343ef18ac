"""A checkpoint named on the command line."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from nervbench.errors import CheckpointError, ConfigError, unknown
from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.source import weights_of
from nervbench.model.zoo import MODELS


def opened(name: str) -> Checkpoint:
    """The checkpoint of a path, or of the name of a model that is shipped trained.

    Raises CheckpointError, for a name that is neither with the nearest one known.
    """
    path = Path(name)
    if path.is_file():
        loaded = checkpoint.load(path)
        if loaded.assumed:
            click.echo(f"note: {path}: assumed {loaded.assumed}", err=True)
        return loaded
    if name in MODELS:
        return checkpoint.bundled(name)
    if path.suffix or len(path.parts) != 1:
        return checkpoint.load(path)  # raises, saying what is wrong with the path
    msg = f"no such file, and {unknown('model', name, MODELS)}"
    raise CheckpointError(msg)


def chosen(model: str, weights: str | None) -> Checkpoint:
    """The weights of a named model (those asked for, else the shipped ones, else seeded), or of a checkpoint's path."""
    if model not in MODELS:
        if weights:
            msg = f"--weights goes with the name of a model ({', '.join(MODELS)}); {model} is a checkpoint"
            raise ConfigError([msg])
        return opened(model)
    shipped = (resources.files("nervbench.model") / "weights" / f"{model}.safetensors").is_file()
    return weights_of(model, weights or ("bundled" if shipped else "seeded:0"))
