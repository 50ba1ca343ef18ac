"""The ways to call a decoder, and the loop that times them.

Single stream: one decode, wait, one sample; its latency is what a player sees. Offline: decodes back to back, waiting
only at the end of a window, one sample a window; its throughput is what an encoder's verifier sees. The clock stops
when the frames are ready where they were decoded; bringing them to the host is not in a sample. Two more are single
streams that change one thing: cold, where the caches of the device are emptied before each sample, and to host, where
a decode ends with its frames on the host.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from nervbench.measure.stopping import stopped_by
from nervbench.records import COLD, OFFLINE, SINGLE_STREAM, TO_HOST
from nervbench.settings import Stopping

CALLS = {SINGLE_STREAM: 1, OFFLINE: 4, COLD: 1, TO_HOST: 1}
"""Decodes a sample."""
NUMBER = struct.Struct("d")


class Decoder(Protocol):
    """The half of a session that measuring needs."""

    def decode(self, index: int) -> None:
        """Enqueue a batch."""
        ...

    def fetch(self) -> Any:
        """The frames of the last decode."""
        ...


class Clock(Protocol):
    """The half of a device that measuring needs; see :class:`nervbench.device.base.Device`."""

    def synchronize(self) -> None:
        """Wait for all work."""
        ...

    def start(self) -> None:
        """Start the stopwatch."""
        ...

    def stop(self) -> float:
        """Seconds since start."""
        ...

    def now(self) -> float:
        """Monotonic seconds of the wall clock."""
        ...


class Cacheable(Clock, Protocol):
    """A clock whose device can be told to forget."""

    def clear_caches(self) -> None:
        """Empty the caches between memory and arithmetic."""
        ...


class Cold:
    """The clock of a device whose caches are empty whenever it starts."""

    def __init__(self, device: Cacheable) -> None:
        self._device = device
        self.synchronize, self.stop, self.now = device.synchronize, device.stop, device.now

    def start(self) -> None:
        """Empty the caches, then start the stopwatch."""
        self._device.clear_caches()
        self._device.synchronize()
        self._device.start()


class ToHost:
    """A session whose decode ends when its frames are on the host."""

    def __init__(self, session: Decoder) -> None:
        self._session = session
        self._frames: Any = None

    def decode(self, index: int) -> None:
        """Decode a batch and bring it to the host."""
        self._session.decode(index)
        self._frames = self._session.fetch()

    def fetch(self) -> Any:
        """The frames of the last decode, which are here already."""
        return self._frames


class Spool(list[float]):
    """Samples that are in a file too as they come, for whoever is left when this process ends before its time."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("ab", buffering=0)

    def append(self, seconds: float) -> None:
        """Add one; a disk that is full stops no measurement."""
        super().append(seconds)
        with suppress(OSError):
            self._file.write(NUMBER.pack(seconds))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; the samples stay."""
        self._file.close()


def spooled(path: Path) -> tuple[float, ...]:
    """The samples of such a file; what a kill has torn is left out."""
    content = path.read_bytes()
    return tuple(seconds for (seconds,) in NUMBER.iter_unpack(content[: len(content) // NUMBER.size * NUMBER.size]))


@dataclass(frozen=True, slots=True)
class Timing:
    """Raw times in seconds a decode call, warm-up apart, and how they were taken."""

    samples_s: tuple[float, ...]
    warm_up_s: tuple[float, ...]
    stopped_by: str
    calls_per_sample: int
    wall_s: float


def aligned(checked: tuple[int, ...], frames: int, batch: int) -> tuple[int, ...]:
    """The batches with these frames in them, by their starts: of those that share no frame, full ones as far as can be.

    >>> aligned((0, 66, 131), 132, 4), aligned((0, 66, 131), 132, 16), aligned((0, 1), 2, 4)
    ((0, 64, 128), (0, 64, 112), (0,))
    """
    last = max(0, frames // batch - 1) * batch
    return tuple(dict.fromkeys(min(start // batch * batch, last) for start in checked))


def rotation(checked: tuple[int, ...], frames: int, batch: int, calls: int) -> Iterator[tuple[int, ...]]:
    """Start frames of successive samples of ``calls`` decodes, for ever, going round the clip.

    ``checked`` are :func:`aligned`. No frame is decoded twice in a round; those after the last full batch are not.

    Only the last decode of a sample can be looked at. So where there are several, the last starts at a checked frame;
    where there is one, the checked ones come first in each round, and a slow case gets to them.

    >>> list(islice(rotation((0, 5), 6, 1, 1), 8))
    [(0,), (5,), (1,), (2,), (3,), (4,), (0,), (5,)]
    >>> list(islice(rotation((0, 5), 6, 1, 3), 3))
    [(1, 2, 0), (3, 4, 5), (1, 2, 0)]
    """
    rest = [start for start in range(0, frames - batch + 1, batch) if start not in checked]
    if calls == 1:
        yield from ((start,) for start in cycle((*checked, *rest)))
    others = cycle(rest or checked)
    for last in cycle(checked):
        yield (*islice(others, calls - 1), last)


def measure(
    session: Decoder,
    clock: Clock,
    starts: Iterator[tuple[int, ...]],
    rule: Stopping,
    observe: Callable[[int], None],
    samples: list[float],
) -> Timing:
    """Time the decodes of ``starts``, one tuple a sample, until a rule stops them; they are added to ``samples``.

    ``observe(start)`` is called after a sample with the start of its last decode, outside every timed span. A sample is
    the time of its decodes divided by their number; a warm-up call is one decode.
    """
    clock.synchronize()
    warm_up = [_timed(session, clock, next(starts)[-1:]) for _ in range(rule.warm_up)]
    began = clock.now()
    fired: str | None = None
    while fired is None:
        indices = next(starts)
        samples.append(_timed(session, clock, indices) / len(indices))
        observe(indices[-1])
        fired = stopped_by(samples, clock.now() - began, rule)
    return Timing(tuple(samples), tuple(warm_up), fired, len(indices), clock.now() - began)


def _timed(session: Decoder, clock: Clock, indices: tuple[int, ...]) -> float:
    """Seconds of so many decodes in a row."""
    clock.start()
    for index in indices:
        session.decode(index)
    clock.synchronize()
    return clock.stop()
