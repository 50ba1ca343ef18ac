"""The table that ``nervbench run`` ends with, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from nervbench.records import FAILED, Result
from nervbench.report.markdown import plain
from nervbench.report.rows import Row, groups_of, latest
from nervbench.report.tables import fidelity, speed, times
from nervbench.units import UNKNOWN, fixed, percent

REASON_LENGTH = 100


def table(results: Sequence[Result]) -> Table:
    """One line a case, model by model, fastest first; under a case without a number its reason instead of numbers."""
    shown = Table(title="Decoding", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("case", overflow="fold")
    shown.add_column("status", no_wrap=True)
    for head in ("FPS", "× eager", "roof", "PSNR", "fidelity"):
        shown.add_column(head, justify="right", no_wrap=True)
    reasons = []
    for group in groups_of(latest(results)):
        for row in (*group.rows, *group.apart):
            shown.add_row(Text(plain(row.label)), _status(row), *_numbers(row))
            if not row.timed:
                reasons.append(f"{plain(row.label)}: {_short(row.reason)}")
        shown.add_section()
    shown.caption = Text("\n".join(reasons)) if reasons else None
    shown.caption_justify = "left"
    return shown


def _numbers(row: Row) -> tuple[str, ...]:
    """The cells after the status."""
    if not row.timed:
        return (UNKNOWN,) * 5
    result = row.result
    quality = fixed(result.quality.psnr_db if result.quality else None, 2)
    return speed(row.fps), times(row.speedup), percent(row.share), quality, fidelity(result.fidelity)


def listed(results: Sequence[Result]) -> list[dict[str, object]]:
    """The numbers of the table, a mapping a case, in its order; None where there is no number."""
    found: list[dict[str, object]] = []
    for group in groups_of(latest(results)):
        for row in (*group.rows, *group.apart):
            result = row.result
            quality, close = result.quality, result.fidelity
            found.append({
                "case": result.case.name,
                "device": result.device.name if result.device else None,
                "place": result.place,
                "status": result.status.value,
                "reason": result.reason,
                "fps": row.fps,
                "fps_between": row.fps_between,
                "times_eager_fp32": row.speedup,
                "share_of_roof": row.share,
                "psnr_db": quality.psnr_db if quality else None,
                "fidelity_db": close.worst_psnr_db if close else None,
                "doubts": [doubt.code for doubt in result.doubts],
            })  # fmt: skip
    return found


def _status(row: Row) -> Text:
    """The status in its colour."""
    status = row.result.status
    return Text(status.value, style="green" if row.timed else "red" if status in FAILED else "yellow")


def _short(reason: str) -> str:
    """A reason that does not fill the screen."""
    text = plain(reason)
    return text if len(text) <= REASON_LENGTH else f"{text[: REASON_LENGTH - 1]}…"
