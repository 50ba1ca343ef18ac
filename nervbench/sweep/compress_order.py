"""What to make small and how, and what refuses it; needs no PyTorch, so that a wrong option is refused at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from nervbench.bitstream.grid import MAX_BITS, MIN_BITS
from nervbench.errors import ConfigError

SUFFIX = ".nerv"
MOST_PRUNED = 0.99


@dataclass(frozen=True, slots=True)
class CompressOrder:
    """What to make small, and how.

    ``checkpoint`` is a file or the name of a shipped model; ``share`` of the weights of stem and convolutions is
    removed. Against the clip ``source``, where there is one, it is scored before and after, and the weights that stay
    are trained on it for ``epochs`` epochs.
    """

    checkpoint: str
    out: Path
    bits: int = MAX_BITS
    share: float = 0.0
    source: str | None = None
    epochs: int = 0


def check(order: CompressOrder) -> None:
    """Raise ConfigError for what could not be done or written at the end, or not be found to be a .nerv file again."""
    out = order.out
    if order.epochs and not order.source:
        msg = "--finetune-epochs: there is nothing to train on; give the clip of the checkpoint with --clip"
        raise ConfigError([msg])
    if order.epochs < 0:
        msg = f"--finetune-epochs: {order.epochs} is no number of epochs; give 0 or more"
        raise ConfigError([msg])
    if not MIN_BITS <= order.bits <= MAX_BITS:
        msg = f"--bits: weights are stored in {MIN_BITS} to {MAX_BITS} bits, not in {order.bits}"
        raise ConfigError([msg])
    if not 0 <= order.share <= MOST_PRUNED:  # NaN is in no range
        share = "NaN" if math.isnan(order.share) else f"{order.share:g}"
        msg = f"--prune: {share} is no share; give a number from 0 to {MOST_PRUNED}"
        raise ConfigError([msg])
    if out.suffix != SUFFIX:
        msg = f"--out: cannot write '{out.suffix}' files ({out.name}); give a name that ends in {SUFFIX}"
        raise ConfigError([msg])
    if out.is_dir():
        msg = f"--out: {out} is a folder; give the name of a file"
        raise ConfigError([msg])
    if not out.parent.is_dir():
        msg = f"--out: there is no folder {out.parent}; make it first, or choose another"
        raise ConfigError([msg])
