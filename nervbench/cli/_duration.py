"""Times on the command line: 480, 480s, 8m, 2h."""

from __future__ import annotations

import re

import click

SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A time over 0 as seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds of a text such as ``8m``; numbers are seconds already."""
        found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smh]?)", str(value))
        seconds = float(found[1]) * SECONDS[found[2]] if found else 0.0
        if not seconds:
            self.fail(f"{value!r} is no time; possible: seconds, or minutes or hours such as 8m, 1.5h", param, ctx)
        return seconds


DURATION = Duration()
