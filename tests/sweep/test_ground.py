"""The process from which the pairs of a live comparison are forked."""

from __future__ import annotations

import ctypes
import mmap
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any

import psutil
import pytest

from nervbench.sweep import ground
from nervbench.sweep.jobs import PairJob
from nervbench.sweep.process import Died, Standing

# Of threads that a fork leaves behind: those of libraries that other tests have loaded.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def in_a_fork(function: Callable[[Connection], None]) -> Any:
    """What the function sends from a process forked from this one."""
    ours, theirs = Pipe()
    process = ForkProcess(target=function, args=(theirs,))
    process.start()
    found = ours.recv()
    process.join()
    return found


def next_address(door: Connection) -> None:
    """Where memory lies that is taken after moving."""
    ground._move()
    memory = mmap.mmap(-1, 1 << 20)
    door.send(ctypes.addressof(ctypes.c_char.from_buffer(memory)))


def test_each_fork_has_another_layout() -> None:
    """What is loaded after the fork lies elsewhere each time; without the move it would lie in one place.

    Asked of a fresh interpreter, as the ground is one: after many tests there are holes to which nothing moves.
    """
    program = f"from {__name__} import *; print(*[in_a_fork(next_address) for _ in range(5)])"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert len(set(told.split())) == 5


def test_answers_go_on_after_a_job_that_dies() -> None:
    """A forked process that ends by an error of its own has died, with its last words, and the next job is done."""
    broken: Any = None  # instead of two sides
    with Standing() as standing:
        for _ in range(2):
            died = standing.run(PairJob(broken, 0, 0.0, 1, 5.0), 60)
            assert isinstance(died, Died)
            assert not died.timed_out
            assert "ended with exit code 1" in died.reason
            assert "TypeError" in died.reason


def test_no_answer_in_time() -> None:
    """A job that takes longer than it may has died; the process and what it forked are gone with the block."""
    broken: Any = map(time.sleep, [600.0])  # what looks at the sides waits for the first
    with Standing() as standing:
        died = standing.run(PairJob(broken, 0, 0.0, 1, 5.0), 3)
        family = psutil.Process().children(recursive=True)

    assert died == Died(True, "no end after 3 s")
    assert family
    assert not psutil.wait_procs(family, timeout=10)[1]
