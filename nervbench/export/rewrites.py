"""Chooses the rewrites of an ONNX file. What was applied, and what refused and why, goes into the artifact's notes.

The rules are the ones that measured fastest in ONNX Runtime and in OpenVINO, which agree; see their runtimes. What each
is worth in either is measured by leaving it out: ``make bench-rewrites``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nervbench.errors import ExportError
from nervbench.export.calibrate import ranges_of
from nervbench.model.checkpoint import Checkpoint

if TYPE_CHECKING:
    from nervbench_kernels.rewrites.graph import Rule


def rules() -> list[Rule]:
    """The rules of all precisions, in the order in which they are applied."""
    from nervbench_kernels.rewrites.head import HEAD_FIRST  # noqa: PLC0415 (imports onnx, which is slow)
    from nervbench_kernels.rewrites.shuffles import (  # noqa: PLC0415
        ACTIVATION_FIRST,
        BYTES_MOVED,
        NO_SHUFFLE_BY_ONE,
        TRANSPOSE_FIRST,
    )

    return [NO_SHUFFLE_BY_ONE, ACTIVATION_FIRST, HEAD_FIRST, BYTES_MOVED, TRANSPOSE_FIRST]


def rewritten(content: bytes, checkpoint: Checkpoint, precision: str) -> tuple[bytes, tuple[str, ...]]:
    """An ONNX file of the same meaning, and what came of each rule; in int8, of nearly the same.

    Raises ExportError where a rule broke the graph, and where nothing of it could be made int8.
    """
    return _changed(content, [*rules(), *([_in_int8(checkpoint, signed=False)] if precision == "int8" else [])])


def quantised(content: bytes, checkpoint: Checkpoint, precision: str) -> tuple[bytes, tuple[str, ...]]:
    """The graph with convolutions in int8 as TensorRT wants them, and what came of it. Raises ExportError as well."""
    assert precision == "int8"
    return _changed(content, [_in_int8(checkpoint, signed=True)])


def _in_int8(checkpoint: Checkpoint, *, signed: bool) -> Rule:
    from nervbench_kernels.rewrites.quantise import in_int8  # noqa: PLC0415 (imports onnx)

    return in_int8(ranges_of(checkpoint), signed=signed)


def _changed(content: bytes, chosen: Sequence[Rule]) -> tuple[bytes, tuple[str, ...]]:
    import onnx  # noqa: PLC0415 (slow to import, and other formats do without)

    from nervbench_kernels.rewrites.graph import rewrite  # noqa: PLC0415 (imports onnx)
    from nervbench_kernels.rewrites.quantise import INT8  # noqa: PLC0415

    try:
        model, outcomes = rewrite(onnx.load_from_string(content), chosen)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        msg = f"the rewritten ONNX graph is not valid: {error}"
        raise ExportError(msg) from error
    if none := [outcome.reason for outcome in outcomes if outcome.rule == INT8 and not outcome.places]:
        msg = f"nothing could be made int8: {none[0]}"
        raise ExportError(msg)
    return model.SerializeToString(), tuple(f"rewrite {outcome}" for outcome in outcomes)
