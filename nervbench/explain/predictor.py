"""The time of a kernel on a GPU that is not here: from its card alone, or from the time on another GPU too.

The roof (FLOP / peak) times what fitted trees make of the physics of :mod:`nervbench.explain.features`; between two
measured GPUs, the time on one times what networks of that GPU make of all of them. The 80 % interval is of residuals on
shapes that had not been seen (split by size), and for a GPU that nobody measured, on a GPU that had not been either. A
kernel that only moves bytes takes its launch and its bytes at the rate that copies attain on the card; the two overlap:
the root of the sum of their squares was nearer to what was measured on five GPUs than their sum.
"""

from __future__ import annotations

import functools
import io
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from nervbench import cards
from nervbench.cards import Peaks
from nervbench.errors import ConfigError
from nervbench.explain import features, networks, trees
from nervbench.explain.features import Floats
from nervbench.shapes import Convolution, Kernel, Move

MEASURED = ("p100", "p4", "t4", "v100", "a100-80")
"""The GPUs whose convolutions were measured."""
STRATA = 4


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of each kernel, and between which they are in 8 of 10 cases."""

    middle_s: Floats
    low_s: Floats
    high_s: Floats


@dataclass(frozen=True, slots=True)
class Spread:
    """By size (log seconds at the roof, ``edges`` between strata): log of the true over the predicted time."""

    edges: Floats
    low: Floats
    high: Floats

    def around(self, middle: Floats, size: Floats) -> Times:
        """Log seconds to times with their interval."""
        at = np.searchsorted(self.edges, size)
        return Times(np.exp(middle), np.exp(middle + self.low[at]), np.exp(middle + self.high[at]))


def alone(kernels: Sequence[Convolution], card: Peaks, unseen: bool = False, without: str | None = None) -> Times:
    """The times by the card alone.

    ``unseen`` sets aside what was measured on that very GPU, ``without`` what was on another one of the measured.
    """
    if card.key in MEASURED and unseen:
        without = card.key
    seen = card.key in MEASURED and card.key != without
    name = f"without/{without}" if without else "alone"
    size = features.roof(kernels, card)
    return _spread("seen" if seen else "unseen").around(size + _trees(name)(features.alone(kernels, card)), size)


def beside(kernels: Sequence[Convolution], times_s: Floats, source: Peaks, target: Peaks) -> Times:
    """The times on ``target`` from those measured on ``source``."""
    size = features.roof(kernels, target)
    if source.key == target.key:
        return Times(times_s, times_s, times_s)
    if source.key in MEASURED and target.key in MEASURED:
        x = features.beside(kernels, times_s, source, [cards.card(key) for key in MEASURED])
        ratio = _networks(source.key)(x)[:, others(source.key).index(target.key)]
        return _spread(f"{source.key}/{target.key}").around(np.log(times_s) + ratio, size)
    ratio = np.log(alone(kernels, target).middle_s) - np.log(alone(kernels, source).middle_s)
    return _spread("ratio").around(np.log(times_s) + ratio, size)


def others(source: str) -> tuple[str, ...]:
    """The measured GPUs but one, in the order of what its networks say."""
    return tuple(key for key in MEASURED if key != source)


def moves(kernels: Sequence[Move], card: Peaks, launch_s: float | None = None) -> Times:
    """The times of kernels that only move bytes, with their launch. Raises ConfigError without a bandwidth."""
    figures = scalars()
    rate = attained_bytes_per_s(card, figures["memory_share"])
    launch_s = figures["launch_s"] if launch_s is None else launch_s
    middle = np.hypot(launch_s, np.array([kernel.bytes for kernel in kernels]) / rate)
    return Times(middle, middle * figures["move_low"], middle * figures["move_high"])


def attained_bytes_per_s(card: Peaks, share: float) -> float:
    """What copies attain on a card: measured, or else a share of its bandwidth. Raises ConfigError without either."""
    if card.copy_bytes_per_s:
        return card.copy_bytes_per_s
    if card.memory_bytes_per_s is None:
        msg = f"the card of {card.key} has no memory_bytes_per_s, so kernels that move bytes cannot be predicted on it"
        raise ConfigError([msg])
    return share * card.memory_bytes_per_s


def frame(
    kernels: Sequence[Kernel], card: Peaks, unseen: bool = False, without: str | None = None
) -> tuple[float, float, float]:
    """Seconds of all kernels in turn; their errors are taken to be of one sign: the wider interval.

    They queue: while one runs the next is launched, so launches count only as far as they take longer than the work.
    """
    heavy = [kernel for kernel in kernels if isinstance(kernel, Convolution)]
    light = [kernel for kernel in kernels if isinstance(kernel, Move)]
    parts = ([alone(heavy, card, unseen, without)] if heavy else []) + ([moves(light, card, 0.0)] if light else [])
    middle, low, high = (
        float(sum(getattr(part, name).sum() for part in parts)) for name in ("middle_s", "low_s", "high_s")
    )
    launches_s = len(kernels) * scalars()["launch_s"]
    return max(middle, launches_s), max(low, launches_s), max(high, launches_s)


@functools.cache
def scalars() -> dict[str, float]:
    """The fitted figures with a name of their own."""
    text = resources.files("nervbench.explain").joinpath("fitted.toml").read_text(encoding="utf-8")
    return {name: float(figure["value"]) for name, figure in tomllib.loads(text)["figures"].items()}


@functools.cache
def _file() -> Mapping[str, Any]:
    content = resources.files("nervbench.explain").joinpath("fitted.npz").read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


@functools.cache
def _trees(name: str) -> trees.Trees:
    return trees.from_arrays(_file(), name)


@functools.cache
def _networks(source: str) -> networks.Networks:
    return networks.from_arrays(_file(), f"from/{source}")


def _spread(name: str) -> Spread:
    file = _file()
    return Spread(*(file[f"spread/{name}/{part}"] for part in ("edges", "low", "high")))
