"""What a NeRV is made of, as plain data: enough to build the network and to describe a file.

Widths follow the authors' code (Chen et al., NeurIPS 2021, arXiv 2110.13903; their repository at 6904589):
the first stage keeps ``fc_dim``, each later one has ``max(c // reduction, lower_width)`` channels (``c`` itself is
not halved at stride 1, only bounded from below), and with ``blocks_per_stage`` n > 1 a stage is followed by
n − 1 blocks of stride 1.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import reprlib
from dataclasses import dataclass
from typing import Any, Literal, get_args

Activation = Literal["relu", "leaky", "leaky01", "relu6", "gelu", "swish", "softplus", "hardswish"]
Output = Literal["tanh", "sigmoid"]


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """One block: Conv2d 3×3 (in → out · stride²), PixelShuffle(stride), activation."""

    in_channels: int
    out_channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class NervSpec:
    """The architecture of a NeRV (frame index in, picture out).

    ``stem_widths`` are the hidden widths of the stem between the positional embedding (2 · levels numbers) and
    ``fc_height · fc_width · fc_dim``; the published models have one of 512.
    """

    fc_dim: int
    strides: tuple[int, ...]
    stem_widths: tuple[int, ...] = (512,)
    fc_height: int = 9
    fc_width: int = 16
    lower_width: int = 96
    reduction: int = 2
    expansion: int = 1
    blocks_per_stage: int = 1
    embed_base: float = 1.25
    embed_levels: int = 40
    activation: Activation = "swish"
    output: Output = "tanh"

    @property
    def family(self) -> str:
        """The family's name, as in ``nervbench models``."""
        return "nerv"

    @property
    def width(self) -> int:
        """Width of a frame, in pixels."""
        return self.fc_width * math.prod(self.strides)

    @property
    def height(self) -> int:
        """Height of a frame, in pixels."""
        return self.fc_height * math.prod(self.strides)

    @property
    def embed_length(self) -> int:
        """Length of the positional embedding: a sine and a cosine a level."""
        return 2 * self.embed_levels

    @property
    def stem(self) -> tuple[tuple[int, int], ...]:
        """The stem's linear layers as (inputs, outputs)."""
        widths = (self.embed_length, *self.stem_widths, self.fc_height * self.fc_width * self.fc_dim)
        return tuple(itertools.pairwise(widths))

    @property
    def blocks(self) -> tuple[BlockSpec, ...]:
        """All blocks in order."""
        blocks: list[BlockSpec] = []
        channels = self.fc_dim
        for stage, stride in enumerate(self.strides):
            if stage == 0:
                out = channels * self.expansion
            else:
                out = max(channels // (1 if stride == 1 else self.reduction), self.lower_width)
            for position in range(self.blocks_per_stage):
                blocks.append(BlockSpec(channels, out, stride if position == 0 else 1))
                channels = out
        return tuple(blocks)

    def to_json(self) -> str:
        """The spec as one line of JSON with sorted keys (stable: it is hashed)."""
        return json.dumps({"family": self.family} | dataclasses.asdict(self), sort_keys=True)


def from_json(text: str) -> NervSpec:
    """The spec of :meth:`NervSpec.to_json`.

    Raises ``ValueError``, and nothing else, with the key that is unknown, missing, of another type or out of bounds.
    """
    try:
        raw: Any = json.loads(text)
    except RecursionError:
        msg = "a model spec is a JSON object, found lists or objects nested too deep to read"
        raise ValueError(msg) from None
    if not isinstance(raw, dict):
        msg = f"a model spec is a JSON object, found {type(raw).__name__}"
        raise ValueError(msg)  # noqa: TRY004 (one kind of error for every malformed spec)
    if (family := raw.pop("family", None)) != "nerv":
        msg = f"model family is {reprlib.repr(family)}; known: nerv"
        raise ValueError(msg)
    if unknown := sorted(set(raw) - {field.name for field in dataclasses.fields(NervSpec)}):
        msg = f"model spec has unknown keys {', '.join(map(reprlib.repr, unknown[:6]))}"
        raise ValueError(msg)
    if missing := {"fc_dim", "strides"} - set(raw):
        msg = f"model spec lacks {', '.join(sorted(missing))}"
        raise ValueError(msg)
    spec = NervSpec(**{key: _checked(key, value) for key, value in raw.items()})
    _bounded(spec)
    return spec


# No real model comes near these; they keep a hostile spec from allocating or from building layers without end.
_MAX_NUMBER = 1 << 20
_MAX_LAYERS = 64
_MAX_SIDE = 1 << 15
_MAX_PIXELS = 1 << 26
_MAX_PARAMETERS = 1 << 32
_MAX_FREQUENCY = 1e30  # in float32, infinity begins at 3.4e38


def _checked(key: str, value: Any) -> Any:
    """One untrusted value as its field takes it, or the error that names the field."""
    if key in {"strides", "stem_widths"}:
        least = 1 if key == "strides" else 0
        if not isinstance(value, list) or not least <= len(value) <= _MAX_LAYERS or not all(map(_is_count, value)):
            bounds = f"{least} to {_MAX_LAYERS} positive integers"
            msg = f"model spec: {key} must be a list of {bounds}, found {reprlib.repr(value)}"
            raise ValueError(msg)
        return tuple(value)
    if key == "embed_base":
        if type(value) not in (int, float) or not 1 <= value <= 1000:
            msg = f"model spec: embed_base must be a number from 1 to 1000, found {reprlib.repr(value)}"
            raise ValueError(msg)
        return float(value)
    if key in _CHOICES:
        if value not in _CHOICES[key]:
            msg = f"model spec: {key} must be one of {', '.join(_CHOICES[key])}, found {reprlib.repr(value)}"
            raise ValueError(msg)
        return value
    if not _is_count(value):
        msg = f"model spec: {key} must be a positive integer up to {_MAX_NUMBER}, found {reprlib.repr(value)}"
        raise ValueError(msg)
    return value


_CHOICES = {"activation": get_args(Activation), "output": get_args(Output)}


def _is_count(value: object) -> bool:
    """A positive integer of a possible size; True and 1.0 are not."""
    return type(value) is int and 0 < value <= _MAX_NUMBER


def _bounded(spec: NervSpec) -> None:
    """Refuse a spec that is well formed and too large to be a model."""
    if spec.width > _MAX_SIDE or spec.height > _MAX_SIDE or spec.width * spec.height > _MAX_PIXELS:
        bounds = f"{_MAX_SIDE} a side and {_MAX_PIXELS} in all"
        msg = f"model spec: frames of {spec.width}x{spec.height} pixels; the bounds are {bounds}"
        raise ValueError(msg)
    if (blocks := len(spec.strides) * spec.blocks_per_stage) > _MAX_LAYERS:
        msg = f"model spec: {blocks} blocks; the bound is {_MAX_LAYERS}"
        raise ValueError(msg)
    if (spec.embed_levels - 1) * math.log(spec.embed_base) > math.log(_MAX_FREQUENCY):
        found = f"embed_base {spec.embed_base:g} with {spec.embed_levels} levels"
        msg = f"model spec: {found} has frequencies over {_MAX_FREQUENCY:g}"
        raise ValueError(msg)
    parameters = sum((inputs + 1) * outputs for inputs, outputs in spec.stem)
    parameters += sum((9 * block.in_channels + 1) * block.out_channels * block.stride**2 for block in spec.blocks)
    if parameters > _MAX_PARAMETERS:
        msg = f"model spec: {parameters} parameters; the bound is {_MAX_PARAMETERS}"
        raise ValueError(msg)
