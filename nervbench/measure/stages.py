"""From weights to a video file: how long each stage takes, and what is saved when they overlap.

Decode (embedding, network and conversion to bytes: each by itself where the session can, most runtimes do them as one),
bring to the host, write. First in turn, each stage timed by itself; then the same frames again with the writer in a
thread of its own, as a program that exports a video would do it.

An encoder takes frames in, returns at once, and works on in threads of its own on the dozens that it looks ahead. So in
turn means that all frames are decoded before the first is written, and that writing ends when the file is whole.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any

from nervbench.measure.scenario import Clock, Decoder
from nervbench.measure.stopping import BUDGET, CLIP
from nervbench.records import Stages
from nervbench.runtime.base import Frames, InParts

Write = Callable[[Iterator[Frames]], None]
"""Takes every batch of frames (B, H, W, 3) uint8 from an iterator, and is done when it returns."""

AHEAD = 2
"""Decoded batches that may wait for the writer."""
KEPT_BYTES = 1 << 30
"""Frames that are kept until they are written in turn, at most, after the first batch."""
KEPT = "frames kept"
"""What ends the first pass where the budget does not."""
LOOK_S = 0.1
END = object()


def stages(
    session: Decoder,
    clock: Clock,
    starts: Iterable[int],
    budget_s: float,
    write: Write,
    observe: Callable[[int], None],
    decode_s: list[float],
) -> tuple[Stages, str]:
    """Decode and fetch the batches at ``starts`` until a third of ``budget_s`` is spent or 1 GiB kept, then write them.

    Then all of them again, overlapped. What ended the first pass is said too. Seconds of the first decodes are added to
    ``decode_s``. ``observe(start)`` is called between batches of the first pass, outside every timed span. Raises what
    the writer raises.
    """
    session.decode(0)  # the first call of all loads and compiles; it belongs to no stage
    clock.synchronize()
    fetch_s: list[float] = []
    parts: dict[str, list[float]] = {}
    done: list[int] = []
    kept: list[Frames] = []
    fired = CLIP
    began = clock.now()
    for start in starts:
        before = clock.now()
        _decode(session, clock, start, parts)
        clock.synchronize()
        decoded = clock.now()
        kept.append(session.fetch())
        fetch_s.append(clock.now() - decoded)
        decode_s.append(decoded - before)
        done.append(start)
        observe(start)
        if clock.now() - began >= budget_s / 3:
            fired = BUDGET
            break
        if (len(kept) + 1) * kept[0].nbytes > KEPT_BYTES:
            fired = KEPT
            break
    write_s = _written(clock, kept, write)
    kept.clear()
    began = clock.now()
    _overlapped(session, clock, done, write)
    found = Stages(
        decode_s=tuple(decode_s),
        fetch_s=tuple(fetch_s),
        write_s=write_s,
        overlapped_wall_s=clock.now() - began,
        parts_s={name: tuple(each) for name, each in parts.items()},
    )
    return found, fired


def _written(clock: Clock, kept: list[Frames], write: Write) -> tuple[float, ...]:
    """For how long the writer had each batch; the first counts its opening, the last all until the file is whole."""
    moments = [clock.now()]

    def each() -> Iterator[Frames]:
        for number, frames in enumerate(kept):
            if number:
                moments.append(clock.now())
            yield frames

    write(each())
    moments.append(clock.now())
    return tuple(after - before for before, after in pairwise(moments))


def _decode(session: Decoder, clock: Clock, start: int, parts: dict[str, list[float]]) -> None:
    """Decode a batch, in parts where the session can; what each took is added to ``parts``."""
    if not isinstance(session, InParts):
        session.decode(start)
        return
    before = clock.now()

    def ended(name: str) -> None:
        nonlocal before
        clock.synchronize()
        now = clock.now()
        parts.setdefault(name, []).append(now - before)
        before = now

    session.decode_in_parts(start, ended)


def _overlapped(session: Decoder, clock: Clock, starts: Iterable[int], write: Write) -> None:
    """Decode and fetch here, write in another thread; a session stays in the thread that opened it."""
    waiting: queue.Queue[Any] = queue.Queue(AHEAD)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write, _until_end(waiting))
        try:
            for start in starts:
                session.decode(start)
                clock.synchronize()
                if not _put(waiting, session.fetch(), writing):
                    break
        finally:
            _put(waiting, END, writing)
        writing.result()


def _until_end(waiting: queue.Queue[Any]) -> Iterator[Any]:
    while (item := waiting.get()) is not END:
        yield item


def _put(waiting: queue.Queue[Any], item: Any, writing: Future[None]) -> bool:
    """Hand over a batch; False where the writer has ended before its time (its error is raised when it is asked)."""
    while not writing.done():
        try:
            waiting.put(item, timeout=LOOK_S)
        except queue.Full:
            continue
        return True
    return False
