"""The table of a terminal has every case, and reasons instead of made-up numbers."""

from __future__ import annotations

import io

from rich.console import Console

from nervbench.records import Result, Status
from nervbench.report.terminal import table
from tests.report.factory import a_run, failed, made


def shown(results: list[Result], width: int = 200) -> str:
    """What a terminal without colours shows."""
    console = Console(file=io.StringIO(), width=width)
    console.print(table(results))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_case() -> None:
    """Each case is there with its status, and each reason under the table."""
    text = shown(a_run())
    for result in a_run():
        assert result.case.name in text
        assert (result.reason or "")[:60] in text
    assert "0.777" not in text


def test_numbers() -> None:
    """A line has FPS, factor over eager, share of the roof, PSNR and fidelity."""
    line = next(line for line in shown(a_run()).splitlines() if "nerv-xs/fp32/ov/b1 " in line)
    assert line.split()[2:] == ["16.7", "1.83", "72", "%", "33.12", "58.3"]


def test_markup_stays_text() -> None:
    """Square brackets of a name or reason are shown, not taken for colours, and no control letter gets through."""
    text = shown([made("[red]x[/red]"), failed(Status.CRASHED, "[/bold] \x1b[31mred")])
    assert "[red]x[/red]" in text
    assert "[/bold]" in text
    assert "\x1b" not in text


def test_narrow_terminal() -> None:
    """In 80 columns no status or number is cut."""
    text = shown(a_run(), width=80)
    assert "WRONG_OUTPUT" in text
    assert "identical" in text
