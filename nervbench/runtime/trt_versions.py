"""What differs between the releases of TensorRT, in one table, and what follows from it for a GPU.

Sources: NVIDIA's support matrices of 8.5.3, 8.6.1 and 10.x, the release notes of 10.5 (V100 left) and 10.8 (Blackwell
came), the migration guide from 10 to 11, onnx-tensorrt's list of operators, and the binding packages themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from nervbench.runtime.base import Capability

Release = tuple[int, int]
"""(major, minor) of TensorRT."""


@dataclass(frozen=True, slots=True)
class Build:
    """How a precision is built: format and precision of the ONNX file, and the builder flags that are set."""

    artifact: tuple[str, str]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """Releases that are used alike.

    ``network_flags`` name what a network is created with. ``gpus`` are the oldest and the newest compute capability
    (None: no newer one is known that it lacks). ``opset`` is the newest of ONNX that its parser documents. ``install``
    is what pip takes for a GPU that no newer generation supports.
    """

    since: Release
    network_flags: tuple[str, ...]
    builds: dict[str, Build]
    gpus: tuple[Capability, Capability | None]
    opset: int
    install: str


# Where the types of a network are only a hint, OBEY makes them an order: a build fails rather than fall back.
_HINTED = {
    "fp32": Build(("onnx_17", "fp32")),
    "fp16": Build(("onnx_17", "fp32"), ("FP16", "OBEY_PRECISION_CONSTRAINTS")),
}
# Where they are its meaning, the precision is the one that the ONNX file is written in. ONNX has convolutions in bf16
# from opset 22 on; 10.0 documents less.
_TYPED = {
    "fp32": Build(("onnx_20", "fp32")),
    "fp16": Build(("onnx_20", "fp16")),
    "bf16": Build(("onnx_22", "bf16")),
    "int8": Build(("onnx_qdq", "int8")),
}
_EITHER = "tensorrt-cu13, or tensorrt-cu12 where PyTorch was built for CUDA 12"

GENERATIONS = (
    Generation((8, 5), ("EXPLICIT_BATCH",), _HINTED, ((3, 5), (9, 0)), 17, "tensorrt==8.5.3.1 (Python up to 3.10)"),
    Generation((8, 6), ("EXPLICIT_BATCH",), _HINTED, ((5, 0), (9, 0)), 17, "tensorrt==8.6.1.post1 (Python up to 3.11)"),
    Generation((10, 0), ("STRONGLY_TYPED",), _TYPED, ((7, 0), (9, 0)), 20, "'tensorrt-cu12<10.5'"),
    Generation((10, 5), ("STRONGLY_TYPED",), _TYPED, ((7, 5), (9, 0)), 20, "'tensorrt-cu12>=10.5'"),
    Generation((10, 8), ("STRONGLY_TYPED",), _TYPED, ((7, 5), None), 24, "'tensorrt-cu12>=10.8'"),
    Generation((11, 0), (), _TYPED, ((7, 5), None), 24, _EITHER),
)
"""In order. TensorRT 9 was for language models and not on the package index; 12 is not written yet."""

NO_FP16 = frozenset({(5, 0), (5, 2), (6, 1)})
"""Compute capabilities for which TensorRT has no fp16 (a P100, 6.0, has it; a P4 or GTX 1080, 6.1, has not)."""
BF16_SINCE = (8, 0)


def release(version: str) -> Release:
    """(major, minor) of a version.

    >>> release("10.16.1.11")
    (10, 16)
    """
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def generation(wanted: Release) -> Generation | None:
    """The row of the table for a release; None for a major version that is not in it."""
    rows = [row for row in GENERATIONS if row.since[0] == wanted[0] and row.since <= wanted]
    return rows[-1] if rows else None


def advice(capability: Capability | None) -> str:
    """Which TensorRT to install for a GPU, as a sentence without its full stop."""
    if capability is None:
        return f"pip install {_EITHER}; GPUs older than compute capability 7.5 take an older one"
    fitting = [row for row in GENERATIONS if _supports(row, capability)]
    gpu = f"compute capability {_dotted(capability)}"
    if not fitting:
        return f"no TensorRT from 8.5 on supports {gpu}"
    last = fitting[-1]
    if last is GENERATIONS[-1]:
        return f"for {gpu}: pip install {last.install}"
    after = GENERATIONS[GENERATIONS.index(last) + 1].since
    return f"for {gpu}: pip install {last.install}; TensorRT {_dotted(after)} and later no longer support it"


def refusal(version: str, capability: Capability | None, precision: str) -> str | None:
    """Why this TensorRT cannot run in ``precision`` on a GPU, and what would; None if it can or is not known."""
    row = generation(release(version))
    if row is None:
        known = "8.5, 8.6, 10 and 11"
        return f"TensorRT {version} is not one that nervbench was written for ({known}); {advice(capability)}"
    if capability is not None and not _supports(row, capability):
        return f"TensorRT {version} does not support compute capability {_dotted(capability)}; {advice(capability)}"
    possible = [name for name in row.builds if capability is None or _has(capability, name)]
    if precision in possible:
        return None
    why = f"TensorRT {version} is not used for {precision} here"
    if precision == "bf16" and row.since < (10, 0):
        why = f"TensorRT {version} has no bf16; it came after 8.6"
    elif precision == "int8" and row.since < (10, 0):
        why = f"int8 is written for strongly typed networks, which came after TensorRT {version}"
    elif precision in row.builds and capability is not None:
        why = f"TensorRT has no {precision} for compute capability {_dotted(capability)}"
    return f"{why}; possible: {', '.join(possible)}"


def _supports(row: Generation, capability: Capability) -> bool:
    oldest, newest = row.gpus
    return oldest <= capability and (newest is None or capability <= newest)


def _has(capability: Capability, precision: str) -> bool:
    return {"fp16": capability not in NO_FP16, "bf16": capability >= BF16_SINCE}.get(precision, True)


def _dotted(pair: tuple[int, int]) -> str:
    return f"{pair[0]}.{pair[1]}"
