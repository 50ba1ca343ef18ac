"""``nervbench devices``: what can be measured on, and the GPUs that are known by their cards."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object on stdout instead of two tables.")
def command(as_json: bool) -> None:
    """List the devices that cases run on (--device), and the cards of GPUs that predict and explain know by key.

    Rates are the vendor's, of fp32 and of the memory; nervbench doctor says which device is here.

    \b
    Example:  nervbench devices
    """  # noqa: D301 (click wants the character)
    import dataclasses
    import json

    from nervbench import plugins
    from nervbench.cards import cards
    from nervbench.cli._listed import offered, show
    from nervbench.units import prefixed

    if as_json:
        known = {key: dataclasses.asdict(card) for key, card in cards().items()}
        click.echo(json.dumps({"devices": offered(plugins.DEVICES), "cards": known}, indent=2))
        return
    show(offered(plugins.DEVICES), as_json)
    click.echo()
    show(
        [
            {
                "card": key,
                "name": card.name,
                "fp32": prefixed(card.fp32_flop_per_s, "FLOP/s"),
                "memory": prefixed(card.memory_bytes_per_s, "B/s"),
                "multiprocessors": card.sms,
            }
            for key, card in cards().items()
        ],
        as_json,
        right=("fp32", "memory", "multiprocessors"),
    )
