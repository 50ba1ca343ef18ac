"""Where weights come from, as bench.toml and the command line say it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from nervbench.errors import CheckpointError, unknown
from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.zoo import MODELS, spec_of


def opened(name: str, tell: Callable[[str], object] = lambda _: None) -> Checkpoint:
    """The checkpoint of a path, or of the name of a model that is shipped trained.

    ``tell`` is called with what had to be assumed of a file that does not say it. Raises CheckpointError, for a name
    that is neither with the nearest one known.
    """
    path = Path(name)
    if path.is_file():
        loaded = checkpoint.load(path)
        if loaded.assumed:
            tell(f"{path}: assumed {loaded.assumed}")
        return loaded
    if name in MODELS:
        return checkpoint.bundled(name)
    if path.suffix or len(path.parts) != 1:
        return checkpoint.load(path)  # raises, saying what is wrong with the path
    msg = f"no such file, and {unknown('model', name, MODELS)}"
    raise CheckpointError(msg)


def weights_of(model: str, weights: str) -> Checkpoint:
    """The weights of a named model: ``bundled``, ``seeded:N``, or the path of a checkpoint.

    Raises ConfigError for an unknown model and CheckpointError for a file that cannot be used or is of another model.
    """
    spec = spec_of(model)
    if weights == "bundled":
        return checkpoint.bundled(model)
    if found := re.fullmatch(r"seeded:([0-9]{1,9})", weights):
        return checkpoint.seeded(spec, int(found[1]))
    loaded = checkpoint.load(weights)
    if loaded.spec != spec:
        msg = f"checkpoint {weights} is of another model than {model}: {loaded.spec.to_json()}"
        raise CheckpointError(msg)
    return loaded
