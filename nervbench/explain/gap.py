"""Why does one GPU decode more slowly than another? The ratio of two speeds, split into causes that multiply up to it.

The model of :mod:`nervbench.explain.predictor` gives the time of a frame from a card. A cause is a group of the card's
figures: those of one card are replaced by those of the other, group by group, and the change of the logarithm of the
speed is split among the groups by Shapley values, so that their order does not matter. What the model says of the two
cards and what was measured or published differ: that is the residual. It holds what the model gets wrong and all that
is no figure of a card (how it was timed, which library computed), and it is never given to a cause.

Each share has an 80 % interval, from draws of what is uncertain: the clock that a card holds where nobody noted it,
between base and boost; what copies attain, within 4 %; and the model, fitted to all five GPUs that were measured or to
four of them. That of the residual has the model's own error on kernels that it had not seen in it: where it holds 1,
that error can be all of the residual.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nervbench.cards import Peaks, card
from nervbench.explain.features import Floats
from nervbench.explain.predictor import MEASURED as FITTED
from nervbench.explain.predictor import frame
from nervbench.explain.shapley import split
from nervbench.shapes import Kernel
from nervbench.units import prefixed

SCHEMA = 1
MEASURED, PUBLISHED, PREDICTED = "measured", "published", "predicted"
DRAWS = 100
COPY_SCATTER = 0.04
"""What others measured of copies on one card lies within this share of its middle (a P100: 501 to 541 GB/s)."""
QUANTILES = (0.1, 0.9)
NORMAL_80 = 1.2816
"""The 90 % quantile of the normal distribution."""

ARITHMETIC, CLOCK, MEMORY, WAVES = "arithmetic peak", "clock held", "memory bandwidth", "multiprocessors"
CAUSES = {
    ARITHMETIC: ("fp32_flop_per_s", "boost_hz"),
    CLOCK: ("boost_hz", "held_hz"),
    MEMORY: ("memory_bytes_per_s", "copy_bytes_per_s"),
    WAVES: ("sms",),
}
"""The figures of a card that belong to a cause, first the one that it cannot do without.

The clock is what a card holds, as a share of its boost clock.
"""
NOT_SPLIT = (
    "cache residency: the model of the times has no term for it",
    "launch overhead: taken as the same on every card, and hidden behind kernels as long as these",
    "precision: both sides are taken to be fp32",
    "transfer: the frames stay on the device",
    "library: the model was fitted to one version of cuDNN for each card",
)
"""Causes that have no part of their own, and why."""
SEEN = {
    "rtx-2080-ti": "the model was corrected in three points (kernels queue, bytes and launch overlap, the clock held) "
    "after NeRV's published speeds on this GPU had been seen: its residual there is no test of it"
}
"""Cards whose published speeds are not new to the model."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: a card by key and name, seconds of a frame and where they lie in 8 of 10 cases.

    ``kind`` is measured, published or predicted, ``says`` where the time is from and under which conditions.
    """

    key: str
    name: str
    kind: str
    time_s: float
    low_s: float
    high_s: float
    says: str


@dataclass(frozen=True, slots=True)
class Part:
    """A cause: the factor that it makes in the speed of B over that of A, its 80 % interval, and the figures."""

    cause: str
    factor: float
    low: float
    high: float
    evidence: str


@dataclass(frozen=True, slots=True)
class Gap:
    """The speed of ``b`` over that of ``a`` on a model. The product of all parts and the residual is the whole.

    ``left_out`` are causes without a part, with the reason; ``sources`` where the figures of the cards are from.
    ``fitted`` says that the parts were brought together with the measured ratio (see :mod:`nervbench.explain.rows`);
    ``differs`` is all that is not alike between two rows.
    """

    model: str
    a: Side
    b: Side
    whole: Part
    parts: tuple[Part, ...]
    residual: Part
    left_out: tuple[str, ...]
    sources: tuple[str, ...]
    fitted: bool = False
    differs: tuple[str, ...] = ()
    schema: int = SCHEMA

    @property
    def error_explains(self) -> bool:
        """Whether the model's own error can be all of the residual."""
        return self.residual.low <= 1 <= self.residual.high

    @property
    def hardware(self) -> float:
        """The product of the causes."""
        return math.prod(part.factor for part in self.parts)


def predicted(kernels: Sequence[Kernel], on: Peaks) -> Side:
    """The side of a card on which nobody timed these kernels."""
    return Side(on.key, on.name, PREDICTED, *frame(kernels, on), says="from its card: fp32, batch 1, eager PyTorch")


def explain(model: str, kernels: Sequence[Kernel], a: Side, b: Side, seed: int = 0) -> Gap:
    """Split the ratio of the speeds of ``b`` and ``a``. Raises ConfigError where a card lacks its arithmetic peak."""
    random = np.random.default_rng(seed)
    cards = card(a.key), card(b.key)
    absent = {cause: why for cause in CAUSES if (why := _absent(cause, *cards))}
    causes = tuple(cause for cause in CAUSES if cause not in absent)
    middle = _split(kernels, *cards, causes)
    fits = (None, *FITTED)
    drawn = [
        _split(kernels, _drawn(cards[0], random), _drawn(cards[1], random), causes, fits[random.integers(len(fits))])
        for _ in range(DRAWS)
    ]
    whole = math.log(a.time_s / b.time_s)
    rest = whole - sum(middle.values())
    scatter = [_draws(side, random) for side in (a, b)]
    errors = [_draws(predicted(kernels, on), random) for on in cards]
    # Of a side that is itself the model's word the residual holds nothing.
    timed = [side.kind != PREDICTED for side in (a, b)]
    off = [timed[side] * (scatter[side] - errors[side]) for side in (0, 1)]
    return Gap(
        model,
        a,
        b,
        _part("in all", whole, whole + scatter[1] - scatter[0], f"{a.kind} → {b.kind}"),
        tuple(
            _part(cause, share, np.array([each[cause] for each in drawn]), _evidence(cause, *cards))
            for cause, share in middle.items()
        ),
        _part("residual", rest, rest + off[1] - off[0], "what no figure of a card says"),
        left_out=(*(f"{cause}: {why}" for cause, why in absent.items()), *NOT_SPLIT),
        sources=tuple(line for on in cards for line in _sources(on, causes)),
    )


def _split(
    kernels: Sequence[Kernel], a: Peaks, b: Peaks, causes: Sequence[str], without: str | None = None
) -> dict[str, float]:
    """The share of each cause in the logarithm of the speed."""
    return split(lambda changed: -math.log(frame(kernels, _mixed(a, b, changed), without=without)[0]), causes)


def _mixed(a: Peaks, b: Peaks, changed: frozenset[str]) -> Peaks:
    """The card ``a`` with the figures of ``b`` for these causes. It has a key of its own: nobody measured on it."""
    figures = {name: getattr(b, name) for cause in changed if cause != CLOCK for name in CAUSES[cause]}
    mixed = dataclasses.replace(a, key="mixed", **figures)
    held = _held(b if CLOCK in changed else a)
    return dataclasses.replace(mixed, held_hz=held and mixed.boost_hz and held * mixed.boost_hz)


def _held(card: Peaks) -> float | None:
    """The clock that a card holds, as a share of its boost clock; 1 where nobody noted it."""
    return (card.held_hz or card.boost_hz) / card.boost_hz if card.boost_hz else None


def _drawn(card: Peaks, random: np.random.Generator) -> Peaks:
    """The card as it may be: what is uncertain about it, drawn."""
    held, copies = card.held_hz, card.copy_bytes_per_s
    if held is None and card.base_hz and card.boost_hz:
        held = random.uniform(card.base_hz, card.boost_hz)
    rate = copies and copies * random.uniform(1 - COPY_SCATTER, 1 + COPY_SCATTER)
    return dataclasses.replace(card, held_hz=held, copy_bytes_per_s=rate)


def _draws(side: Side, random: np.random.Generator) -> Floats:
    """Logarithms of speeds of a side over its own: normal on either side of it, as wide as its interval."""
    normal = random.standard_normal(DRAWS)
    slower, faster = math.log(side.high_s / side.time_s), math.log(side.time_s / side.low_s)
    return np.where(normal < 0, normal * slower, normal * faster) / NORMAL_80


def _part(cause: str, log: float, drawn: Floats, evidence: str) -> Part:
    low, high = np.quantile(drawn, QUANTILES)
    return Part(cause, math.exp(log), math.exp(min(float(low), log)), math.exp(max(float(high), log)), evidence)


def _absent(cause: str, a: Peaks, b: Peaks) -> str | None:
    """Which figure is missing to tell a cause apart between two cards; None where none is."""
    needed = CAUSES[cause][:1]
    lacking = [f"{card.key} has no {figure}" for card in (a, b) for figure in card.lacks(*needed)]
    return "; ".join(lacking) or None


def _evidence(cause: str, a: Peaks, b: Peaks) -> str:
    """The figures of both cards, in words."""
    return " → ".join(_figure(cause, card) for card in (a, b))


def _figure(cause: str, card: Peaks) -> str:
    if cause == ARITHMETIC:
        return f"{prefixed(card.fp32_flop_per_s, 'FLOP/s')} at {prefixed(card.boost_hz, 'Hz')}"
    if cause == CLOCK:
        return prefixed(card.held_hz, "Hz") if card.held_hz else "not noted, taken as the boost clock"
    if cause == WAVES:
        return str(card.sms)
    attained = f", {prefixed(card.copy_bytes_per_s, 'B/s')} attained by copies" if card.copy_bytes_per_s else ""
    return f"{prefixed(card.memory_bytes_per_s, 'B/s')}{attained}"


def _sources(card: Peaks, causes: Sequence[str]) -> list[str]:
    """Where the figures of a card are from that the causes use, those of one source together."""
    used = {name for cause in causes for name in CAUSES[cause]}
    of_source: dict[str, list[str]] = {}
    for name in sorted(used - set(card.lacks(*used))):
        of_source.setdefault(card.sources[name], []).append(name)
    found = [f"{card.name}, {', '.join(names)}: {source}" for source, names in of_source.items()]
    return [*found, f"{card.name}: {SEEN[card.key]}"] if card.key in SEEN else found
