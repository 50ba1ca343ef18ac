"""What the runtimes made of our own kernels share: the network that they are written for, taken to pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from nervbench.errors import LoadError, NervbenchError, UnsupportedError
from nervbench.model import checkpoint
from nervbench.model.nerv import Nerv
from nervbench.runtime.base import Opening
from nervbench_kernels.ops.block import Head


def shuffling(opening: Opening) -> Nerv:
    """The network of a checkpoint artifact, if it is a NeRV whose blocks convolve, shuffle and activate.

    Raises LoadError for a file that cannot be read and UnsupportedError for another network.
    """
    try:
        network = checkpoint.load(opening.path).model().eval()
    except NervbenchError as error:
        raise LoadError(str(error)) from error
    if not isinstance(network, Nerv) or (network.spec.norm, network.spec.upscale) != ("none", "shuffle"):
        msg = "the kernels here are written for NeRV's blocks of convolution, PixelShuffle and activation"
        raise UnsupportedError(msg)
    return network


def head_of(network: Nerv) -> Head:
    """Its last layer."""
    weight_3C11, bias = (part.detach().float().numpy() for part in network.head_layers[-1].parameters())
    # (tanh z + 1) / 2 is sigmoid(2 z)
    steep = 1.0 if network.spec.output == "sigmoid" else 2.0
    return Head(np.ascontiguousarray(weight_3C11[:, :, 0, 0]), bias, steep)


@dataclass(frozen=True, slots=True)
class Piece:
    """A block: the weights of its convolution, its stride, the (H, W) of its input; the last one with the head."""

    weight: Tensor
    bias: Tensor
    stride: int
    size: tuple[int, int]
    head: Head | None


def pieces(network: Nerv) -> Iterator[Piece]:
    """The blocks in order."""
    spec, head = network.spec, head_of(network)
    height, width = spec.fc_height, spec.fc_width
    for layer, block in zip(network.layers, spec.blocks, strict=True):
        weight, bias = (part.detach() for part in layer.parameters())
        yield Piece(weight, bias, block.stride, (height, width), head if layer is network.layers[-1] else None)
        height, width = height * block.stride, width * block.stride
