"""Processes that are forked from one that has PyTorch in memory: fresh, ended as others are, and done without."""

from __future__ import annotations

import dataclasses
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nervbench.errors import ConfigError
from nervbench.records import SINGLE_STREAM, TO_FILE, DeviceCard
from nervbench.sweep import forked, process
from nervbench.sweep.forked import Warm
from nervbench.sweep.jobs import AskJob, CaseJob, ProbeJob, takes_torch
from nervbench.sweep.local import preparation, told
from tests.report.factory import CARD
from tests.waiting import gone

from .conftest import Studio

pytestmark = pytest.mark.alone

ASK = AskJob("cpu", (("eager", "fp32"), ("ov", "fp32")))


@pytest.fixture
def warm() -> Iterator[Warm]:
    """Every job is forked from it."""
    with pytest.MonkeyPatch.context() as patch, process.warmed():
        patch.setattr(process, "_started", lambda *_: pytest.fail("it was not forked"))
        yield process._warm[-1]


def test_answers(warm: Warm) -> None:
    """One job after the other is answered, in a process of its own; errors of ours come back."""
    assert isinstance(process.run(ProbeJob("cpu", 0.0), 60), DeviceCard)
    with pytest.raises(ConfigError, match="unknown runtime 'eagr'; known: "):
        process.run(AskJob("cpu", (("eagr", "fp32"), ("ov", "fp32"))), 60)
    assert process.run(ASK, 60)[("eager", "fp32")].packages == ("torch",)


def test_time_over(warm: Warm) -> None:
    """One whose time is over is ended, and the next job is done."""
    assert process.run(ProbeJob("cpu", 60.0), 0.3) == process.Died(True, "no end after 0.3 s")
    assert isinstance(process.run(ProbeJob("cpu", 0.0), 60), DeviceCard)


@pytest.mark.parametrize(
    ("way", "may"), [("", True), ("/nerv", False), (None, False)], ids=["strict", "as published", "to a file"]
)
def test_what_times_its_beginning(studio: Studio, way: str | None, may: bool) -> None:
    """A case of PyTorch may be forked, unless its first call or its loading is timed."""
    scenario = TO_FILE if way is None else f"{SINGLE_STREAM}{way}"
    plan = studio.plan(studio.root / f"begins-{may}-{way is None}", [f"works/fp32/1/{scenario}"])
    ready = told(preparation(plan), lambda _: None)
    with_torch = {pair: dataclasses.replace(asked, packages=("torch",)) for pair, asked in ready.asked.items()}
    (case,) = plan.cases
    job = dataclasses.replace(ready, asked=with_torch).job(case, CARD)

    assert isinstance(job, CaseJob)
    assert takes_torch(job) is may
    without = ready.job(case, CARD)
    assert isinstance(without, CaseJob)
    assert not takes_torch(without)


def test_inherits_only_imports() -> None:
    """The process that forks has one thread (NumPy's products start theirs again) and has computed nothing."""
    code = """
import os, sys, nervbench.sweep.forking as forking
sys.argv[1:] = [str(__import__("socket").socketpair()[0].detach())]
forking.socket.recv_fds = lambda *_: (b"", [])
forking.main()
from torch import cuda
print(len(os.listdir("/proc/self/task")), cuda.is_initialized())
print("torch._inductor" in sys.modules, "onnx" in sys.modules)
"""
    around = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=around, capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["1", "False", "False", "False"]


def test_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyTorch cannot be imported, or not in time, or the one that forks was killed, a process is started."""
    (tmp_path / "torch.py").write_text("raise ImportError('broken')")
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        with Warm() as broken:
            assert broken.fork(tmp_path) is None
    with monkeypatch.context() as patch, Warm() as slow:
        patch.setattr(forked, "IMPORT_S", 0.01)
        assert slow.fork(tmp_path) is None
    with process.warmed():
        process._warm[-1]._process.kill()
        assert isinstance(process.run(ProbeJob("cpu", 0.0), 60), DeviceCard)


def test_killed_between(tmp_path: Path) -> None:
    """Where the one that forks is killed while a job is done, its worker goes on, and is ended as any other."""
    with process.warmed():
        one = process._warm[-1]
        (tmp_path / "log").touch()
        (tmp_path / "job").write_bytes(b"")  # none that can be read
        worker = one.fork(tmp_path)
        assert worker
        process._end(worker)
        assert worker.returncode in (1, -9)
        worker = one.fork(tmp_path)
        assert worker
        assert worker.sleep_until_end() == 1
        process._end(worker)
        assert "EOFError" in (tmp_path / "log").read_text()
        (tmp_path / "job").write_bytes(pickle.dumps(ProbeJob("cpu", 60.0)))
        worker = one.fork(tmp_path)
        assert worker
        one._process.kill()
        waiting = threading.Thread(target=worker.sleep_until_end)
        waiting.start()
        waiting.join(2)
        assert waiting.is_alive()
        process._end(worker)
        assert (worker.wait(), worker.returncode) == (-9, -9)
    assert gone(worker.pid)


def test_killed_while_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker answers counts, also where the one that forked it is not there any more."""
    with process.warmed():
        one = process._warm[-1]
        fork = one.fork

        def killing(folder: Path) -> forked.Forked | None:
            worker = fork(folder)
            one._process.kill()
            return worker

        monkeypatch.setattr(one, "fork", killing)
        assert isinstance(process.run(ProbeJob("cpu", 0.5), 60), DeviceCard)


def test_ends_with_its_parent() -> None:
    """A process that is forked ends when the one that waits for it is killed; so does the one that forks."""
    program = """
from nervbench.sweep import process
from nervbench.sweep.jobs import ProbeJob
with process.warmed():
    process.run(ProbeJob("cpu", 0.0), 60)
    print(process._warm[-1]._process.pid, flush=True)
    process.run(ProbeJob("cpu", 60.0), 60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        forking = int(parent.stdout.readline())
        children = Path(f"/proc/{forking}/task/{forking}/children")
        until = time.monotonic() + 60
        while not (found := children.read_text().split()):
            assert time.monotonic() < until
            time.sleep(0.05)
        os.kill(parent.pid, 9)
    assert gone(forking)
    assert gone(int(found[0]))
