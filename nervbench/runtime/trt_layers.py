"""The layers of a TensorRT engine: their times by its profiler, what they compute and move by its inspector.

A layer of an engine is what was fused: a convolution with its activation, or a region of which only the name is told.
Of what does not say how it computes, FLOP and bytes are left unknown; a guess would say what binds it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from nervbench.errors import UnsupportedError
from nervbench.records import Operator

PROFILER = "TensorRT's profiler"
COUNTLESS = frozenset(
    {"Activation", "Cast", "Constant", "ElementWise", "Identity", "NoOp", "PointWise", "PointWiseV2", "Reformat",
     "Scale", "Shuffle", "Slice", "Unary"}
)  # fmt: skip
"""Kinds without a multiply-add, as the inspector words them: next to nothing to compute, only bytes to move."""
SIZES = ((1, r"int8|fp8|bool"), (2, r"bf16|bfloat16|fp16|half|float16"), (8, r"int64"), (4, r"fp32|float|int32"))
"""Bytes of a value, by what the inspector calls its type; the first that is found counts."""


def watching(trt: Any) -> Any:
    """A profiler whose ``seen`` holds (name, seconds) of every layer that was executed since it was emptied."""

    class Watching(trt.IProfiler):  # type: ignore[misc]  # its base is only there once TensorRT is imported
        """TensorRT calls it once a layer after each execution."""

        def __init__(self) -> None:
            trt.IProfiler.__init__(self)
            self.seen: list[tuple[str, float]] = []

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            """Milliseconds of one layer."""
            self.seen.append((layer_name, float(ms) / 1e3))

    return Watching()


def operators(decodes: Sequence[Sequence[tuple[str, float]]], said: str) -> tuple[Operator, ...]:
    """Layers with the mean of all decodes, described as far as the inspector's JSON ``said`` does.

    Raises UnsupportedError where nothing was reported, or not the same layers every time.
    """
    names = {tuple(name for name, _ in decode) for decode in decodes}
    if len(names) != 1 or names == {()}:
        msg = (
            "TensorRT reported the times of no layers" if names <= {()} else "TensorRT reported other layers each time"
        )
        raise UnsupportedError(msg)
    described = _layers(said)
    return tuple(
        _operator(turns[0][0], fmean(seconds for _, seconds in turns), described.get(turns[0][0], {}))
        for turns in zip(*decodes, strict=True)
    )


def _layers(said: str) -> dict[str, dict[str, Any]]:
    """What the inspector tells of each layer, by name; {} where it tells names only."""
    try:
        return {layer["Name"]: layer for layer in json.loads(said)["Layers"]}
    except (ValueError, TypeError, LookupError, RecursionError):
        return {}


def _operator(name: str, seconds: float, told: dict[str, Any]) -> Operator:
    kind = str(told.get("ParameterType") or told.get("LayerType") or "layer")
    try:
        if kind == "Convolution":
            # A value of the output takes the weights of its channel: over all channels, every weight once a position.
            flop = 2 * told["Weights"]["Count"] * _count(told["Outputs"][0]["Dimensions"]) // told["OutMaps"]
            return Operator(name, kind, seconds, flop, _bytes(told))
        if kind in COUNTLESS:
            return Operator(name, kind, seconds, 0, _bytes(told))
    except (TypeError, LookupError, AttributeError, ArithmeticError, ValueError):  # a form we do not know
        pass
    return Operator(name, kind, seconds)


def _bytes(told: dict[str, Any]) -> int:
    """Tensors in and out, weights and bias, once. Raises LookupError or ValueError where a size is not told."""
    tensors = [*told["Inputs"], *told["Outputs"]]
    held = [told[name] for name in ("Weights", "Bias") if told.get(name)]
    moved = sum(_count(each["Dimensions"]) * _size(_type(each)) for each in tensors)
    return moved + sum(int(each["Count"]) * _size(each["Type"]) for each in held)


def _count(dimensions: Sequence[int]) -> int:
    if any(size < 0 for size in dimensions):
        msg = f"a size depends on the batch: {list(dimensions)}"
        raise ValueError(msg)
    return math.prod(dimensions)


def _type(tensor: dict[str, Any]) -> str:
    """To release 10 a tensor has ``Format/Datatype``; from 11 on ``Format`` and ``DataType``."""
    return str(tensor["DataType"] if "DataType" in tensor else tensor["Format/Datatype"])


def _size(words: str) -> int:
    found = [size for size, pattern in SIZES if re.search(pattern, words, re.IGNORECASE)]
    return found[0]
