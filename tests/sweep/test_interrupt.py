"""Ctrl-C, and a parent that is killed: nothing is lost, nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from nervbench import store
from nervbench.records import Status
from nervbench.sweep.local import RESULTS, locked
from nervbench.sweep.scratch import scratch
from tests.bench import kills

from .conftest import SEEDED, Studio

# Ctrl-C is ignored in a process that a shell has put into the background; here it must not be.
PROGRAM = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
{kills.PROGRAM}"""
PATIENCE_S = 120.0

pytestmark = pytest.mark.usefixtures("kept")


def bench(studio: Studio, runtimes: list[str]) -> Path:
    """A bench.toml with these runtimes."""
    path = studio.root / f"{'-'.join(runtimes)}.toml"
    path.write_text(f"""
clip = {{ source = "{studio.clip}" }}
models = [{{ name = "nerv-xs", weights = "{SEEDED}" }}]
matrix = [{{ models = ["nerv-xs"], runtimes = {runtimes} }}]
stopping = {{ min_samples = 1, max_samples = 3 }}
verify = {{ frames = 2 }}
""")
    return path


@contextmanager
def started(studio: Studio, *words: object) -> Iterator[subprocess.Popen[str]]:
    """``nervbench run`` with these words, in a process of its own that is ended in any case."""
    kept = studio.root / "kept"
    command = [sys.executable, "-c", PROGRAM, str(kept), "run", *map(str, words), "--cache", str(studio.cache)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(studio.root)},  # a sweep that is killed leaves the folder of its worker
    )
    guard = threading.Timer(PATIENCE_S, process.kill)  # a reader that waits for a line then sees the end
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        process.kill()
        process.communicate()


def worker_of(process: subprocess.Popen[str], case: str) -> psutil.Process:
    """The process that measures a case, once it hangs, having started another."""
    assert process.stderr
    said = []
    for line in process.stderr:
        said.append(line)
        if f"{case} …" in line:
            break
    else:
        pytest.fail(f"the case never began: {''.join(said)}")
    parent = psutil.Process(process.pid)
    for _ in range(400):
        workers = [each for each in parent.children() if "nervbench.sweep.child" in each.cmdline()]
        if workers and workers[0].children():
            return workers[0]
        threading.Event().wait(0.05)
    raise AssertionError


def all_gone(process: subprocess.Popen[str]) -> bool:
    """Whether the session of a sweep that has ended, to which its workers belong, is empty within some seconds."""
    until = time.monotonic() + 15
    while any(session_of(pid) == process.pid for pid in psutil.pids()):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def session_of(pid: int) -> int | None:
    """The session of a process, or None where it has ended."""
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return None


def test_ctrl_c(studio: Studio) -> None:
    """Ctrl-C ends with 130 and the words to go on with; rows stay, and --resume does exactly the rest."""
    out = studio.root / "interrupted"
    words = (bench(studio, ["works", "once"]), "--out", out)
    with started(studio, *words) as process:
        worker = worker_of(process, "nerv-xs/fp32/once/b1")
        assert os.getpgid(worker.pid) == worker.pid
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the sweep, whose worker has a group of its own
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130
        assert all_gone(process)
    first = store.read(out / RESULTS)

    assert [result.case.runtime for result in first] == ["works"]
    assert f"go on with: nervbench run {words[0]} --out {out} --resume" in said
    assert "Traceback" not in said

    (studio.cache / "hung-once").touch()  # from here on the runtime works, even if it was interrupted before it hung
    with started(studio, *words, "--resume") as process:
        shown, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
    rows = store.read(out / RESULTS)

    assert rows[0] == first[0]
    assert [(result.case.runtime, result.status) for result in rows] == [("works", Status.OK), ("once", Status.OK)]
    assert "[1/2] nerv-xs/fp32/works/b1" not in said
    assert f"report: {out / 'report.md'}" in shown.replace("\n", "")


def test_terminated(studio: Studio) -> None:
    """SIGTERM ends as Ctrl-C does, with 143: the words to go on with are told, and neither process nor file stays."""
    out = studio.root / "terminated"
    words = (bench(studio, ["hangs"]), "--out", out)
    with started(studio, *words) as process:
        worker_of(process, "nerv-xs/fp32/hangs/b1")
        assert left_in(studio)
        process.terminate()
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 143
        assert all_gone(process)

    assert said.splitlines()[-1].startswith(f"interrupted; go on with: nervbench run {words[0]} --out {out} --resume")
    assert "Traceback" not in said
    assert not left_in(studio)
    assert not (out / RESULTS).exists()


def left_in(studio: Studio) -> list[Path]:
    """The folders for temporary files that there are."""
    return list(studio.root.glob("nervbench-*"))


def test_killed(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a sweep runs another is refused; its worker ends when the sweep is killed, and the next clears up."""
    out = studio.root / "killed"
    words = (bench(studio, ["hangs"]), "--out", out)
    with started(studio, *words) as process:
        worker_of(process, "nerv-xs/fp32/hangs/b1")
        with started(studio, *words, "--resume") as second:
            shown, said = second.communicate(timeout=PATIENCE_S)
        assert (second.returncode, shown) == (1, "")
        assert said == f"nervbench: another sweep is writing to {out}; wait for it or give another folder with --out\n"
        process.kill()
        process.wait()

        assert all_gone(process)
    assert not (out / RESULTS).exists()
    assert left_in(studio)
    (studio.root / "nervbench-of-others").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(studio.root))
    with scratch() as held, locked(out):
        assert {*left_in(studio)} == {held, studio.root / "nervbench-of-others"}
