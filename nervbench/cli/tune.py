"""``nervbench tune``: which recipe trains a model best on a clip?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nervbench.cli._said import as_json_option, of_trials, say
from nervbench.records import PLACES

if TYPE_CHECKING:
    from nervbench.tune.space import Space

PAGE = "search.md"


@click.command()
@click.argument("model")
@click.option("--clip", "source", default="bigbuckbunny", show_default=True, help="A video, or a folder of images.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder of the search.  [default: runs/tune-MODEL]")
@click.option("--epochs", type=click.IntRange(1), default=20, show_default=True, help="Of each training.")
@click.option("--batch", help="Frames a step: 1,2,4")
@click.option("--learning-rate", help="1e-4,5e-4 or a range to draw from: 1e-4:1e-2")
@click.option("--loss", help="fusion6,l1,l2")
@click.option("--warmup-share", help="Share of the epochs: 0.1,0.2 or a range: 0.01:0.5")
@click.option(
    "--search",
    type=click.Choice(["grid", "random", "asha"]),
    default="grid",
    show_default=True,
    help="All combinations; a random draw of --samples; or, of either, the bad ones stopped early (Ray Tune).",
)
@click.option("--samples", type=click.IntRange(1), help="Combinations to draw.  [default: 8; asha: the grid]")
@click.option(
    "--grace", type=click.IntRange(1), default=2, show_default=True, help="asha: epochs before the first stop."
)
@click.option("--device", "place", type=click.Choice(PLACES), default="cpu", show_default=True, help="Where to train.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=1, show_default=True, help="Of weights and draw.")
@as_json_option
def command(
    model: str,
    source: str,
    out: Path | None,
    epochs: int,
    search: str,
    samples: int | None,
    grace: int,
    seed: int,
    place: str,
    as_json: bool,
    **axes: str | None,
) -> int:
    """Train MODEL on a clip with several recipes and say which is best.

    Run the same command again to continue after an interruption.

    \b
    Example:  nervbench tune nerv-xs --epochs 20 --batch 1,2,4 --learning-rate 2e-4,5e-4,1e-3
              nervbench tune nerv-xs --search asha --samples 20 --learning-rate 1e-4:1e-2
    """  # noqa: D301 (click wants the character)
    from dataclasses import replace

    from nervbench.cli._trainings import line_of, rows_of, table_of, train_left
    from nervbench.data.clip import from_anywhere, open_clip
    from nervbench.files import writable_folder, write_atomically
    from nervbench.model.zoo import spec_of
    from nervbench.report.trials import answer, page, savings
    from nervbench.sweep.jobs import TrainJob
    from nervbench.train.loop import Recipe
    from nervbench.train.whole import recipe_of, settings
    from nervbench.tune import space as spaces

    spec_of(model)
    space = _space(axes)
    clip = open_clip(source)
    drawn = samples or (None if search == "asha" and _listed(space) else 8)
    choices = spaces.grid(space) if search == "grid" or not drawn else spaces.draw(space, drawn, seed)
    folder = writable_folder(out or Path("runs") / f"tune-{model}").resolve()  # Ray works in folders of its own
    plain = Recipe(epochs=epochs, seed=seed)
    where = from_anywhere(source)
    jobs = []
    for choice in choices:
        name = spaces.name_of(choice)
        recipe = replace(recipe_of(choice | {"epochs": epochs, "seed": seed}), save_every=plain.save_every)
        jobs.append(TrainJob(name, model, clip.name, where, settings(recipe), folder / name, place))
    if search == "asha":
        from nervbench.tune.asha import search as halving

        halving(jobs, folder, epochs, grace, lambda trial: click.echo(line_of(trial), err=True))
    else:
        train_left(jobs, folder)
    code = table_of(jobs, folder, shown=not as_json)
    found = rows_of(jobs, folder)
    saved = savings(found, len(spaces.grid(space)) if _listed(space) else len(jobs), epochs)
    words = " ".join(["nervbench", *(word for word in sys.argv[1:] if word != "--json")])
    write_atomically(folder / PAGE, page(found, saved, words))
    said = answer(found, saved)
    of_found = {"page": folder / PAGE, "answer": said, "trainings": of_trials(found) if as_json else []}
    say(as_json, of_found, "\n".join([*said, f"page: {folder / PAGE}"]))
    return code


def _listed(space: Space) -> bool:
    from nervbench.tune.space import Between

    return not any(isinstance(axis, Between) for axis in space.values())


def _space(axes: dict[str, str | None]) -> Space:
    """What the options say. Raises ConfigError where nothing is to be searched, or with every option that is wrong."""
    from nervbench.errors import ConfigError
    from nervbench.train.losses import LOSSES
    from nervbench.tune.space import numbers, words

    given = {name: text for name, text in axes.items() if text is not None}
    if not given:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in axes)
        msg = f"nothing to search; give the values of one or more of {options}"
        raise ConfigError([msg])
    space = {}
    problems: list[str] = []
    for name, text in given.items():
        option = f"--{name.replace('_', '-')}"
        try:
            if name == "loss":
                space[name] = words(option, text, list(LOSSES))
            else:
                low = -1e-9 if name == "warmup_share" else 0
                space[name] = numbers(option, text, int if name == "batch" else float, low)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return space
