"""Progress on stderr: a live bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Advance = Callable[[int, str], None]


@contextmanager
def progress(label: str, total: int, lines: int = 20) -> Iterator[Advance]:
    """Yield ``advance(done, text)``; where stderr is no terminal, about ``lines`` lines are written in all."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[text]}"))  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=total, text="")
        every, began = max(1, total // lines), time.monotonic()

        def advance(done: int, text: str) -> None:
            bar.update(task, completed=done, text=text)
            if not console.is_terminal and (done % every == 0 or done == total):
                left = (time.monotonic() - began) / done * (total - done)
                console.print(f"{label} {done}/{total} {text}, {left:.0f} s left", markup=False, highlight=False)

        yield advance
