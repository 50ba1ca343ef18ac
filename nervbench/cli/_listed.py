"""What the listing verbs share: rows as a table or as JSON, and who offers an entry point."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import metadata

import click

WIDE = 160
"""Columns where the output is a file or a pipe."""
Listed = dict[str, str | int | float | list[str] | None]
"""One thing that there is, by the headings of its table."""


def offered(group: str) -> list[Listed]:
    """What installed packages offer: name, package with version, and where it is; imports none of it."""
    found: list[Listed] = []
    for entry in sorted(metadata.entry_points(group=group), key=lambda each: (each.name, each.value)):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"
        found.append({"name": entry.name, "package": package, "where": entry.value})
    return found


def show(rows: Sequence[Listed], as_json: bool, right: Sequence[str] = ()) -> None:
    """All of them: a list of objects, or a table with the columns of ``right`` set to the right."""
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from nervbench.units import UNKNOWN

    table = Table(box=None, pad_edge=False)
    headings = list(rows[0]) if rows else []
    for heading in headings:
        last = heading == headings[-1]
        table.add_column(heading, justify="right" if heading in right else "left", overflow="fold", no_wrap=not last)
    for row in rows:
        cells = (", ".join(cell) if isinstance(cell, list) else cell for cell in row.values())
        table.add_row(*(Text(UNKNOWN if cell is None else str(cell)) for cell in cells))
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)
