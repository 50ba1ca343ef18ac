"""The answer of a page in words: the fastest case, what it costs in quality, how near the limit, what did not run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from nervbench.records import Cost, Result
from nervbench.report.markdown import bullets, escape, listed
from nervbench.report.rows import Group, Row, fp32_eager
from nervbench.report.tables import IDENTICAL, fidelity, speed
from nervbench.units import percent, prefixed, significant

SCENARIOS = {"single_stream": "single stream", "offline": "offline"}
SEEDED = "random weights: fidelity only, no quality"


def summary(groups: Sequence[Group], results: Sequence[Result]) -> str:
    """The counts of how cases ended, then a paragraph for each model, then what has no number and why."""
    if not results:
        return "No case has ended yet, so there is nothing to say."
    counts = Counter(result.status.value for result in results)
    ended = ", ".join(
        f"{number} {status}" for status, number in sorted(counts.items(), key=lambda item: item[0] != "OK")
    )
    total = f"{len(results)} case{'s' if len(results) != 1 else ''} ended: {ended}."
    return "\n\n".join([total, bullets(_answer(group) for group in groups), *_without_number(groups)])


def heading(group: Group) -> str:
    """The model and where its weights come from, escaped; of a path only the file's name."""
    if group.weights == "bundled":
        origin = "the trained weights that are shipped"
    elif group.seeded:
        origin = f"random weights, seed {escape(group.weights.partition(':')[2])}"
    else:
        origin = f"checkpoint {escape(PurePath(group.weights).name)}"
    return f"{escape(group.model)} ({origin})"


def size(cost: Cost) -> str:
    """What one frame of the model is and takes."""
    parameters, flop = prefixed(cost.params, ""), prefixed(cost.flop_per_frame, "FLOP")
    return f"{cost.width}×{cost.height}, {parameters.rstrip()} parameters, {flop} a frame"


def cost_of(group: Group) -> Cost | None:
    """The cost of the model, from the first row that carries one."""
    return next((row.result.cost for row in group.rows if row.result.cost), None)


def _answer(group: Group) -> str:
    """The paragraph of one model."""
    cost = cost_of(group)
    about = [size(cost)] if cost else []
    about += [SEEDED] if group.seeded else []
    model = f"**{escape(group.model)}**" + (f" ({'; '.join(about)})" if about else "")
    if not group.timed:
        elsewhere = any(row.timed for row in group.apart)
        return f"{model}: " + ("its numbers stand in a section of their own." if elsewhere else "no case has a number.")
    return f"{model}: " + " ".join(part for part in (_fastest(group), _nearest(group), _compared(group)) if part)


def _fastest(group: Group) -> str:
    """The fastest case, its speed against fp32 eager, and its frames."""
    row = group.timed[0]
    case, seen = row.result.case, row.result.telemetry
    how = f"batch {case.batch}, {escape(SCENARIOS.get(case.scenario, case.scenario))}"
    how += f", frames on the {escape(seen.frames_on)}" if seen else ""
    return f"fastest is {escape(row.label)} at **{speed(row.fps)} FPS** ({how}), {_against(row)}. {_frames(row)}"


def _against(row: Row) -> str:
    """The speed against fp32 eager of the same batch and scenario."""
    if row.speedup is None or row.fps is None:
        return "with no fp32 eager case of this batch and scenario to compare with"
    if fp32_eager(row.result):
        return "which is fp32 eager itself"
    return f"{significant(row.speedup)} times fp32 eager ({speed(row.fps / row.speedup)} FPS)"


def _compared(group: Group) -> str:
    """Where the fastest case has no reference: the fastest one that has."""
    row = next((row for row in group.timed if row.speedup is not None), None)
    if row is None or row is group.timed[0]:
        return ""
    found = f"{escape(row.label)} at {speed(row.fps)} FPS, {_against(row)}"
    return f"The fastest case that has one to compare with is {found}."


def _frames(row: Row) -> str:
    """How good its frames are: quality where it was scored, and fidelity."""
    quality, found = row.result.quality, row.result.fidelity
    parts = []
    if quality:
        worst_frame = f"{quality.psnr_worst_db:.2f} dB in the worst frame of {quality.frames}"
        parts.append(f"PSNR {quality.psnr_db:.2f} dB on average and {worst_frame}")
    if found:
        worst = fidelity(found)
        same = "identical to those of fp32 eager where compared"
        parts.append(same if worst == IDENTICAL else f"fidelity {worst} dB to fp32 eager in the worst frame compared")
    return f"Its frames: {'; '.join(parts)}." if parts else "Its frames were not compared."


def _nearest(group: Group) -> str:
    """The case with the highest attained share."""
    known = [row for row in group.timed if row.share is not None]
    if not known:
        return "No ceiling is known for these cases."
    best = max(known, key=lambda row: row.share or 0.0)
    nearest = (
        "It is also nearest to its ceiling"
        if best is group.timed[0]
        else f"Nearest to its ceiling is {escape(best.label)}"
    )
    over = " (more than the whole: see Not explained)" if (best.share or 0.0) > 1 else ""
    return f"{nearest}: {percent(best.share)} of the {best.roof.binding} roof{over}."


def _without_number(groups: Sequence[Group]) -> list[str]:
    """The cases without a number, gathered by status and reason."""
    gathered: dict[tuple[str, str], list[str]] = {}
    for row in (row for group in groups for row in group.untimed):
        gathered.setdefault((row.result.status.value, row.reason), []).append(row.label)
    if not gathered:
        return []
    lines = [f"{status}: {listed(names)}: {escape(reason)}" for (status, reason), names in sorted(gathered.items())]
    return ["Without a number:", bullets(lines)]
