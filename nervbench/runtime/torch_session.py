"""What the three PyTorch runtimes share: a callable from positions to uint8 frames, run without gradients."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from nervbench.errors import LoadError, NervbenchError
from nervbench.model import checkpoint
from nervbench.model.network import FrameDecoder
from nervbench.model.precision import cast
from nervbench.runtime.base import NOTHING_YET, Frames, Opening, time_positions

PACKAGES = ("torch",)


class TorchSession:
    """Decodes with a PyTorch callable t (B,) → (B, H, W, 3) uint8. On a CPU a decode is done when it returns."""

    def __init__(self, decoder: Callable[[Tensor], Tensor], opening: Opening) -> None:
        if opening.device.threads:
            torch.set_num_threads(opening.device.threads)
        self._decoder = decoder
        self._opening = opening
        self._frames: Tensor | None = None

    def decode(self, index: int) -> None:
        """Decode the batch that starts at frame ``index``."""
        with torch.inference_mode():
            self._frames = self._decoder(
                self.positions(index)
            ).contiguous()  # RGB by pixel, as the other runtimes leave it

    def positions(self, index: int) -> Tensor:
        """Positions t / T of the batch that starts at frame ``index``: (B,) float32."""
        return torch.from_numpy(time_positions(index, self._opening.batch, self._opening.frames))

    def fetch(self) -> Frames:
        """The last frames as a (B, H, W, 3) uint8 array."""
        if self._frames is None:
            raise RuntimeError(NOTHING_YET)
        frames: Frames = self._frames.cpu().numpy()  # every decode makes a new tensor, so this one stays
        return frames

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the last frames."""
        self._frames = None


def network(opening: Opening) -> FrameDecoder:
    """The network of a checkpoint artifact, in the precision of the case. Raises LoadError."""
    try:
        return FrameDecoder(cast(checkpoint.load(opening.path).model(), opening.precision)).eval()
    except NervbenchError as error:
        raise LoadError(str(error)) from error


def refusal(precision: str) -> str | None:
    """What no PyTorch runtime here can do, whatever the device."""
    if precision in ("fp32", "bf16"):
        return None
    return f"{precision} is not available in the PyTorch runtimes on a CPU; possible: fp32, bf16"
