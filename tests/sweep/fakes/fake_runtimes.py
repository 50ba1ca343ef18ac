"""Runtimes of another package, each with a fault of its own. Found through the dist-info beside this file.

Their frames are the reference frames, read from the cache that the artifact lies in; no network is computed.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import psutil

from nervbench.device.cpu import CpuDevice
from nervbench.errors import FellBackError, LoadError, UnsupportedError
from nervbench.measure.checks import GAP_S
from nervbench.records import DeviceCard
from nervbench.runtime.base import Frames, Opening


@dataclass
class Session:
    """Gives the reference frames, changed by what the runtime does to them."""

    opening: Opening
    runtime: Fake
    decodes: int = 0
    start: int = -1

    def decode(self, index: int) -> None:
        self.decodes, self.start = self.decodes + 1, index
        self.runtime.at_decode(self)

    def fetch(self) -> Frames:
        (folder,) = (self.opening.path.parents[1] / "reference").iterdir()
        indices = [(self.start + offset) % self.opening.frames for offset in range(self.opening.batch)]
        frames: Frames = np.stack([np.load(folder / f"{index:06d}.npy") for index in indices])
        changed: Frames = self.runtime.change(frames, self)
        return changed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@dataclass
class Fake:
    """A runtime that works, but for what is given."""

    name: str
    at_decode: Callable[[Session], object] = lambda _session: None
    change: Callable[[Frames, Session], Any] = lambda frames, _session: frames
    refuses: str | None = None
    form: str = "checkpoint"
    fails: Exception | None = None
    packages: tuple[str, ...] = ("fake-runtimes", "not-installed")

    def wants(self, precision: str) -> tuple[str, str]:
        return self.form, precision

    def refusal(self, _device: DeviceCard, _precision: str) -> str | None:
        return self.refuses

    def open(self, opening: Opening) -> Session:
        if self.fails:
            raise self.fails
        return Session(opening, self)


class TooNew(LoadError):
    """An error of this package, derived from one of nervbench's."""


class Speechless(Exception):
    """An error that fails when it is asked what it says."""

    def __str__(self) -> str:
        raise RecursionError


def _lose_words(_session: Session) -> None:
    raise Speechless


def _raise(_session: Session) -> None:
    msg = "the driver said no"
    raise ValueError(msg)


def _print(_session: Session) -> None:
    print("noise on stdout")  # noqa: T201
    print("noise on stderr", file=sys.stderr)  # noqa: T201


def _pace(session: Session) -> None:
    _print(session)
    time.sleep(0.010)


def _use_all_memory(_session: Session) -> None:
    raise MemoryError


def _fail_to_allocate(_session: Session) -> None:
    msg = "std::bad_alloc\nat 0x7f"
    raise RuntimeError(msg)


def _hang(session: Session) -> None:
    _litter(session)
    print("waiting for the device")  # noqa: T201
    sys.stdout.flush()
    time.sleep(600)


def _hang_once(session: Session) -> None:
    marker = session.opening.path.parents[1] / "hung-once"
    if not marker.exists():
        marker.touch()
        _hang(session)


def _chatter(_session: Session) -> None:
    """Print without an end, as fast as it can."""
    while True:
        os.write(1, b"retrying\n" * 1000)


def _litter(session: Session) -> None:
    """Leave a process that runs on, and one that has ended and that nobody waits for."""
    if session.decodes == 1:
        sleeper = os.posix_spawnp("sleep", ["sleep", "600"], os.environ)
        os.posix_spawnp("true", ["true"], os.environ)
        (session.opening.path.parents[1] / "litter").write_text(str(sleeper))


def _later(fault: Callable[[Session], object]) -> Callable[[Session], object]:
    """The fault in the middle of the samples, which begin after three decodes: two that are checked, one warm-up."""
    return lambda session: fault(session) if session.decodes > 8 else None


def _stand_still(session: Session) -> None:
    """In the middle of the samples, stop this process and the one that watches it."""
    if session.decodes == 8:
        pids = " ".join(str(process.pid) for process in (*psutil.Process().children(), psutil.Process()))
        subprocess.run(["sh", "-c", f"kill -STOP {pids}; sleep {GAP_S + 0.5}; kill -CONT {pids}"], check=True)


class SetBack(CpuDevice):
    """A device whose clock someone sets back while it is running."""

    def stop(self) -> float:
        return super().stop() - 3600


class Vanishes(CpuDevice):
    """A device that is there until a case is to be measured."""

    def __init__(self) -> None:
        super().__init__()
        if "nervbench.sweep.worker" in sys.modules:
            msg = "PyTorch sees no NVIDIA GPU"
            raise UnsupportedError(msg)


works = Fake("works")
paced = Fake("paced", at_decode=_pace)
slower = Fake("slower", at_decode=lambda _: time.sleep(0.020))
wrong = Fake("wrong", change=lambda frames, _: 255 - frames)
grey = Fake("grey", change=lambda frames, _: np.full_like(frames, 128))
nan = Fake("nan", change=lambda frames, _: np.full(frames.shape, np.nan, np.float32))
shape = Fake("shape", change=lambda frames, _: frames.transpose(0, 3, 1, 2))
late = Fake("late", change=lambda frames, session: 255 - frames if session.decodes > 8 else frames)
lossy = Fake("lossy", change=lambda frames, _: frames & 0xF0)
unchecked = Fake("unchecked", change=lambda frames, session: 255 - frames if session.start == 1 else frames)
raises = Fake("raises", at_decode=_raise)
speechless = Fake("speechless", at_decode=_lose_words)
segfaults = Fake("segfaults", at_decode=lambda _: os.kill(os.getpid(), signal.SIGSEGV))
exits = Fake("exits", at_decode=lambda _: sys.exit(3))
hangs = Fake("hangs", at_decode=_hang)
once = Fake("once", at_decode=_hang_once)
prints = Fake("prints", at_decode=_print)
hungry = Fake("hungry", at_decode=_use_all_memory)
bad_alloc = Fake("bad_alloc", at_decode=_fail_to_allocate)
no_room = Fake("no_room", fails=LoadError("the compiler failed: DefaultCPUAllocator: can't allocate memory"))
killed_late = Fake("killed_late", at_decode=_later(lambda _: os.kill(os.getpid(), signal.SIGKILL)))
raises_late = Fake("raises_late", at_decode=_later(_raise))
hungry_late = Fake("hungry_late", at_decode=_later(_use_all_memory))
hangs_late = Fake("hangs_late", at_decode=_later(lambda _: time.sleep(600)))
chatters_late = Fake("chatters_late", at_decode=_later(_chatter))
killed = Fake("killed", at_decode=lambda _: os.kill(os.getpid(), signal.SIGKILL))
refuses = Fake("refuses", refuses="needs a device of 1977; none is here")
odd_format = Fake("odd_format", form="gguf")
no_load = Fake("no_load", fails=TooNew("the file is newer than this runtime"))
elsewhere = Fake("elsewhere", fails=FellBackError("asked for the NPU, the session runs on the CPU"))
blinds = Fake("blinds", at_decode=lambda _: setattr(sys, "executable", "/no/such/python"))
leaves = Fake("leaves", at_decode=lambda _: atexit.register(os.kill, os.getpid(), signal.SIGSEGV))
litters = Fake("litters", at_decode=_litter)
slow = Fake("slow", at_decode=lambda _: time.sleep(0.200))
drifts = Fake("drifts", at_decode=lambda session: time.sleep(0.002 + 0.0002 * session.decodes))
two_speeds = Fake("two_speeds", at_decode=lambda session: time.sleep((0.004, 0.012)[session.decodes // 10 % 2]))
stands_still = Fake("stands_still", at_decode=_stand_still)


def __getattr__(name: str) -> Any:
    if name == "dies":  # the entry point of that name takes the process down that loads it
        os._exit(9)
    raise AttributeError(name)
