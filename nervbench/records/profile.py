"""Where the time of a decode goes, operator by operator."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of the graph that a runtime executes: mean seconds a decode, what it computes and what it moves.

    ``kind`` is the runtime's word for it, ``flop`` counts 2 a multiply-add, ``bytes`` are its inputs (weights among
    them) and outputs once; None where the runtime does not say. ``inside`` is the layer of the model that called it.
    """

    name: str
    kind: str
    seconds: float
    flop: int | None = None
    bytes: int | None = None
    inside: str | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """The operators of a decode of one batch, in the order of execution, as ``source`` timed them in ``decodes``.

    Measured after the samples and apart from them, for watching costs time. ``reason`` says why there are none.
    """

    source: str
    decodes: int
    operators: tuple[Operator, ...] = ()
    reason: str | None = None
