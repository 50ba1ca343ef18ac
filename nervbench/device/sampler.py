"""Watches the machine from a process of its own while a case is timed: ``with Sampling(os.getpid()) as sampling:``.

A thread of the worker would take the interpreter's lock from the loop that is timed; a process takes a moment of a
core, and how much is in the record (``own_cpu_share``). It sleeps in between, imports no framework, and ends when the
worker does, however that ends: the worker holds the other end of its standard input. ``cost()`` prints what it costs::

    python -c "from nervbench.device.sampler import cost; print(cost())"
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol, Self

from nervbench.device.base import Reading
from nervbench.device.cpu_readings import CpuReadings
from nervbench.device.gpu_readings import GpuReadings
from nervbench.device.summary import Seen, record
from nervbench.records import Meanwhile

PERIOD_S = 0.25
START_S = 20.0
STOP_S = 10.0
READY = b"ready\n"


class Source(Protocol):
    """Something that can be read; names are the beginnings of those in :class:`Meanwhile`."""

    def now(self) -> Mapping[str, Reading]:
        """What holds now."""
        ...

    def totals(self) -> Mapping[str, Reading]:
        """What only grows."""
        ...


class Sampling:
    """While the block runs, another process watches this one (or ``pid``) and the machine.

    Afterwards ``meanwhile`` is what it saw, or None with the reason in ``failure``: watching never stops a measurement.
    ``gpu`` is the UUID of a GPU as NVML writes it. Entering takes until the first reading is done, some 0.1 s.
    """

    def __init__(self, pid: int, period_s: float = PERIOD_S, gpu: str = "") -> None:
        self.meanwhile: Meanwhile | None = None
        self.failure: str | None = None
        self.process: subprocess.Popen[bytes] | None = None
        arguments = (str(pid), str(os.getpid()), str(period_s), gpu)
        # -P: a file select.py in the folder where someone works is not Python's.
        self._command = [sys.executable, "-P", "-m", "nervbench.device.sampler", *arguments]

    def __enter__(self) -> Self:
        try:
            self.process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        except OSError as error:
            self.failure = f"the sampler did not start: {error}"
            return self
        assert self.process.stdout
        output = self.process.stdout.fileno()
        if not _readable(output, START_S) or os.read(output, len(READY)) != READY:
            self.process.kill()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is None:
            return
        try:
            answer, _none = self.process.communicate(timeout=STOP_S)  # which closes its standard input first
            self.meanwhile = _read(answer)
        except (subprocess.TimeoutExpired, ValueError, TypeError, KeyError) as error:
            self.process.kill()
            self.process.communicate()
            self.failure = f"the sampler ended with code {self.process.returncode} and no answer ({error})"


def cost(seconds: float = 5.0, period_s: float = PERIOD_S) -> Meanwhile | None:
    """What is seen of this process while it sleeps so long; ``own_cpu_share`` is what the watching costs."""
    with Sampling(os.getpid(), period_s) as sampling:
        time.sleep(seconds)
    return sampling.meanwhile


def _read(answer: bytes) -> Meanwhile:
    """What the other process wrote."""
    fields = json.loads(answer)
    over_time = {name: (tuple(at_s), tuple(values)) for name, (at_s, values) in fields.pop("over_time").items()}
    return Meanwhile(**fields, over_time=over_time)


def _sleepless() -> float:
    """Seconds of a clock that no suspension stops, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def watch(
    sources: Sequence[Source],
    period_s: float,
    closed: Callable[[float], bool],
    monotonic: Callable[[], float] = time.monotonic,
    sleepless: Callable[[], float] = _sleepless,
) -> Seen:
    """Read the sources every ``period_s`` until ``closed``, which waits so many seconds or until it is over.

    The first reading is a period after the start, since before it the worker has nothing to do and the clocks are low.
    Of the readings that fall due while this process cannot run, one is made. ``sleepless`` is a clock that goes on
    while the machine is suspended; a gap is how much more has passed on it than was to be waited.
    """
    seen = Seen()
    began = before = monotonic()
    woke, due = sleepless(), before + period_s
    while True:
        over = closed(max(0.0, due - monotonic()))
        now, awake = monotonic(), sleepless()
        seen.longest_gap_s = max(seen.longest_gap_s, (awake - woke) - (due - before))
        if over:
            return seen
        for source in sources:
            seen.add(source.now(), now - began)
        seen.samples += 1
        before, woke = now, awake
        due += period_s * (1 + max(0, math.floor((now - due) / period_s)))


def main() -> None:
    """The other process, ``PID PARENT PERIOD GPU``: says when it is ready and, when its input closes, what it saw."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever sends it: the parent says when this ends
    pid, parent, period_s, gpu = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    machine = CpuReadings(pid)
    sources: list[Source] = [machine]
    no_gpu = "no GPU was named: the case runs on the processor"
    if gpu:
        try:
            sources.append(_gpu(gpu, pid))
        except (ImportError, RuntimeError) as error:
            no_gpu = str(error)
    first, began = _totals(sources), time.monotonic()
    own_s = time.process_time()  # the totals are not read while samples are taken
    _say(READY)
    seen = watch(sources, period_s, lambda timeout_s: _readable(0, timeout_s) or os.getppid() != parent)
    own_share = (time.process_time() - own_s) / (time.monotonic() - began)
    last, wall_s = _totals(sources), time.monotonic() - began
    if len(sources) == 1:
        seen.missing["gpu"] = no_gpu
    meanwhile = Meanwhile(
        period_s=period_s,
        samples=seen.samples,
        wall_s=wall_s,
        longest_gap_s=seen.longest_gap_s,
        own_cpu_share=own_share,
        **record(seen, first, last, wall_s * len(machine.processors)),
    )
    _say(json.dumps(dataclasses.asdict(meanwhile)).encode())


def _gpu(uuid: str, pid: int) -> GpuReadings:
    import pynvml  # noqa: PLC0415 (a case on the processor does without)

    return GpuReadings(pynvml, uuid, pid)


def _totals(sources: Sequence[Source]) -> dict[str, Reading]:
    return {name: total for source in sources for name, total in source.totals().items()}


def _readable(descriptor: int, timeout_s: float) -> bool:
    """Whether there is something to read, or the other end is closed, within so many seconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1e3))


def _say(words: bytes) -> None:
    with suppress(BrokenPipeError):  # the parent is gone
        os.write(1, words)


if __name__ == "__main__":
    main()
