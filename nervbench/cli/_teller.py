"""What ``nervbench run`` shows while it runs, on stderr: a table on a terminal, a line each elsewhere.

Nothing is drawn but when a case begins or has ended: a bar that moves by itself would do so on a core that is timed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from rich.table import Table

    from nervbench.records import Result
    from nervbench.sweep.local import Event

SHOWN = 12
"""Cases in the table, the last to end."""


class Teller:
    """Says what begins and how each case ended, with the time left; a context manager."""

    def __init__(self, left: int, total: int) -> None:
        from rich.console import Console
        from rich.live import Live

        self._already = total - left
        self._began = time.monotonic()
        self._ended: list[tuple[str, Result]] = []
        self._left_s: float | None = None
        console = Console(stderr=True)
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state on the screen."""
        if self._live:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Tell an event."""
        if event.done == self._already and event.result is None:
            self._began = time.monotonic()  # the time left is told from the cases, not from the preparation
        if event.result:
            self._ended.append((event.text, event.result))
            self._left_s = (time.monotonic() - self._began) / (event.done - self._already) * (event.total - event.done)
        if self._live:
            self._live.update(self._table(event), refresh=True)
            return
        told = f"{_ending(event.result)}{self._left()}" if event.result else "…"
        click.echo(f"[{event.done}/{event.total}] {event.text} {told}", err=True)

    def _left(self) -> str:
        return f" ({self._left_s:.0f} s left)" if self._left_s else ""

    def _table(self, event: Event) -> Table:
        """The last cases that ended, and what has begun."""
        from rich.table import Table
        from rich.text import Text

        from nervbench.records import FAILED
        from nervbench.report.markdown import plain

        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(overflow="fold")
        table.add_column(overflow="ellipsis", no_wrap=True)
        if len(self._ended) > SHOWN:
            table.add_row(Text(f"{len(self._ended) - SHOWN} before", style="dim"), Text())
        for name, result in self._ended[-SHOWN:]:
            style = "red" if result.status in FAILED else "" if result.samples_s else "yellow"
            table.add_row(Text(plain(name)), Text(plain(_ending(result)), style=style))
        doing = "" if event.result else f"{plain(event.text)} …"
        table.add_row(Text(doing, style="bold"), Text(f"{event.done} of {event.total}{self._left()}", style="bold"))
        return table


def _ending(result: Result) -> str:
    """How a case ended: its FPS, or why it has none."""
    from nervbench.report.rows import decoding_fps, one_line
    from nervbench.units import significant

    fps = decoding_fps(result)
    return f"{result.status.value} " + (f"{significant(fps)} FPS" if fps else one_line(result.reason or ""))
