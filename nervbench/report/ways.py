"""Cold caches, and frames brought to the host: what either changes, beside the single stream of the same case."""

from __future__ import annotations

from collections.abc import Sequence

from nervbench.records import COLD, TO_HOST
from nervbench.report.markdown import escape
from nervbench.report.rows import Group, Row, usual_of
from nervbench.report.tables import section, speed, times, without_number

HEAD = ("case", "caches", "frames on the", "FPS", "as a rule", "× the time", "samples")
WORDS = """\
As a rule a decode finds in the caches what the one before it left there, and the clock stops when the frames are ready
on the device. Here one of the two is otherwise: the caches are emptied before each decode, as for a frame that is
wanted now and then; or the clock stops when the frames are on the host. Beside it stands the same case as a rule."""


def beside(groups: Sequence[Group]) -> str:
    """The section: words, then a line for each case; empty where there is none."""
    lines = [
        _line(row, usual_of(row, group))
        for group in groups
        for row in group.apart
        if row.result.case.scenario in (COLD, TO_HOST)
    ]
    return section(WORDS, HEAD, lines)


def _line(row: Row, usual: Row | None) -> list[str]:
    seen = row.result.telemetry
    if not row.fps or not seen:
        return without_number(row, len(HEAD))
    rule = usual.fps if usual else None
    ratio = times(rule / row.fps if rule else None)
    places = escape(seen.caches), escape(seen.frames_on)
    return [escape(row.label), *places, speed(row.fps), speed(rule), ratio, str(len(row.result.samples_s))]
