"""What the machine did while the cases were timed, as the process that watched it saw it, and what it could not see."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nervbench.records import OFFLINE, PLAYBACK_HZ, SERVER, SINGLE_STREAM, TO_HOST, Meanwhile, Result
from nervbench.report import tables
from nervbench.report.markdown import bullets, escape, listed
from nervbench.report.rows import Group, one_line
from nervbench.stats import median
from nervbench.units import UNKNOWN, fixed, percent, prefixed, significant

COUNTED = frozenset({SINGLE_STREAM, OFFLINE, TO_HOST, SERVER, *PLAYBACK_HZ})
MOVED_SHARE = 0.01
MIB, GIB = 1 << 20, 1 << 30
NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen during one case, and the frames of the decodes that it was seen over; None where not known."""

    label: str
    seen: Meanwhile
    frames: int | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is shown where some case has a value in it, and then with its words."""

    head: str
    cell: Callable[[Watched], str]
    words: str = ""


def section(groups: Sequence[Group]) -> str:
    """Who watched and at what cost, a line for each case that was watched, and what could not be read."""
    rows = (row for group in groups for row in (*group.rows, *group.apart) if row.timed)
    watched = [
        Watched(row.label, told.meanwhile, frames_watched(row.result))
        for row in rows
        if (told := row.result.telemetry) and told.meanwhile
    ]
    if not watched:
        return ""
    on_gpu = [each for each in watched if any(column.cell(each) != UNKNOWN for column in GPU)]
    parts = (_table(_who(watched), MACHINE, watched), _table("The GPU.", GPU, on_gpu), _missing(watched))
    return "\n\n".join(part for part in parts if part)


def frames_watched(result: Result) -> int | None:
    """Frames that the decodes gave that were watched; None where their number, or what else took energy, is not known.

    The watching spans the timed run and no verification: the warm-up, one decode a call, then ``calls_per_sample``
    decodes a sample. So the frames are known of a single stream and offline, with frames to the host too, and of a
    replay of a published protocol, which times its every call and warms up with none. A server and a player note each
    decode, also of a frame that nobody was shown. Left out are ``to_file``, where frames are decoded twice and a video
    is written, ``cold``, where emptying the caches may take more energy than the decode, and scenarios not known here.
    """
    told = result.telemetry
    if told is None or result.case.scenario not in COUNTED:
        return None
    decodes = len(told.warm_up_s) + len(result.samples_s) * told.calls_per_sample
    return decodes * result.case.batch


def _who(watched: Sequence[Watched]) -> str:
    """Who watched, how often, and what it cost."""
    periods_s = sorted(each.seen.period_s for each in watched if each.seen.period_s is not None)
    readings = sorted(each.seen.samples for each in watched)
    costs = [each.seen.own_cpu_share for each in watched if each.seen.own_cpu_share is not None]
    return (
        "While a case was timed, warm-up included, a process of its own looked at the machine every "
        f"{_range([prefixed(period_s, 's') for period_s in periods_s])}, {_range([str(count) for count in readings])} "
        f"times a case. That took {percent(max(costs, default=None), 2)} of one processor in the worst case and "
        f"{percent(median(costs), 2)} in the median one."
    )


def _range(texts: Sequence[str]) -> str:
    """The first to the last of texts in order, or the one that all of them are."""
    return " to ".join(dict.fromkeys((texts[0], texts[-1]))) if texts else UNKNOWN


def _table(words: str, columns: Sequence[Column], watched: Sequence[Watched]) -> str:
    """Words and a line for each case, with the columns in which some case has a value."""
    shown = [column for column in columns if any(column.cell(each) != UNKNOWN for each in watched)]
    lines = ([escape(each.label), *(column.cell(each) for column in shown)] for each in watched)
    all_words = " ".join([words, *(column.words for column in shown if column.words)])
    return tables.section(all_words, ["case", *(column.head for column in shown)], lines)


def _missing(watched: Sequence[Watched]) -> str:
    """What could not be read, gathered by reason.

    A reason may hold the number of a process or of a counter, which is another in each case: it stands once all the
    same, as the first case has it.
    """
    gathered: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for each in watched:
        for name, reason in each.seen.missing.items():
            names, reasons = gathered.setdefault(NUMBER.sub("", reason), ({}, {}))
            names[name] = reasons[reason] = None
    if not gathered:
        return ""
    lines = (
        f"{listed(list(names))}: {escape(one_line(next(iter(reasons))))}"
        + (" (in other cases with other numbers)" if len(reasons) > 1 else "")
        for names, reasons in gathered.values()
    )
    return (
        f"Not read, or not at every reading (the beginnings of the names in the record, and why):\n\n{bullets(lines)}"
    )


def _pair(*cells: str) -> str:
    """Cells in one, a single dash where nothing in it is known."""
    return UNKNOWN if set(cells) == {UNKNOWN} else " / ".join(cells)


def _a_second(seen: Meanwhile, *counts: int | None) -> str:
    """Counts as rates over the time that was watched."""
    rates = (None if count is None or not seen.wall_s else count / seen.wall_s for count in counts)
    return _pair(*(UNKNOWN if rate is None else significant(rate) for rate in rates))


def _sizes(unit_bytes: int, *sizes: int | None) -> str:
    return _pair(*(UNKNOWN if size is None else significant(size / unit_bytes) for size in sizes))


def _clock(mean_hz: float | None, p10_hz: float | None, p90_hz: float | None) -> str:
    """The mean, or from p10 to p90 where these are apart."""
    if p10_hz is None or p90_hz is None or p90_hz <= p10_hz * (1 + MOVED_SHARE):
        return prefixed(mean_hz, "Hz")
    return f"{prefixed(p10_hz, 'Hz')} to {prefixed(p90_hz, 'Hz')}"


def _a_frame(energy_j: float | None, frames: int | None) -> str:
    return prefixed(energy_j / frames if energy_j is not None and frames else None, "J")


def _reasons(throttle: dict[str, float] | None) -> str:
    """What held the clocks down, the most frequent first."""
    if not throttle:
        return UNKNOWN if throttle is None else "nothing"
    ordered = sorted(throttle.items(), key=lambda held: (-held[1], held[0]))
    return listed([f"{reason} {percent(share)}" for reason, share in ordered])


CLOCK_WORDS = "Clock: the mean, or from p10 to p90 of the readings where these are over 1 % apart."
ENERGY_WORDS = """\
Energy a frame: what {} took in all that time, idle power and pauses included, by all frames decoded in it; not given \
where more was done than decoding (caches emptied, a file written)."""

MACHINE = (
    Column(
        "load of others",
        lambda each: percent(each.seen.others_cpu_share, 1),
        "Load of others: of other processes, as a share of the processors that the case may use.",
    ),
    Column(
        "steal",
        lambda each: percent(each.seen.steal_share, 1),
        "Steal: the share that the hypervisor gave to other machines.",
    ),
    Column(
        "clock",
        lambda each: _clock(each.seen.clock_hz, each.seen.clock_p10_hz, each.seen.clock_p90_hz),
        CLOCK_WORDS,
    ),
    Column("hottest, °C", lambda each: fixed(each.seen.cpu_temperature_max_celsius, 0)),
    Column(
        "energy a frame",
        lambda each: _a_frame(each.seen.cpu_energy_j, each.frames),
        ENERGY_WORDS.format("the processor packages"),
    ),
    Column(
        "page faults minor / major, a second",
        lambda each: _a_second(each.seen, each.seen.minor_faults, each.seen.major_faults),
        "Page faults (major: from the disk) and context switches are of the process that decodes.",
    ),
    Column(
        "switches voluntary / involuntary, a second",
        lambda each: _a_second(each.seen, each.seen.voluntary_switches, each.seen.involuntary_switches),
    ),
    Column(
        "swapped in / out, MiB",
        lambda each: _sizes(MIB, each.seen.swap_in_bytes, each.seen.swap_out_bytes),
        "Swap and the least memory left are of the machine.",
    ),
    Column("least memory left, GiB", lambda each: _sizes(GIB, each.seen.memory_available_min_bytes)),
)
GPU = (
    Column(
        "busy / its memory",
        lambda each: _pair(percent(each.seen.gpu_busy_share), percent(each.seen.gpu_memory_busy_share)),
        "Busy: the share of the time in which a kernel ran; its memory: in which that was read or written.",
    ),
    Column(
        "SM clock",
        lambda each: _clock(each.seen.gpu_sm_clock_hz, each.seen.gpu_sm_clock_p10_hz, each.seen.gpu_sm_clock_p90_hz),
        CLOCK_WORDS,
    ),
    Column("memory clock", lambda each: prefixed(each.seen.gpu_memory_clock_hz, "Hz")),
    Column(
        "held down by",
        lambda each: _reasons(each.seen.gpu_throttle),
        "Held down by: the share of the readings at which each reason kept the clocks below their highest.",
    ),
    Column(
        "power mean / most",
        lambda each: _pair(prefixed(each.seen.gpu_power_w, "W"), prefixed(each.seen.gpu_power_max_w, "W")),
    ),
    Column(
        "energy a frame",
        lambda each: _a_frame(each.seen.gpu_energy_j, each.frames),
        ENERGY_WORDS.format("the GPU"),
    ),
    Column("hottest, °C", lambda each: fixed(each.seen.gpu_temperature_max_celsius, 0)),
    Column(
        "memory used / by the case, GiB",
        lambda each: _sizes(GIB, each.seen.gpu_memory_used_max_bytes, each.seen.gpu_process_memory_max_bytes),
    ),
    Column(
        "PCIe rx / tx",
        lambda each: _pair(
            prefixed(each.seen.gpu_pcie_rx_bytes_per_s, "B/s"), prefixed(each.seen.gpu_pcie_tx_bytes_per_s, "B/s")
        ),
    ),
    Column("other processes", lambda each: fixed(each.seen.gpu_other_processes, 0)),
)
