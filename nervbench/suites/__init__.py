"""The experiments of the source study as suites: what to train and decode, what was published, what was concluded.

One TOML file a suite. An **arm** is a row of a suite: a model and a recipe, at one or more scales. ``small`` runs on
two cores, ``full`` is what was published. Packaged files only, so what is wrong in one is an error of ours.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Literal

from pydantic import ConfigDict, TypeAdapter

from nervbench.errors import ConfigError, unknown
from nervbench.records import Scale
from nervbench.trials import Setting

Quantity = Literal["params", "psnr_db", "ms_ssim", "epoch_s", "train_s", "decode_fps", "bits_per_pixel"]
Change = Literal["more", "less", "same"]
PREFIX = "suite:"


@dataclass(frozen=True, slots=True)
class Source:
    """Where published numbers are from, and after how many epochs, if of a training."""

    says: str
    epochs: int | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """What one source says of an arm; ``source`` is a key of :attr:`Suite.sources`."""

    source: str
    numbers: dict[Quantity, float]


@dataclass(frozen=True, slots=True)
class Compress:
    """An arm that is another one, compressed: its weights pruned, fine-tuned for so many epochs, quantised, coded."""

    of: str
    bits: int
    prune: float = 0.0
    finetune_epochs: dict[Scale, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arm:
    """A row of a suite. What is not said here is as the suite says it; without a model at a scale it is not run there.

    ``weights`` are those of a network that is not trained here. ``clips`` mark the arm whose clip a user gives.
    """

    key: str
    name: str
    models: dict[Scale, str] = field(default_factory=dict)
    recipe: dict[str, Setting] = field(default_factory=dict)
    epochs: dict[Scale, int] = field(default_factory=dict)
    seeds: dict[Scale, tuple[int, ...]] = field(default_factory=dict)
    clips: dict[Scale, str] = field(default_factory=dict)
    weights: dict[Scale, str] = field(default_factory=dict)
    compress: Compress | None = None
    published: tuple[Published, ...] = ()
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A published checkpoint by the SHA-256 of its file: who has it may let it join."""

    sha256: str
    name: str
    published: tuple[Published, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """One comparison: the quantity of arm ``of`` is more than, less than or, but for ``within``, that of ``against``.

    Of PSNR and MS-SSIM the difference counts, of all else the ratio; ``within`` is of that kind. ``ratios`` are
    published ones by source, where no numbers were.
    """

    quantity: Quantity
    of: str
    against: str
    change: Change
    within: float = 0.0
    ratios: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """A sentence of the study or the paper, and the comparisons that it stands or falls with."""

    says: str
    claims: tuple[Claim, ...]
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class AtScale:
    """What all arms share at a scale."""

    clip: str
    epochs: int
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rates:
    """Conventional codecs beside the networks, as ``nervbench rate`` takes them."""

    codecs: str
    threads: str
    repeats: int


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite; ``quantities`` are the columns of its report."""

    title: str
    question: str
    quantities: tuple[Quantity, ...]
    sources: dict[str, Source]
    scales: dict[Scale, AtScale]
    arms: tuple[Arm, ...]
    conclusions: tuple[Conclusion, ...]
    recipe: dict[str, Setting] = field(default_factory=dict)
    known: tuple[Known, ...] = ()
    rates: Rates | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """An arm to be trained at a scale, once a seed."""

    arm: Arm
    model: str
    clip: str
    epochs: int
    seeds: tuple[int, ...]
    recipe: dict[str, Setting]

    def run(self, seed: int) -> str:
        """The name of a training, which is that of its folder too."""
        return f"{self.arm.key}-{seed}"


def names() -> list[str]:
    """The suites that there are."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load(name: str) -> Suite:
    """A suite by name. Raises ConfigError with the known names."""
    if name not in (known := names()):
        raise ConfigError([unknown("suite", name, known)])
    text = resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    suite: Suite = _adapter().validate_python([tomllib.loads(text)])[0]
    return suite


def trainings(suite: Suite, scale: Scale, clip: str | None = None) -> list[Trained]:
    """What is trained at a scale; ``clip`` is what a user gives: for the arm that asks for one, else for all."""
    shared = suite.scales[scale]
    asked = any(arm.clips for arm in suite.arms)
    found = []
    for arm in suite.arms:
        if scale not in arm.models or scale in arm.weights:
            continue
        own = arm.clips.get(scale, shared.clip)
        chosen = clip if clip and (arm.clips or not asked) else own
        found.append(
            Trained(
                arm,
                arm.models[scale],
                chosen,
                arm.epochs.get(scale, shared.epochs),
                arm.seeds.get(scale, shared.seeds),
                {**suite.recipe, **arm.recipe},
            )
        )
    return found


def published(suite: Suite, arm: Arm | Known) -> Mapping[str, Mapping[Quantity, float]]:
    """What was published of an arm, by source; seconds an epoch follow from those of a whole training."""
    found: dict[str, dict[Quantity, float]] = {}
    for each in arm.published:
        numbers, epochs = dict(each.numbers), suite.sources[each.source].epochs
        if epochs and "train_s" in numbers:
            numbers.setdefault("epoch_s", numbers["train_s"] / epochs)
        found[each.source] = numbers
    return found


def _adapter() -> TypeAdapter[tuple[Suite]]:
    return TypeAdapter(tuple[Suite], config=ConfigDict(extra="forbid"))
