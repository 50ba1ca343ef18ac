"""``nervbench report``: results in, pages out."""

from __future__ import annotations

from pathlib import Path

import click

from nervbench.cli._said import as_json_option, say


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path("reports"))
@click.option(
    "--check", is_flag=True, help="Write nothing; exit with 1 where a page differs from what its data generates."
)
@click.option(
    "--publish",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Copy the run of DIR into FOLDER (the committed reports) and write the pages there.",
)
@click.option("--name", help="With --publish: the name of the device's files.  [default: from the device card]")
@as_json_option
def command(folder: Path, check: bool, publish: Path | None, name: str | None, as_json: bool) -> int:
    """Write the pages of DIR again from its results: a run's folder, or the committed folder (default: reports).

    They are Markdown with figures beside it, and the same as one HTML page that needs no other file.

    \b
    Examples:  nervbench report runs/first
               nervbench report --check
               nervbench report runs/first --publish reports
    """  # noqa: D301 (click wants the character)
    from nervbench.report import pages

    if check and publish:
        msg = "--check and --publish exclude each other; publish first, then check the folder"
        raise click.UsageError(msg)
    if name and not publish:
        msg = "--name names the files of --publish; give both"
        raise click.UsageError(msg)
    if not check:
        page = pages.publish(folder, publish, name) if publish else pages.write(folder)
        say(as_json, {"page": page}, str(page))
        return 0
    generated = pages.generate(folder)
    stale = pages.differing(folder, generated)
    number = sum(path.endswith(".md") for path in generated)
    if as_json:
        say(as_json, {"pages": number, "stale": stale}, "")
    elif stale:
        names = "\n".join(f"  {name}" for name in stale)
        click.echo(f"not what the data generates ({len(stale)}):\n{names}", err=True)
        click.echo(f"write them again with: nervbench report {folder}", err=True)
    else:
        click.echo(f"{number} pages match their data" if number != 1 else "1 page matches its data")
    return 1 if stale else 0
