"""Where the weights of a named model come from, as bench.toml and the command line say it."""

from __future__ import annotations

import re

from nervbench.errors import CheckpointError
from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.zoo import spec_of


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
