"""This machine with faults of known size: operators of PyTorch start late, frames go to the host over a slow bus, and
the first call of all takes long.

What it is told stands in environment variables, so that every process that opens the device has the same faults: the
one that probes its ceilings too. Processes of one pair of rows measure in turns (see :mod:`planted_turns`).
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from typing import Any

import numpy as np
from torch.utils._python_dispatch import TorchDispatchMode

from nervbench.device.base import Counters
from nervbench.device.cpu import CpuDevice
from nervbench.device.sampler import Sampling
from nervbench.records import Ceilings
from nervbench.runtime.base import Frames
from nervbench.runtime.torch_session import TorchSession
from nervbench.sweep import take

DELAY, BUS, SEARCH = "PLANTED_DELAY_S", "PLANTED_BUS_BYTES_PER_S", "PLANTED_SEARCH_S"
PROBED_BYTES = 1 << 20
WATCHED_S = 10.0
"""How often a process is looked at that measures in turns: dozens of watchers would be seen beside it."""
PIECES = 4
"""Turns that a yardstick is spread over."""


class Delayed(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Every operator that is no view begins so many seconds later."""

    def __init__(self, seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seconds = seconds

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Not asked to, PyTorch does not load its compiler for the first operator, which takes 3 s (seen with 2.13)."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with self:
            parts = func.decompose(*args, **(kwargs or {}))
        if parts is not NotImplemented:
            return parts
        if not func.is_view:
            wait_until(time.perf_counter() + self.seconds)
        return func(*args, **(kwargs or {}))


class Bus:
    """Copies at no more than so many bytes a second."""

    def __init__(self, bytes_per_s: float) -> None:
        self.bytes_per_s = bytes_per_s

    def copied(self, frames: Frames) -> Frames:
        until = time.perf_counter() + frames.nbytes / self.bytes_per_s
        there = frames.copy()
        wait_until(until)
        return there


class Planted(CpuDevice):
    """The ``planted`` device."""

    def __init__(self) -> None:
        super().__init__()
        self.bus = Bus(float(os.environ[BUS])) if BUS in os.environ else None
        if self.bus:
            fetch, copied = TorchSession.fetch, self.bus.copied
            setattr(TorchSession, "fetch", lambda session: copied(fetch(session)))  # noqa: B010
        if DELAY in os.environ:
            Delayed(float(os.environ[DELAY])).__enter__()  # type: ignore[no-untyped-call]
        # Beside this file, in a folder that is on the path of whoever opens this device.
        from planted_turns import turns  # type: ignore[import-not-found]  # noqa: PLC0415

        self.turns = turns()
        if self.turns:
            setattr(take, "Sampling", functools.partial(Sampling, period_s=WATCHED_S))  # noqa: B010
        self._search_s = float(os.environ.get(SEARCH, "0"))
        self._yardsticks, self._in_a_call, self._counting = 0, False, False

    def start(self) -> None:
        if self.turns:
            self.turns.go_on()
        super().start()

    def synchronize(self) -> None:
        super().synchronize()
        self._in_a_call = True
        if self._yardsticks:  # not a call that verifies, but the first of the samples or of the warm-up
            wait_until(time.perf_counter() + self._search_s)
            self._search_s = 0.0

    def now(self) -> float:
        """Not counting what others were let go on for; a protocol times by this, and is not held up within a call."""
        if not self.turns:
            return super().now()
        if not self._in_a_call:
            self.turns.go_on()
        self._in_a_call = False
        waited_s: float = self.turns.waited_s
        return super().now() - waited_s

    def counters(self) -> Counters:
        """The first are read when the samples begin."""
        if self.turns and not self._counting:
            self.turns.forget()
            self._counting = True
        return super().counters()

    def yardstick(self, budget_s: float) -> tuple[float, ...]:
        """Before the samples, which is when the turns begin, and after them, when they end."""
        if not self.turns:
            return super().yardstick(budget_s)
        self._yardsticks += 1
        if self._yardsticks == 1:
            self.turns.begin()
        found: tuple[float, ...] = ()
        for _ in range(PIECES):
            found += super().yardstick(budget_s / PIECES)
            self.turns.go_on()
        if self._yardsticks > 1:
            self.turns.end()
        return found

    def ceilings(self, budget_s: float) -> Ceilings:
        found = super().ceilings(budget_s)
        if self.bus is None:
            return found
        began = time.perf_counter()
        self.bus.copied(np.zeros(PROBED_BYTES, np.uint8))
        return dataclasses.replace(found, to_host_bytes_per_s=PROBED_BYTES / (time.perf_counter() - began))


def wait_until(moment: float) -> None:
    while time.perf_counter() < moment:
        pass
