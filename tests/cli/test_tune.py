"""``nervbench tune`` and ``nervbench train`` on a folder of clips, as a user runs them."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nervbench import trials
from nervbench.data.video import write_video
from nervbench.report.trials import answer, page, ranked, savings
from nervbench.sweep import training
from nervbench.trials import FILE, Trial
from tests.here import HERE

Run = Callable[..., Any]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Two frames of 64×36."""
    return ramp_in(tmp_path)


def ramp_in(folder: Path, frames: int = 2) -> Path:
    """A video in a folder: frames that brighten."""
    path = folder / "ramp.mp4"
    ramp = np.linspace(20, 220, 64)[None, None, :, None] * np.linspace(0.5, 1, frames)[:, None, None, None]
    write_video(path, iter([np.broadcast_to(ramp, (frames, 36, 64, 3)).astype(np.uint8)]), 25)
    return path


def command(video: Path, out: Path, *words: str) -> list[str]:
    """A search of two rates, one of which cannot learn."""
    rates = ["--learning-rate", "5e-3,1e-6", "--epochs", "3"]
    return [sys.executable, "-m", "nervbench", "tune", "nerv-xs", "--clip", str(video), "-o", str(out), *rates, *words]


def test_grid(run: Run, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All combinations are trained; the best is named; the same command again trains nothing."""
    monkeypatch.setattr(training, "process", HERE)  # test_a_folder_of_clips trains in processes, as a user does
    words = command(video, tmp_path / "out")[3:]
    ended = run(*words)
    rows = trials.read(tmp_path / "out" / FILE)
    again = run(*words)

    assert (ended.code, again.code) == (0, 0), ended.err
    assert {row.name for row in rows if row.whole} == {"learning-rate=0.005", "learning-rate=1e-06"}
    assert "Best: learning-rate=0.005, PSNR " in ended.out
    assert "Trained 6 of the 6 epochs" in ended.out
    assert "2 of 2 trainings have their row" in again.err
    assert ended.out == again.out
    assert trials.read(tmp_path / "out" / FILE) == rows


RAY = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray Tune is not installed: the extra tune")
ASHA = ("--search", "asha", "--grace", "1")


@pytest.fixture(scope="module")
def _ray_home() -> Iterator[None]:
    """A folder for Ray that goes with these tests; not one of pytest's, for the names of sockets must be short."""
    with (
        tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as home,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("RAY_TMPDIR", home)
        yield


@RAY
@pytest.mark.usefixtures("_ray_home")
def test_asha(video: Path, tmp_path: Path) -> None:
    """The training that cannot learn is stopped after its first epoch, and what that saved is said."""
    ended = subprocess.run(command(video, tmp_path / "out", *ASHA), capture_output=True, text=True, check=False)
    rows = {row.name: row for row in trials.read(tmp_path / "out" / FILE)}

    assert ended.returncode == 0, ended.stderr
    assert rows["learning-rate=0.005"].whole
    assert rows["learning-rate=0.005"].quality
    assert (rows["learning-rate=1e-06"].epochs, rows["learning-rate=1e-06"].quality) == (1, None)
    assert "learning-rate=1e-06: stopped after 1 epochs" in ended.stderr
    assert "Trained 4 of the 6 epochs that all combinations take: 33 % saved." in ended.stdout


@RAY
@pytest.mark.usefixtures("_ray_home")
def test_asha_after_a_kill(video: Path, tmp_path: Path) -> None:
    """Killed as its first row comes, the search goes on: that row stays, every training gets one, the best is found.

    What Ray had not kept of it yet is trained again, so whether the bad one is stopped early is left to chance here.
    """
    words, file = command(video, tmp_path / "out", *ASHA), tmp_path / "out" / FILE
    search = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, process_group=0)
    deadline = time.monotonic() + 120
    while not file.exists() and search.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    with suppress(ProcessLookupError):  # if it has failed, its words are shown where its code is looked at
        os.killpg(search.pid, signal.SIGKILL)
    told = search.communicate()[1]
    assert search.returncode == -signal.SIGKILL, told
    kept = file.read_text()
    rest = subprocess.run(words, capture_output=True, text=True, check=False)

    assert rest.returncode == 0, rest.stderr
    assert kept
    assert file.read_text().startswith(kept)
    assert sorted(row.name for row in trials.read(file)) == ["learning-rate=0.005", "learning-rate=1e-06"]
    assert "Best: learning-rate=0.005, PSNR " in rest.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "nothing to search; give the values of one or more of --batch, --learning-rate, --loss, --warmup-share"),
        (["--batch", "0"], "--batch: found '0'; possible: whole numbers over 0"),
        (["--batch", "1:4"], "--batch: found '1:4'; possible: whole numbers"),
        (["--loss", "l3"], "--loss: unknown 'l3'; known: "),
        (["--learning-rate", "1e-4:1e-2"], "a range (a:b) has no grid"),
        (["--batch", "1", "--clip", "none.mp4"], "clip none.mp4: no such file or folder"),
        (["--batch", "1", "--search", "best"], "'best' is not one of 'grid', 'random', 'asha'"),
    ],
)
def test_bad_words(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: str) -> None:
    """A wrong option is a message with what is possible, exit code 1, and nothing written."""
    monkeypatch.chdir(tmp_path)
    outcome = run("tune", "nerv-xs", *words)
    assert (outcome.code, outcome.out) == (1, "")
    assert expected in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_without_ray(run: Run, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ray Tune early stopping says how to install it, and what works without."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    outcome = run("tune", "nerv-xs", "--clip", video, "-o", tmp_path / "out", "--batch", "1", "--search", "asha")
    assert outcome.code == 1
    assert "pip install 'nervbench[tune]'; or --search grid or random" in outcome.err


def test_a_folder_of_clips(run: Run, video: Path, tmp_path: Path) -> None:
    """Each video of a folder is trained by itself; one that is damaged is a row, and the exit code is 4."""
    clips = tmp_path / "clips"
    clips.mkdir()
    video.rename(clips / "ramp.mp4")
    (clips / "broken.mp4").write_bytes((clips / "ramp.mp4").read_bytes()[:500])
    (clips / "notes.txt").write_text("no clip")
    outcome = run("train", "nerv-xs", "--clip", clips, "--epochs", "1", "-o", tmp_path / "out")
    rows = {row.name: row for row in trials.read(tmp_path / "out" / FILE)}

    assert outcome.code == 4
    assert (rows["ramp.mp4"].whole, rows["broken.mp4"].whole) == (True, False)
    assert "broken.mp4  LOAD_FAILED" in outcome.out
    assert (tmp_path / "out" / "ramp.mp4" / "nerv-xs.safetensors").is_file()


def test_page() -> None:
    """Names from a file cannot mark up the page; with nothing whole, there is no best."""
    stopped = Trial("<b>|", "nerv-xs", {"epochs": 4}, "c", epochs=2, curve_db=(10.0, 11.0))
    written = page([stopped], savings([stopped], 3, 4), "nervbench tune")
    assert "&lt;b&gt;\\|" in written
    assert "no best recipe" in written
    assert "| 2 of 4 |" in written
    assert savings([stopped], 3, 4).share == pytest.approx(1 - 2 / 12)
    assert ranked([stopped, stopped]) == [stopped, stopped]
    assert answer([], savings([], 0, 4)) == ["No training went to its end, so there is no best recipe."]
