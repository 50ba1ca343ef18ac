"""One pair of processes of a live comparison: both sides forked from this one, and they take turns.

What the sides run is imported here, before the fork. So the two lie alike in memory: the variation between processes
of one program, as far as it is that of their layout, is the same for both, and where it is not, because they run
different programs, the next pair has another. On two cores, in one hour, means of pairs scattered by 0.7 % with two
fresh interpreters and by 0.3 % so; in other hours by 0.5 to 1 % so too. Only one side computes at a time. Between two
turns both rest for a moment, so that the threads of the first, which spin for a while when they have no work, do not
take the processor from the second.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import random
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from pathlib import Path

from nervbench import plugins
from nervbench.device.base import Device
from nervbench.errors import CompareError, NervbenchError
from nervbench.runtime.base import Runtime, Session
from nervbench.sweep.compare import Comparison
from nervbench.sweep.jobs import CaseJob, PairJob, Turn
from nervbench.sweep.process import ending, last_words

REST_S = 0.004
TURN_S = 0.005
"""A turn takes as many decodes as fill this: under it, what the processes say to each other would count."""
WARM_UP = 2
MIN_ROUNDS = 3
ORDERS = ("abba", "baab")


class Side:
    """A process that has a case open and decodes when asked."""

    def __init__(self, name: str, job: PairJob, taken: Iterable[Side], folder: Path) -> None:
        self.name, self._timeout_s = name, job.timeout_s
        self._log = folder / name
        self._ours, theirs = multiprocessing.Pipe()
        inherited = [self._ours, *(side._ours for side in taken)]
        self._process = ForkProcess(target=_serve, args=(job, name, theirs, inherited, self._log))
        with warnings.catch_warnings():  # of threads that a fork leaves behind: a watcher, and idle ones of libraries
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        theirs.close()

    def answer(self) -> float:
        """Its next answer. Raises CompareError where it says that something is wrong, ends, or is silent."""
        try:
            if not self._ours.poll(self._timeout_s):
                msg = f"{self.name} gave no answer for {self._timeout_s:g} s"
                raise CompareError(msg)
            answer: float | str = self._ours.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            how = ending(self._process.exitcode or 0)
            msg = f"{self.name}: {how}{last_words(self._log)}"
            raise CompareError(msg) from None
        if isinstance(answer, str):
            msg = f"{self.name}: {answer}"
            raise CompareError(msg)
        return answer

    def ask(self, index: int, count: int) -> float:
        """Seconds a frame over so many decodes; of 0 decodes: compare its frames once more."""
        with contextlib.suppress(ConnectionError):  # it died; the answer says how
            self._ours.send((index, count))
        return self.answer()

    def end(self) -> None:
        """Take the process down if it is still there."""
        self._process.kill()
        self._process.join()
        self._ours.close()


def take_turns(job: PairJob) -> tuple[Turn, ...]:
    """Open both sides, let them take turns until the time is over, and look at their frames again."""
    chance = random.Random(job.seed)
    for side in job.sides:
        plugins.load(plugins.RUNTIMES, side.case.runtime)
    with tempfile.TemporaryDirectory(prefix="nervbench-") as folder, contextlib.ExitStack() as stack:
        sides: dict[str, Side] = {}
        for name in chance.sample("ab", 2):
            sides[name] = Side(name, job, sides.values(), Path(folder))
            stack.callback(sides[name].end)
        counts = {name: math.ceil(TURN_S / min(TURN_S, side.answer())) for name, side in sides.items()}
        turns = tuple(_turns(job, sides, counts, chance))
        for opened in sides.values():
            opened.ask(0, 0)
    return turns


def _turns(job: PairJob, sides: dict[str, Side], counts: dict[str, int], chance: random.Random) -> Iterator[Turn]:
    number = 0
    while number < MIN_ROUNDS or time.monotonic() < job.until_s:
        index = number % job.sides[0].prepared.frames
        for name in chance.choice(ORDERS):
            time.sleep(REST_S)
            yield Turn(job.pair, number, name, sides[name].ask(index, counts[name]))
        number += 1


def _serve(job: PairJob, name: str, door: Connection, inherited: Iterable[Connection], log: Path) -> None:
    """A side, in its process: open, verify, take turns until the other end is closed."""
    for connection in inherited:  # held open here, they would hide from a side that the pair's process has ended
        connection.close()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    answer: float | str
    try:
        with contextlib.suppress(EOFError, ConnectionError):
            for answer in _answers(job.sides["ab".index(name)], job.pair, door):
                door.send(answer)
    except NervbenchError as error:
        door.send(str(error))


def _answers(job: CaseJob, pair: int, door: Connection) -> Iterator[float | str]:
    """First seconds of a warm decode, then what is asked for; a string says what is wrong and is the last."""
    device: Device = plugins.load(plugins.DEVICES, job.device)()
    runtime: Runtime = plugins.load(plugins.RUNTIMES, job.case.runtime)
    start = job.prepared.starts[pair % len(job.prepared.starts)]  # the other checked frames are for the next pairs
    with runtime.open(job.opening) as session:
        if wrong := _compared(job, session, device, start):
            yield f"before timing: {wrong}"
            return
        yield min(_turn(session, device, index, 1, job) for index in range(WARM_UP)) * job.case.batch
        while True:
            index, count = door.recv()
            yield _turn(session, device, index, count, job) if count else _compared(job, session, device, start) or 0.0


def _turn(session: Session, device: Device, index: int, count: int, job: CaseJob) -> float:
    """Seconds a frame, over ``count`` decodes from ``index`` on."""
    batch, frames = job.case.batch, job.prepared.frames
    device.start()
    for step in range(count):
        session.decode((index + step * batch) % frames)
    device.synchronize()
    return device.stop() / (count * batch)


def _compared(job: CaseJob, session: Session, device: Device, start: int) -> str | None:
    """What is wrong with the frames at this start, or None."""
    comparison = Comparison(job)
    session.decode(start)
    device.synchronize()
    comparison.add(start, session.fetch())
    return comparison.wrong()
