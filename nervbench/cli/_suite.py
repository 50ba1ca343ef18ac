"""``nervbench run suite:NAME``: an experiment of the source study, done and reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nervbench.cli._resumable import resumable
from nervbench.cli._said import say

if TYPE_CHECKING:
    from nervbench.sweep.suite import Step, SuiteOrder

SOME_FAILED = 4


def run_suite(order: SuiteOrder, folder: Callable[[], Path], cache: Path, as_json: bool = False) -> int:
    """Do a suite; tell each step on stderr and the conclusions on stdout, as words or JSON; the exit code.

    ``folder`` makes the folder of the run; it is called when all that was asked for is found to be possible.
    """
    from nervbench.report import pages, suite_page, suite_read
    from nervbench.sweep import suite

    ready = suite.ready(order)
    out = folder()
    words: list[object] = ["nervbench", "run", f"suite:{order.suite}", "--scale", order.scale, "--device", order.place]
    words += ["--out", out, "--resume", "--cache", cache, *(["--clip", order.clip] if order.clip else [])]
    words += [word for path in order.checkpoints for word in ("--checkpoint", path)]
    with resumable(words):
        for step in suite.run(ready, out, cache):
            if line := _line(step):
                click.echo(line, err=True)
    page = pages.write(out)
    read = suite_read.read(out)
    said = suite_page.answers(read)
    told = "\n".join([*said, f"report: {page} and {page.with_suffix('.html').name}"])
    say(as_json, {"suite": order.suite, "report": page, "answers": said, "failed": read.failed}, told)
    return SOME_FAILED if read.failed else 0


def _line(step: Step) -> str:
    """A step in a line; nothing of one that needs none."""
    from nervbench.cli._trainings import line_of
    from nervbench.cli.rate import line_of as line_of_point
    from nervbench.rates import RatePoint
    from nervbench.report.rows import decoding_fps, one_line
    from nervbench.sweep.local import Event
    from nervbench.units import significant

    if isinstance(step, str):
        return f"{step} …"
    if isinstance(step, RatePoint):
        return line_of_point(step)
    if not isinstance(step, Event):
        return line_of(step)
    if step.result is None:
        return ""
    fps = decoding_fps(step.result)
    told = f"{significant(fps)} FPS" if fps else one_line(step.result.reason or "")
    return f"{step.text}: {step.result.status.value} {told}"
