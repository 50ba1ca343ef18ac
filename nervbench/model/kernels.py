"""The kernels that eager PyTorch launches for a frame in fp32, by their shapes, counted on the meta device.

A convolution, then its bias as a pass of its own over the output (a read and a write), then shuffle, norm and
activation, each a read and a write. A linear layer is a product with one vector: its time is that of its weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nervbench.errors import UnsupportedError
from nervbench.model.family import Spec, network_of
from nervbench.shapes import FP32_BYTES, Convolution, Kernel, Move


def kernels_of(spec: Spec) -> tuple[Kernel, ...]:
    """The kernels of one frame, in order. Raises UnsupportedError for a layer that has no rule here."""
    found: list[Kernel] = []
    with torch.device("meta"), torch.inference_mode():
        bare = network_of(spec).eval()
        for name, layer in bare.named_modules():
            if not list(layer.children()):
                layer.register_forward_hook(_counter(name, found))
        picture = bare(torch.zeros(1))
    found.append(Move(5 * picture.numel()))  # to 8 bits
    return tuple(found)


def _counter(name: str, found: list[Kernel]) -> Any:
    def count(layer: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        if isinstance(layer, nn.Identity):
            return
        through = FP32_BYTES * (inputs[0].numel() + out.numel())
        if isinstance(layer, nn.Conv2d):
            found.append(_convolution(name, layer, out))
            if layer.bias is not None:
                found.append(Move(2 * FP32_BYTES * out.numel()))
        elif isinstance(layer, nn.Linear):
            # A batch of pixels reads the weights once and is a matrix product, which a 1×1 convolution is too.
            rows = out.numel() // layer.out_features
            if rows > 1:
                found.append(Convolution(1, layer.in_features, layer.out_features, 1, rows, 1))
            else:
                found.append(Move(FP32_BYTES * sum(weights.numel() for weights in layer.parameters()) + through))
        elif list(layer.parameters()) and not isinstance(layer, nn.BatchNorm2d):
            msg = f"the time of layer {name} ({type(layer).__name__}) cannot be predicted; known: Conv2d, Linear"
            raise UnsupportedError(msg)
        else:
            found.append(Move(through))

    return count


def _convolution(name: str, layer: nn.Conv2d, out: Tensor) -> Convolution:
    kernel, other = layer.kernel_size
    if layer.groups != 1 or set(layer.stride) != {1} or kernel != other:
        msg = f"the time of layer {name} cannot be predicted; known: square convolutions of stride 1 in one group"
        raise UnsupportedError(msg)
    batch, outputs, height, width = out.shape
    return Convolution(batch, layer.in_channels, outputs, height, width, kernel)
