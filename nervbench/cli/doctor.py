"""``nervbench doctor``: this device, what can run on it, and what would make the rest run."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from nervbench.cli._duration import DURATION
from nervbench.records import PLACES

if TYPE_CHECKING:
    from nervbench.records import DeviceCard
    from nervbench.sweep.jobs import Asked

    Answers = dict[tuple[str, str], Asked]

MEASURED = ("fp32", "bf16", "int8")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object on stdout instead of a table.")
@click.option("--device", "place", type=click.Choice(PLACES), default=PLACES[0], show_default=True)
@click.option("--probe", is_flag=True, help="Also measure the ceilings (about 6 seconds of full load).")
@click.option("--noise", is_flag=True, help="Instead: compare a case with itself, live. What could be seen here?")
@click.option("--case", default="nerv-xs/fp32/ov/b1", show_default=True, help="The case for --noise.")
@click.option("--for", "budget_s", type=DURATION, default="60s", show_default=True, help="How long, for --noise.")
def command(as_json: bool, place: str, probe: bool, noise: bool, case: str, budget_s: float) -> None:
    """Show this device, which runtime can run in which precision, and what would make the rest run.

    \b
    Example:  nervbench doctor --probe
              nervbench doctor --noise --for 60
    """  # noqa: D301 (click wants the character)
    if noise:
        _noise(case, place, budget_s, as_json)
        return
    from nervbench import plugins
    from nervbench.device.gpus import gpus
    from nervbench.sweep.local import PROBE_S, ask_runtimes, probe_device

    card = probe_device(place, PROBE_S if probe else 0.0)
    pairs = tuple((runtime, precision) for runtime in plugins.names(plugins.RUNTIMES) for precision in MEASURED)
    answers = ask_runtimes(place, pairs)
    if as_json:
        click.echo(json.dumps(_report(card, answers, gpus()), indent=2))
    else:
        _show(card, answers, gpus())


def _report(card: DeviceCard, answers: Answers, gpus_found: str) -> dict[str, object]:
    return {
        "device": dataclasses.asdict(card),
        "gpus": gpus_found,
        "runtimes": [
            {"runtime": name, "precision": precision, "runs": answer.refusal is None, "reason": answer.refusal}
            for (name, precision), answer in answers.items()
        ],
    }


def _show(card: DeviceCard, answers: Answers, gpus_found: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from nervbench.report.tables import other_ceilings
    from nervbench.units import UNKNOWN, prefixed, rate_unit

    console = Console()
    facts = Table("device", card.name, box=None, pad_edge=False)
    if card.kind == "cpu":
        facts.add_row("threads", str(card.threads or UNKNOWN))
    else:
        facts.add_row("multiprocessors", str(card.cores or UNKNOWN))
    facts.add_row("memory", prefixed(card.memory_bytes, "B"))
    facts.add_row("caches", ", ".join(f"{level} {prefixed(size, 'B')}" for level, size in card.cache_bytes.items()))
    facts.add_row("instruction sets" if card.kind == "cpu" else "architecture", ", ".join(card.features) or UNKNOWN)
    if card.ceilings:
        for precision, rate in card.ceilings.flop_per_s.items():
            facts.add_row(f"{precision} matrix product", prefixed(rate, rate_unit(precision)))
        for name, amount in other_ceilings(card.ceilings).items():
            facts.add_row(name, amount)
    facts.add_row("NVIDIA GPUs", Text(gpus_found))
    console.print(facts)
    console.print()
    runtimes = Table("runtime", "precision", "here", "why not, and what would help", box=None, pad_edge=False)
    for (name, precision), answer in answers.items():
        runs = Text("runs", style="green") if answer.refusal is None else Text("no", style="yellow")
        runtimes.add_row(name, precision, runs, Text(answer.refusal or ""))
    console.print(runtimes)


def _noise(case: str, place: str, budget_s: float, as_json: bool) -> None:
    """A case against itself: how much do equals differ, and what is the least difference to be seen in this time?"""
    from nervbench.cli import _live
    from nervbench.compare.verdict import LEVEL, Word
    from nervbench.sweep.live import BOUND, Rule

    rule = Rule(budget_s, LEVEL, BOUND)
    found = _live.live([case], _live.bench_of(None), rule, place)
    if as_json:
        click.echo(_live.as_json([case], found))
        return
    verdict = found.verdict
    most = dataclasses.replace(rule, budget_s=4 * budget_s).pairs
    advice = (
        "to halve that, take four times as long (--for) or quieten the machine."
        if most == 4 * rule.pairs
        else f"more time makes that less by no more than {most} pairs of processes do instead of {rule.pairs}; "
        "a quieter machine does."
    )
    click.echo(
        f"{case} against itself for {found.wall_s:.0f} s: the times of equals differed by {verdict.ratio - 1:+.2%}. "
        f"A difference under {verdict.smallest_effect:.2%} would not be seen in this time; {advice}"
    )
    if verdict.word in (Word.FASTER, Word.SLOWER):
        click.echo(f"This once equals were called different, which is to happen once in {1 / verdict.level:.0f} times.")
