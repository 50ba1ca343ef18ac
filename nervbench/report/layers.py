"""Where the time of a decode goes: the operators of a case, what binds them, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice

from nervbench.explain.roofline import COMPUTE, LAUNCH, MEMORY, Breakdown, Placed, breakdown
from nervbench.report.markdown import bullets, escape, image, plain, table
from nervbench.report.rows import Group, Row
from nervbench.units import UNKNOWN, percent, prefixed

SHOWN = 12
"""Operators in the table, the longest first."""
SMALL = 0.02
"""A share of the time that no finding is about."""
REFERENCE = ("fp32", "eager")
NEAR = 0.6
"""Attained share from which on a better kernel gains little."""
HEAD = ("operator", "kind", "time", "share", "FLOP", "bytes", "bound by", "attained")
WORDS = (
    "The longest operators of the fastest profiled case of each model, and of fp32 eager, timed after the samples and "
    "apart from them. "
    "Attained: the least time that the device's ceilings allow, by what binds the operator, over the measured one."
)
Figures = Mapping[str, Sequence[str]]
"""Paths of the figures of a case, by its label."""


def profiled(groups: Sequence[Group]) -> list[tuple[Row, Breakdown]]:
    """Of each model the fastest row that has a profile, and fp32 eager's, with their operators."""
    found = []
    for group in groups:
        rows = [(row, each) for row in group.rows if (each := breakdown(row.result))]
        case = [(row.result.case.precision, row.result.case.runtime) for row, _ in rows]
        found += [each for place, each in enumerate(rows) if place == 0 or case[place] == REFERENCE]
    return found


def section(groups: Sequence[Group], figures: Figures) -> str:
    """Every profiled case: findings, figures, the longest operators; and why others have none."""
    parts = []
    for row, found in profiled(groups):
        source = plain(row.result.profile.source) if row.result.profile else ""
        parts.append(f"**{escape(row.label)}** ({escape(source)})")
        parts.append(bullets(findings(found)))
        parts += [
            image(f"{row.label}: {name}", path) for name, path in zip(NAMES, figures.get(row.label, ()), strict=False)
        ]
        parts.append(_table(found))
    refused = [
        f"{escape(row.label)}: {escape(row.result.profile.reason)}"
        for group in groups
        for row in group.rows
        if row.result.profile and row.result.profile.reason
    ]
    if refused:
        parts.append(f"Without the times of operators:\n\n{bullets(refused)}")
    return "\n\n".join([WORDS, *parts]) if parts else ""


NAMES = ("time of each operator", "roofline of the operators")


def findings(found: Breakdown) -> list[str]:
    """What holds the decode back, the largest share first, each with what to do about it."""
    said = []
    for bound, words in ((COMPUTE, _computing), (MEMORY, _moving), (LAUNCH, _launching)):
        operators = found.bound_by(bound)
        if (share := found.share(operators)) >= SMALL:
            said.append((share, words(found, operators)))
    between = found.between_s / found.whole_s if found.whole_s else 0.0
    if between >= SMALL:
        said.append((
            between,
            f"{percent(between)} of the time is between the operators ({prefixed(found.between_s, 's')}): what starts "
            "them, and what is not timed by itself. A compiled or an exported graph has less of it.",
        ))  # fmt: skip
    return [words for _, words in sorted(said, key=lambda each: -each[0])] or ["No operator has a known limit."]


def _computing(found: Breakdown, operators: Sequence[Placed]) -> str:
    attained = _attained(operators)
    start = f"{percent(found.share(operators))} of the time is bound by arithmetic, in {_most(operators)}"
    if attained > 1:
        return f"{start}; it is done {attained:.1f} times as fast as direct convolution allows, by another algorithm."
    if attained >= NEAR:
        return (
            f"{start}, at {percent(attained)} of the device's product rate: little is left but fewer multiplications "
            "(Winograd's convolution) or a lower precision."
        )
    return f"{start}, at {percent(attained)} of the device's product rate: another runtime's kernels may do better."


def _moving(found: Breakdown, operators: Sequence[Placed]) -> str:
    return (
        f"{percent(found.share(operators))} of the time is bound by memory, in {_most(operators)}, at "
        f"{percent(_attained(operators))} of the copy rate: fusing these with what they follow saves the bytes (a "
        "rewritten or a compiled graph)."
    )


def _launching(found: Breakdown, operators: Sequence[Placed]) -> str:
    return (
        f"{percent(found.share(operators))} of the time is in {len(operators)} operators so small that starting them "
        "is what they need: a compiled graph has fewer, a CUDA graph starts them together."
    )


def _attained(operators: Sequence[Placed]) -> float:
    """Of some operators together."""
    seconds = math.fsum(placed.operator.seconds for placed in operators)
    return math.fsum(placed.least_s or 0.0 for placed in operators) / seconds if seconds else 0.0


def _most(operators: Sequence[Placed]) -> str:
    """The kinds of operators, the one that takes longest first."""
    kinds: dict[str, float] = {}
    for placed in operators:
        kinds[placed.operator.kind] = kinds.get(placed.operator.kind, 0.0) + placed.operator.seconds
    names = [escape(kind) for kind, _ in islice(sorted(kinds.items(), key=lambda each: -each[1]), 3)]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _table(found: Breakdown) -> str:
    """The longest operators."""
    longest = sorted(found.operators, key=lambda placed: -placed.operator.seconds)[:SHOWN]
    rest = len(found.operators) - len(longest)
    lines = [_line(found, placed) for placed in longest]
    if rest:
        share = 1 - found.share(longest) - found.between_s / found.whole_s
        lines.append([f"{rest} more", "", prefixed(share * found.whole_s, "s"), percent(share), *[""] * 4])
    return table(HEAD, lines, right=(2, 3, 4, 5, 7))


def _line(found: Breakdown, placed: Placed) -> list[str]:
    operator = placed.operator
    return [
        escape(operator.name),
        escape(operator.kind),
        prefixed(operator.seconds, "s"),
        percent(found.share([placed])),
        prefixed(operator.flop, "FLOP") if operator.flop else UNKNOWN,
        prefixed(operator.bytes, "B"),
        placed.bound,
        percent(placed.attained),
    ]
