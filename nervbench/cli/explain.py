"""``nervbench explain``: why one GPU is slower than another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nervbench.explain.gap import Gap, Side
    from nervbench.shapes import Kernel


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--model", default="nerv-s", show_default=True, help="What is decoded.")
@click.option("--predict", is_flag=True, help="Predict both speeds of cards, even where one was published.")
@click.option("--json", "as_json", is_flag=True, help="One object on stdout instead of a table.")
@click.option(
    "--publish",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Keep the gap in FOLDER (the committed reports) and write the pages there.",
)
def command(a: str, b: str, model: str, predict: bool, as_json: bool, publish: Path | None) -> None:
    """Why does MODEL decode more slowly on A than on B? Split the ratio into causes that multiply up to it.

    A and B are device cards (p100), whose speed is the published one or else predicted, or results files and run
    folders with a measurement of the model (fp32 eager, batch 1) on a GPU that has a card.

    \b
    Examples:  nervbench explain p100 rtx-2080-ti --model nerv-s
               nervbench explain runs/a100/results.jsonl v100
    """  # noqa: D301 (click wants the character)
    from nervbench.explain.gap import explain
    from nervbench.model.kernels import kernels_of
    from nervbench.model.zoo import spec_of
    from nervbench.report import gap_page

    kernels = kernels_of(spec_of(model))
    found = explain(model, kernels, _side(a, model, kernels, predict), _side(b, model, kernels, predict))
    if publish:
        from nervbench.files import write_atomically
        from nervbench.report import pages

        name = gap_page.file_name(found)
        write_atomically(publish / gap_page.FOLDER / f"{name}.json", f"{gap_page.to_line(found)}\n")
        pages.write(publish)
        click.echo(publish / f"{name}.md")
    elif as_json:
        click.echo(gap_page.to_line(found))
    else:
        _show(found)


def _side(given: str, model: str, kernels: tuple[Kernel, ...], predict: bool) -> Side:
    from nervbench.cards import card
    from nervbench.compare import files
    from nervbench.explain.gap import predicted
    from nervbench.explain.measured import measured, published_on

    if Path(given).exists() or given.endswith((".jsonl", "/")):
        return measured(files.read(Path(given)), model)
    on = card(given)
    said = None if predict else published_on(model, on)
    return said or predicted(kernels, on)


def _show(gap: Gap) -> None:
    from rich.console import Console
    from rich.table import Table

    from nervbench.report import gap_words as words

    console = Console()
    console.print(words.answer(gap), highlight=False, markup=False)
    console.print()
    table = Table("cause", box=None, pad_edge=False)
    for heading in ("factor", "80 % interval"):
        table.add_column(heading, justify="right")
    table.add_column(f"{gap.a.name} → {gap.b.name}")
    for part in (*words.by_size(gap), gap.residual, gap.whole):
        table.add_row(part.cause, words.times(part.factor), words.span(part), part.evidence)
    console.print(table)
    for line in (
        words.checked(gap),
        *words.unlike(gap),
        *(f"not split off: {each}" for each in gap.left_out),
        *gap.sources,
    ):
        if line:
            console.print(line, highlight=False, markup=False)
