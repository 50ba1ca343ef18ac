"""From weights to a video file: what each stage takes, and what it saves that they overlap."""

from __future__ import annotations

from collections.abc import Sequence

from nervbench.records import TO_FILE
from nervbench.report import tables
from nervbench.report.markdown import escape
from nervbench.report.rows import Group, Row
from nervbench.report.tables import speed, times
from nervbench.stats import median
from nervbench.units import prefixed

PARTS = ("embed", "network", "to uint8")
HEAD = (
    "case", "unpack", "load", *PARTS, "decode", "to the host", "write",
    "FPS in turn", "FPS overlapped", "gained", "frames",
)  # fmt: skip
WORDS = """\
From weights to an H.264 file. Unpack: from the checkpoint's file to tensors, once, decoded and dequantised where it is
coded. Load: from the file of the exported model to a session that is ready, once. Then medians a frame:
decode, of it the embedding, the network and the conversion to bytes where a runtime computes them one by one (most do
it as one), and to the host. Write: the mean a frame until the file was whole, since an encoder puts off most of its
work. In turn: one stage after the other, all of them counted. Overlapped: the same frames with the writer in a thread
of its own. On a CPU the writer takes its processors from the decoder."""


def section(groups: Sequence[Group]) -> str:
    """Words, then a line for each case; empty where there is none."""
    lines = [_line(row) for group in groups for row in group.apart if row.result.case.scenario == TO_FILE]
    return tables.section(WORDS, HEAD, lines)


def _line(row: Row) -> list[str]:
    """The cells of a case; one without a number says why."""
    seen = row.result.telemetry
    found = seen.stages if seen and row.timed else None
    if not seen or not found:
        return tables.without_number(row, len(HEAD))
    batch, calls = row.result.case.batch, len(found.decode_s)
    in_turn = (found.decode_s, found.fetch_s, found.write_s)
    columns = (*(found.parts_s.get(name, ()) for name in PARTS), found.decode_s, found.fetch_s)
    middles = [prefixed(middle / batch if (middle := median(each)) else middle, "s") for each in columns]
    middles.append(prefixed(sum(found.write_s) / (batch * calls) if calls else None, "s"))
    in_turn_s = sum(map(sum, in_turn))
    fps = [batch * calls / wall_s if wall_s > 0 else None for wall_s in (in_turn_s, found.overlapped_wall_s)]
    gained = in_turn_s / found.overlapped_wall_s if found.overlapped_wall_s > 0 else None
    once = (prefixed(found.unpack_s, "s"), prefixed(seen.load_s, "s"))
    return [escape(row.label), *once, *middles, *map(speed, fps), times(gained), str(batch * calls)]
