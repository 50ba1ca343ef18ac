"""A whole training: the clip opened, the model trained, the checkpoint written, and the checkpoint scored."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from nervbench import scoring
from nervbench.data import clip as clips
from nervbench.device.base import Device
from nervbench.files import writable_folder
from nervbench.model import checkpoint
from nervbench.model.zoo import spec_of
from nervbench.records import Quality
from nervbench.train.history import history, note
from nervbench.train.loop import Epoch, Recipe, train, trained
from nervbench.train.losses import loss_of
from nervbench.train.place import place_of


@dataclass(frozen=True, slots=True)
class Order:
    """What to train on what, and how; what lies in ``folder`` of an unfinished run of the same order is continued.

    ``place`` is the device, one of :data:`nervbench.records.PLACES`.
    """

    model: str
    source: str
    recipe: Recipe
    folder: Path
    place: str = "cpu"


def train_whole(order: Order, clock: Device) -> Generator[Epoch, None, Path]:
    """Yield every epoch as it ends, its line written; the answer is the path of the checkpoint.

    Raises ConfigError for an unknown model or a device that is not there, ClipError for a clip that cannot be read, and
    what the training raises.
    """
    spec = spec_of(order.model)
    loss_of(order.recipe.loss, spec.height, spec.width)  # what cannot be is said before a folder is made
    place_of(order.place)
    clip = clips.open_clip(order.source)
    folder = writable_folder(order.folder)
    size = (spec.width, spec.height)
    epochs = train(spec, clips.load(clip, size), order.recipe, folder, place=order.place)
    while True:
        clock.start()  # every step fetches its loss, so work that was given to a GPU has ended with the epoch
        epoch = next(epochs, None)
        if epoch is None:
            break
        note(folder, epoch, clock.stop())
        yield epoch
    resized = clips.AS_IT_IS if clip.size == size else clips.DEFAULT_FILTER
    notes = {"clip": clip.name, "clip_sha256": clip.sha256, "resized_with": resized, "recipe": order.recipe.to_json()}
    if clip.credit:
        notes["credit"] = clip.credit
    if trained_s := history(folder, order.recipe.epochs).trained_s:
        notes[checkpoint.TRAINED_S] = f"{trained_s:.6g}"
    target = folder / f"{order.model}.safetensors"
    checkpoint.save(target, trained(spec, clip.frames, folder, notes))
    return target


def score(path: Path, source: str) -> Quality:
    """The quality of a checkpoint on all frames of its clip, by fp32 eager."""
    return scoring.score(checkpoint.load(path), clips.open_clip(source))


def settings(recipe: Recipe) -> dict[str, str | int | float | bool]:
    """All of a recipe that decides the weights, as plain values."""
    values: dict[str, str | int | float | bool] = json.loads(recipe.to_json())
    return values


def recipe_of(values: dict[str, str | int | float | bool]) -> Recipe:
    """The recipe of such values; what is not among them is the default."""
    return dataclasses.replace(Recipe(), **values)  # type: ignore[arg-type]
