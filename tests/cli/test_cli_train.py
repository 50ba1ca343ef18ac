"""``nervbench train`` as a user runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from nervbench.cli import main
from nervbench.model import checkpoint
from nervbench.train.loop import STATE


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Three frames of 64×36."""
    path = tmp_path / "bar.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        for index in range(3):
            picture = np.full((36, 64, 3), 60 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on stderr of a command that exits with 1."""
    with pytest.raises(SystemExit) as ended:
        main(["train", *arguments])
    assert ended.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_one_epoch_of_a_video(tmp_path: Path, video: Path) -> None:
    """One command makes a checkpoint that loads, says where it came from, and names the command to score it."""
    command = [sys.executable, "-m", "nervbench", "train", "nerv-xs", "--clip", str(video), "--epochs", "1"]
    ended = subprocess.run([*command, "-o", str(tmp_path / "run")], capture_output=True, text=True, check=False)
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr
    target = tmp_path / "run" / "nerv-xs.safetensors"
    assert f"nervbench eval {target} --clip {video}" in ended.stdout
    assert "train nerv-xs 1/1 loss 0." in ended.stderr
    assert " PSNR " in ended.stderr
    made = checkpoint.load(target)
    assert (made.frames, made.notes["clip"], made.notes["resized_with"]) == (3, "bar", "bicubic")
    assert len(made.notes["clip_sha256"]) == 64
    assert json.loads(made.notes["recipe"])["epochs"] == 1
    assert "credit" not in made.notes
    assert target.stat().st_size < 2.5e6


def hears_ctrl_c() -> None:
    """Undo what a shell does to what it runs in the background: there SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_keeps_the_state(tmp_path: Path, video: Path) -> None:
    """Ctrl-C exits with 130 and one word, the saved state stays, and the same command goes on from it."""
    command = [sys.executable, "-m", "nervbench", "train", "nerv-xs", "--clip", str(video), "--epochs", "9"]
    command += ["--save-every", "1", "-o", str(tmp_path / "run")]
    pipes: dict[str, Any] = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, preexec_fn=hears_ctrl_c, **pipes) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "train nerv-xs 2/9" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
        assert process.wait(30) == 130
    assert rest.endswith("interrupted\n")
    assert "Traceback" not in rest
    epoch = torch.load(tmp_path / "run" / STATE, weights_only=True)["epoch"]
    assert 2 <= epoch < 9
    assert not (tmp_path / "run" / "nerv-xs.safetensors").exists()
    assert [file.name for file in (tmp_path / "run").iterdir()] == [STATE]
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert f"train nerv-xs {epoch}/9" not in again.stderr
    assert f"train nerv-xs {epoch + 1}/9" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nerv-x"], "unknown model 'nerv-x'; known: ffn-12.7m, "),
        (["nerv-xs", "--clip", "none.mp4"], "clip none.mp4: no such file or folder"),
    ],
)
def test_user_errors_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    named: str,
) -> None:
    """A wrong model or clip is one line on stderr and exit code 1, and no folder is made."""
    monkeypatch.chdir(tmp_path)
    printed = refused(capsys, *arguments)
    assert printed.startswith(f"nervbench: {named}")
    assert printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An output folder that cannot be made is one line on stderr and exit code 1."""
    (tmp_path / "file").touch()
    printed = refused(capsys, "nerv-xs", "--clip", str(video), "-o", str(tmp_path / "file" / "run"))
    assert printed.startswith("nervbench: cannot write to the folder")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    "option", [("--epochs", "0"), ("--seed", "-1"), ("--seed", str(10**30)), ("--loss", "l3"), ("--learning-rate", "0")]
)
def test_options_out_of_range(capsys: pytest.CaptureFixture[str], option: tuple[str, str]) -> None:
    """An option out of its range is named, with exit code 1."""
    assert f"Invalid value for '{option[0]}'" in refused(capsys, "nerv-xs", *option)
