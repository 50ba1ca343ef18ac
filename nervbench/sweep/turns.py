"""One side of a live comparison: ``python -m nervbench.sweep.turns JOB``, a session that stays open and takes turns.

Reads from standard input the index of a decode and how many to make, a line a turn; answers a line of JSON. The first
answer says that the session is open and its frames were compared with fp32 eager. At the end of the input a checked
batch is decoded and compared once more, and the last answer says how that went.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from nervbench import plugins
from nervbench.device.base import Device
from nervbench.errors import NervbenchError
from nervbench.runtime.base import Runtime, Session
from nervbench.sweep.compare import Comparison
from nervbench.sweep.jobs import CaseJob
from nervbench.sweep.worker import opening_of

WARM_UP = 3


def serve(job: CaseJob, lines: Iterable[str], answers: TextIO) -> None:
    """Open, verify, take turns until the lines end, verify."""
    device: Device = plugins.load(plugins.DEVICES, job.device)()
    runtime: Runtime = plugins.load(plugins.RUNTIMES, job.case.runtime)
    with runtime.open(opening_of(job)) as session:
        starts = job.prepared.starts
        if wrong := _compared(job, session, device, starts):
            _say(answers, wrong=f"before timing: {wrong}")
            return
        warm = [_turn(session, device, start, 1, job) for start in range(WARM_UP)]
        _say(answers, warm_s=min(warm) * job.case.batch)
        for line in lines:
            index, count = map(int, line.split())
            _say(answers, s=_turn(session, device, index, count, job))
        _say(answers, wrong=_compared(job, session, device, starts[-1:]))


def _turn(session: Session, device: Device, index: int, count: int, job: CaseJob) -> float:
    """Seconds a frame, over ``count`` decodes from ``index`` on."""
    batch, frames = job.case.batch, job.prepared.frames
    device.start()
    for step in range(count):
        session.decode((index + step * batch) % frames)
    device.synchronize()
    return device.stop() / (count * batch)


def _compared(job: CaseJob, session: Session, device: Device, starts: Iterable[int]) -> str | None:
    """What is wrong with the frames at these starts, or None."""
    comparison = Comparison(job)
    for start in starts:
        session.decode(start)
        device.synchronize()
        comparison.add(start, session.fetch())
    return comparison.wrong()


def _say(answers: TextIO, **words: Any) -> None:
    answers.write(json.dumps(words) + "\n")
    answers.flush()


def main() -> None:
    """Keep standard output for the answers, whatever a library prints."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    job: CaseJob = pickle.loads(Path(sys.argv[1]).read_bytes())
    try:
        serve(job, sys.stdin, answers)
    except NervbenchError as error:
        _say(answers, wrong=str(error))


if __name__ == "__main__":
    main()
