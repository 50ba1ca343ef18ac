"""A suite, done: its arms trained, their networks decoded against the clock, or compressed and put beside codecs.

Each part writes its rows as they are made (trials.jsonl, results.jsonl, points.jsonl) and goes on where they end.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from nervbench import suites, trials
from nervbench.codec.conventional import PSNR, parse_codecs
from nervbench.config import Bench, ClipSource, MatrixEntry, ModelEntry, cases
from nervbench.data.clip import beginning, from_anywhere, open_clip
from nervbench.data.packaged import BUNNY
from nervbench.errors import ConfigError, OutputError, names
from nervbench.files import slug
from nervbench.model.source import opened
from nervbench.model.zoo import MODELS
from nervbench.rates import RatePoint
from nervbench.records import Scale
from nervbench.suites import Arm, Suite, Trained
from nervbench.suites.chosen import Chosen, Joined, keep
from nervbench.sweep.compress_order import SUFFIX, CompressOrder
from nervbench.sweep.compressing import compress_whole
from nervbench.sweep.jobs import TrainJob
from nervbench.sweep.local import PROBE_S, RESULTS, Event, Plan, execute, locked, probe_device, remaining
from nervbench.sweep.rating import RateOrder, measure
from nervbench.sweep.training import train_all
from nervbench.train.place import place_of
from nervbench.train.whole import recipe_of, settings
from nervbench.trials import Trial

RUNTIMES = ("eager",)
"""What decodes: PyTorch as it is, as in the published numbers."""
TRAINING_TIMEOUT_S = 30 * 24 * 3600.0

Step = TrainJob | Trial | Event | RatePoint | str
"""Something that began or ended; a text is only told."""


@dataclass(frozen=True, slots=True)
class SuiteOrder:
    """A suite by name, at a scale; ``clip`` and ``checkpoints`` are the user's own, ``place`` is where it trains."""

    suite: str
    scale: Scale
    clip: str | None = None
    checkpoints: tuple[Path, ...] = ()
    place: str = "cpu"


@dataclass(frozen=True, slots=True)
class Ready:
    """An order that can be followed: what is trained, and which checkpoints join, decoded on which clip."""

    suite: Suite
    chosen: Chosen
    trainings: tuple[Trained, ...]
    checkpoints: tuple[Path, ...]
    clip: str
    place: str


def ready(order: SuiteOrder) -> Ready:
    """Look at all that an order names, before anything is done.

    Raises ConfigError for a suite that is not known or cannot be so, ClipError and CheckpointError for the files.
    """
    suite = suites.load(order.suite)
    place_of(order.place)
    if order.clip and any(order.scale in arm.weights for arm in suite.arms):
        msg = (
            f"suite:{order.suite} at scale {order.scale} is about a network that is shipped trained on {BUNNY}; "
            f"leave --clip out, or give --scale full, which trains one"
        )
        raise ConfigError([msg])
    if order.checkpoints and suite.rates:
        msg = f"no checkpoint can join suite:{order.suite}; put it beside the codecs with: nervbench rate"
        raise ConfigError([msg])
    found = []
    for each in suites.trainings(suite, order.scale, order.clip):
        clip = _first(each.clip, suite, order.scale) if each.clip == order.clip else each.clip
        open_clip(clip)
        found.append(replace(each, clip=clip))
    joined = tuple(map(_joined, order.checkpoints))
    if len({each.key for each in joined}) < len(joined):
        raise ConfigError([f"of the checkpoints {names(order.checkpoints)} two have the same name; rename one"])
    chosen = Chosen(order.suite, order.scale, open_clip(order.clip).name if order.clip else None, joined)
    return Ready(suite, chosen, tuple(found), order.checkpoints, order.clip or BUNNY, order.place)


def run(order: Ready, out: Path, cache: Path) -> Iterator[Step]:
    """Do what is not done yet. Raises OutputError where the folder is another process's or cannot be written."""
    keep(out, order.chosen)
    jobs = _jobs(order.trainings, out, order.place)
    yield from train_all(jobs, out, TRAINING_TIMEOUT_S)
    ended = {trial.name: trial for trial in trials.read(out / trials.FILE)}
    clips = {each.run(seed): each for each in order.trainings for seed in each.seeds}
    networks = [
        (trial.model, clips[name].clip, str(out / trial.checkpoint))
        for name, trial in ended.items()
        if name in clips and trial.checkpoint
    ]
    if order.suite.rates:
        yield from _rated(order, [path for *_, path in networks], out)
        return
    if "decode_fps" not in order.suite.quantities:
        return
    for joined, path in zip(order.chosen.joined, order.checkpoints, strict=True):
        networks.append((joined.model, order.clip, str(_copied(path, out / joined.key))))
    with locked(out):
        yield from _decoded(networks, out, cache)


def _jobs(trainings: Sequence[Trained], out: Path, place: str) -> list[TrainJob]:
    """The first seed of every arm, then the second of every arm: a machine that becomes slower does so for all arms."""
    rounds = zip_longest(*([(each, seed) for seed in each.seeds] for each in trainings))
    return [_job(trained, seed, out, place) for arms in rounds for trained, seed in filter(None, arms)]


def _job(trained: Trained, seed: int, out: Path, place: str) -> TrainJob:
    recipe = recipe_of(trained.recipe | {"epochs": trained.epochs, "seed": seed})
    run = trained.run(seed)
    source = from_anywhere(trained.clip)
    return TrainJob(run, trained.model, open_clip(source).name, source, settings(recipe), out / run, place)


def _decoded(networks: list[tuple[str, str, str]], out: Path, cache: Path) -> Iterator[Step]:
    """Measure the decoding of (model, clip, checkpoint), each as a case of its own."""
    card = None
    for model, clip, path in networks:
        bench = Bench((ModelEntry(model, path),), (MatrixEntry((model,), RUNTIMES),), ClipSource(source=clip))
        left = remaining(cases(bench), out / RESULTS)
        if not left:
            continue
        card = card or probe_device("cpu", PROBE_S)
        yield f"decoding {Path(path).parent.name}"
        yield from execute(Plan(bench, left, len(left), out, cache), card)


def _rated(order: Ready, trained: list[str], out: Path) -> Iterator[Step]:
    """Compress the network, and put all its files beside the codecs."""
    rates = order.suite.rates
    assert rates
    scale = order.chosen.scale
    base = {arm.key: _base(arm, scale, trained) for arm in order.suite.arms if arm.models.get(scale)}
    clip = next((each.clip for each in order.trainings), order.suite.scales[scale].clip)
    files = list(base.values())
    for arm in order.suite.arms:
        if how := arm.compress:
            target = out / f"{arm.key}{SUFFIX}"
            if not target.exists():
                yield f"compressing {arm.name}"
                epochs = how.finetune_epochs.get(scale, 0)
                on = clip if epochs else None  # without training there is nothing to look at twice
                compress_whole(CompressOrder(base[how.of], target, how.bits, how.prune, on, epochs))
            files.append(str(target))
    yield from measure(
        RateOrder(tuple(files), clip, tuple(parse_codecs(rates.codecs, PSNR)), rates.threads, None, rates.repeats), out
    )


def _base(arm: Arm, scale: Scale, trained: list[str]) -> str:
    """The network that others are made of: shipped, or trained here."""
    if scale in arm.weights:
        return arm.models[scale]
    found = next((path for path in trained if Path(path).parent.name.startswith(f"{arm.key}-")), None)
    if found is None:
        msg = f"the training of {arm.name} failed, so there is nothing to compress; {trials.FILE} says why"
        raise ConfigError([msg])
    return found


def _first(clip: str, suite: Suite, scale: Scale) -> str:
    """The user's clip, as long as the suite's own at most, unless its length is given."""
    where, given = beginning(clip)
    _, meant = beginning(next((arm.clips[scale] for arm in suite.arms if arm.clips), suite.scales[scale].clip))
    if given is not None or meant is None:
        return clip
    return f"{where}:{min(meant, open_clip(where).frames)}"


def _joined(path: Path) -> Joined:
    """A checkpoint of a known architecture."""
    spec = opened(str(path)).spec
    model = next((name for name, known in MODELS.items() if known == spec), None)
    if model is None:
        msg = f"{path} is of an architecture that has no name here ({spec.to_json()}); see: nervbench models"
        raise ConfigError([msg])
    return Joined(f"joined-{slug(path.stem)}", model, hashlib.sha256(path.read_bytes()).hexdigest())


def _copied(path: Path, folder: Path) -> Path:
    """The checkpoint in a folder of the run, so that its rows name no other place."""
    target = folder / path.name
    try:
        folder.mkdir(exist_ok=True)
        shutil.copyfile(path, target)
    except OSError as error:
        msg = f"cannot copy {path} to {target}: {error.strerror or error}"
        raise OutputError(msg) from error
    return target
