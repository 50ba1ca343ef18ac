"""Processes that are forked from one that has imported PyTorch, which takes longer than many a case.

Such a process inherits what importing leaves, and nothing of an earlier job. Code of libraries comes into its memory
when it is first used, not when it is imported: its first decode is later than another's, so only what warms up, and
times no loading, is measured in one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO, Self

import psutil

ANSWER_BYTES = 64
LOOK_S = 0.5
IMPORT_S = 120.0
"""Importing takes seconds, of a slow disk perhaps a minute."""


class Forked:
    """One of them, as far as :class:`subprocess.Popen` is needed of it."""

    def __init__(self, door: socket.socket, pid: int, stdin: BinaryIO) -> None:
        self._door, self._lock = door, threading.Lock()
        self.pid, self.stdin = pid, stdin
        self._seen = False
        self.returncode: int | None = None
        self._itself: psutil.Process | None = None
        with contextlib.suppress(psutil.NoSuchProcess):
            self._itself = psutil.Process(pid)

    def sleep_until_end(self) -> int:
        """Return when it has ended, with its code, and leave its number to it."""
        with self._lock:
            if self.returncode is None:
                try:
                    self.returncode = int(self._door.recv(ANSWER_BYTES))
                except (OSError, ValueError):  # the one that forked it was killed; it goes on all the same
                    while self._is_there():
                        time.sleep(LOOK_S)
                    self.returncode = -signal.SIGKILL  # nobody knows; whoever killed the one may have killed both
        return self.returncode

    def _is_there(self) -> bool:
        try:
            return self._itself is not None and self._itself.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def wait(self) -> int:
        """Its code, once its number may be another's."""
        code = self.sleep_until_end()
        if not self._seen:
            self._seen = True
            with contextlib.suppress(OSError):
                self._door.send(b"seen")
        return code


class Warm:
    """The one that forks them; it does nothing while they are at work."""

    def __enter__(self) -> Self:
        """Start it; it imports until it is asked for the first time, or longer."""
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "nervbench.sweep.forking", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,
                pass_fds=[theirs.fileno()],
            )
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._door.close()
        self._process.kill()
        self._process.wait()

    def fork(self, folder: Path) -> Forked | None:
        """A worker for the job in this folder; None where that cannot be had, because PyTorch cannot be imported, say.

        Its input ends when this process does.
        """
        theirs, ours = os.pipe()
        self._door.settimeout(IMPORT_S)
        try:
            socket.send_fds(self._door, [os.fsencode(folder)], [theirs])
            said = self._door.recv(ANSWER_BYTES)
        except OSError:  # what it may say later is of no use
            self._process.kill()
            said = b""
        except BaseException:  # Ctrl-C: a worker that is there already ends with its input
            os.close(ours)
            raise
        finally:
            os.close(theirs)
            self._door.settimeout(None)
        if said:
            return Forked(self._door, int(said), os.fdopen(ours, "wb"))
        os.close(ours)
        return None
