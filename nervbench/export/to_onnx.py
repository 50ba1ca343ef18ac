"""ONNX with the weights inside and a dynamic batch. Input ``t`` (B,) float32; output ``frames`` (B, H, W, 3) uint8."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

import torch

from nervbench.errors import ExportError
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.network import FrameDecoder
from nervbench.model.precision import cast

OPSET = 25  # the newest that PyTorch's exporter, ONNX Runtime and OpenVINO all take
INPUT, OUTPUT = "t", "frames"
MAX_BATCH = 4096


def to_onnx(checkpoint: Checkpoint, precision: str, opset: int = OPSET) -> bytes:
    """The bytes of an ONNX file. Raises ExportError with the exporter's message."""
    import onnx  # noqa: PLC0415 (slow to import, and a checkpoint or TorchScript export does without)

    decoder = FrameDecoder(cast(checkpoint.model(), precision)).eval()
    example_B = torch.tensor([0.25, 0.5])
    try:
        with _quiet():
            program = torch.onnx.export(
                decoder,
                (example_B,),
                dynamo=True,
                opset_version=opset,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=MAX_BATCH)},),
                external_data=False,
                verbose=False,
            )
        if program is not None:
            model = program.model_proto
            onnx.checker.check_model(model)
            content: bytes = model.SerializeToString()
            return content
    except Exception as error:
        msg = f"ONNX export failed: {type(error).__name__}: {error}"
        raise ExportError(msg) from error
    msg = f"ONNX export gave nothing; PyTorch {torch.__version__} may be too old for it (2.6 or newer works)"
    raise ExportError(msg)


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    """Without the exporter's talk of its own progress and of torchvision; its errors still come through."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore", (FutureWarning, DeprecationWarning))
            yield
    finally:
        logger.setLevel(level)
