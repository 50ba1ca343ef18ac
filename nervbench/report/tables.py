"""The tables of a page, as Markdown. Everything that is read from a file is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nervbench.records import PRECISIONS, Ceilings, DeviceCard, Environment, Fidelity, Quality, Result
from nervbench.report.markdown import bullets, escape, table
from nervbench.report.rows import Group, Row
from nervbench.units import UNKNOWN, fixed, percent, prefixed, rate_unit, significant

IDENTICAL = "identical"
CASE_HEAD = ("#", "case", "status", "FPS (interval)", "× eager fp32", "p50 / p90 / p99, ms", "noise", "of roof")
QUALITY_HEAD = ("PSNR mean / worst, dB", "MS-SSIM")
ENDED_HEAD = ("fidelity, dB", "ended by, or reason")


def cases(group: Group) -> str:
    """All cases of a model, those without a number with status and reason; quality columns where one was scored."""
    scored = any(row.result.quality for row in group.timed)
    head = [*CASE_HEAD, *(QUALITY_HEAD if scored else ()), *ENDED_HEAD]
    lines = (_timed(row, scored) if row.timed else _untimed(row, len(head)) for row in group.rows)
    return table(head, lines, right=range(3, len(head) - 1))


def section(words: str, head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Words and a table of what they are about, numbers to the right; empty where there is no line."""
    listed = list(lines)
    return f"{words}\n\n{table(head, listed, right=range(1, len(head)))}" if listed else ""


def without_number(row: Row, columns: int) -> list[str]:
    """The cells of a case in such a table that has no number: status first, reason last."""
    return [escape(row.label), row.result.status.value, *[UNKNOWN] * (columns - 3), escape(row.reason)]


def speed(fps: float | None) -> str:
    """Frames per second to three digits."""
    return UNKNOWN if fps is None else significant(fps)


def times(ratio: float | None) -> str:
    """A ratio of two speeds to three digits."""
    return UNKNOWN if ratio is None else significant(ratio)


def fidelity(found: Fidelity | None) -> str:
    """The worst frame against fp32 eager in dB, or ``identical``."""
    if found is None:
        return UNKNOWN
    return IDENTICAL if found.worst_psnr_db is None else fixed(found.worst_psnr_db, 1)


def least_times(group: Group) -> str:
    """By precision: the ceiling of the device, the least time that the arithmetic takes, the best that was measured."""
    cards = {row.result.device.name: row.result.device for row in group.rows if row.result.device}
    head = ("precision", "ceiling", "least time by arithmetic", "best measured", "attained", "case")
    lines = [line for card in cards.values() for line in _least_lines(group, card, len(cards) > 1)]
    return table(head, lines, right=range(1, 5)) if lines else ""


def device(card: DeviceCard) -> str:
    """The device card as a list."""
    caches = ", ".join(f"{escape(name)} {_binary(size)}" for name, size in card.cache_bytes.items())
    facts = {
        "Kind": escape(card.kind),
        "Cores, threads": f"{_count(card.cores)}, {_count(card.threads)}",
        "Memory": _binary(card.memory_bytes),
        "Caches": caches,
        "Clock": prefixed(card.clock_hz, "Hz"),
        "Instruction sets": ", ".join(escape(name) for name in card.features),
    }
    return bullets(f"{name}: {fact}" for name, fact in facts.items() if fact and fact != UNKNOWN)


def ceilings(card: DeviceCard) -> str:
    """The measured limits of a device, in a sentence and a table; says so where there are none."""
    found = card.ceilings
    if found is None:
        return "No ceiling was measured on this device, so no attained share is known."
    rates = [(escape(name), prefixed(found.flop_per_s[name], rate_unit(name))) for name in ordered(found.flop_per_s)]
    rates += other_ceilings(found).items()
    probed = f"probed for {significant(found.probe_s)} s before the cases"
    words = f"Ceilings, {probed} (by precision the best matrix product seen):"
    return f"{words}\n\n{table(('ceiling', 'rate'), rates, right=[1])}"


def other_ceilings(found: Ceilings) -> dict[str, str]:
    """Those beside the products, as words; the copy always, the others where they were measured."""
    measured = {
        "copy within the L2 cache, read and written": prefixed(found.cache_bytes_per_s, "B/s"),
        "launch of an operation": prefixed(found.launch_s, "s"),
        "convolution in fp32, counted as direct": prefixed(found.convolution_flop_per_s, "FLOP/s"),
        "copy to the device": prefixed(found.to_device_bytes_per_s, "B/s"),
        "copy to the host": prefixed(found.to_host_bytes_per_s, "B/s"),
    }
    copy = {"copy, read and written": prefixed(found.copy_bytes_per_s, "B/s")}
    return copy | {name: amount for name, amount in measured.items() if amount != UNKNOWN}


def environment(found: Sequence[Environment]) -> str:
    """The stacks that the cases ran on as one list; what differs between cases is shown with each of its values."""
    versions = _merged(stack.versions for stack in found)
    settings = _merged(stack.settings for stack in found)
    facts = {
        "Python": _either(stack.python for stack in found),
        "System": _either(stack.system for stack in found),
        "Packages": ", ".join(f"{escape(name)} {value}" for name, value in versions.items()),
        "Settings": ", ".join(f"{escape(name)} = {value}" for name, value in settings.items()),
    }
    return bullets(f"{name}: {fact}" for name, fact in facts.items() if fact)


def ordered(precisions: Iterable[str]) -> list[str]:
    """Precisions from the widest to the narrowest, unknown ones last."""
    places = {name: place for place, name in enumerate(PRECISIONS)}
    return sorted(precisions, key=lambda name: (places.get(name, len(places)), name))


def _timed(row: Row, scored: bool) -> list[str]:
    """The cells of a case with numbers."""
    result = row.result
    latency = " / ".join(UNKNOWN if value is None else significant(1000 * value, 4) for value in row.latency_s)
    return [
        str(row.rank),
        escape(row.label),
        result.status.value,
        speed(row.fps) + (f" ({' to '.join(map(speed, row.fps_between))})" if row.fps_between else ""),
        times(row.speedup),
        latency,
        percent(row.noise, 1),
        UNKNOWN if row.share is None else f"{percent(row.share)}, {row.roof.binding}",
        *(_quality(result.quality) if scored else ()),
        fidelity(result.fidelity),
        _ended(result),
    ]


def _untimed(row: Row, columns: int) -> list[str]:
    """The cells of a case without numbers: status and reason, dashes between."""
    blanks = [UNKNOWN] * (columns - 4)
    return [UNKNOWN, escape(row.label), row.result.status.value, *blanks, escape(row.reason)]


def _quality(found: Quality | None) -> tuple[str, str]:
    """PSNR (mean / worst) and MS-SSIM."""
    if found is None:
        return UNKNOWN, UNKNOWN
    return f"{found.psnr_db:.2f} / {found.psnr_worst_db:.2f}", fixed(found.ms_ssim, 4)


def _ended(result: Result) -> str:
    """What stopped the samples, how many there are, and the algorithm where it is not direct convolution."""
    stopped = result.telemetry.stopped_by if result.telemetry else None
    count = len(result.samples_s)
    samples = f"{count} sample{'s' if count != 1 else ''}"
    parts = [escape(stopped), samples] if stopped else [samples]
    if result.telemetry and result.telemetry.algorithm:
        parts.append(
            f"{escape(result.telemetry.algorithm)}: {prefixed(result.telemetry.flop_per_frame, 'FLOP')} a frame"
        )
    return ", ".join(parts)


def _least_lines(group: Group, card: DeviceCard, several: bool) -> Iterable[list[str]]:
    """The lines of one device; none where its ceilings or the cost of the model are unknown."""
    costs = [row.result.cost for row in group.rows if row.result.cost]
    if not costs or not card.ceilings:
        return
    rates = {name: rate for name, rate in card.ceilings.flop_per_s.items() if rate > 0}
    for precision in ordered(rates):
        here = (row for row in group.timed if row.result.device and row.result.device.name == card.name)
        direct = (row for row in here if not (row.result.telemetry and row.result.telemetry.flop_per_frame))
        best = next((row for row in direct if row.result.case.precision == precision), None)
        least_s = costs[0].flop_per_frame / rates[precision]
        yield [
            escape(f"{card.name}: {precision}" if several else precision),
            prefixed(rates[precision], rate_unit(precision)),
            prefixed(least_s, "s"),
            prefixed(1 / best.fps, "s") if best and best.fps else "not measured",
            percent(least_s * best.fps if best and best.fps else None),
            escape(best.label) if best else UNKNOWN,
        ]


def _binary(size_bytes: int | None) -> str:
    """A size of memory with its binary prefix."""
    if size_bytes is None:
        return UNKNOWN
    size, names = float(size_bytes), ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(names) > 1:
        size, names = size / 1024, names[1:]
    return f"{significant(size)} {names[0]}"


def _count(number: int | None) -> str:
    """A number of things, or a dash."""
    return UNKNOWN if number is None else str(number)


def _merged(maps: Iterable[dict[str, str]]) -> dict[str, str]:
    """Every key with all its values, escaped, keys in order."""
    values: dict[str, list[str]] = {}
    for mapping in maps:
        for key, value in mapping.items():
            values.setdefault(key, []).append(value)
    return {key: _either(values[key]) for key in sorted(values)}


def _either(values: Iterable[str]) -> str:
    """The distinct values in a row, escaped."""
    return " or ".join(escape(value) for value in dict.fromkeys(values))
