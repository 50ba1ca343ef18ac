"""Where a training begins when not at random weights, and which of its weights stay zero."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from nervbench.errors import CheckpointError, names, unknown
from nervbench.model.network import Network, weights


@dataclass(frozen=True, slots=True)
class Start:
    """First weights by parameter name, of any float type; ``kept`` are boolean masks by parameter name.

    A weight whose mask is false is zero at the start and after every step. Both are part of a run's identity.
    """

    tensors: dict[str, Tensor]
    kept: dict[str, Tensor]

    def sha256(self) -> str:
        """Of all names, types, shapes and values."""
        digest = hashlib.sha256()
        for part in (self.tensors, self.kept):
            for name, tensor in sorted(part.items()):
                digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
                digest.update(tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes())
            digest.update(b"\n")
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Zeros:
    """Parameters and, for each, which of its weights stay zero."""

    places: tuple[tuple[Tensor, Tensor], ...] = ()

    def on(self, place: torch.device) -> Zeros:
        """The same for parameters that go to a device."""
        return Zeros(tuple((parameter, dropped.to(place)) for parameter, dropped in self.places))

    @torch.no_grad()
    def restore(self) -> None:
        """Make them zero again, +0.0 to the bit."""
        for parameter, dropped in self.places:
            parameter.masked_fill_(dropped, 0)


def begin(model: Network, start: Start) -> Zeros:
    """Put the weights of ``start`` into ``model``; what must stay zero is zero.

    Raises CheckpointError where a name, a shape or the type of a mask is not the model's.
    """
    expected = weights(model.state_dict())
    _all_known("weight to start from", start.tensors, expected)
    if missing := sorted(expected.keys() - start.tensors.keys()):
        msg = f"weights to start from: missing are {names(missing)}; give all {len(expected)} of the model"
        raise CheckpointError(msg)
    parameters = dict(model.named_parameters())
    _all_known("parameter of a mask", start.kept, parameters)
    for name, tensor in [*start.tensors.items(), *start.kept.items()]:
        if tensor.shape != expected[name].shape:
            found, possible = (list(each.shape) for each in (tensor, expected[name]))
            msg = f"{name} to start from has the shape {found}, in the model it is {possible}; is it of another model?"
            raise CheckpointError(msg)
    for name, mask in start.kept.items():
        if mask.dtype != torch.bool:
            msg = f"the mask of {name} is of {mask.dtype}; a mask is boolean, true where a weight is kept"
            raise CheckpointError(msg)
    with torch.no_grad():
        for name, tensor in start.tensors.items():
            expected[name].copy_(tensor)
    zeros = Zeros(tuple((parameters[name], ~mask) for name, mask in sorted(start.kept.items())))
    zeros.restore()
    return zeros


def _all_known(kind: str, found: Iterable[str], known: Iterable[str]) -> None:
    for name in found:
        if name not in known:
            raise CheckpointError(unknown(kind, name, known))
