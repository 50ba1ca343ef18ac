"""The operators that PyTorch starts one by one, counted or timed as they pass its dispatcher.

PyTorch's own profiler does not say which bytes an operator moves. Here its arguments and its result are at hand. Views
compute nothing and are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nervbench.records import Operator

PROFILER = "a clock around every operator of PyTorch"
OWN = "model."
"""Where the decoder keeps the network, whose layers have shorter names."""


def _convolution(args: Any, out: Tensor) -> int:
    """2 FLOP a multiply-add: a value of the output takes the weights of its channel, transposed one of the input."""
    image, weight, transposed = args[0], args[1], args[6]
    return int(2 * (image if transposed else out).numel() * weight[0].numel())


FLOP: dict[str, Callable[[Any, Tensor], int]] = {
    "convolution": _convolution,
    "addmm": lambda args, out: int(2 * out.numel() * args[1].shape[-1]),
    "mm": lambda args, out: int(2 * out.numel() * args[0].shape[-1]),
    "bmm": lambda args, out: int(2 * out.numel() * args[0].shape[-1]),
}
"""Of the operators with arithmetic, from their arguments and their result; PyTorch's own table brings its compiler."""


class Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operator that is no view: name, layer, FLOP, bytes, and the moments before and after it."""

    def __init__(self, mark: Callable[[], Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.mark, self.layers = mark, [""]
        self.seen: list[tuple[Operator, Any, Any]] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Not asked to, PyTorch does not load its compiler for the first operator, which takes 3 s (seen with 2.13)."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do what was asked for, between two marks."""
        kwargs = kwargs or {}
        with self:
            parts = func.decompose(*args, **kwargs)  # without gradients PyTorch hands over what is made of several
        if parts is not NotImplemented:
            return parts
        if func.is_view:
            return func(*args, **kwargs)
        began = self.mark()
        out = func(*args, **kwargs)
        ended = self.mark()
        kind = func.overloadpacket.__name__
        flop = FLOP[kind](args, out) if kind in FLOP else 0
        moved = sum(each.numel() * each.element_size() for each in tree_leaves((args, kwargs, out)) if _is(each))
        inside = self.layers[-1]
        self.seen.append((Operator(f"{inside}/{kind}".strip("/"), kind, 0.0, flop, moved, inside), began, ended))
        return out


def count(decode: Callable[[int], None], start: int) -> int:
    """How many operators a decode starts."""
    with Watching(lambda: None) as watching:
        decode(start)
    return len(watching.seen)


def profile(
    network: nn.Module, decode: Callable[[int], None], starts: Sequence[int], place: str
) -> tuple[Operator, ...]:
    """The operators of a decode, each with the mean of all decodes but the first."""
    decode(starts[0])
    decodes = []
    for start in starts[1:]:
        with Watching(_mark(place)) as watching, _followed(network, watching.layers):
            decode(start)
        if place != "cpu":
            torch.cuda.synchronize()
        decodes.append(watching.seen)
    found = []
    for turns in zip(*decodes, strict=True):
        (operator, _, _), seconds = turns[0], fmean(_between(began, ended) for _, began, ended in turns)
        found.append(
            Operator(operator.name, operator.kind, seconds, operator.flop, operator.bytes, operator.inside or None)
        )
    return tuple(found)


def _mark(place: str) -> Callable[[], Any]:
    """What notes a moment: of a GPU an event behind all that was enqueued."""
    if place == "cpu":
        return time.perf_counter

    def event() -> torch.cuda.Event:
        now = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        now.record()
        return now

    return event


def _between(began: Any, ended: Any) -> float:
    if isinstance(began, float):
        return float(ended - began)
    milliseconds: float = began.elapsed_time(ended)
    return milliseconds / 1e3


@contextmanager
def _followed(network: nn.Module, layers: list[str]) -> Iterator[None]:
    """Keep the names of the modules that are being called on a stack."""

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: layers.append(name)

    def leave(*_: Any) -> None:
        layers.pop()

    hooks = []
    for name, module in network.named_modules():
        hooks.append(module.register_forward_pre_hook(enter(name.removeprefix(OWN))))
        hooks.append(module.register_forward_hook(leave))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _is(found: Any) -> bool:
    return isinstance(found, Tensor)
