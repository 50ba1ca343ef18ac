"""What a decode of one frame takes, counted on the meta device: no weights, no memory, no time.

A multiply-add is 2 FLOP, as in the paper's tables and in every peak a vendor prints. Only convolutions and linear
layers have any: biases, activations and the embedding are left out (together under 0.5 % of NeRV-S). PixelShuffle moves
bytes and computes nothing; an identity, which stands where a model normalises nothing, does neither and is left out.
Bytes are each layer's input and output, once, at the item size of the precision, plus its weights: what a runtime moves
that fuses nothing. Fusing an activation into its convolution saves a write and a read; so the count is an upper bound
of the traffic needed, and arithmetic intensity (FLOP / bytes) from it a lower one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nervbench.model.family import Spec, network_of
from nervbench.model.network import Network
from nervbench.records import Cost, LayerCost

ITEM_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1}


def _conv_flop(layer: Any, out: Tensor) -> int:
    height, width = layer.kernel_size
    return int(2 * out.numel() * (layer.in_channels // layer.groups) * height * width)


def _linear_flop(layer: Any, out: Tensor) -> int:
    return int(2 * out.numel() * layer.in_features)


def _transposed_flop(layer: Any, out: Tensor) -> int:
    (height, width), (down, across) = layer.kernel_size, layer.stride
    return int(2 * out.numel() * layer.in_channels * height * width / (down * across))


def _no_flop(_layer: Any, _out: Tensor) -> int:
    return 0


FLOP: dict[type[nn.Module], Callable[[Any, Tensor], int]] = {
    nn.Conv2d: _conv_flop,
    nn.ConvTranspose2d: _transposed_flop,
    nn.Linear: _linear_flop,
    nn.BatchNorm2d: _no_flop,  # one multiply-add a value: nothing beside the convolutions, as activations
}
"""FLOP of a layer by its type, from the layer and its output."""


def cost_of(model: Spec | Network, precision: str) -> Cost:
    """The cost of one frame, in all and layer by layer in the order of execution.

    Raises KeyError for an unknown precision and TypeError for a layer that has weights and no rule in ``FLOP``.
    """
    spec = model.spec if isinstance(model, Network) else model
    item_bytes = ITEM_BYTES[precision]
    layers: list[LayerCost] = []
    with torch.device("meta"), torch.inference_mode():
        bare = network_of(spec).eval()
        for name, layer in bare.named_modules():
            if not list(layer.children()) and not isinstance(layer, nn.Identity):
                layer.register_forward_hook(_counter(name, item_bytes, layers))
        picture = bare(torch.zeros(1))
    # The last step of every decoder: float32 to 8 bits.
    layers.append(LayerCost("to_uint8", 0, 0, 4 * picture.numel(), picture.numel()))
    return Cost(
        params=sum(parameter.numel() for parameter in bare.parameters()),
        flop_per_frame=sum(layer.flop for layer in layers),
        bytes_per_frame=sum(layer.weight_bytes + layer.read_bytes + layer.write_bytes for layer in layers),
        width=spec.width,
        height=spec.height,
        layers=tuple(layers),
    )


def _counter(name: str, item_bytes: int, layers: list[LayerCost]) -> Callable[[nn.Module, Any, Tensor], None]:
    """A forward hook that appends what its layer took."""

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        weights = sum(parameter.numel() for parameter in layer.parameters())
        rule = next((FLOP[kind] for kind in type(layer).__mro__ if kind in FLOP), None)
        if weights and rule is None:
            msg = f"layer {name} ({type(layer).__name__}) has weights and no rule in FLOP; add one"
            raise TypeError(msg)
        flop = rule(layer, out) if rule else 0
        read = sum(tensor.numel() for tensor in inputs)
        layers.append(LayerCost(name, flop, weights * item_bytes, read * item_bytes, out.numel() * item_bytes))

    return count
