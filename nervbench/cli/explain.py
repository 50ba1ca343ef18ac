"""``nervbench explain``: why one device, or one measurement, is slower than another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nervbench.cli.compare import CASE_MARK

if TYPE_CHECKING:
    from nervbench.explain.gap import Gap, Side
    from nervbench.records import Result
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
    folders, each with a case (FILE::CASE) or else with MODEL's fp32 eager case of one frame. Two measured cases may be
    of any device, precision and runtime; beside a card only that case of a GPU that has a card will do.

    \b
    Examples:  nervbench explain p100 rtx-2080-ti --model nerv-s
               nervbench explain runs/a100/results.jsonl v100
               nervbench explain runs/here runs/there --model nerv-xs
               nervbench explain runs/here::nerv-xs/fp32/ov/b1 runs/there::nerv-xs/int8/ov/b1
    """  # noqa: D301 (click wants the character)
    from nervbench.report import gap_page

    found = _measured(a, b, model) or _of_cards(a, b, model, predict)
    if publish and found.fitted and found.a.key == found.b.key:
        msg = f"a page is of two devices, and both of these are {found.a.key}; leave out --publish, or take --json"
        raise click.UsageError(msg)
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


def _measured(a: str, b: str, model: str) -> Gap | None:
    """Of two measured cases; None where a side is a card, or where the cards say more than the rows."""
    from nervbench.compare import ledger
    from nervbench.explain import row_figures, rows
    from nervbench.explain.measured import card_of

    if not (_is_file(a) and _is_file(b)):
        return None
    (one, between_a, rows_a), (other, between_b, rows_b) = (_case(given, model) for given in (a, b))
    probed = all(row.device and row.device.ceilings for row in (one, other))
    carded = all(row.device and card_of(row.device.name) for row in (one, other))
    if carded and not probed and not row_figures.alike(one, other) and CASE_MARK not in a + b:
        return None
    differs = tuple(map(str, ledger.ledger(one, other)))
    return rows.explain(one, other, rows_a, rows_b, differs, (between_a, between_b))


def _case(given: str, model: str) -> tuple[Result, float, list[Result]]:
    """The usual row of a case, how it scatters, and all rows of its file. Raises ResultsError where there is none."""
    from nervbench.compare import files
    from nervbench.explain.rows import usual
    from nervbench.records import SINGLE_STREAM, case_of

    path, _, name = given.partition(CASE_MARK)
    found = files.read(Path(path))
    name = name or case_of(model, "fp32", "eager", 1, SINGLE_STREAM, "").name
    return *usual(files.chosen(files.by_case(found), name, path)), found


def _is_file(given: str) -> bool:
    return CASE_MARK in given or Path(given).exists() or given.endswith((".jsonl", "/"))


def _of_cards(a: str, b: str, model: str, predict: bool) -> Gap:
    """Of two GPUs by their cards."""
    from nervbench.explain.gap import explain
    from nervbench.model.kernels import kernels_of
    from nervbench.model.zoo import spec_of

    kernels = kernels_of(spec_of(model))
    return explain(model, kernels, _side(a, model, kernels, predict), _side(b, model, kernels, predict))


def _side(given: str, model: str, kernels: tuple[Kernel, ...], predict: bool) -> Side:
    from nervbench.cards import card
    from nervbench.compare import files
    from nervbench.explain.gap import predicted
    from nervbench.explain.measured import measured, published_on

    if _is_file(given):
        return measured(files.read(Path(given.partition(CASE_MARK)[0])), model)
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
