"""``nervbench check``: the gate that a build fails at when decoding became slower."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nervbench.cli.compare import (
    ALLOW,
    BETWEEN,
    LEVEL,
    SLOWER,
    UNDECIDED,
    plain_data,
    share,
    show,
    tell_unused,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nervbench.records import Result

ERROR = 1


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--baseline", type=click.Path(path_type=Path), required=True, help="Results to hold against; written if missing."
)
@click.option(
    "--fail-on",
    metavar="SHARE",
    callback=share(),
    default="3%",
    show_default=True,
    help="Slower by more than this fails.",
)
@LEVEL
@ALLOW
@BETWEEN
@click.option("--json", "as_json", is_flag=True, help="One object on stdout instead of a table.")
def command(
    results: Path, baseline: Path, fail_on: float, level: float, allow: tuple[str, ...], between: float, as_json: bool
) -> int:
    """Hold RESULTS (a results file or a run folder) against a baseline, case by case.

    Exit codes: 0 same or faster; 2 a case is slower by more than --fail-on, whatever becomes of the others;
    1 something could not be compared: a case is missing, failed, or was measured otherwise than its baseline;
    3 undecided: the interval reaches beyond --fail-on, and it does not look faster by as much, or a machine was
    disturbed when it was slower.

    \b
    Example:  nervbench check runs/now --baseline baseline.jsonl --fail-on 3%
    """  # noqa: D301 (click wants the character)
    from nervbench.compare import files
    from nervbench.compare.unpaired import holds_up
    from nervbench.compare.verdict import Word
    from nervbench.records import Status

    measured = files.read(results)
    if not baseline.exists():
        timed = _write(baseline, measured)
        wrote = f"no baseline yet: wrote {baseline} from these results ({timed} cases with a number)"
        click.echo(_as_json(level, fail_on, wrote=True) if as_json else wrote)
        return 0
    kept, now = files.by_case(files.read(baseline)), files.by_case(measured)
    ended_well = {name: [run for run in runs if run.status is Status.OK] for name, runs in kept.items()}
    held = {name: runs for name, runs in ended_well.items() if runs}
    found = files.compare_all(
        held,
        {name: runs for name, runs in now.items() if name in held},
        level,
        fail_on,
        {*files.OWN_VERSION, *allow},
        between,
    )
    words = words_of(found, fail_on)
    tell_unused(found, allow)
    no_number, new = [name for name in kept if name not in held], [name for name in now if name not in kept]
    if as_json:
        click.echo(_as_json(level, fail_on, plain_data(found, words), no_number, new))
    else:
        if found:
            show(found, words)
        _say("without a number in the baseline, not checked", no_number)
        _say("not in the baseline, not checked", new)
    if unchecked := not found or None in words:
        click.echo("error: not every case of the baseline could be checked", err=True)
    if Word.SLOWER in words:
        return SLOWER
    return ERROR if unchecked else UNDECIDED if any(holds_up(each, fail_on) for each in found) else 0


def _write(baseline: Path, measured: Sequence[Result]) -> int:
    """Make the results the baseline; the number of cases that it holds a number of."""
    from nervbench import store
    from nervbench.errors import ResultsError
    from nervbench.files import write_atomically
    from nervbench.records import Status

    timed = {result.case.name for result in measured if result.status is Status.OK}
    if not timed:
        msg = f"{baseline} does not exist and no case ended OK, so there is nothing to make a baseline of"
        raise ResultsError(msg)
    write_atomically(baseline, "".join(f"{store.to_line(result)}\n" for result in measured))
    return len(timed)


def _as_json(
    level: float,
    fail_on: float,
    comparisons: Sequence[dict[str, object]] = (),
    no_number: Sequence[str] = (),
    new: Sequence[str] = (),
    wrote: bool = False,
) -> str:
    """What ``compare --json`` says, with whether the baseline was written, and the cases that were passed over."""
    return json.dumps(
        {
            "level": level,
            "fail_on": fail_on,
            "baseline_written": wrote,
            "comparisons": comparisons,
            "without_number_in_baseline": no_number,
            "not_in_baseline": new,
        },
        indent=2,
    )


def _say(what: str, names: list[str]) -> None:
    """Name the cases that the check passes over."""
    from nervbench.report.markdown import plain

    if names:
        click.echo(plain(f"{what}: {', '.join(names)}"))
