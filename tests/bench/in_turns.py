"""Rows of several machines, which are this one made into them, by processes that take turns.

All are open at once, and one at a time computes, so that an unquiet second of this machine comes to all of them alike.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from nervbench.records import SINGLE_STREAM, STRICT, Result, Status
from nervbench.sweep import process
from nervbench.sweep.jobs import CaseJob
from tests.bench.planted.planted_devices import SEARCH
from tests.bench.planted.planted_turns import NAME, OVER, SINGLE, TURNS

TIMEOUT_S = 1200.0
REST_S, LONG_REST_S = 0.01, 0.06
"""Between two turns: threads of libraries wait for work in loops for a while before they sleep, some for long."""
RESTLESS = frozenset({"ort"})
SEARCH_S = 0.8
"""What a first call takes longer, as where a library tries its kernels. Published protocols count it; the strict one
has its warm-up for it, so that its rows can be without."""
NS_PER_S = 1e9
NEIGHBOUR = """
import os, random, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
while True:
    until_s = time.process_time() + random.expovariate(300)
    while time.process_time() < until_s:
        pass
    time.sleep(1e-4)
"""
"""It computes for 3 ms, more or less, and sleeps for a moment, as programs do that read or write.

Two that never sleep stay in step with each other or out of it for as long as they live, by chance, and PyTorch's
threads beside them: one process took 2 times as long as alone, the next one 6 times."""


@dataclass(frozen=True)
class Machine:
    """How a case is measured."""

    threads: int | None = None
    variables: tuple[tuple[str, str], ...] = ()
    neighbours: bool = False
    runtime: str = "eager"
    precision: str = "fp32"
    protocol: str = STRICT
    scenario: str = SINGLE_STREAM

    @property
    def hardware(self) -> tuple[Any, ...]:
        """What a probe depends on."""
        return self.threads, self.variables


@contextlib.contextmanager
def made(machine: Machine) -> Iterator[None]:
    """This process, and those that it starts, on such a machine; its neighbours are not there yet."""
    before, allowed = dict(os.environ), os.sched_getaffinity(0)
    try:
        os.environ |= dict(machine.variables)
        if machine.threads:
            os.sched_setaffinity(0, sorted(allowed)[: machine.threads])
        yield
    finally:
        os.sched_setaffinity(0, allowed)
        os.environ.clear()
        os.environ |= before


@contextlib.contextmanager
def neighbours_of(machine: Machine) -> Iterator[list[subprocess.Popen[bytes]]]:
    """One on each of its processors, where such a machine has any: they compute when they are let go on.

    A single one would take another processor each time, or the same for long.
    """
    with made(machine):
        processors = os.sched_getaffinity(0) if machine.neighbours else ()
    with contextlib.ExitStack() as stack:
        beside = []
        for processor in processors:
            beside.append(subprocess.Popen([sys.executable, "-c", NEIGHBOUR, str(processor)]))
            stack.callback(beside[-1].wait)
            stack.callback(beside[-1].kill)
            beside[-1].send_signal(signal.SIGSTOP)
        yield beside


@dataclass(frozen=True)
class Shares:
    """Of the processors, in a row's turns: what others had, and the host of a virtual machine; what neighbours wanted.

    ``waiting`` is for how long neighbours waited, in the last turn, which is the only one of a row that has any.
    """

    others: float
    stolen: float
    waiting: float | None


@dataclass
class Turns:
    """Lets processes go on, one at a time; a neighbour computes in the turns of its process."""

    listener: Listener
    chance: random.Random
    machines: Mapping[str, Machine]

    def give(self, neighbours: Mapping[str, Sequence[subprocess.Popen[bytes]]]) -> dict[str, Shares]:
        """Until all have ended. By name, what others had in its turns.

        One that ends before its time, and one that does not come, is left out.
        """
        doors: dict[str, Connection] = {}
        while len(doors) < len(neighbours):
            door = self.listener.accept()
            doors[door.recv()] = door
        had: dict[str, Shares] = {}
        left = list(neighbours)
        while left:
            for name in self.chance.sample(left, len(left)):
                beside = neighbours[name]
                began_s, before_s = time.perf_counter(), waited_s(beside)
                with running(beside):
                    try:
                        doors[name].send(None)
                        answer = doors[name].recv()
                    except (EOFError, ConnectionError):
                        left.remove(name)
                        continue
                processors_s = (time.perf_counter() - began_s) * len(beside)
                time.sleep(LONG_REST_S if self.machines[name].runtime in RESTLESS else REST_S)
                if answer is not OVER:
                    others, stolen = answer
                    waiting = (waited_s(beside) - before_s) / processors_s if beside else None
                    had[name] = Shares(others, stolen, waiting)
                    left.remove(name)
        for name in had:
            doors[name].send(None)
        return had


def waited_s(processes: Sequence[subprocess.Popen[bytes]]) -> float:
    """For how long these, of one thread each, have been ready to run and waited for a processor."""
    stats = (Path(f"/proc/{each.pid}/schedstat").read_text() for each in processes)
    return sum(int(stat.split()[1]) for stat in stats) / NS_PER_S


@contextlib.contextmanager
def running(stopped: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """These compute while the block runs."""
    for each in stopped:
        each.send_signal(signal.SIGCONT)
    yield
    for each in stopped:
        each.send_signal(signal.SIGSTOP)


def measured_row(job: CaseJob, machine: Machine, address: str, name: str) -> Result | process.Died:
    """One row, in turns; called in a process of its own."""
    with made(machine):
        os.environ |= {TURNS: address, NAME: name}
        os.environ |= {SINGLE: "1"} if machine.neighbours else {}
        os.environ |= {SEARCH: str(SEARCH_S)} if machine.protocol != STRICT else {}
        answer: Result | process.Died = process.run(job, TIMEOUT_S)
    with Client(address) as door:  # in the place of a process that never came, which would be waited for
        door.send(name)
    return answer


def in_turns(jobs: Mapping[str, CaseJob], machines: Mapping[str, Machine], seed: str) -> dict[str, Result]:
    """A row of every job, each on its machine; ends the program where one was not measured."""
    with (
        contextlib.ExitStack() as stack,
        ProcessPoolExecutor(len(jobs), multiprocessing.get_context("fork")) as pool,
        tempfile.TemporaryDirectory(prefix="nervbench-") as folder,
        Listener(str(Path(folder) / "turns"), backlog=2 * len(jobs)) as listener,
    ):
        neighbours = {name: stack.enter_context(neighbours_of(machines[name])) for name in jobs}
        address = str(listener.address)
        asked = {name: pool.submit(measured_row, job, machines[name], address, name) for name, job in jobs.items()}
        had = Turns(listener, random.Random(seed), machines).give(neighbours)
        return {name: completed(answer.result(), had.get(name)) for name, answer in asked.items()}


def completed(row: Result | process.Died, had: Shares | None) -> Result:
    """A row that says what others had of the processors in its turns; ends the program where it was not measured."""
    if isinstance(row, process.Died) or row.status is not Status.OK or not had:
        sys.exit(f"{row}"[:2000])
    seen = row.telemetry and row.telemetry.meanwhile
    if not row.telemetry or not seen:
        sys.exit(f"{row.case.name}: nobody watched the machine: {row.telemetry and row.telemetry.unwatched}")
    seen = dataclasses.replace(
        seen, others_cpu_share=max(0.0, had.others), others_waiting_share=had.waiting, steal_share=had.stolen
    )
    return dataclasses.replace(row, telemetry=dataclasses.replace(row.telemetry, meanwhile=seen))
