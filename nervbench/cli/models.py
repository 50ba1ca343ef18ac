"""``nervbench models``: what can be decoded and what it takes."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A list of objects on stdout instead of a table.")
def command(as_json: bool) -> None:
    """List the models with their parameters and the arithmetic of a frame (2 FLOP a multiply-add).

    \b
    Example:  nervbench models --json
    """  # noqa: D301 (click wants the character)
    from nervbench.model.cost import cost_of
    from nervbench.model.zoo import MODELS, REMARKS

    rows: list[dict[str, int | str | None]] = [
        {
            "name": name,
            "family": spec.family,
            "params": cost.params,
            "flop_per_frame": cost.flop_per_frame,
            "width": spec.width,
            "height": spec.height,
            "remark": REMARKS.get(name),
        }
        for name, spec in MODELS.items()
        for cost in [cost_of(spec, "fp32")]
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _table(rows)


def _table(rows: list[dict[str, int | str | None]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from nervbench.units import prefixed

    table = Table("model", "family", box=None, pad_edge=False)
    for heading in ("parameters", "FLOP a frame", "frame"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            str(row["name"]),
            str(row["family"]),
            f"{row['params']:,}",
            prefixed(float(row["flop_per_frame"] or 0), "FLOP"),
            f"{row['width']}×{row['height']}",
        )
    console = Console()
    console.print(table)
    remarks: dict[str | int, list[str]] = {}
    for row in rows:
        if row["remark"]:
            remarks.setdefault(row["remark"], []).append(str(row["name"]))
    for remark, named in remarks.items():
        console.print(f"{', '.join(named)}: {remark}.", highlight=False)
