"""HNeRV's decoder (Chen et al., CVPR 2023, arXiv 2304.02633) as plain data, and its authors' quantised files.

A frame is a small stored embedding, a picture of a few pixels and many channels; the decoder enlarges it. The encoder,
which made the embeddings, is not needed to decode and is in none of the files. Widths follow the authors' code: each
block has its predecessor's channels divided by ``reduction``, rounded, and a kernel 2 larger, up to ``max_kernel``.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from nervbench.errors import CheckpointError, names
from nervbench.model import fields
from nervbench.model.family import Family, Foreign
from nervbench.model.spec import Activation, Output

if TYPE_CHECKING:
    from torch import Tensor

    from nervbench.model.network import Network

CODES = 256
PUBLISHED = "GELU, tanh output (not in the file; the published recipe)"
PUBLISHED_WIDTH = 12


@dataclass(frozen=True, slots=True)
class HnervBlock:
    """One block: Conv2d kernel × kernel (in → out · stride²), PixelShuffle(stride), activation."""

    in_channels: int
    out_channels: int
    stride: int
    kernel: int


@dataclass(frozen=True, slots=True)
class HnervSpec:
    """The architecture of an HNeRV decoder with the embeddings of so many frames."""

    frames: int
    fc_dim: int
    strides: tuple[int, ...] = (5, 4, 4, 2, 2)
    embed_channels: int = 16
    embed_height: int = 2
    embed_width: int = 4
    reduction: float = 1.2
    lower_width: int = PUBLISHED_WIDTH
    min_kernel: int = 1
    max_kernel: int = 5
    activation: Activation = "gelu"
    output: Output = "tanh"

    @property
    def family(self) -> str:
        """The family's name, as in ``nervbench models``."""
        return "hnerv"

    @property
    def width(self) -> int:
        """Width of a frame, in pixels."""
        return self.embed_width * math.prod(self.strides)

    @property
    def height(self) -> int:
        """Height of a frame, in pixels."""
        return self.embed_height * math.prod(self.strides)

    @property
    def blocks(self) -> tuple[HnervBlock, ...]:
        """The blocks in order."""
        blocks: list[HnervBlock] = []
        channels = self.fc_dim
        for stage, stride in enumerate(self.strides):
            out = max(round(channels / self.reduction), self.lower_width)
            kernel = min(self.min_kernel + 2 * stage, self.max_kernel)
            blocks.append(HnervBlock(channels, out, stride, kernel))
            channels = out
        return tuple(blocks)

    def to_json(self) -> str:
        """The spec as one line of JSON with sorted keys (stable: it is hashed)."""
        return json.dumps({"family": self.family} | dataclasses.asdict(self), sort_keys=True)


_FIELDS: Mapping[str, fields.Checker] = {
    "frames": fields.count,
    "fc_dim": fields.count,
    "strides": fields.counts(1),
    "embed_channels": fields.count,
    "embed_height": fields.count,
    "embed_width": fields.count,
    "reduction": fields.number(1, 16),
    "lower_width": fields.count,
    "min_kernel": fields.count,
    "max_kernel": fields.count,
    "activation": fields.choice(get_args(Activation)),
    "output": fields.choice(get_args(Output)),
}
MAX_KERNEL = 31


def _parse(raw: dict[str, Any]) -> HnervSpec:
    spec: HnervSpec = fields.parse(HnervSpec, raw, _FIELDS)
    fields.bound_frame(spec.width, spec.height)
    if (largest := max(block.kernel for block in spec.blocks)) > MAX_KERNEL or not all(
        block.kernel % 2 for block in spec.blocks
    ):
        msg = f"model spec: kernels up to {largest}; they must be odd and at most {MAX_KERNEL}"
        raise ValueError(msg)
    embeddings = spec.frames * spec.embed_channels * spec.embed_height * spec.embed_width
    first = (spec.embed_channels + 1) * spec.fc_dim
    rest = sum((b.in_channels * b.kernel**2 + 1) * b.out_channels * b.stride**2 for b in spec.blocks)
    fields.bound_parameters(embeddings + first + rest)
    return spec


def _network(spec: HnervSpec) -> Network:
    from nervbench.model.hnerv import Hnerv  # noqa: PLC0415 (PyTorch: not for who only reads a spec)

    return Hnerv(spec)


def _deviation(name: str, shape: tuple[int, ...]) -> float:
    """The variance that keeps a GELU's output at unit power, 1 / (0.425 · fan-in); embeddings of unit power."""
    if name == "embed":
        return 1.0
    return (0.5 if name.startswith("head_layer") else 1.0) / math.sqrt(0.425 * math.prod(shape[1:]))


def _claims(content: object) -> bool:
    """The authors' quantised files hold frame embeddings and weights as 8-bit codes with their scales."""
    return isinstance(content, dict) and {"embed", "model"} <= dict.keys(content)


def _read(path: Path, content: Any) -> Foreign:
    """Weights of a quantised file. Raises CheckpointError with what does not fit."""
    parts = dict.__getitem__(content, "model")
    if not isinstance(parts, dict) or not all(isinstance(name, str) for name in parts):
        msg = f"checkpoint {path}: its 'model' is no dictionary of quantised weights"
        raise CheckpointError(msg)
    tensors = {name: _dequantised(path, name, part) for name, part in parts.items()}
    tensors["embed"] = _dequantised(path, "embed", dict.__getitem__(content, "embed"))
    spec = _infer(path, tensors)
    return Foreign(spec, tensors, PUBLISHED, {"resized_with": "crop"}, coded=True)


def _dequantised(path: Path, name: str, part: object) -> Tensor:
    """The minimum + scale · code in float32; each is a tensor that the codes' shape can be multiplied with."""
    import torch  # noqa: PLC0415

    found = [dict.get(part, key) for key in ("quant", "min", "scale")] if isinstance(part, dict) else []
    whole = [t for t in found if isinstance(t, torch.Tensor) and t.layout == torch.strided and t.device.type == "cpu"]
    if len(whole) == 3:
        codes, low, scale = whole
        fits = low.shape == scale.shape and low.dim() in (0, codes.dim())
        fits = fits and all(a in (1, b) for a, b in zip(low.shape, codes.shape, strict=False))
        # What a view claims must be there: one byte can be given the strides of a billion.
        there = codes.numel() <= codes.untyped_storage().nbytes()
        if codes.dtype == torch.uint8 and low.is_floating_point() and scale.is_floating_point() and fits and there:
            return low.to(torch.float32) + scale.to(torch.float32) * codes.to(torch.float32)
    msg = f"checkpoint {path}: {names([name])} is not made of 'quant' (8 bits), 'min' and 'scale' that fit together"
    raise CheckpointError(msg)


def _infer(path: Path, tensors: Mapping[str, Tensor]) -> HnervSpec:
    """The architecture from the shapes, or a refusal that names what does not fit."""
    shape = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    embed, first = shape["embed"], shape.get("decoder.0.conv.downconv.weight", ())
    head = shape.get("head_layer.weight", ())
    numbers = [int(m[1]) for name in shape if (m := re.fullmatch(r"decoder\.(\d{1,2})\.conv\.upconv\.0\.weight", name))]
    convs = [shape[f"decoder.{number}.conv.upconv.0.weight"] for number in sorted(numbers)]
    if len(embed) != 4 or len(first) != 4 or len(head) != 4 or not convs or not all(len(c) == 4 for c in convs):
        found = f"embed {embed}, first {first}, blocks {convs[:8]}, head {head}"
        msg = f"checkpoint {path}: of another model: {found} are not those of an HNeRV decoder"
        raise CheckpointError(msg)
    if min(size for found in (embed, first, head, *convs) for size in found) < 1:
        msg = f"checkpoint {path}: a layer without weights"
        raise CheckpointError(msg)
    outs = [*(conv[1] for conv in convs[1:]), head[1]]
    fields_found = {
        "frames": embed[0],
        "fc_dim": first[0],
        "strides": [max(1, math.isqrt(conv[0] // out)) for conv, out in zip(convs, outs, strict=True)],
        "embed_channels": embed[1],
        "embed_height": embed[2],
        "embed_width": embed[3],
        "lower_width": min(PUBLISHED_WIDTH, *outs),
        "min_kernel": convs[0][2],
        "max_kernel": max(conv[2] for conv in convs),
    }
    try:
        spec = _parse(fields_found)
    except ValueError as error:
        msg = f"checkpoint {path}: {error}"
        raise CheckpointError(msg) from None
    seen = [(conv[1], conv[2], out) for conv, out in zip(convs, outs, strict=True)]
    if [(block.in_channels, block.kernel, block.out_channels) for block in spec.blocks] != seen:
        msg = f"checkpoint {path}: widths and kernels {seen} follow no rule of HNeRV's (fc_dim {first[0]})"
        raise CheckpointError(msg)
    return spec


FAMILY = Family(
    name="hnerv",
    models={
        # The paper's sizes for Big Buck Bunny (132 frames, 1280×640), by their millions of parameters. fc_dim is what
        # the authors' code finds for each, and gives the 11.7, 27.8, 57.7 and 118.7 GFLOP a frame of the paper.
        "hnerv-0.35m": HnervSpec(frames=132, fc_dim=32),
        "hnerv-0.75m": HnervSpec(frames=132, fc_dim=48),
        "hnerv-1.5m": HnervSpec(frames=132, fc_dim=68),
        "hnerv-3m": HnervSpec(frames=132, fc_dim=97),
    },
    parse=_parse,
    network=_network,
    deviation=_deviation,
    claims=_claims,
    read=_read,
)
