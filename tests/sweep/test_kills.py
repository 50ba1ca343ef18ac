"""What a kill, a full disk and a power cut leave of a sweep; ``make bench-kills`` kills at random, and at length."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from nervbench import store
from nervbench.errors import ResultsError
from nervbench.records import OFFLINE, Result, Status, case_of
from nervbench.sweep.local import RESULTS
from tests.bench import kills
from tests.bench.kills import Kill, Stage

from .conftest import Studio

pytestmark = pytest.mark.alone

FULL = """
import resource, sys
from pathlib import Path
from nervbench import store
from nervbench.errors import OutputError

path, room = Path(sys.argv[1]), int(sys.argv[2])
(result,) = store.read(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room,) * 2)
try:
    store.append(path, result)
except OutputError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def stage(studio: Studio, kept: Path) -> Stage:
    """Sweeps of fake runtimes that end in different ways."""
    stage = kills.staged(studio.root / "kills", studio.clip, studio.cache)
    shutil.copytree(kept, stage.kept, dirs_exist_ok=True)
    return stage


def test_killed_twice(stage: Stage) -> None:
    """A sweep that is killed alone, then with its worker, ends with every row once, and the first ones unchanged."""
    met, rows = kills.killed(stage, stage.root / "twice", [Kill(0.2, False, rows=1), Kill(0.2, True, rows=3)])

    assert met == 2
    assert rows >= 4


@pytest.mark.parametrize(("now", "said"), [(b"", "lost"), (b"{}\n", "lost"), (b"{1}\n{", "half"), (b"{1}\n", "line 1")])
def test_what_is_lost_is_seen(stage: Stage, now: bytes, said: str) -> None:
    """Rows that vanish or change, half a line, and what does not load are each told from rows that survived."""
    out = stage.root / said
    out.mkdir(exist_ok=True)
    (out / RESULTS).write_bytes(now)

    with pytest.raises((kills.LostError, ResultsError), match=said):
        kills.survived(stage, out, b"{1}\n")


def test_what_is_left_is_seen(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that a sweep has started and that outlives it is found."""
    monkeypatch.setattr(kills, "GONE_S", 0.1)
    with subprocess.Popen(["sleep", "60"], env={"TMPDIR": str(stage.scratch)}) as process:
        while not psutil.Process(process.pid).environ():  # a moment after it was started it has none
            pass
        with pytest.raises(kills.LostError, match=f"processes \\[{process.pid}\\] are left"):
            kills.survived(stage, stage.root, b"")
        process.kill()


def test_full_disk_then_power_cut(stage: Stage) -> None:
    """A disk that fills up ends a sweep with a message; after half a line on top of it, --resume does the rest."""
    out = stage.root / "full"
    with kills.started(stage, out) as process:
        kills.wait_for_rows(process, out, 2)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (len(kills.content(out)) + 100,) * 2)
        assert process.wait(kills.PATIENCE_S) == 1
    whole, said = kills.content(out), out.with_suffix(".log").read_text()

    assert said.splitlines()[-1].startswith(f"nervbench: cannot write {out / RESULTS}: ")
    assert "Traceback" not in said
    assert 2 <= len(store.read(out / RESULTS)) < len(kills.ENDS)

    with (out / RESULTS).open("ab") as file:
        file.write(whole.splitlines()[0][:-20])
    code = kills.sweep(stage, out)
    kills.check_end(out, code)
    assert kills.content(out).startswith(whole)


@pytest.mark.parametrize("room", [0, 1, 200])
def test_no_room_for_a_row(tmp_path: Path, room: int) -> None:
    """Where the system lets a row be written in part or not at all, it is said and no byte of it stays."""
    results = tmp_path / RESULTS
    store.append(results, Result(case_of("nerv-xs", "fp32", "ov", 1, OFFLINE, "bundled"), Status.CRASHED, "signal 9"))
    whole = results.read_bytes()
    words = [sys.executable, "-c", FULL, str(results), str(room)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout

    assert said.startswith(f"cannot write {results}: ")
    assert results.read_bytes() == whole
    assert len(store.read(results)) == 1
