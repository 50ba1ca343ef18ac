"""NeRV's architecture as plain data: enough to build the network and to describe a file.

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
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from nervbench.model import fields
from nervbench.model.family import Family

if TYPE_CHECKING:
    from nervbench.model.network import Network

Activation = Literal["relu", "leaky", "leaky01", "relu6", "gelu", "swish", "softplus", "hardswish"]
Output = Literal["tanh", "sigmoid"]
Norm = Literal["none", "bn", "in"]
Upscaling = Literal["shuffle", "transpose", "bilinear"]


@dataclass(frozen=True, slots=True)
class BlockSpec:
    """One block: to stride times the size, from so many channels to so many (see ``upscale``), then an activation."""

    in_channels: int
    out_channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class NervSpec:
    """The architecture of a NeRV (frame index in, picture out).

    ``stem_widths`` are the hidden widths of the stem between the positional embedding (2 · levels numbers) and
    ``fc_height · fc_width · fc_dim``; the published models have one of 512. ``upscale`` is how a block becomes larger:
    Conv2d 3×3 to out · stride² and PixelShuffle, a transposed convolution, or bilinear and then a convolution.
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
    norm: Norm = "none"
    upscale: Upscaling = "shuffle"

    @property
    def family(self) -> str:
        """The family's name, as in ``nervbench models``."""
        return "nerv"

    @property
    def frames(self) -> None:
        """Any number: nothing is stored for a frame."""
        return

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
        values = dataclasses.asdict(self)
        for later, default in _LATER.items():
            if values[later] == default:
                del values[later]
        return json.dumps({"family": self.family} | values, sort_keys=True)


_LATER = {"norm": "none", "upscale": "shuffle"}
"""Keys that came later: left out where they are the default, so that the hash of an older file is what it was."""

_FIELDS: Mapping[str, fields.Checker] = {
    "fc_dim": fields.count,
    "strides": fields.counts(1),
    "stem_widths": fields.counts(0),
    "fc_height": fields.count,
    "fc_width": fields.count,
    "lower_width": fields.count,
    "reduction": fields.count,
    "expansion": fields.count,
    "blocks_per_stage": fields.count,
    "embed_base": fields.number(1, 1000),
    "embed_levels": fields.count,
    "activation": fields.choice(get_args(Activation)),
    "output": fields.choice(get_args(Output)),
    "norm": fields.choice(get_args(Norm)),
    "upscale": fields.choice(get_args(Upscaling)),
}


def _parse(raw: dict[str, Any]) -> NervSpec:
    spec: NervSpec = fields.parse(NervSpec, raw, _FIELDS)
    fields.bound_frame(spec.width, spec.height)
    if (blocks := len(spec.strides) * spec.blocks_per_stage) > fields.MAX_LAYERS:
        msg = f"model spec: {blocks} blocks; the bound is {fields.MAX_LAYERS}"
        raise ValueError(msg)
    fields.bound_frequencies(spec.embed_base, spec.embed_levels)
    stem = sum((inputs + 1) * outputs for inputs, outputs in spec.stem)
    fields.bound_parameters(stem + sum(_most_weights(block) for block in spec.blocks))
    return spec


def _most_weights(block: BlockSpec) -> int:
    """Parameters of a block, at the most of its ways to become larger."""
    kernel = max(9 * block.stride**2, (2 * block.stride + 1) ** 2)
    return (kernel * block.in_channels + block.stride**2) * block.out_channels


def _network(spec: NervSpec) -> Network:
    from nervbench.model.nerv import Nerv  # noqa: PLC0415 (PyTorch: not for who only reads a spec)

    return Nerv(spec)


def _deviation(name: str, shape: tuple[int, ...]) -> float:
    """Each layer has the variance that keeps a SiLU's output at unit power, 1 / (0.356 · fan-in); the head a half."""
    if name.endswith("norm.weight"):
        return 1.0
    head = name.startswith("head_layers")
    power = 0.5 if head or name == "stem.0.weight" else 0.356
    return (0.5 if head else 1.0) / math.sqrt(power * math.prod(shape[1:]))


_XS = NervSpec(fc_dim=20, strides=(5, 2, 2), stem_widths=(256,), lower_width=48)
_S = NervSpec(fc_dim=26, strides=(5, 2, 2, 2, 2))


def _uvg(fc_dim: int, expansion: int) -> NervSpec:
    return NervSpec(fc_dim=fc_dim, strides=(5, 3, 2, 2, 2), expansion=expansion, lower_width=32)


FAMILY = Family(
    name="nerv",
    models={
        # Ours: small enough to train and decode on two cores, at 320×180.
        "nerv-xs": _XS,
        # The paper's three, 1280×720 (Table 2).
        "nerv-s": _S,
        "nerv-m": dataclasses.replace(_S, fc_dim=58),
        "nerv-l": dataclasses.replace(_S, fc_dim=112),
        # The architectures of the source study beside NeRV-S, and the same changes to the small one.
        "nerv-s-3blocks": dataclasses.replace(_S, strides=(5, 4, 4)),
        "nerv-s-10blocks": dataclasses.replace(_S, blocks_per_stage=2),
        "nerv-s-1fc": dataclasses.replace(_S, stem_widths=()),
        "nerv-s-3fc": dataclasses.replace(_S, stem_widths=(512, 512)),
        "nerv-xs-2blocks": dataclasses.replace(_XS, strides=(5, 4)),
        "nerv-xs-6blocks": dataclasses.replace(_XS, blocks_per_stage=2),
        "nerv-xs-1fc": dataclasses.replace(_XS, stem_widths=()),
        "nerv-xs-3fc": dataclasses.replace(_XS, stem_widths=(256, 256)),
        # The authors' configurations for UVG, 1920×1080, by their millions of parameters.
        "nerv-uvg-24m": _uvg(64, 8),
        "nerv-uvg-36m": _uvg(128, 4),
        "nerv-uvg-59m": _uvg(128, 6),
        "nerv-uvg-88m": _uvg(128, 8),
        "nerv-uvg-190m": _uvg(192, 8),
    },
    parse=_parse,
    network=_network,
    deviation=_deviation,
    remarks={
        "nerv-s-10blocks": "the source study's table says 5,200,975 parameters; the layers that it prints, and this "
        "model, have 3,540,175. Its number is that of NeRV-S with one convolution of 26 to 26 channels and six of 96 "
        "to 384 added"
    },
)
