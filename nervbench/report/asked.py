"""Decoding on demand: a server whose requests come when they come, a player whose display does not wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nervbench.records import PLAYBACK_HZ, SERVER, Load
from nervbench.report.markdown import escape
from nervbench.report.rows import Group, Row
from nervbench.report.tables import section, speed, without_number
from nervbench.stats import median, tail
from nervbench.units import UNKNOWN, percent, prefixed

SERVER_HEAD = ("case", "alone", "bound", "rate held", "of what fits", "offered: tail latency")
SERVER_WORDS = """\
Requests arrive at random (a Poisson process) and wait for those before them; latency is from arrival to frames. Alone:
a decode with nobody waiting. The rate grows until the p90 of the latency misses the bound; the highest rate within it
is the one held, and beside it stands its share of the decodes that fit into a second. Of each load the highest
percentile is given that its requests support."""

PLAYER_HEAD = (
    "case", "from the file", "first frame", "shown", "late", "dropped", "worst", "jitter", "seek, median / worst",
    "late, first to last", "decode, first to last",
)  # fmt: skip
PLAYER_WORDS = """\
A display clock runs and does not wait. Late: shown frames that were ready after they were due, and how late the worst
was; dropped: frames that the clock overtook. Jitter: standard deviation of the time between shown frames. Seek: from a
jump to a random frame until it is ready. First frame: of a decoder that is warm; from the file: loading the exported
model and the first decode of all. The last columns, the share that was late and the median decode in the first third
and in the last, show whether it becomes worse with time."""


def server(groups: Sequence[Group]) -> str:
    """Words, then a line for each case; empty where there is none."""
    return section(SERVER_WORDS, SERVER_HEAD, map(_served, _rows(groups, (SERVER,))))


def player(groups: Sequence[Group]) -> str:
    """Words, then a line for each case; empty where there is none."""
    return section(PLAYER_WORDS, PLAYER_HEAD, map(_played, _rows(groups, PLAYBACK_HZ)))


def _rows(groups: Sequence[Group], scenarios: Iterable[str]) -> list[Row]:
    wanted = set(scenarios)
    return [row for group in groups for row in group.apart if row.result.case.scenario in wanted]


def _served(row: Row) -> list[str]:
    found = row.result.telemetry.served if row.result.telemetry and row.timed else None
    if not found:
        return without_number(row, len(SERVER_HEAD))
    held = found.held_per_s
    return [
        escape(row.label),
        prefixed(found.service_s, "s"),
        prefixed(found.bound_s, "s"),
        f"{speed(held)} /s" if held else "none",
        percent(held * found.service_s if held else None),
        "; ".join(map(_load, found.loads)),
    ]


def _load(load: Load) -> str:
    """One load: its rate, its tail, and who was left waiting."""
    found = tail(load.latencies_s)
    words = f"p{100 * found[0]:.0f} {prefixed(found[1], 's')}" if found else f"{len(load.latencies_s)} requests"
    return f"{speed(load.rate_per_s)} /s: {words}" + (f", {load.unserved} left waiting" if load.unserved else "")


def _played(row: Row) -> list[str]:
    seen = row.result.telemetry
    found = seen.playback if seen and row.timed else None
    if not seen or not found:
        return without_number(row, len(PLAYER_HEAD))
    from_file_s = seen.load_s + seen.warm_up_s[0] if seen.load_s is not None and seen.warm_up_s else None
    shown = len(found.late_s)
    worst = max(0.0, *found.late_s) if found.late_s else 0.0
    seeks = " / ".join(prefixed(value, "s") for value in (median(found.seeks_s), max(found.seeks_s, default=None)))
    trend = " to ".join(map(percent, found.trend)) if found.trend else UNKNOWN
    return [
        escape(row.label),
        prefixed(from_file_s, "s"),
        prefixed(found.first_frame_s, "s"),
        str(shown),
        f"{found.misses} ({percent(found.misses / shown if shown else None)})",
        f"{found.dropped} ({percent(found.dropped / (shown + found.dropped) if shown + found.dropped else None)})",
        prefixed(worst, "s"),
        prefixed(found.jitter_s, "s"),
        seeks,
        trend,
        _thirds(row.result.samples_s),
    ]


def _thirds(samples_s: Sequence[float]) -> str:
    """The median of the first third and of the last."""
    third = len(samples_s) // 3
    ends = (median(samples_s[:third]), median(samples_s[-third:])) if third else (None, None)
    return " to ".join(prefixed(end, "s") for end in ends) if third else UNKNOWN
