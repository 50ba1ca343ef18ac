"""What a GPU is given to do, as plain data: a convolution by its shape, or a kernel that only moves bytes."""

from __future__ import annotations

from dataclasses import dataclass

FP32_BYTES = 4


@dataclass(frozen=True, slots=True)
class Convolution:
    """A square convolution of stride 1 that keeps height and width, fp32, NCHW. A 1×1 one is a matrix product."""

    batch: int
    in_channels: int
    out_channels: int
    height: int
    width: int
    kernel: int = 3

    @property
    def flop(self) -> int:
        """2 a multiply-add, by the direct algorithm."""
        return 2 * self.pixels * self.in_channels * self.out_channels * self.kernel**2

    @property
    def pixels(self) -> int:
        """Positions of the output, over the batch."""
        return self.batch * self.height * self.width

    @property
    def bytes(self) -> int:
        """Input, output and weights, each once."""
        weights = self.in_channels * self.out_channels * self.kernel**2
        return FP32_BYTES * (self.pixels * (self.in_channels + self.out_channels) + weights)


@dataclass(frozen=True, slots=True)
class Move:
    """A kernel whose time is that of its bytes: an activation, a bias, a shuffle, a product with one vector."""

    bytes: int


Kernel = Convolution | Move
