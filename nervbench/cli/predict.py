"""``nervbench predict``: the time on GPUs that nobody has here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nervbench.cards import Peaks


@click.command()
@click.argument("model", required=False)
@click.option("--on", required=True, metavar="KEY,KEY", help="Device cards, such as p100,rtx-2080-ti.")
@click.option("--from", "source", help="With MODEL a results file or run folder; with --kernels a device of the file.")
@click.option("--kernels", type=click.Path(path_type=Path), help="Rows of 3×3 convolutions as CSV, instead of MODEL.")
@click.option("--unseen", is_flag=True, help="As if the device had not been among those that were fitted.")
@click.option("--json", "as_json", is_flag=True, help="One object on stdout instead of a table.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Where the CSV goes instead of stdout.")
def command(
    model: str | None,
    on: str,
    source: str | None,
    kernels: Path | None,
    unseen: bool,
    as_json: bool,
    out: Path | None,
) -> None:
    """Predict the time of a frame of MODEL (fp32 eager, batch 1) or of convolutions on GPUs, with 80 % intervals.

    From device cards alone or, with --from, from what was measured on another GPU.

    \b
    Example:  nervbench predict nerv-s --on p100,rtx-2080-ti
              nervbench predict --kernels rows.csv --on p100 --from v100 -o predicted.csv
    """  # noqa: D301 (click wants the character)
    from nervbench.cards import card

    targets = [card(_named_in_rows(key) if kernels else key) for key in on.split(",")]
    if (model is None) == (kernels is None):
        msg = "give either MODEL or --kernels ROWS.csv"
        raise click.UsageError(msg)
    if unseen and source:
        msg = "--unseen is of predictions from the card alone; leave --from out"
        raise click.UsageError(msg)
    if kernels:
        if len(targets) > 1 or as_json:
            msg = "--kernels takes one device after --on and writes CSV"
            raise click.UsageError(msg)
        _rows(kernels, targets[0], source, unseen, out)
    elif model:
        if out:
            msg = "-o is for --kernels"
            raise click.UsageError(msg)
        _frames(model, targets, source, unseen, as_json)


def _rows(path: Path, target: Peaks, source: str | None, unseen: bool, out: Path | None) -> None:
    import numpy as np

    from nervbench.cards import card
    from nervbench.explain import kernel_csv, predictor
    from nervbench.explain.features import left_out
    from nervbench.files import write_atomically

    measured_on = card(_named_in_rows(source)) if source else None
    rows = kernel_csv.read(path, measured_on.key if measured_on else None)
    if measured_on and rows.times_s:
        times = predictor.beside(rows.kernels, np.array(rows.times_s), measured_on, target)
    else:
        times = predictor.alone(rows.kernels, target, unseen)
    for factor in left_out(target):
        click.echo(f"left out: {factor}", err=True)
    triples = list(zip(times.middle_s.tolist(), times.low_s.tolist(), times.high_s.tolist(), strict=True))
    text = kernel_csv.to_text(rows, triples)
    if out:
        write_atomically(out, text)
    else:
        click.echo(text, nl=False)


def _named_in_rows(key: str) -> str:
    """The card that a column of the rows stands for: ``a100_ms`` is of the A100 with 80 GB."""
    from nervbench.explain.kernel_csv import COLUMN_OF

    return {column: card for card, column in COLUMN_OF.items()}.get(key.strip().lower(), key)


def _frames(model: str, targets: list[Peaks], source: str | None, unseen: bool, as_json: bool) -> None:
    from nervbench.compare import files
    from nervbench.explain.features import left_out
    from nervbench.explain.measured import frame_time
    from nervbench.explain.predictor import frame
    from nervbench.model.kernels import kernels_of
    from nervbench.model.zoo import spec_of

    kernels = kernels_of(spec_of(model))
    scale = 1.0
    if source:
        there, time_s = frame_time(files.read(Path(source)), model)
        scale = time_s / frame(kernels, there)[0]
    rows = []
    for target in targets:
        middle, low, high = (scale * time for time in frame(kernels, target, unseen))
        rows.append(
            {
                "device": target.key,
                "name": target.name,
                "frame_s": middle,
                "low_s": low,
                "high_s": high,
                "left_out": left_out(target),
                "from": source and there.key,
            }
        )
    if as_json:
        click.echo(json.dumps({"model": model, "precision": "fp32", "batch": 1, "predicted": rows}, indent=2))
    else:
        _table(model, rows)


def _table(model: str, rows: list[dict[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from nervbench.units import prefixed, significant

    table = Table("device", box=None, pad_edge=False)
    for heading in ("a frame", "80 % interval", "decoding FPS"):
        table.add_column(heading, justify="right")
    for row in rows:
        middle, low, high = (float(str(row[name])) for name in ("frame_s", "low_s", "high_s"))
        table.add_row(
            str(row["name"]),
            prefixed(middle, "s"),
            f"{prefixed(low, 's')} to {prefixed(high, 's')}",
            f"{significant(1 / middle)} ({significant(1 / high)} to {significant(1 / low)})",
        )
    console = Console()
    console.print(f"{model}, fp32 eager, batch 1, frames on the device: predicted", highlight=False)
    console.print(table)
    for row in rows:
        if row["left_out"]:
            console.print(f"{row['device']}, left out: {row['left_out']}", highlight=False, markup=False)
