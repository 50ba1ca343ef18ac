"""One job in a fresh process: started, waited for without using a core, and its ending told apart.

A fresh process is the unit of isolation: no case inherits the threads, the caches or the memory of another, and one
that crashes or hangs takes nothing with it. It has a process group of its own, so that what it leaves behind is found
and ended before the next begins; Ctrl-C in a terminal does not reach that group, and ends it through this process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import psutil

from nervbench import errors
from nervbench.sweep.child import NO_ROOM
from nervbench.sweep.forked import Forked, Warm
from nervbench.sweep.jobs import Failed, Job, PairJob, takes_torch
from nervbench.sweep.scratch import check_room, refused, scratch, writing

LAST_WORDS = 400
TAIL_BYTES = 1 << 16
TRACEBACK = "Traceback (most recent call last)"
LOG_BYTES = 64 << 20
LOOK_S = 1.0
"""How often the size of a log is looked at."""
VMSTAT = Path("/proc/vmstat")
Process = subprocess.Popen[bytes] | Forked
_warm: list[Warm] = []


@dataclass(frozen=True, slots=True)
class Died:
    """A process that ended without an answer."""

    timed_out: bool
    reason: str
    no_memory: bool = False


FLOODED = Died(False, f"the worker wrote more than {LOG_BYTES >> 20} MB to its output")


def run(job: Job, timeout_s: float) -> Any:
    """The answer of the job, or :class:`Died`. An error of ours inside the job is raised here again.

    Raises OutputError where there is no room for temporary files: the job is not at fault then.
    """
    with scratch() as folder:
        with writing():
            (folder / "job").write_bytes(pickle.dumps(job))
            log = (folder / "log").open("wb")
        with log:
            kills = memory_kills()
            process = (_warm[-1].fork(folder) if _warm and takes_torch(job) else None) or _started(folder, log)
            try:
                died = _wait(process, timeout_s, log.fileno())
            finally:  # also after Ctrl-C
                _end(process)
        if not (folder / "answer").exists():
            died = died or _died(process.returncode or 0, memory_kills() > kills, folder)
            return dataclasses.replace(died, reason=f"{died.reason}{last_words(folder / 'log')}")
        # The answer is whole, whatever a library did to the process afterwards, while it was being taken down.
        answer = pickle.loads((folder / "answer").read_bytes())
    return answered(answer)


def _started(folder: Path, log: BinaryIO) -> subprocess.Popen[bytes]:
    # -P: a file torch.py in the folder where someone works is not PyTorch.
    command = [sys.executable, "-P", "-m", "nervbench.sweep.child", str(folder / "job"), str(folder / "answer")]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, process_group=0)


@contextlib.contextmanager
def warmed() -> Iterator[None]:
    """While it is open, jobs that take PyTorch are forked from a process that has it in memory (:class:`Warm`)."""
    with Warm() as warm:
        _warm.append(warm)
        try:
            yield
        finally:
            _warm.remove(warm)


def _died(code: int, killed_for_memory: bool, folder: Path) -> Died:
    """Why a process ended by itself without an answer; raises OutputError where there was no room for one."""
    if (folder / "log").stat().st_size > LOG_BYTES:  # what room there was, it took itself
        return FLOODED
    if code == NO_ROOM:
        raise refused(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    check_room(folder)
    no_memory = code == -signal.SIGKILL and killed_for_memory
    why = " because the system's memory ran out" if no_memory else ""
    return Died(False, f"{ending(code)}{why}", no_memory)


class Standing:
    """A process that does one job after the other, each in a process forked from it (:mod:`nervbench.sweep.ground`)."""

    def __enter__(self) -> Self:
        """Start it."""
        self._scratch = scratch()
        self._log = self._scratch.__enter__() / "log"
        self._door, theirs = multiprocessing.Pipe()
        command = [sys.executable, "-P", "-m", "nervbench.sweep.ground", str(theirs.fileno())]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                pass_fds=[theirs.fileno()],
            )
        theirs.close()
        return self

    def __exit__(self, *_: object) -> None:
        """End it and what it left behind."""
        self._door.close()
        _end(self._process)
        self._scratch.__exit__(None, None, None)

    def run(self, job: PairJob, timeout_s: float) -> Any:
        """The answer of the job, or :class:`Died`; raises as :func:`run` does."""
        answer: Any
        try:
            self._door.send(job)
            answer = self._door.recv() if self._door.poll(timeout_s) else Died(True, f"no end after {timeout_s:g} s")
        except (EOFError, ConnectionError):
            answer = Died(False, ending(self._process.wait()))
        if isinstance(answer, Died):
            check_room(self._log.parent)
            return Died(answer.timed_out, f"{answer.reason}{last_words(self._log)}")
        return answered(answer)


def answered(answer: Any) -> Any:
    """The answer; raises the error that it stands for."""
    if isinstance(answer, Failed):
        kind = getattr(errors, answer.error)
        raise kind([answer.message] if kind is errors.ConfigError else answer.message)
    return answer


def _wait(process: Process, timeout_s: float, log: int) -> Died | None:
    """Why the process must be ended: its time is over, or it fills the disk with what it prints to ``log``.

    None where it has ended; what it ended with is not fetched yet: see :func:`_end`. ``Popen.wait`` with a timeout
    looks every 50 ms, on a core that may be the one that is timed; a thread that waits without one sleeps, and the size
    of the log is asked for once a second.
    """
    waiting = threading.Thread(target=_sleep_until_end, args=(process,), daemon=True)
    waiting.start()
    until_s = time.monotonic() + timeout_s
    while waiting.is_alive():
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            return Died(True, f"no end after {timeout_s:g} s")
        if os.fstat(log).st_size > LOG_BYTES:
            return FLOODED
        waiting.join(min(left_s, LOOK_S))
    return None


def _sleep_until_end(process: Process) -> None:
    """Return when the process has ended, and leave it to be waited for."""
    if isinstance(process, Forked):
        process.sleep_until_end()
        return
    with contextlib.suppress(ChildProcessError):  # its time was over, and it was killed and waited for elsewhere
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def _end(process: Process) -> None:
    """Kill what there is of the process: itself if it still runs, and what it started (a compiler, say) in any case.

    Until it is waited for, which happens here, its number belongs to it and to its group, and no stranger is killed.
    """
    elsewhere: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):  # only those of a process that still runs can be found
        elsewhere = psutil.Process(process.pid).children(recursive=True)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for member in elsewhere:  # which may have a group of its own
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()
    if process.stdin:
        process.stdin.close()


def memory_kills() -> int:
    """Processes that Linux has ended because memory ran out (``oom_kill`` in /proc/vmstat); 0 where it does not say."""
    try:
        found = re.search(r"^oom_kill (\d+)$", VMSTAT.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def ending(code: int) -> str:
    """What the exit code of a worker says."""
    if code < 0:
        name = {int(known): known.name for known in signal.Signals}.get(-code, f"signal {-code}")
        return f"the worker was ended by {name}"
    return f"the worker ended with exit code {code} and without a result"


def last_words(log: Path) -> str:
    """The last line that the process wrote, with as much of what was before it as is short; all of it on one line.

    Before the last line of a traceback nothing is told.
    """
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    last = _end_of(lines[-1], LAST_WORDS)
    before = "" if TRACEBACK in text else _end_of(" ".join(lines[:-1]), LAST_WORDS - len(last))
    return f"; its last words: {last}" + (f" (after: {before})" if before else "")


def _end_of(text: str, length: int) -> str:
    return text if len(text) <= length else f"…{text[len(text) - length :]}"
