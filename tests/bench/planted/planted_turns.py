"""Processes that measure in turns, so that an unquiet second of the machine comes to all of them alike.

A process is let go on by who has made it, for about ``TURN_S``; while it waits, its clock for budgets stands still.
One with neighbours has a single turn: after each pause the system puts its threads on one processor, and takes 0.2 s to
spread them, as long as others compute on all (in turns of 0.06 s a frame took 4.6 times as long beside them, else 2.4).
"""

from __future__ import annotations

import math
import os
import time
from multiprocessing.connection import Client

import psutil

TURNS, NAME, SINGLE = "PLANTED_TURNS", "PLANTED_NAME", "PLANTED_SINGLE_TURN"
TURN_S = 0.06
OVER = None
"""What a process says at the end of a turn; at the end of its last one it says what others had meanwhile."""


class Turns:
    """The turns of this process, which is called ``name``. It has none before :meth:`begin` and after :meth:`end`."""

    def __init__(self, address: str, name: str) -> None:
        self._door = Client(address)
        self._door.send(name)
        self.waited_s = 0.0
        self._taking, self._until_s = False, 0.0
        self._before = self._others = (0.0, 0.0, 0.0)

    def begin(self) -> None:
        """Wait for the first."""
        self._taking = True
        self._wait()

    def go_on(self) -> None:
        """Go on in this turn or, where it is over, wait for the next."""
        if self._taking and time.perf_counter() >= self._until_s:
            self._count()
            self._door.send(OVER)
            self._wait()

    def forget(self) -> None:
        """What others had until now counts no more."""
        self._before, self._others = _had(), (0.0, 0.0, 0.0)

    def end(self) -> None:
        """The last turn: say what others had, and wait until all have ended."""
        self._count()
        others_s, stolen_s, processors_s = self._others
        self._door.send((others_s / processors_s, stolen_s / processors_s))
        self._door.recv()
        self._taking = False

    def _wait(self) -> None:
        began_s = time.perf_counter()
        self._door.recv()
        now_s = time.perf_counter()
        self.waited_s += now_s - began_s
        self._until_s = math.inf if SINGLE in os.environ else now_s + TURN_S
        self._before = _had()

    def _count(self) -> None:
        more = (after - before for before, after in zip(self._before, _had(), strict=True))
        self._others = tuple(map(sum, zip(self._others, more, strict=True)))  # type: ignore[assignment]


def turns() -> Turns | None:
    """Those of this process; None where it measures alone."""
    return Turns(os.environ[TURNS], os.environ[NAME]) if TURNS in os.environ else None


def _had() -> tuple[float, float, float]:
    """Seconds of the processors that this process may use: what others had, what the host took, and all."""
    own = os.sched_getaffinity(0)
    each = [times for number, times in enumerate(psutil.cpu_times(percpu=True)) if number in own]
    busy_s = sum(sum(times[:7]) - times.idle - times.iowait for times in each)
    stolen_s: float = sum(times.steal for times in each)
    return busy_s - time.process_time(), stolen_s, time.perf_counter() * len(own)
