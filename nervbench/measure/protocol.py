"""How published code times decoding, replayed with its defects, so that its number can be met and explained.

Two numbers for one model on one card often differ by how they were taken. ``nerv`` is the ``--eval_fps`` of the NeRV
authors (github.com/haochen-rye/NeRV at 6904589), ``hnerv`` that of HNeRV (github.com/haochen-rye/HNeRV). Both go
through the clip once and call the network several times for each batch of frames. A call is timed by the wall clock,
from before it until the device is done; nothing waits for earlier work before the clock starts, nothing warms up, and
the first call of all counts with whatever it loads, compiles or searches. Before the first call of a batch ``nerv``
begins to copy the true frame to the GPU, so that call waits for the copy and counts it (on a CPU there is none). FPS
are the frames of all calls divided by the sum of their times. The frames stay where they are, as floats: no conversion
to bytes is timed.

Not replayed: that it goes on to the end of the clip, however long that takes (here a budget may end it, and the row
says so); TF32, which PyTorch lets cuDNN use for convolutions on GPUs that have it and which is off here, as fp32 is to
mean fp32 (the GPUs of the papers have none); that ``hnerv`` starts its clock after the embedding (under 0.01 % of the
arithmetic); and that it counts a last, partial batch as a full one (a batch here goes on at the start of the clip, so
it is full).
"""

from __future__ import annotations

from collections.abc import Callable

from nervbench.measure.scenario import Clock, Decoder, Timing
from nervbench.measure.stopping import BUDGET, CLIP
from nervbench.runtime.base import ForwardOnly

REPEATS = {"nerv": 10, "hnerv": 100}
"""Calls for each batch."""
COPIED = frozenset({"nerv"})
"""The protocols in which the true frame is on its way to the GPU when the clock starts."""


def nothing() -> None:
    """Nothing is begun before a batch."""


def replay(
    session: Decoder,
    clock: Clock,
    repeats: int,
    starts: range,
    budget_s: float,
    observe: Callable[[int], None],
    samples: list[float],
    begin: Callable[[], None] = nothing,
) -> Timing:
    """Time ``repeats`` calls at each of ``starts``, in order; ``observe(start)`` is called after those of a start.

    ``begin()`` is called before those of a start; what it leaves running counts into the first.

    Their times are added to ``samples``. Ends after the last (``clip``) or, which published code does not, after the
    first at which ``budget_s`` is spent. The network alone is called where the session can (see
    :class:`nervbench.runtime.base.ForwardOnly`).
    """
    call = session.forward if isinstance(session, ForwardOnly) else session.decode
    began = clock.now()
    for start in starts:
        begin()
        for _ in range(repeats):
            before = clock.now()
            call(start)
            clock.synchronize()
            samples.append(clock.now() - before)
        observe(start)
        if clock.now() - began >= budget_s and start != starts[-1]:
            return Timing(tuple(samples), (), BUDGET, 1, clock.now() - began)
    return Timing(tuple(samples), (), CLIP, 1, clock.now() - began)
