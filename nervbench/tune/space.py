"""What a search may choose from: values of some settings of a recipe, all combinations or a random draw of them."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nervbench.errors import ConfigError
from nervbench.trials import Setting

Choice = dict[str, Setting]
"""One value for each setting that is searched."""


@dataclass(frozen=True, slots=True)
class Between:
    """All numbers between two, those of each order of magnitude as likely as those of any other."""

    low: float
    high: float


Axis = tuple[Setting, ...] | Between
Space = Mapping[str, Axis]


def grid(space: Space) -> list[Choice]:
    """All combinations, the last setting varying fastest. Raises ConfigError for a range, which has no end of them."""
    if ranges := [name for name, axis in space.items() if isinstance(axis, Between)]:
        msg = f"{', '.join(ranges)}: a range (a:b) has no grid; list the values, or draw some with --search random"
        raise ConfigError([msg])
    axes = [axis for axis in space.values() if not isinstance(axis, Between)]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*axes)]


def draw(space: Space, count: int, seed: int) -> list[Choice]:
    """``count`` different combinations, drawn with a seed; all of them where there are not more."""
    if not any(isinstance(axis, Between) for axis in space.values()):
        every = grid(space)
        return random.Random(seed).sample(every, min(count, len(every)))
    chance = random.Random(seed)
    return [{name: _drawn(axis, chance) for name, axis in space.items()} for _ in range(count)]


def _drawn(axis: Axis, chance: random.Random) -> Setting:
    if isinstance(axis, Between):
        exponent = chance.uniform(math.log10(axis.low), math.log10(axis.high))
        return float(f"{10**exponent:.3g}")  # as it will be read in a table
    return chance.choice(axis)


def name_of(choice: Choice) -> str:
    """A name for a combination, fit for a folder: ``batch=2,learning-rate=0.001``."""
    return ",".join(f"{key.replace('_', '-')}={value}" for key, value in choice.items()) or "default"


def numbers(option: str, text: str, kind: type[int] | type[float], low: float) -> Axis:
    """The values of ``1,2,4``, or the range of ``1e-4:2e-3`` (not of whole numbers).

    Raises ConfigError for what is no number, or not over ``low``.
    """
    first, colon, last = text.partition(":")
    parts = [first, last] if colon else text.split(",")
    try:
        values = [kind(part.strip()) for part in parts]
    except ValueError:
        values = []
    wrong = not values or not all(math.isfinite(value) and value > low for value in values)
    if wrong or (colon and (kind is int or values[0] >= values[1])):
        possible = f"{'whole ' if kind is int else ''}numbers over {low:g} like 1,2,4"
        possible += "" if kind is int else ", or a range like 1e-4:1e-2"
        msg = f"{option}: found '{text[:60]}'; possible: {possible}"
        raise ConfigError([msg])
    return Between(float(values[0]), float(values[1])) if colon else tuple(dict.fromkeys(values))


def words(option: str, text: str, known: Sequence[str]) -> Axis:
    """The values of ``l1,fusion6``; raises ConfigError for one that is not known."""
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if unknown := [word for word in found if word not in known]:
        msg = f"{option}: unknown '{unknown[0][:40]}'; known: {', '.join(sorted(known))}"
        raise ConfigError([msg])
    return found
