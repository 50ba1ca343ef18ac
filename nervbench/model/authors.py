"""The authors' ``.pth`` files: weights under their names, and no word of the architecture.

The spec is inferred from the shapes. Keys lose what data parallel (``module.``) and older files (``blocks.0.``) put in;
the pairs of a pruned file (``x_orig``, ``x_mask``) become ``x``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nervbench.errors import CheckpointError, names, printable
from nervbench.model import network
from nervbench.model.family import Foreign, from_json
from nervbench.model.spec import BlockSpec, NervSpec, Norm

PUBLISHED = "activation swish, embedding base 1.25, tanh output (not in the file; the published recipe)"
PUBLISHED_GRID = (9, 16)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
MASKS = (*FLOATS, torch.bool, torch.uint8)
MAX_LAYERS = 64


def read(path: Path, raw: Any) -> Foreign:
    """What the content of a ``.pth`` file is. Raises CheckpointError with what is missing or does not fit."""
    # dict's own methods: those of an OrderedDict can be covered by attributes that the file gives it.
    state = dict.get(raw, "state_dict", raw) if isinstance(raw, dict) else raw
    # Beside the tensors there may be remarks such as the epoch.
    entries = dict.items(state) if isinstance(state, dict) else ()
    weights = {name: value for name, value in entries if not isinstance(value, int | float | str | None)}
    if not weights or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()):
        msg = f"checkpoint {path}: {_other_than_weights(raw)}; expected a 'state_dict' of a NeRV's tensors"
        raise CheckpointError(msg)
    tensors = _masked(path, _renamed(path, network.weights(weights)))
    return Foreign(_infer(path, tensors), tensors, PUBLISHED)


def _other_than_weights(raw: object) -> str:
    """What a file without weights holds."""
    if not isinstance(raw, dict):
        return f"no weights in it, but a {type(raw).__name__}"
    return f"no weights in it (found: {names(raw)})"


def _renamed(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys without what data parallel (``module.``) and older files (``blocks.0.``) put into them."""
    renamed: dict[str, Tensor] = {}
    claimed, size = 0, path.stat().st_size  # a file may give one storage many names, and each is taken for weights
    for name, tensor in tensors.items():
        plain = f".{name}".replace(".module.", ".").replace(".blocks.0.", ".").removeprefix(".")
        if plain in renamed:
            msg = f"checkpoint {path}: {names([plain])} is there twice, with and without a prefix"
            raise CheckpointError(msg)
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            kind = f"{tensor.dtype}, {tensor.layout}, {tensor.device.type}"
            msg = f"checkpoint {path}: {names([name])} is no plain tensor of numbers ({kind})"
            raise CheckpointError(msg)
        claimed += tensor.numel() * tensor.element_size()
        if claimed > size:
            msg = f"checkpoint {path}: {names([name])} claims {tensor.numel()} values, more than the file holds"
            raise CheckpointError(msg)
        renamed[plain] = tensor.detach()
    return renamed


def _masked(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Apply the masks of torch.nn.utils.prune: ``x_orig`` · ``x_mask`` becomes ``x``."""
    plain = {name: tensor for name, tensor in tensors.items() if not name.endswith(("_orig", "_mask"))}
    for name in sorted({name.removesuffix("_orig").removesuffix("_mask") for name in tensors.keys() - plain.keys()}):
        weight, mask = tensors.get(f"{name}_orig"), tensors.get(f"{name}_mask")
        if (
            weight is None
            or mask is None
            or weight.shape != mask.shape
            or weight.dtype not in FLOATS
            or mask.dtype not in MASKS
            or name in plain
        ):
            listed = ", ".join(f"{n} {tuple(t.shape)}" for n, t in tensors.items() if n.startswith(name))
            found = f"found {printable(listed, 200)}"
            msg = f"checkpoint {path}: a pruned weight is a pair _orig and _mask of one shape; {found}"
            raise CheckpointError(msg)
        plain[name] = weight * mask
    return plain


def _infer(path: Path, tensors: Mapping[str, Tensor]) -> NervSpec:
    """The architecture from the shapes, or a refusal that names what does not fit."""
    stem = _shapes(tensors, "stem.", ".weight")
    convs = _shapes(tensors, "layers.", ".conv.conv.weight")
    heads = _shapes(tensors, "head_layers.", ".weight")
    kinds = {"stem.0.weight": stem, "layers.0.conv.conv.weight": convs, "head_layers.K.weight": heads}
    if missing := [name for name, found in kinds.items() if not found]:
        msg = f"checkpoint {path}: of another model: {', '.join(missing)} missing; found {names(tensors)}"
        raise CheckpointError(msg)
    regular = all(len(s) == 2 for s in stem) and all(len(s) == 4 and s[2:] == (3, 3) for s in convs)
    sizes = [size for shape in (*stem, *convs, *heads) for size in shape]
    if not regular or len(heads) != 1 or len(heads[0]) != 4 or min(sizes) < 1 or len(stem) + len(convs) > MAX_LAYERS:
        found = f"stem {stem[:4]}, convolutions {convs[:8]}, heads {heads[:4]}"
        msg = f"checkpoint {path}: of another model: {found} are not those of a single-resolution NeRV"
        raise CheckpointError(msg)
    seen = _blocks(path, convs, heads[0][1])
    fc_dim, grid = convs[0][1], stem[-1][0] / convs[0][1]
    if grid != math.prod(PUBLISHED_GRID):
        found = f"the stem gives {stem[-1][0]} values for {fc_dim} channels, {grid:g} positions"
        msg = (
            f"checkpoint {path}: {found}; only the published 9x16 grid can be inferred: "
            f"save it as safetensors with its spec (nervbench.model.checkpoint.save)"
        )
        raise CheckpointError(msg)
    return _spec_with(path, seen, stem, fc_dim, "bn" if "layers.0.norm.weight" in tensors else "none")


def _shapes(tensors: Mapping[str, Tensor], kind: str, tail: str) -> list[tuple[int, ...]]:
    """Shapes of the tensors ``kind`` N ``tail`` in the order of N."""
    numbers = {name: name.removeprefix(kind).removesuffix(tail) for name in tensors if name.startswith(kind)}
    numbered = {name: int(n) for name, n in numbers.items() if n.isascii() and n.isdigit() and len(n) < 4}
    return [tuple(tensors[name].shape) for name in sorted(numbered, key=numbered.__getitem__)]


def _blocks(path: Path, convs: list[tuple[int, ...]], head_inputs: int) -> tuple[BlockSpec, ...]:
    """The blocks that these convolutions make: PixelShuffle divides the channels by the square of the stride."""
    outs = [*(conv[1] for conv in convs[1:]), head_inputs]
    blocks = tuple(BlockSpec(conv[1], out, math.isqrt(conv[0] // out)) for conv, out in zip(convs, outs, strict=True))
    if any(b.out_channels * b.stride**2 != conv[0] for b, conv in zip(blocks, convs, strict=True)):
        msg = f"checkpoint {path}: channels {[s[:2] for s in convs]} are no chain of PixelShuffle blocks"
        raise CheckpointError(msg)
    return blocks


def _spec_with(
    path: Path, seen: tuple[BlockSpec, ...], stem: list[tuple[int, ...]], fc_dim: int, norm: Norm
) -> NervSpec:
    """The spec whose rule of widths gives exactly the blocks that were seen."""
    widths = sorted({block.out_channels for block in seen[1:]} or {seen[0].out_channels})
    # 2 is the published reduction; where it gives the same widths as another, it is the answer.
    for per_stage, reduction, lower in itertools.product((1, 2, 3, 4), (2, 1, 3, 4, 5, 6, 7, 8), widths):
        spec = NervSpec(
            fc_dim=fc_dim,
            strides=tuple(block.stride for block in seen[::per_stage]),
            stem_widths=tuple(shape[0] for shape in stem[:-1]),
            embed_levels=stem[0][1] // 2,
            lower_width=lower,
            reduction=reduction,
            expansion=max(1, seen[0].out_channels // fc_dim),
            blocks_per_stage=per_stage,
            norm=norm,
        )
        if spec.blocks == seen:
            try:
                from_json(spec.to_json())  # within the bounds of any other spec
            except ValueError as error:
                msg = f"checkpoint {path}: {error}"
                raise CheckpointError(msg) from None
            return spec
    found = [block.out_channels for block in seen]
    msg = f"checkpoint {path}: widths {found} follow no rule of NeRV's (fc_dim {fc_dim})"
    raise CheckpointError(msg)
