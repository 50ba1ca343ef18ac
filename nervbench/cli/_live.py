"""Live comparisons for the verbs that make them: cases by name, progress, the words of the outcome."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nervbench.config import Bench
    from nervbench.records import Case
    from nervbench.sweep.live import Live, Rule

NAME = re.compile(
    r"(?P<model>[^/]+)/(?P<precision>[^/]+)/(?P<runtime>[^/]+)/b(?P<batch>[1-9][0-9]{0,3})(?P<other>/.+)?"
)


def case_named(name: str, bench: Bench) -> Case:
    """The case of a name such as ``nerv-xs/fp32/ov/b1``, with the weights that bench.toml gives its model.

    Raises ConfigError with everything in the name that is not known.
    """
    from nervbench import plugins
    from nervbench.errors import ConfigError, unknown
    from nervbench.records import PRECISIONS, SINGLE_STREAM, case_of

    found = NAME.fullmatch(name)
    if not found:
        msg = f"{name!r} is no name of a case; such as nerv-xs/fp32/ov/b1 (model, precision, runtime, b and the batch)"
        raise ConfigError([msg])
    if found["other"]:
        alone = name.removesuffix(found["other"])
        msg = f"{name}: cases take turns decode by decode; no scenario or protocol is compared live, so write {alone}"
        raise ConfigError([msg])
    weights = {entry.name: entry.weights for entry in bench.models}
    known = {"model": weights, "precision": PRECISIONS, "runtime": plugins.names(plugins.RUNTIMES)}
    problems = [unknown(kind, found[kind], names) for kind, names in known.items() if found[kind] not in names]
    if problems:
        raise ConfigError(problems, name)
    model = found["model"]
    return case_of(model, found["precision"], found["runtime"], int(found["batch"]), SINGLE_STREAM, weights[model])


def bench_of(path: Path | None) -> Bench:
    """Clip, models, weights of a bench.toml; without one, every model with the weights that are shipped, or seeded."""
    from importlib.resources import files

    from nervbench import config, plugins
    from nervbench.model.zoo import MODELS

    if path:
        return config.load(path, MODELS, plugins.names(plugins.RUNTIMES))
    shipped = files("nervbench.model") / "weights"
    models = tuple(
        config.ModelEntry(name, "bundled" if (shipped / f"{name}.safetensors").is_file() else "seeded:0")
        for name in MODELS
    )
    return config.Bench(models, (config.MatrixEntry(tuple(MODELS), ("eager",)),))


def live(names: Sequence[str], bench: Bench, rule: Rule, place: str) -> Live:
    """Compare two named cases, or one with itself, telling on stderr what begins."""
    import tempfile

    import platformdirs

    from nervbench.files import writable_folder
    from nervbench.sweep.live import compare_live
    from nervbench.sweep.local import Plan, told

    cases = tuple(dict.fromkeys(case_named(name, bench) for name in names))
    kept = writable_folder(platformdirs.user_cache_path("nervbench"))
    with tempfile.TemporaryDirectory(prefix="nervbench-") as scratch:  # for pictures, which nobody asked for here
        steps = compare_live(Plan(bench, cases, len(cases), Path(scratch), kept.resolve(), place), rule)
        return told(steps, lambda event: click.echo(f"{event.text} …", err=True))


def as_json(names: Sequence[str], found: Live) -> str:
    """The outcome and every turn, as one object."""
    verdict = dataclasses.asdict(found.verdict) | {"smallest_effect": found.verdict.smallest_effect}
    turns = [dataclasses.asdict(turn) for turn in found.turns]
    return json.dumps({"a": names[0], "b": names[-1], "verdict": verdict, "wall_s": found.wall_s, "turns": turns})


def in_words(names: Sequence[str], found: Live) -> str:
    """The outcome in a sentence or two."""
    from nervbench.compare.verdict import Word

    verdict = found.verdict
    interval = f"{verdict.low:.4f} to {verdict.high:.4f} at {100 * (1 - verdict.level):.4g} % confidence"
    pairs = len({turn.pair for turn in found.turns})
    basis = f"{len(found.turns)} turns in {pairs} pairs of processes, {found.wall_s:.0f} s"
    said = {
        Word.FASTER: f"{names[-1]} is faster than {names[0]}",
        Word.SLOWER: f"{names[-1]} is slower than {names[0]}",
        Word.SAME: f"{names[-1]} and {names[0]} are the same",
        Word.UNDECIDED: f"undecided between {names[0]} and {names[-1]}",
    }
    return (
        f"{said[verdict.word]}: time of the second / the first {verdict.ratio:.4f} ({interval}; {basis}). "
        f"The smallest difference that would have been seen: {verdict.smallest_effect:.2%}."
    )
