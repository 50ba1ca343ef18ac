"""``nervbench suites``: the experiments of the source study."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A list of objects on stdout instead of a table.")
def command(as_json: bool) -> None:
    """List the experiments that nervbench run suite:NAME does, with their scales and how many rows each has there.

    \b
    Example:  nervbench suites
    """  # noqa: D301 (click wants the character)
    from nervbench import suites
    from nervbench.cli._listed import show

    show(
        [
            {
                "name": f"{suites.PREFIX}{name}",
                "title": suite.title,
                "scales": [
                    f"{scale} ({sum(scale in arm.models or arm.compress is not None for arm in suite.arms)})"
                    for scale in suite.scales
                ],
                "question": suite.question,
            }
            for name in suites.names()
            for suite in [suites.load(name)]
        ],
        as_json,
    )
