"""TorchScript: traced, frozen. Input ``t`` (B,) float32, any B; output (B, H, W, 3) uint8."""

from __future__ import annotations

import io
import warnings

import torch

from nervbench.errors import ExportError
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.network import FrameDecoder
from nervbench.model.precision import cast


def to_torchscript(checkpoint: Checkpoint, precision: str) -> bytes:
    """The bytes of a frozen TorchScript file. Raises ExportError with PyTorch's message."""
    decoder = FrameDecoder(cast(checkpoint.model(), precision)).eval()
    example_B = torch.tensor([0.25, 0.5])
    buffer = io.BytesIO()
    try:
        # TorchScript is deprecated in PyTorch; measuring what people still deploy is the point here.
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            # About decisions by shape inside a layer of PyTorch's; all but the batch is fixed, and frames are compared.
            warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
            traced = torch.jit.trace(decoder, example_B, check_trace=False)  # type: ignore[no-untyped-call]
            torch.jit.save(torch.jit.freeze(traced), buffer)
    except RuntimeError as error:
        msg = f"TorchScript export failed: {error}"
        raise ExportError(msg) from error
    return buffer.getvalue()
