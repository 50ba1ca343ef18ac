"""``nervbench compare``: is B faster than A, as far as their results can say?"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from nervbench.cli._duration import DURATION
from nervbench.compare.verdict import LEVEL as VERDICT_LEVEL
from nervbench.records import PLACES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from rich.table import Table

    from nervbench.compare.ledger import Difference
    from nervbench.compare.unpaired import Comparison
    from nervbench.compare.verdict import Word
    from nervbench.sweep.live import Rule

REFUSED, SLOWER, UNDECIDED = 1, 2, 3
WIDE = 160  # columns where the output is a file or a pipe
CASE_MARK = "::"
FOR_FILES = {"only": "--only", "allow": "--allow", "between": "--between"}
FOR_LIVE = {"budget_s": "--for", "place": "--device", "bench": "--bench"}
STYLES = {"faster": "green", "same": "green", "slower": "red", "undecided": "yellow", "refused": "red"}


def share(low: float = 0.0) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """A click callback that reads a share of 1, ``3%`` or ``0.03``, from ``low`` to below 1."""

    def read(_ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
        if text is None:
            return None
        accepted = f"write a share from {100 * low:g}% to under 100%, such as 3% or 0.03"
        try:
            number = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
        except ValueError:
            msg = f"'{text}' is no number; {accepted}"
            raise click.BadParameter(msg, param=param) from None
        if not low <= number < 1:
            msg = f"'{text}' is {100 * number:g}%; {accepted}"
            raise click.BadParameter(msg, param=param)
        return number

    return read


LEVEL = click.option(
    "--level",
    metavar="SHARE",
    callback=share(1e-6),
    default=str(VERDICT_LEVEL),
    show_default=True,
    help="Probability of a false verdict, for each case.",
)
ALLOW = click.option(
    "--allow",
    multiple=True,
    metavar="WHAT",
    help="A difference that is what you compare, as the refusal names it (such as torch); repeatable.",
)
BETWEEN = click.option(
    "--between",
    metavar="SHARE",
    callback=share(),
    default="0.5%",
    show_default=True,
    help="Standard deviation from process to process, assumed where no side has several runs of the case.",
)


@click.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "--fail-on",
    metavar="SHARE",
    callback=share(),
    help="Exit with 2 where slower by more than this, else with 1 where a case is refused, with 3 where undecided.",
)
@LEVEL
@click.option("--only", metavar="GLOB", help="Only the cases whose name fits, such as 'nerv-xs/*'.")
@ALLOW
@BETWEEN
@click.option("--live", is_flag=True, help="A and B are names of cases: both run here and take turns.")
@click.option(
    "--for",
    "budget_s",
    type=DURATION,
    default="60s",
    show_default=True,
    help="How long the turns of --live take; preparing comes on top, and four pairs of processes are the least.",
)
@click.option("--device", "place", type=click.Choice(PLACES), default=PLACES[0], show_default=True, help="For --live.")
@click.option(
    "--bench", type=click.Path(path_type=Path), help="Clip and weights for --live.  [default: those that are shipped]"
)
@click.option("--json", "as_json", is_flag=True, help="One object on stdout instead of a table.")
def command(
    a: str,
    b: str,
    fail_on: float | None,
    level: float,
    only: str | None,
    allow: tuple[str, ...],
    between: float,
    live: bool,
    budget_s: float,
    place: str,
    bench: Path | None,
    as_json: bool,
) -> int:
    """Say whether B is faster than A: results files or run folders, case by case, or FILE::CASE for two cases.

    A folder of several runs' folders counts as several processes of each case, and their spread is then measured.
    What is not alike but for the thing compared is refused, and the differences are listed.

    \b
    Examples:  nervbench compare runs/before runs/after
               nervbench compare runs/a::nerv-xs/fp32/eager/b1 runs/a::nerv-xs/fp32/ov/b1
               nervbench compare --live nerv-xs/fp32/ort/b1 nerv-xs/fp32/ov/b1
    """  # noqa: D301 (click wants the character)
    from nervbench.compare.unpaired import BOUND, holds_up
    from nervbench.compare.verdict import Word

    _refuse_ignored(live)
    if live:
        from nervbench.sweep.live import BOUND as LIVE_BOUND
        from nervbench.sweep.live import Rule

        return _compare_live(
            (a, b), bench, place, Rule(budget_s, level, LIVE_BOUND if fail_on is None else fail_on), fail_on, as_json
        )
    found = _compare_files(a, b, only, level, BOUND if fail_on is None else fail_on, allow, between)
    words = words_of(found, fail_on)
    if as_json:
        click.echo(json.dumps({"level": level, "fail_on": fail_on, "comparisons": plain_data(found, words)}, indent=2))
    else:
        show(found, words)
    tell_unused(found, allow)
    if fail_on is None:
        return 0 if any(words) else REFUSED
    if Word.SLOWER in words:
        return SLOWER
    if None in words or not words:
        return REFUSED
    return UNDECIDED if any(holds_up(each, fail_on) for each in found) else 0


def _refuse_ignored(live: bool) -> None:
    """Raise UsageError for options that were given and are of the other kind of comparison."""
    context = click.get_current_context()
    others = FOR_FILES if live else FOR_LIVE
    sources = {name: context.get_parameter_source(parameter) for parameter, name in others.items()}
    given = [name for name, source in sources.items() if source is ParameterSource.COMMANDLINE]
    if given:
        verb = "is" if len(given) == 1 else "are"
        msg = f"{' and '.join(given)} {verb} {'not for' if live else 'for'} --live"
        raise click.UsageError(msg)


def tell_unused(found: Sequence[Comparison], allow: Collection[str]) -> None:
    """Say on stderr what was allowed and does not differ: a slip, mostly."""
    from nervbench.report.markdown import plain

    names = sorted({difference.what.removeprefix("package ") for each in found for difference in each.ledger})
    for word in allow:
        if word not in names:
            told = f"what does: {', '.join(names)}" if names else "nothing does"
            click.echo(plain(f"--allow {word}: nothing of that name differs; {told}"), err=True)


def _compare_live(
    names: tuple[str, str], bench: Path | None, place: str, rule: Rule, fail_on: float | None, as_json: bool
) -> int:
    """Two named cases, here and now."""
    from nervbench.cli import _live
    from nervbench.compare.verdict import Word, gate

    found = _live.live(names, _live.bench_of(bench), rule, place)
    click.echo(_live.as_json(names, found) if as_json else _live.in_words(names, found))
    if fail_on is None:
        return 0
    return {Word.SLOWER: SLOWER, Word.UNDECIDED: UNDECIDED}.get(gate(found.verdict, fail_on), 0)


def _compare_files(
    a: str, b: str, only: str | None, level: float, bound: float, allow: Collection[str], between: float
) -> list[Comparison]:
    """The comparisons of two files, or the one of two named cases."""
    from nervbench import config
    from nervbench.compare import files
    from nervbench.compare.unpaired import compare

    (file_a, _, name_a), (file_b, _, name_b) = a.partition(CASE_MARK), b.partition(CASE_MARK)
    if bool(name_a) != bool(name_b) or (name_a and only):
        msg = "name a case on both sides (FILE::CASE FILE::CASE), or compare two files, with --only to choose cases"
        raise click.UsageError(msg)
    runs_a, runs_b = (files.by_case(files.read(Path(file))) for file in (file_a, file_b))
    if name_a:
        free = {*files.OWN_VERSION, "runtime", "precision", "batch", *allow}
        sides = files.chosen(runs_a, name_a, file_a), files.chosen(runs_b, name_b, file_b)
        return [compare(*sides, level, bound, free, between)]
    if only:
        cases = tuple(runs[-1].case for runs in {**runs_a, **runs_b}.values())
        names = {case.name for case in config.select(cases, only)}
        runs_a, runs_b = ({name: runs[name] for name in runs if name in names} for runs in (runs_a, runs_b))
    return files.compare_all(runs_a, runs_b, level, bound, {*files.OWN_VERSION, *allow}, between)


def words_of(found: Sequence[Comparison], fail_on: float | None) -> list[Word | None]:
    """The word for each comparison; with ``fail_on`` that of the gate; None where it was refused."""
    from nervbench.compare.unpaired import word_of

    return [word_of(each, fail_on) for each in found]


def show(found: Sequence[Comparison], words: Sequence[Word | None]) -> None:
    """Print the table, then what it rests on: refusals, other differences, and what one process cannot say."""
    from rich.console import Console

    from nervbench.compare.ledger import NO_NUMBER
    from nervbench.report.markdown import plain

    Console(width=None if sys.stdout.isatty() else WIDE).print(_table(found, words))
    for each in found:
        blocking = [difference for difference in each.ledger if difference.blocking]
        noted = [difference for difference in each.ledger if not difference.blocking]
        if blocking:
            click.echo(plain(f"{_names(each)} refused: {_listed(blocking)}"))
        elif noted:
            click.echo(plain(f"{_names(each)}, noted: {_listed(noted)}"))
    if any(difference.blocking and difference.what not in NO_NUMBER for each in found for difference in each.ledger):
        click.echo("Measure both sides alike, or say that a difference is what you compare: --allow WHAT.")
    if any(difference.hinders for each in found for difference in each.ledger):
        click.echo(
            "A side that was disturbed more, or whose probe found the device slower, is not called slower: "
            "measure again in a quiet hour, or take it as it is: --allow WHAT (doubts, 'ceiling fp32')."
        )
    if any(each.verdict and max(each.runs_a, each.runs_b) == 1 for each in found):
        click.echo(
            "One process a side: how much processes differ here was assumed (--between), not measured. Several runs of "
            "a case (a folder of run folders) measure it."
        )


def _table(found: Sequence[Comparison], words: Sequence[Word | None]) -> Table:
    """A line a case."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from nervbench.report.markdown import plain
    from nervbench.units import UNKNOWN, percent, prefixed

    shown = Table(title="Time a frame, B / A", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("case", overflow="fold")
    for head in ("A", "B", "ratio", "interval", "verdict", "smallest effect"):
        shown.add_column(head, justify="left" if head == "verdict" else "right", no_wrap=True)
    for each, word in zip(found, words, strict=True):
        cells = [UNKNOWN] * 4
        if verdict := each.verdict:
            times = (prefixed(each.time_a_s, "s"), prefixed(each.time_b_s, "s"))
            cells = [*times, f"{verdict.ratio:.4f}", f"{verdict.low:.4f} to {verdict.high:.4f}"]
        said = word.value if word else "refused"
        effect = percent(verdict.smallest_effect, 1) if verdict else UNKNOWN
        shown.add_row(Text(plain(_names(each))), *cells, Text(said, style=STYLES[said]), effect)
    return shown


def plain_data(found: Sequence[Comparison], words: Sequence[Word | None]) -> list[dict[str, object]]:
    """Comparisons as plain data, with the word that counts and the smallest effect."""
    listed = []
    for each, word in zip(found, words, strict=True):
        fields: dict[str, object] = dataclasses.asdict(each)
        if each.verdict:
            fields["verdict"] = {
                **dataclasses.asdict(each.verdict),
                "word": word,
                "smallest_effect": each.verdict.smallest_effect,
            }
        listed.append({**fields, "refused": each.verdict is None})
    return listed


def _names(each: Comparison) -> str:
    """The name of the case, or both."""
    return each.a if each.a == each.b else f"{each.a} → {each.b}"


def _listed(differences: Sequence[Difference]) -> str:
    """Differences in one line."""
    return "; ".join(map(str, differences))
