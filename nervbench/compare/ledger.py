"""May two results be compared? What differs between them, by name, and whether that forbids it.

A ratio of two times means something only where all but the thing compared is alike. So whatever else is known to
change a time refuses the comparison when it differs: the machine and its clocks, the stack, settings, the protocol,
the model. What merely might (the kernel's version, the file of the export) is listed and does not refuse. Between the
two: a neighbour during the samples or during the probe of one side makes the same code look slower. Such doubts refuse
nothing, but where the side that is slower had more of it, it is not called slower. And where a scenario ends worse
(late frames, a lower rate held), its decodes alone do not say that it is the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from nervbench.records import DISTURBED, Doubt, Playback, Result, Status
from nervbench.units import UNKNOWN, percent, prefixed

FAR_APART = 0.1
"""Clocks that differ by more than this share are those of two machines, or of one throttled; ceilings may also be those
of one machine that was busy while it was probed."""
MORE = 1.5
"""Of a doubt that both sides have, one has more from this multiple on."""
LATE_MORE, HELD_LESS = 0.05, 0.8
"""A player is worse from so many more of its frames late or dropped on; a server below this share of the rate held."""
FEWEST = 4
LONGEST_S = 1e9
PROCESS = "process"
"""The setting that says how a worker began: worth knowing, and no reason to refuse."""
NO_NUMBER = ("case", "status", "samples")
"""Differences that no agreement lifts: a side has nothing to compare."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not alike, with the value on either side.

    ``blocking`` says that it forbids the comparison, ``hinders`` which sides (``"a"``, ``"b"``, ``"ab"``) may have been
    slower by it alone, ``worse`` that by it nothing is called faster or the same.
    """

    what: str
    a: str
    b: str
    blocking: bool
    hinders: str = ""
    worse: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.a} against {self.b}"


Ledger = tuple[Difference, ...]


def ledger(a: Result, b: Result, free: Collection[str] = ()) -> Ledger:
    """What differs between two results, blocking differences first.

    ``free`` are the names of what is being compared (``runtime``, ``precision``, ``batch``, ``torch`` …): these are
    listed, but do not block. A result without samples always does.
    """
    found = (*_alike(_what_ran(a), _what_ran(b)), *_machines(a, b), *_stacks(a, b), *_remarks(a, b), *_outcomes(a, b))
    ruled = (Difference(each.what, each.a, each.b, False) if _name(each) in free else each for each in found)
    return tuple(sorted((*_endings(a, b), *ruled), key=lambda each: not each.blocking))


def _name(difference: Difference) -> str:
    """What a user calls it: a package by its own name."""
    return difference.what.removeprefix("package ")


def refused(found: Ledger) -> bool:
    """Whether the ledger forbids the comparison."""
    return any(each.blocking for each in found)


def _endings(a: Result, b: Result) -> Iterator[Difference]:
    """Results without usable samples."""
    if a.status is not Status.OK or b.status is not Status.OK:
        yield Difference("status", _ending(a), _ending(b), blocking=True)
    elif not (_usable(a) and _usable(b)):
        yield Difference("samples", _samples(a), _samples(b), blocking=True)


def _what_ran(result: Result) -> dict[str, object]:
    """What was decoded and how it was timed."""
    case, telemetry = result.case, result.telemetry
    return {
        "model": case.model,
        "weights": case.weights,
        "precision": case.precision,
        "runtime": case.runtime,
        "batch": case.batch,
        "scenario": case.scenario,
        "protocol": case.protocol,
        "architecture": result.artifact.spec if result.artifact else None,
        "clip": result.quality.clip_sha256[:12] if result.quality else None,
        "calls per sample": telemetry.calls_per_sample if telemetry else None,
        "frames on": telemetry.frames_on if telemetry else None,
        "caches": telemetry.caches if telemetry else None,
    }


def _machines(a: Result, b: Result) -> Iterator[Difference]:
    """Devices that are not the same, and those whose clock or ceilings are far apart."""
    if a.device is None or b.device is None:
        if a.device is not b.device:
            yield Difference(
                "device", _text(a.device and a.device.name), _text(b.device and b.device.name), blocking=True
            )
        return
    one, other = a.device, b.device
    for what in ("kind", "name", "cores", "threads"):
        yield from _alike({f"device {what}": getattr(one, what)}, {f"device {what}": getattr(other, what)})
    yield from _alike(
        {"instruction sets": ", ".join(sorted(one.features))}, {"instruction sets": ", ".join(sorted(other.features))}
    )
    yield from _near("clock", one.clock_hz, other.clock_hz, "Hz")
    if one.ceilings and other.ceilings:
        copies = one.ceilings.copy_bytes_per_s, other.ceilings.copy_bytes_per_s
        yield from _near("ceiling copy", *copies, "B/s", probed=True)
        for kind in sorted(one.ceilings.flop_per_s.keys() & other.ceilings.flop_per_s.keys()):
            rates = one.ceilings.flop_per_s[kind], other.ceilings.flop_per_s[kind]
            yield from _near(f"ceiling {kind}", *rates, "FLOP/s", probed=True)


def _stacks(a: Result, b: Result) -> Iterator[Difference]:
    """Packages and settings. Of two runtimes only the packages that both use can differ."""
    if a.environment is None or b.environment is None:
        if a.environment is not b.environment:
            one_text, other_text = (_text(result.environment and "known") for result in (a, b))
            yield Difference("environment", one_text, other_text, blocking=True)
        return
    one, other = a.environment, b.environment
    names = one.versions.keys() | other.versions.keys()
    if a.case.runtime != b.case.runtime:
        names = one.versions.keys() & other.versions.keys()
    for name in sorted(names):
        yield from _alike({f"package {name}": one.versions.get(name)}, {f"package {name}": other.versions.get(name)})
    for name in sorted(one.settings.keys() | other.settings.keys()):
        here, there = ({f"setting {name}": each.settings.get(name)} for each in (one, other))
        yield from _alike(here, there, blocking=name != PROCESS)
    yield from _alike({"python": one.python}, {"python": other.python}, blocking=False)
    yield from _alike({"system": one.system}, {"system": other.system}, blocking=False)


def _remarks(a: Result, b: Result) -> Iterator[Difference]:
    """What is worth knowing and forbids nothing."""
    same_case = a.case == b.case
    if same_case and a.artifact and b.artifact and a.artifact.sha256 != b.artifact.sha256:
        yield Difference("artifact", a.artifact.sha256[:12], b.artifact.sha256[:12], blocking=False)
    algorithms = [result.telemetry.algorithm if result.telemetry else None for result in (a, b)]
    yield from _alike({"algorithm": algorithms[0]}, {"algorithm": algorithms[1]}, blocking=False)
    if a.doubts or b.doubts:
        doubts_a, doubts_b = (", ".join(doubt.code for doubt in result.doubts) or "none" for result in (a, b))
        hindered = ("a" if _more_disturbed(a, b) else "") + ("b" if _more_disturbed(b, a) else "")
        yield Difference("doubts", doubts_a, doubts_b, blocking=False, hinders=hindered)


def _more_disturbed(one: Result, other: Result) -> bool:
    """Whether a doubt about the machine is on one side alone, or ``MORE`` times as bad there."""
    here, there = (
        {doubt.code: _severity(doubt) for doubt in each.doubts if doubt.code in DISTURBED} for each in (one, other)
    )
    return any(code not in there or severity > MORE * there[code] for code, severity in here.items())


def _severity(doubt: Doubt) -> float:
    """How bad a doubt is: its share, or else its largest value."""
    return doubt.values.get("share", max(doubt.values.values(), default=0.0))


def _outcomes(a: Result, b: Result) -> Iterator[Difference]:
    """Where a scenario asks for more than decodes, what became of it where that is worse in B."""
    one, other = a.telemetry, b.telemetry
    if not one or not other:
        return
    if one.playback and other.playback:
        before, after = _late(one.playback), _late(other.playback)
        if after > before + LATE_MORE:
            yield Difference("late or dropped frames", percent(before), percent(after), blocking=False, worse=True)
    if one.served and other.served:
        before, after = one.served.held_per_s or 0.0, other.served.held_per_s or 0.0
        if after < HELD_LESS * before:
            yield Difference("requests held", f"{before:.3g} a second", f"{after:.3g} a second", False, worse=True)


def _late(played: Playback) -> float:
    """The share of a player's frames that were late or dropped."""
    return (played.misses + played.dropped) / max(1, len(played.ticks) + played.dropped)


def _alike(a: Mapping[str, object], b: Mapping[str, object], *, blocking: bool = True) -> Iterator[Difference]:
    """The entries of two mappings with the same keys that differ."""
    for what, value in a.items():
        if value != b[what]:
            yield Difference(what, _text(value), _text(b[what]), blocking)


def _near(what: str, a: float | None, b: float | None, unit: str, *, probed: bool = False) -> Iterator[Difference]:
    """Two rates that are further apart than ``FAR_APART``; one that was not measured forbids nothing."""
    if a is not None and b is not None and max(a, b) > (1 + FAR_APART) * min(a, b):
        hindered = ("a" if a < b else "b") if probed else ""
        yield Difference(what, prefixed(a, unit), prefixed(b, unit), blocking=not probed, hinders=hindered)


def _ending(result: Result) -> str:
    """A status with its reason, on one line."""
    return result.status.value + (f" ({' '.join(result.reason.split())})" if result.reason else "")


def _usable(result: Result) -> bool:
    """Whether there are samples to compute with."""
    return len(result.samples_s) >= FEWEST and all(0 < sample < LONGEST_S for sample in result.samples_s)


def _samples(result: Result) -> str:
    """How many samples there are, and what is wrong with them."""
    count = len(result.samples_s)
    fault = "" if _usable(result) else f" ({FEWEST} are needed)" if count < FEWEST else " (some are no times)"
    return f"{count}{fault}"


def _text(value: object) -> str:
    """A value as text, a dash where it is unknown."""
    return UNKNOWN if value is None else str(value)
