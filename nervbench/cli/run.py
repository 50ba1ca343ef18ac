"""``nervbench run``: the cases of a bench.toml, measured and reported."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nervbench.cli._duration import DURATION
from nervbench.cli._resumable import go_on_with, resumable
from nervbench.cli._said import as_json_option, say
from nervbench.cli._teller import Teller
from nervbench.records import PLACES, SCALES

if TYPE_CHECKING:
    from nervbench.config import Bench
    from nervbench.records import Case, Scale
    from nervbench.sweep.local import Event, Plan
    from nervbench.sweep.places import Place

SOME_CASE_FAILED = 4
RULES = "rules.json"
WIDE = 160  # columns where the output is a file or a pipe: no name of a case is folded there


@click.command()
@click.argument("bench", default="bench.toml")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for results and report.  [default: a new one in runs/]"
)
@click.option("--only", metavar="GLOB", help="Only the cases whose name fits, such as 'nerv-xs/*' or '*/ov/*'.")
@click.option(
    "--resume", is_flag=True, help="Go on in a folder that has results: only cases without a row are measured."
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    help="Folder for artifacts and reference frames.  [default: the user's cache]",
)
@click.option(
    "--budget",
    type=DURATION,
    help="After so long (480, 8m, 2h) no further case begins; --resume does the rest.  [default: no bound]",
)
@click.option("--scale", type=click.Choice(SCALES), help="Of a suite: small is for two cores.  [default: small]")
@click.option(
    "--device",
    "devices",
    default=PLACES[0],
    show_default=True,
    metavar="NAME",
    help="Where the cases run, or a suite trains: cpu, cuda, or one of a plugin (see `nervbench devices`). With --on "
    "ray several, each with a label of its nodes if need be: cpu,cuda:T4",
)
@click.option(
    "--on",
    "cluster",
    metavar="ray[://HOST:PORT]",
    help="Measure on the nodes of a Ray cluster: each case on one that has the device.  [default: this machine]",
)
@click.option("--clip", help="Of a suite: a video of your own; film.mp4:132 is its first 132 frames.")
@click.option("--profile", is_flag=True, help="Time the operators of every case too, after its samples.")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of a suite: a trained checkpoint that joins, such as a published one. May be given again.",
)
@as_json_option
def command(
    bench: str,
    out: Path | None,
    only: str | None,
    resume: bool,
    cache: Path | None,
    budget: float | None,
    scale: Scale | None,
    devices: str,
    cluster: str | None,
    clip: str | None,
    profile: bool,
    checkpoints: tuple[Path, ...],
    as_json: bool,
) -> int:
    """Measure the cases of BENCH (default: bench.toml) and write the report.

    Every case runs in a fresh process, is compared with fp32 eager before it is timed, and ends as a row of
    results.jsonl. Interrupt at any time; --resume does the rest.

    suite:NAME instead of a file does an experiment of the source study, and puts what was published beside what is
    measured: ablation, hyperparameters, new-dataset, rate-distortion, table2.

    \b
    Example:  nervbench run --only 'nerv-xs/*' --out runs/first
              nervbench run suite:new-dataset --clip film.mp4
              nervbench run --on ray --device cuda:T4,cuda:A100 --out runs/two-cards
    """  # noqa: D301 (click wants the character)
    import platformdirs
    from rich.console import Console

    from nervbench.errors import ConfigError, NervbenchError, unknown
    from nervbench.files import writable_folder
    from nervbench.records import FAILED
    from nervbench.report import pages, terminal
    from nervbench.store import read
    from nervbench.sweep.local import RESULTS, Plan, locked

    kept = cache or platformdirs.user_cache_path("nervbench")
    places, address = _places(devices, cluster)
    place = devices if cluster is None else PLACES[0]
    if name := _suite_named(bench, only or budget or profile or cluster, scale, clip, checkpoints):
        from nervbench.cli._suite import run_suite
        from nervbench.sweep.suite import SuiteOrder

        if place not in PLACES:
            raise ConfigError([unknown("device", place, PLACES)])
        order = SuiteOrder(name, scale or "small", clip, checkpoints, place)
        return run_suite(order, lambda: _folder(out, resume), writable_folder(kept), as_json)
    wanted, cases = _cases(Path(bench), only)
    folder = _folder(out, resume)
    with locked(folder):
        plan = Plan(wanted, cases, len(cases), folder, kept.resolve(), place, profile)
        total = len(cases) * max(1, len(places))
        until = time.monotonic() + budget if budget else math.inf
        writable_folder(kept)
        left, events = _events(plan, places, address, cache, until)
        _keep_rules(wanted, folder, place)
        options = {"--only": only, "--cache": cache, "--on": cluster}
        options |= {"--device": devices if devices != PLACES[0] else None}
        words = ["nervbench", "run", bench, "--out", folder, "--resume", *(["--profile"] if profile else [])]
        words += [word for option, value in options.items() if value for word in (option, value)]
        with resumable(words), closing(events), Teller(left, total) as tell:
            for event in events:
                tell(event)
                left -= event.result is not None
                if event.result and left and not places and time.monotonic() > until:
                    break
        over = time.monotonic() > until
        if left:
            why = "the time is over" if over else "no node is left for them"
            click.echo(f"{why}, {left} of {total} cases are left; {go_on_with(words)}", err=True)
        if not (folder / RESULTS).exists():
            msg = f"no case has ended, so there is no report; {go_on_with(words)}"
            raise NervbenchError(msg)
        page = pages.write(folder)
    results = read(folder / RESULTS)
    if as_json:
        found = {"results": folder / RESULTS, "report": page, "html": page.with_suffix(".html")}
        say(as_json, found | {"cases": terminal.listed(results)}, "")
    else:
        Console(width=None if sys.stdout.isatty() else WIDE).print(terminal.table(results))
        click.echo(f"report: {page} and {page.with_suffix('.html').name}")
    return SOME_CASE_FAILED if (left and not over) or any(result.status in FAILED for result in results) else 0


def _places(devices: str, cluster: str | None) -> tuple[tuple[Place, ...], str | None]:
    """What is asked for on a cluster, and its address as Ray takes it; nothing without a cluster.

    Raises ConfigError where it cannot be meant.
    """
    from nervbench import plugins
    from nervbench.errors import ConfigError, unknown

    if cluster is None:
        if devices not in (known := plugins.names(plugins.DEVICES)):
            msg = f"{unknown('device', devices, known)} (several, and labels such as cuda:T4, go with --on ray)"
            raise ConfigError([msg])
        return (), None
    way, colon, address = cluster.partition(":")
    if way != "ray" or (colon and not address.strip("/")):
        msg = (
            f"{cluster!r} is no cluster; --on ray (the one of this machine, or of RAY_ADDRESS), ray://HOST:PORT (Ray "
            "Client), or ray:HOST:PORT (asked from one of its nodes)"
        )
        raise ConfigError([msg])
    from nervbench.sweep.places import place_of

    places = tuple(dict.fromkeys(place_of(text.strip()) for text in devices.split(",")))
    return places, (cluster if address.startswith("//") else address) or None


def _events(
    plan: Plan, places: tuple[Place, ...], address: str | None, cache: Path | None, until: float
) -> tuple[int, Generator[Event, None, None]]:
    """How many cases are left to do, here or for each place on a cluster, and what happens as they are done."""
    from nervbench.sweep.local import RESULTS, execute, remaining

    if places:
        from nervbench.sweep import on_ray
        from nervbench.sweep.places import plan_of

        plans = {place: plan_of(plan, place) for place in places}
        shared = cache.resolve() if cache else None  # a folder of this user is none of another machine's
        return sum(len(each.cases) for each in plans.values()), on_ray.execute(plans, address, shared, until)
    left = remaining(plan.cases, plan.out / RESULTS)
    return len(left), execute(dataclasses.replace(plan, cases=left))


def _suite_named(bench: str, *options: object) -> str | None:
    """The name of the suite that is asked for. Raises ConfigError where options do not go with what is asked for."""
    from nervbench.errors import ConfigError

    only, *of_suites = options
    if not bench.startswith("suite:"):
        if any(of_suites):
            msg = f"--scale, --clip and --checkpoint are of suites; {bench} says these things itself"
            raise ConfigError([msg])
        return None
    if only:
        msg = "--only, --budget, --profile and --on are of the cases of a bench.toml; a suite is done as a whole, here"
        raise ConfigError([msg])
    return bench.removeprefix("suite:")


def _cases(path: Path, only: str | None) -> tuple[Bench, tuple[Case, ...]]:
    """What bench.toml asks for. Everything that is wrong with it is found here, before anything is measured."""
    from nervbench import config, plugins
    from nervbench.model.zoo import MODELS

    bench = config.load(path, MODELS, plugins.names(plugins.RUNTIMES))
    cases = config.cases(bench)
    return bench, config.select(cases, only) if only else cases


def _folder(out: Path | None, resume: bool) -> Path:
    """The folder of the run, writable; one that has results already is only taken to resume."""
    from nervbench.errors import ConfigError
    from nervbench.files import writable_folder
    from nervbench.suites.chosen import FILE as SUITE
    from nervbench.sweep.local import RESULTS

    if resume and out is None:
        msg = "--resume needs --out: the folder to go on with"
        raise ConfigError([msg])
    folder = writable_folder(out or Path("runs") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}").resolve()
    if any((folder / name).exists() for name in (RESULTS, SUITE)) and not resume:
        msg = f"{folder} has results already; add --resume to measure what is missing, or give another with --out"
        raise ConfigError([msg])
    return folder


def _keep_rules(bench: Bench, folder: Path, place: str) -> None:
    """Keep what a number depends on beside the results; refuse to go on by other rules than the run began with."""
    import dataclasses
    import json

    from nervbench.errors import ConfigError
    from nervbench.files import write_atomically
    from nervbench.sweep.local import RESULTS

    tables = ("clip", "stopping", "server", "player", "verify")
    rules: dict[str, object] = {name: dataclasses.asdict(getattr(bench, name)) for name in tables}
    rules |= {"device": place} if place != PLACES[0] else {}
    text = json.dumps(rules, indent=1, sort_keys=True) + "\n"
    kept = folder / RULES
    if not (folder / RESULTS).exists():
        write_atomically(kept, text)
        return
    if not kept.is_file():
        msg = f"{folder} has results, but no {RULES}, so by which rules is not known; give another folder with --out"
        raise ConfigError([msg])
    if kept.read_text(encoding="utf-8", errors="replace") != text:
        msg = (
            f"{folder} was measured by other rules than {', '.join(f'[{name}]' for name in tables)} of this bench.toml "
            f"on the device {place} ({RULES} there has them); go on with those of then, or give another folder with "
            "--out"
        )
        raise ConfigError([msg])
