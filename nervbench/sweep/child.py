"""The other side of :mod:`nervbench.sweep.process`: ``python -m nervbench.sweep.child JOB ANSWER``.

It ends when its parent does: the parent holds the other end of its standard input, and a thread here waits for that
to close.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from nervbench import errors
from nervbench.files import write_atomically
from nervbench.sweep.jobs import AskJob, CaseJob, ExportJob, Failed, Job, ModelJob, ProbeJob, TrainJob, said
from nervbench.sweep.scratch import is_full

ORPHANED = 75
NO_ROOM = 76
"""Exit code of a worker whose answer did not fit into the folder for temporary files."""


def answer(job: Job) -> Any:
    """Do the job. Each kind imports only what it needs: a case must not carry what an export left in memory."""
    match job:
        case ProbeJob():
            from nervbench.sweep.probe import run_probe  # noqa: PLC0415

            return run_probe(job)
        case AskJob():
            from nervbench.sweep.probe import ask  # noqa: PLC0415

            return ask(job)
        case ModelJob():
            from nervbench.sweep.prepare import prepare  # noqa: PLC0415

            return prepare(job)
        case ExportJob():
            from nervbench.sweep.prepare import export  # noqa: PLC0415

            return export(job)
        case tuple():
            return [answer(each) for each in job]
        case CaseJob():
            from nervbench.sweep.worker import run_case  # noqa: PLC0415

            return run_case(job)
        case TrainJob():
            from nervbench.sweep.training import run_training  # noqa: PLC0415

            return run_training(job)


def do(job_path: Path, answer_path: Path) -> None:
    """Read the job, do it, write the answer; end at once where the parent does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job: Job = pickle.loads(job_path.read_bytes())
    result: Any
    try:
        result = answer(job)
    except errors.NervbenchError as error:
        result = failed(error)
    try:
        write_atomically(answer_path, pickle.dumps(result))
    except errors.OutputError as error:
        if not is_full(error.__cause__):
            raise
        os._exit(NO_ROOM)  # not sys.exit: what is still to be printed does not fit either, and would change the code


def failed(error: errors.NervbenchError) -> Failed:
    """An error as an answer: ours by name, a plugin's own kind as the one of ours that it derives from."""
    kinds = (kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    return Failed(next(kinds), said(error))


def _end_with_parent() -> None:
    while os.read(0, 1):  # not sys.stdin: a thread inside its buffer stops the interpreter from ending
        pass
    if os.getpgrp() == os.getpid():  # what this process started goes with it; not where someone started it by hand
        os.killpg(0, signal.SIGKILL)
    os._exit(ORPHANED)


if __name__ == "__main__":
    do(Path(sys.argv[1]), Path(sys.argv[2]))
