"""The other side of :class:`nervbench.sweep.forked.Warm`: ``python -m nervbench.sweep.forking DESCRIPTOR``.

It imports PyTorch and what a worker needs, and computes nothing. Then it forks a process for each folder that it is
told, which becomes a worker (:mod:`nervbench.sweep.child`): a process group, input and log of its own. As in a live
comparison its memory lies elsewhere than the last one's, and only PyTorch where it lay. How that ended is told before
its number is given back.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
from pathlib import Path

from nervbench.sweep import child
from nervbench.sweep.ground import _move as lie_elsewhere

MESSAGE_BYTES = 4096


def main() -> None:
    """Fork until the other end is closed."""
    door = socket.socket(fileno=int(sys.argv[1]))
    import torch  # noqa: F401, PLC0415

    from nervbench.sweep import worker  # noqa: PLC0415

    gc.collect()
    gc.freeze()  # a worker's collector shall not write to what it shares
    while True:
        words, descriptors, *_ = socket.recv_fds(door, MESSAGE_BYTES, 1)
        if not words:
            return
        folder = Path(os.fsdecode(words))
        pid = os.fork()
        if not pid:
            door.close()
            _become(folder, descriptors[0])
            lie_elsewhere()
            worker.began = "fresh for this case, forked from one that had imported PyTorch"
            child.do(folder / "job", folder / "answer")
            return
        os.close(descriptors[0])
        os.setpgid(pid, pid)  # here too: whoever kills the group must find it
        door.send(str(pid).encode())
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert ended
        door.send(str(ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status).encode())
        door.recv(MESSAGE_BYTES)  # until its group is killed its number must not be another's
        os.waitpid(pid, 0)


def _become(folder: Path, given: int) -> None:
    """What a process that is started gets from who starts it."""
    os.setpgid(0, 0)
    log = os.open(folder / "log", os.O_WRONLY | os.O_APPEND)
    for descriptor, number in ((given, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, number)
    os.close(given)
    os.close(log)


if __name__ == "__main__":
    main()
