"""The other side of :class:`nervbench.sweep.process.Standing`: ``python -m nervbench.sweep.ground DESCRIPTOR``.

It imports what every job of a live comparison needs and then forks a process for each: starting an interpreter and
importing NumPy would take a third of the time that a pair of processes has. What a fork inherits lies where it lay in
the last one, so each first takes address space of a random size: the libraries that it loads next, those of the runtime
that is measured, lie elsewhere each time, as they do in a process of their own.

It ends when the other end of its connection is closed.
"""

from __future__ import annotations

import mmap
import random
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess

from nervbench import errors
from nervbench.sweep import turns
from nervbench.sweep.child import failed
from nervbench.sweep.jobs import PairJob
from nervbench.sweep.process import Died, ending

MOST_PAGES = 1 << 16
MOST_BYTES = 1 << 16
_taken: list[object] = []
"""Address space that is to stay taken."""


def main() -> None:
    """Do the jobs that come, one after the other."""
    door: Connection = Connection(int(sys.argv[1]))
    while True:
        try:
            job: PairJob = door.recv()
        except EOFError:
            return
        ours, theirs = Pipe()
        forked = ForkProcess(target=_do, args=(job, theirs, (door, ours)))
        forked.start()
        theirs.close()
        try:
            answer = ours.recv()
        except EOFError:
            forked.join()
            answer = Died(False, ending(forked.exitcode or 0))
        forked.join()
        ours.close()
        door.send(answer)


def _do(job: PairJob, door: Connection, inherited: tuple[Connection, ...]) -> None:
    """In the forked process: take place, take turns, answer."""
    for connection in inherited:
        connection.close()
    _move()
    try:
        door.send(turns.take_turns(job))
    except errors.NervbenchError as error:
        door.send(failed(error))


def _move() -> None:
    """Take address space of a random size, from the system and from the heap; none of it is touched."""
    chance = random.SystemRandom()
    _taken.append(mmap.mmap(-1, mmap.PAGESIZE * chance.randint(1, MOST_PAGES)))
    _taken.append(bytearray(chance.randint(1, MOST_BYTES)))


if __name__ == "__main__":
    main()
