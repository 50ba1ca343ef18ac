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
    """How a code reads: what it means, what to do next, how its values are shown (a format string; none: as pairs)."""

    meaning: str
    next: str
    shows: str = ""


WORDINGS = {
    "noisy": Wording(
        "The samples scatter more than the configured bound",
        "close other programs, then run it again; a larger budget helps only where the budget ended the case",
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
    "bimodal": Wording(
        "The samples come in two clumps, so one number for all of them describes neither",
        "look for two kinds of frames, two clocks, or a neighbour that comes and goes, then run the case again",
        "the two clumps explain {share:.0%} of the variance",
    ),
    "others_busy": Wording(
        "Other processes used the processor during the samples",
        "stop them, then run the case again",
        "{share:.0%} of the processor",
    ),
    "stolen": Wording(
        "The hypervisor gave processor time of this virtual machine to others during the samples",
        "run the case again at a quieter hour, or on a machine whose processors are not shared",
        "{share:.1%} of the processor",
    ),
    "swapping": Wording(
        "Memory was read from the disk or written to it during the samples",
        "close other programs or take a machine with more memory, then run the case again",
        "{bytes:,.0f} bytes swapped, {faults_per_s:.0f} pages a second of the worker's own from the disk",
    ),
    "low_memory": Wording(
        "The machine was nearly out of memory during the samples",
        "close other programs or lower the batch, then run the case again",
        "{bytes:,.0f} bytes were left",
    ),
    "clock_moved": Wording(
        "The clock of the device changed during the samples",
        "fix the clock (a performance governor, or nvidia-smi --lock-gpu-clocks) or cool the device, then run it again",
        "the upper clocks are {share:.0%} above the lower ones",
    ),
    "throttled": Wording(
        "The GPU held its clocks down; by reason, the share of the readings at which it did",
        "look at its cooling and its power limit (nvidia-smi -q -d PERFORMANCE), then run the case again",
    ),
    "shared_gpu": Wording(
        "Other processes were on the GPU",
        "stop them, then run the case again",
        "{processes:.0f} others",
    ),
    "suspended": Wording(
        "The machine or its processes stood still in the middle of the samples",
        "keep the machine awake, then run the case again",
        "for {gap_s:.0f} s",
    ),
    "cut_off": Wording(
        "The case ended before its time; the samples until then are kept and make no result",
        "see its reason, and raise the time limit of a case where that was it, then run the case again",
        "{samples:.0f} samples until then",
    ),
    "unchecked": Wording(
        "No frame of the timed run was compared, so only those before it are known to be right",
        "raise the budget of a case, then run it again",
        "none was decoded while there was time to look",
    ),
    "unobserved": Wording(
        "Nobody watched the machine during the samples, so a disturbance would not be known",
        "see in its row why (unwatched, in results.jsonl), then run the case again",
        "no readings",
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
    if known is not None and known.shows:
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
