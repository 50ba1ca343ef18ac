"""The folder for temporary files: where it is full the sweep stops, and no case is blamed for it."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from nervbench import trials
from nervbench.errors import LoadError, OutputError
from nervbench.records import SINGLE_STREAM, Status
from nervbench.sweep import child, process, scratch, training, worker
from nervbench.sweep.jobs import ProbeJob, TrainJob
from nervbench.sweep.local import RESULTS
from tests.bench import kills

from .conftest import Studio, ended
from .test_interrupt import bench

MOUNTS = ("unshare", "--map-root-user", "--mount", "sh", "-c")
"""A shell that may mount, for itself alone; not every system lets one."""
SMALL = 'mount -t tmpfs -o size=8k tmpfs "$0" && TMPDIR="$0" exec "$@"'


def full(number: int = errno.ENOSPC) -> OSError:
    """What the system says of a disk with no room, or with another fault."""
    return OSError(number, os.strerror(number))


def fails(error: Exception) -> Callable[..., None]:
    """A function that raises the error, whatever it is called with."""

    def call(*_: object, **__: object) -> None:
        raise error

    return call


@pytest.mark.usefixtures("kept")
def test_full_folder_stops_the_sweep(studio: Studio, tmp_path: Path) -> None:
    """Where temporary files have no room the run ends with what to do, and no healthy runtime gets a row."""
    if subprocess.run([*MOUNTS, SMALL, tmp_path, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here")
    out, plan = studio.root / "no_room", bench(studio, ["works", "prints"])
    sweep = [sys.executable, "-c", kills.PROGRAM, str(studio.root / "kept"), "run", plan, "--out", out]
    words = [*MOUNTS, SMALL, tmp_path, *sweep, "--cache", studio.cache]
    run = subprocess.run([*map(str, words)], check=False, capture_output=True, text=True)

    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == (
        f"nervbench: cannot write to the temporary folder {tmp_path}: No space left on device; free some space or set "
        f"TMPDIR to another folder; go on with: nervbench run {plan} --out {out} --resume --cache {studio.cache}"
    )
    assert not (out / RESULTS).exists()


def test_answer_without_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A worker whose answer finds no room ends with an exit code of its own; with any other fault it crashes."""
    (tmp_path / "job").write_bytes(pickle.dumps(ProbeJob("cpu", 0.0)))
    codes: list[int] = []
    monkeypatch.setattr(threading, "Thread", lambda **_: SimpleNamespace(start=lambda: None))
    monkeypatch.setattr(child, "answer", lambda _job: "x")
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(Path, "write_bytes", fails(full(errno.EDQUOT)))
    child.do(tmp_path / "job", tmp_path / "answer")
    monkeypatch.setattr(Path, "write_bytes", fails(full(errno.EIO)))
    with pytest.raises(OutputError, match="Input/output error"):
        child.do(tmp_path / "job", tmp_path / "answer")

    assert codes == [child.NO_ROOM]


def test_worker_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """That exit code stops the sweep, also where there is room again when it is looked for."""
    start, program = subprocess.Popen, f"raise SystemExit({child.NO_ROOM})"
    monkeypatch.setattr(subprocess, "Popen", lambda _, **also: start([sys.executable, "-c", program], **also))
    with pytest.raises(OutputError, match=r"^cannot write to the temporary folder .*: No space left on device; free"):
        process.run(ProbeJob("cpu", 0.0), 60)


def test_room_taken_by_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that took the room itself, by what it printed, stops no sweep."""
    start, program = subprocess.Popen, f"print('x' * 100); raise SystemExit({child.NO_ROOM})"
    monkeypatch.setattr(subprocess, "Popen", lambda _, **also: start([sys.executable, "-c", program], **also))
    monkeypatch.setattr(process, "LOG_BYTES", 99)
    died = process.run(ProbeJob("cpu", 0.0), 60)

    assert isinstance(died, process.Died)
    assert died.reason.startswith(process.FLOODED.reason)


def test_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even a folder can be made, that is said in the same words."""
    monkeypatch.setattr(tempfile, "TemporaryDirectory", fails(full()))
    with pytest.raises(OutputError, match=r"^cannot write to the temporary folder"), scratch.scratch():
        pass


def test_room_is_looked_for(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a worker that died without an answer a full folder is a stop; any other fault of it leaves the row."""
    plan = studio.plan(studio.root / "looked_for", [f"segfaults/fp32/1/{SINGLE_STREAM}"])
    monkeypatch.setattr(tempfile, "TemporaryFile", fails(full(errno.EDQUOT)))
    with pytest.raises(OutputError, match="Disk quota exceeded; free some space or set TMPDIR to another folder"):
        ended(plan)
    assert not (plan.out / RESULTS).exists()

    monkeypatch.setattr(tempfile, "TemporaryFile", fails(full(errno.EFBIG)))
    assert ended(plan)[0]["segfaults"].status == Status.CRASHED


@pytest.mark.parametrize(
    "error", [full(), full(errno.EDQUOT), RuntimeError("ld: final link failed: No space left on device")]
)
def test_library_without_room(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A library that found no room stops the sweep where the temporary folder is full; else it is a fault as any."""
    wrapped = LoadError("the compiler failed")
    wrapped.__cause__ = full()
    worker._stop_where_full(error)
    worker._stop_where_full(wrapped)

    monkeypatch.setattr(tempfile, "TemporaryFile", fails(full()))
    worker._stop_where_full(ValueError("the driver said no"))
    for each in (error, wrapped):
        with pytest.raises(OutputError, match="temporary folder"):
            worker._stop_where_full(each)


def test_own_file_without_room() -> None:
    """A file of ours that found no room, wherever that is, stops the sweep in its own words."""
    error = OutputError("cannot write decoded.mp4: No space left on device")
    error.__cause__ = full()
    with pytest.raises(OutputError, match=r"decoded\.mp4"):
        worker._stop_where_full(error)


def test_training_without_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A training that found no room gets no row, and the next is not begun."""
    monkeypatch.setattr(training, "process", SimpleNamespace(run=fails(OutputError("no room")), Died=process.Died))
    jobs = [TrainJob(name, "nerv-xs", "bunny", "bunny", {}, tmp_path / name) for name in ("a", "b")]
    steps = training.train_all(jobs, tmp_path, 60.0)

    assert next(steps) == jobs[0]
    with pytest.raises(OutputError, match="no room"):
        next(steps)
    assert not (tmp_path / trials.FILE).exists()
