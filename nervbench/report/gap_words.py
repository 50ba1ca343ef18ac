"""What a gap says, in words that a person can quote."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nervbench import published
from nervbench.explain.gap import PREDICTED, PUBLISHED, Gap, Part, Side
from nervbench.units import percent, prefixed, significant

SMALL = 0.02
"""A cause that changes the speed by less is not named in the answer."""
PASSES = 3
"""Forward passes that an iteration of training takes about: one forward, and two as long backward."""


def answer(gap: Gap) -> str:
    """The question's answer in a few sentences."""
    a, b = gap.a, gap.b
    named = [part for part in by_size(gap) if abs(part.factor - 1) >= SMALL]
    causes = ", ".join(f"{part.cause} × {times(part.factor)}" for part in named)
    on_b, on_a = (each.name if each.name in ("A", "B") else f"a {each.name}" for each in (b, a))
    whole = (
        f"{gap.model} decodes {times(gap.whole.factor)} times ({span(gap.whole)}) as fast on {on_b} ({fps(b)} FPS, "
        f"{b.kind}) as on {on_a} ({fps(a)} FPS, {a.kind})."
    )
    if gap.fitted:
        return f"{whole} Causes: {causes or 'none of 2 % or more'}. {left(gap)}"
    return (
        f"{whole} By the figures of the cards it would be {times(gap.hardware)} times{_of_it(gap)}: "
        f"{causes or 'none of its figures by 2 % or more'}. {left(gap)}"
    )


def _of_it(gap: Gap) -> str:
    """The share of the hardware in the gap, in logarithms; only where it is a part of it."""
    whole, hardware = math.log(gap.whole.factor), math.log(gap.hardware)
    return f", {percent(hardware / whole)} of the gap" if whole and 0 < hardware / whole < 1 else ""


def left(gap: Gap) -> str:
    """What to think of the residual."""
    if gap.fitted:
        rest = f"A factor of {times(gap.residual.factor)} ({span(gap.residual)}) is left"
        if gap.error_explains:
            return f"{rest}, which may be nothing."
        return f"{rest} that nothing known of the two says: run each again, and look at what else is not alike."
    if gap.a.kind == gap.b.kind == PREDICTED:
        return "Both speeds are predicted, so nothing is left over, and nothing is tested either."
    rest = (
        f"A factor of {times(gap.residual.factor)} is left that no figure of a card says. With the model's own error "
        f"allowed for, {span(gap.residual)} is left"
    )
    if gap.error_explains:
        return (
            f"{rest}, which may be nothing: that method, library or protocol had a part in the gap is neither shown "
            "nor excluded."
        )
    return f"{rest}: look at how the two were timed, at the library and at the precision."


def unlike(gap: Gap) -> tuple[str, ...]:
    """What differs between the two beside the device, and what follows."""
    found = []
    if gap.a.kind != gap.b.kind:
        found.append(f"One speed is {gap.a.kind}, the other {gap.b.kind}: what was done otherwise is in the residual.")
    for side in (gap.a, gap.b):
        if side.kind == PUBLISHED:
            found.append(
                f"{side.name}: {side.says}. What is not stated is taken to be fp32 at batch 1. By the protocol nerv "
                "the first call with its search for algorithms counts, and a copy of the source frame to the device "
                "before every tenth: both make a side look slower than it is, by how much is not known."
            )
        else:
            found.append(f"{side.name}: {side.kind}, {side.says}.")
    return (*found, *gap.differs)


def checked(gap: Gap) -> str:
    """What a published training rate says of a predicted speed; empty where there is none."""
    said = []
    for side in (gap.a, gap.b):
        row = published.training(gap.model, side.key)
        if side.kind != PREDICTED or row is None:
            continue
        least = PASSES * row.iterations_per_s
        verdict = "agrees with" if 1 / side.low_s >= least else "contradicts"
        source = f"{row.source[0].upper()}{row.source[1:]}"
        said.append(
            f"{source}, that is {significant(row.iterations_per_s)} iterations a second. An iteration takes about "
            f"{PASSES} forward passes, and the loss and the optimiser beside, so the card does at least "
            f"{significant(least)} forward passes a second. That {verdict} the predicted {fps(side)} FPS "
            f"({significant(1 / side.high_s)} to {significant(1 / side.low_s)})."
        )
    return " ".join(said)


def method(gap: Gap, replays: Sequence[str]) -> tuple[str, ...]:
    """What the protocol of a published speed changes, by what was measured of it; empty where no speed is published."""
    if PUBLISHED not in (gap.a.kind, gap.b.kind):
        return ()
    if not replays:
        return (f"Not measured: no device here has {gap.model} by a published protocol and strictly.",)
    return (
        *(f"The same code, timed as published and strictly, on {replay}." for replay in replays),
        "On a GPU the first call searches for algorithms, and a source frame is copied before every tenth call: there "
        "the protocol's part may be more.",
    )


def by_size(gap: Gap) -> list[Part]:
    """The causes, the largest first."""
    return sorted(gap.parts, key=lambda part: -max(part.factor, 1 / part.factor))


def fps(side: Side) -> str:
    """Frames a second of a side."""
    return significant(1 / side.time_s)


def frame_time(side: Side) -> str:
    """The time of a frame with its interval."""
    return f"{prefixed(side.time_s, 's')} ({prefixed(side.low_s, 's')} to {prefixed(side.high_s, 's')})"


def times(factor: float) -> str:
    """A factor with two decimals."""
    return f"{factor:.2f}"


def span(part: Part) -> str:
    """The interval of a factor."""
    return f"{times(part.low)} to {times(part.high)}"
