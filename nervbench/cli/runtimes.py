"""``nervbench runtimes``: by what a frame can be decoded."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="A list of objects on stdout instead of a table.")
def command(as_json: bool) -> None:
    """List the runtimes that installed packages offer. Which of them run here, nervbench doctor says.

    \b
    Example:  nervbench runtimes --json
    """  # noqa: D301 (click wants the character)
    from nervbench import plugins
    from nervbench.cli._listed import offered, show

    show(offered(plugins.RUNTIMES), as_json)
