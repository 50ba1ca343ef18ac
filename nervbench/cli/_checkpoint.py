"""A checkpoint named on the command line."""

from __future__ import annotations

from importlib import resources

import click

from nervbench.errors import ConfigError
from nervbench.model import source
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.zoo import MODELS


def note(text: str) -> None:
    """Say on stderr what the user should know of an input."""
    click.echo(f"note: {text}", err=True)


def opened(name: str) -> Checkpoint:
    """The checkpoint of a path, or of the name of a model that is shipped trained; what was assumed of it is said."""
    return source.opened(name, note)


def chosen(model: str, weights: str | None) -> Checkpoint:
    """The weights of a named model (those asked for, else the shipped ones, else seeded), or of a checkpoint's path."""
    if model not in MODELS:
        if weights:
            msg = f"--weights goes with the name of a model ({', '.join(MODELS)}); {model} is a checkpoint"
            raise ConfigError([msg])
        return opened(model)
    shipped = (resources.files("nervbench.model") / "weights" / f"{model}.safetensors").is_file()
    return source.weights_of(model, weights or ("bundled" if shipped else "seeded:0"))
