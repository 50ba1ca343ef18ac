"""The one place where doubts are worded: what was seen, and what to do next.

A new code needs one entry in ``WORDINGS``; until it has one its values are shown under its code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nervbench.records import Doubt
from nervbench.units import significant


@dataclass(frozen=True, slots=True)
class Wording:
    """How a code reads: what it means, what to do next, and how its values are shown (a format string)."""

    meaning: str
    next: str
    shows: str = ""


WORDINGS = {
    "noisy": Wording(
        "The samples scatter more than the configured bound",
        "close other programs or raise the budget of a case, then run it again",
        "noise {noise:.1%}, bound {bound:.1%}",
    ),
    "few_samples": Wording(
        "Too few samples to state a median with confidence",
        "raise the budget of a case, then run it again",
        "{samples:.0f} samples",
    ),
    "drift": Wording(
        "The samples became slower or faster while they were taken (heat, clock, or a neighbour on the machine)",
        "let the device cool down, lengthen the warm-up, then run the case again",
        "{share:+.1%} time a call from the first third to the last",
    ),
    "others_busy": Wording(
        "Other processes used the processor during the samples",
        "stop them, then run the case again",
        "{share:.0%} of the processor",
    ),
}
UNKNOWN_WORDING = Wording(
    "A doubt that this version has no words for", "upgrade nervbench, then write the report again"
)


def wording(code: str) -> Wording:
    """The words of a code, or the general ones for a code that is not known."""
    return WORDINGS.get(code, UNKNOWN_WORDING)


def values(doubt: Doubt) -> str:
    """What was seen, in short, as its wording shows it; ``code: name value, …`` where it has no wording."""
    known = WORDINGS.get(doubt.code)
    if known is not None:
        try:
            return known.shows.format_map(doubt.values).replace("%", " %")
        except (KeyError, ValueError):
            pass
    pairs = ", ".join(f"{name} {significant(value)}" for name, value in sorted(doubt.values.items()))
    return f"{doubt.code}: {pairs}" if pairs and known is None else pairs or doubt.code


def sentence(doubt: Doubt) -> str:
    """One doubt in full, for a terminal: meaning, values, what to do next."""
    words = wording(doubt.code)
    return f"{words.meaning} ({values(doubt)}). Next: {words.next}."


def by_code(doubts: Iterable[tuple[str, Doubt]]) -> dict[str, list[tuple[str, Doubt]]]:
    """Pairs of a case's name and its doubt, gathered by code, the codes in the order of the table and then by name."""
    gathered: dict[str, list[tuple[str, Doubt]]] = {}
    for name, doubt in doubts:
        gathered.setdefault(doubt.code, []).append((name, doubt))
    order = {code: place for place, code in enumerate(WORDINGS)}
    return dict(sorted(gathered.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))
