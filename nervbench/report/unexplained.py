"""What the numbers of a page do not explain, found by rules and said plainly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nervbench.records import DISTURBED, Status
from nervbench.report.markdown import bullets, escape
from nervbench.report.rows import Group, Row
from nervbench.units import percent

LOW_SHARE = 0.5
HIGH_NOISE = 0.05
MOST = 8


@dataclass(frozen=True, slots=True)
class Rule:
    """Which cases it finds, what is shown of each, and the sentence, with its place for them."""

    finds: Callable[[Row], bool]
    shows: Callable[[Row], str]
    sentence: str


def _share(row: Row) -> str:
    """The attained share in brackets."""
    return f" ({percent(row.share)})"


def _disturbed(row: Row) -> bool:
    """Whether a doubt says what disturbed the samples."""
    return any(doubt.code in DISTURBED for doubt in row.result.doubts)


RULES = (
    Rule(
        lambda row: row.share is not None and row.share > 1,
        _share,
        "Faster than the ceiling: {cases}. Either the runtime needs fewer multiplications than are counted, or "
        "the probe met the device slower than it can be. Which of the two is not known.",
    ),
    Rule(
        lambda row: row.share is not None and row.share < LOW_SHARE and not row.result.profile,
        _share,
        "Under half of the roof: {cases}. Where the rest of the time goes is not known: `nervbench run --profile` "
        "times the operators.",
    ),
    Rule(
        lambda row: row.noise is not None and row.noise > HIGH_NOISE and not _disturbed(row),
        lambda row: f" ({percent(row.noise, 1)})",
        f"Noise over {percent(HIGH_NOISE)}: {{cases}}. What disturbed these samples is not known.",
    ),
    Rule(
        lambda row: row.timed and row.share is None,
        lambda row: "",
        "No ceiling is known for {cases}, so how near the limit they are is not known.",
    ),
    Rule(
        lambda row: row.result.status is Status.OK and not row.timed,
        lambda row: "",
        "Ended OK without a usable sample: {cases}. Why is not recorded.",
    ),
)
NOTHING = "Nothing that the rules look for: no share over 1 or under a half, no noise over 5 %, no missing ceiling."


def unexplained(groups: Sequence[Group]) -> str:
    """A list of open questions, each with its cases; says so where the rules find none."""
    rows = [row for group in groups for row in group.rows]
    lines = []
    for rule in RULES:
        found = [f"{escape(row.label)}{rule.shows(row)}" for row in rows if rule.finds(row)]
        if found:
            more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
            lines.append(rule.sentence.format(cases=", ".join(found[:MOST]) + more))
    return bullets(lines) if lines else NOTHING
