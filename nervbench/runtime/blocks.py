"""What the runtimes made of our own kernels share: the network that they are written for, taken to pieces."""

from __future__ import annotations

import numpy as np

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
