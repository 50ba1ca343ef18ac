"""One job in a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from nervbench.config import ClipSource
from nervbench.errors import ClipError, ConfigError
from nervbench.records import DeviceCard
from nervbench.sweep import child, local, process
from nervbench.sweep.jobs import AskJob, ExportJob, Exports, ModelJob, ProbeJob
from nervbench.sweep.process import Died
from tests.waiting import gone

from .conftest import Studio

pytestmark = pytest.mark.alone


@pytest.fixture
def log(tmp_path: Path) -> Iterator[int]:
    """The descriptor of an empty log."""
    with (tmp_path / "log").open("wb") as file:
        yield file.fileno()


def test_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A job's answer comes back; a module of the same name in the folder where someone works is not in the way."""
    (tmp_path / "psutil.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    card = process.run(ProbeJob("cpu", 0.0), 60)

    assert isinstance(card, DeviceCard)
    assert card.ceilings is None


def test_errors_of_ours_come_back() -> None:
    """An error that says what is wrong with the input is raised in the parent, in its own words."""
    with pytest.raises(ConfigError) as caught:
        process.run(AskJob("cpu", (("eagr", "fp32"),)), 60)

    assert str(caught.value).startswith("unknown runtime 'eagr'; known: ")


def test_weights_of_another_clip(studio: Studio, tmp_path: Path) -> None:
    """Weights that were trained on another number of frames are refused, and so is a clip that is none."""
    (tmp_path / "clip").mkdir()
    job = ModelJob(
        "nerv-xs", str(studio.trained), ClipSource(str(tmp_path / "clip")), ("fp32",), (1,), 2, tmp_path, tmp_path
    )
    with pytest.raises(ClipError, match="a folder with no images in it"):
        process.run(job, 60)
    for index in range(3):
        (tmp_path / "clip" / f"{index}.png").write_bytes((studio.clip / "0.png").read_bytes())
    with pytest.raises(ConfigError, match="were trained on 4 frames, the clip clip has 3; give the clip"):
        child.answer(job)


def test_waiting_costs_nothing(log: int) -> None:
    """A parent that waits sleeps: it is not woken again and again on a core that is being timed."""
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1.5)"])
    before = resource.getrusage(resource.RUSAGE_SELF)
    died = process._wait(sleeper, 60, log)
    after = resource.getrusage(resource.RUSAGE_SELF)

    assert (died, sleeper.wait()) == (None, 0)
    assert after.ru_nvcsw - before.ru_nvcsw < 20


@pytest.mark.parametrize("also", [{}, {"start_new_session": True}], ids=["same group", "own session"])
def test_time_over(log: int, also: dict[str, bool]) -> None:
    """When the time is over the process is ended with what it started, also where that went out of its group."""
    nested = f"import subprocess; child = subprocess.Popen(['sleep', '60'], **{also}); print(child.pid); child.wait()"
    command = [sys.executable, "-u", "-c", nested]
    with subprocess.Popen(command, stdout=subprocess.PIPE, process_group=0) as sleeper:
        assert sleeper.stdout
        pid = int(sleeper.stdout.readline())

        assert process._wait(sleeper, 0.2, log) == Died(True, "no end after 0.2 s")
        process._end(sleeper)
        assert sleeper.returncode == -9
        assert gone(pid)


@pytest.mark.parametrize(("last", "code"), [("pass", 0), ("os.abort()", -6)], ids=["ends", "crashes"])
def test_left_behind(log: int, last: str, code: int) -> None:
    """Of a process that has ended by itself, what it forked is ended, and its exit code is its own."""
    forks = f"import os, time\nif pid := os.fork():\n    print(pid)\n    {last}\nelse:\n    time.sleep(60)"
    command = [sys.executable, "-u", "-c", forks]
    with subprocess.Popen(command, stdout=subprocess.PIPE, process_group=0) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())

        assert process._wait(parent, 60, log) is None
        assert not gone(pid, 0.1)
        process._end(parent)
        assert parent.returncode == code
        assert gone(pid)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (-9, "the worker was ended by SIGKILL"),
        (-11, "the worker was ended by SIGSEGV"),
        (-35, "the worker was ended by signal 35"),
        (0, "the worker ended with exit code 0 and without a result"),
    ],
)
def test_how_it_ended(code: int, says: str) -> None:
    """Signals have their names."""
    assert process.ending(code) == says


def test_memory_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux counts what it ended for want of memory; a system that does not tell is taken to have ended none."""
    assert process.memory_kills() >= 0
    monkeypatch.setattr(process, "VMSTAT", tmp_path / "vmstat")
    assert process.memory_kills() == 0
    process.VMSTAT.write_text("pgfault 12\noom_kill_disable 9\n")
    assert process.memory_kills() == 0
    process.VMSTAT.write_text("pgfault 12\noom_kill 3\nnr_dirty 4\n")
    assert process.memory_kills() == 3


def test_last_words(tmp_path: Path) -> None:
    """The last line that a process wrote comes first, then what was before it, cut; also where it is not text."""
    log = tmp_path / "log"
    log.write_bytes(b"\n \n")
    assert process.last_words(log) == ""
    log.write_bytes(b"one\n  two\xff\n\n")
    assert process.last_words(log) == "; its last words: two� (after: one)"
    log.write_bytes(b"x" * 10_000 + b"\nthe end")
    assert process.last_words(log).startswith("; its last words: the end (after: …xxx")
    assert len(process.last_words(log)) < process.LAST_WORDS + 40
    log.write_bytes(b"one\n" + b"x" * 10_000)
    assert process.last_words(log).startswith("; its last words: …xxx")
    assert len(process.last_words(log)) < process.LAST_WORDS + 40


def test_last_words_of_a_traceback(tmp_path: Path) -> None:
    """Of a traceback, however long, only the last line is told."""
    log = tmp_path / "log"
    log.write_text(f"one\n{process.TRACEBACK}:\n" + '  File "x", line 1, in f\n' * 200 + "TypeError: not so\n")
    assert process.last_words(log) == "; its last words: TypeError: not so"


def test_export_that_takes_the_process_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where making all artifacts ends the process each is made alone, and only the one at fault is missing."""
    asked: list[int] = []

    def run(jobs: tuple[ExportJob, ...], _timeout_s: float) -> list[Exports] | Died:
        keys = [key for job in jobs for key in job.keys]
        asked.append(len(keys))
        return Died(False, "SIGSEGV") if ("onnx", "fp32") in keys else [dict.fromkeys(job.keys, "made") for job in jobs]

    monkeypatch.setattr("nervbench.sweep.local.process", SimpleNamespace(run=run, Died=Died))
    keys = (("checkpoint", "fp32"), ("onnx", "fp32"))
    jobs = {model: ExportJob(tmp_path, keys[:count], tmp_path) for model, count in (("a", 2), ("b", 1), ("c", 0))}

    assert local._export(jobs) == {"a": {keys[0]: "made", keys[1]: "SIGSEGV"}, "b": {keys[0]: "made"}}
    assert asked == [3, 1, 1, 1]


def test_worker_starts_with_little() -> None:
    """What times a case or takes turns reads no file of settings: pydantic alone would take a quarter of its start."""
    code = "import sys, nervbench.sweep.child, nervbench.sweep.worker, nervbench.sweep.ground; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"pydantic", "torch", "rich", "matplotlib"} & set(modules)


def test_light_parent() -> None:
    """The process that waits has not loaded PyTorch or a runtime."""
    code = "import sys, nervbench.cli.run, nervbench.sweep.local, nervbench.report.pages; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert "nervbench.sweep.local" in loaded
    assert not {"torch", "onnx", "onnxruntime", "openvino"} & set(loaded)


def test_died() -> None:
    """A job whose time is over has died, and says so."""
    died = process.run(ProbeJob("cpu", 60.0), 0.01)

    assert died == Died(True, "no end after 0.01 s")
