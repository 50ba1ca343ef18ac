"""``nervbench doctor``: this device, what can run on it, and what would make the rest run."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nervbench.records import DeviceCard
    from nervbench.sweep.jobs import Asked

    Answers = dict[tuple[str, str], Asked]

MEASURED = ("fp32", "bf16")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object on stdout instead of a table.")
@click.option("--probe", is_flag=True, help="Also measure the ceilings (about 6 seconds of full load).")
def command(as_json: bool, probe: bool) -> None:
    """Show this device, which runtime can run in which precision, and what would make the rest run.

    \b
    Example:  nervbench doctor --probe
    """  # noqa: D301 (click wants the character)
    from nervbench import plugins
    from nervbench.device.gpus import gpus
    from nervbench.sweep.local import PROBE_S, ask_runtimes, probe_device

    card = probe_device("cpu", PROBE_S if probe else 0.0)
    pairs = tuple((runtime, precision) for runtime in plugins.names(plugins.RUNTIMES) for precision in MEASURED)
    answers = ask_runtimes("cpu", pairs)
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

    from nervbench.units import UNKNOWN, prefixed

    console = Console()
    facts = Table("device", card.name, box=None, pad_edge=False)
    facts.add_row("threads", str(card.threads or UNKNOWN))
    facts.add_row("memory", prefixed(card.memory_bytes, "B"))
    facts.add_row("caches", ", ".join(f"{level} {prefixed(size, 'B')}" for level, size in card.cache_bytes.items()))
    facts.add_row("instruction sets", ", ".join(card.features) or UNKNOWN)
    if card.ceilings:
        for precision, rate in card.ceilings.flop_per_s.items():
            facts.add_row(f"{precision} matrix product", prefixed(rate, "FLOP/s"))
        facts.add_row("copy", prefixed(card.ceilings.copy_bytes_per_s, "B/s, read plus written"))
    facts.add_row("NVIDIA GPUs", Text(gpus_found))
    console.print(facts)
    console.print()
    runtimes = Table("runtime", "precision", "here", "why not, and what would help", box=None, pad_edge=False)
    for (name, precision), answer in answers.items():
        runs = Text("runs", style="green") if answer.refusal is None else Text("no", style="yellow")
        runtimes.add_row(name, precision, runs, Text(answer.refusal or ""))
    console.print(runtimes)
