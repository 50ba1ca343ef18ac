"""``nervbench train`` as a user runs it."""

from __future__ import annotations

import importlib.util
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
from nervbench.model.spec import NervSpec
from nervbench.model.zoo import MODELS
from nervbench.train.state import STATE, Recipe


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
    assert sorted(file.name for file in (tmp_path / "run").iterdir()) == ["epochs.jsonl", STATE]
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert f"train nerv-xs {epoch}/9" not in again.stderr
    assert f"train nerv-xs {epoch + 1}/9" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nerv-x"], "unknown model 'nerv-x'; known: ffn-12.7m, "),
        (["nerv-xs", "--clip", "none.mp4"], "clip none.mp4: no such file or folder"),
        (["nerv-xs", "--clip", "empty"], "clip empty: "),
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
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    printed = refused(capsys, *arguments)
    assert printed.startswith(f"nervbench: {named}")
    assert printed.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_folder_that_cannot_be_written(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An output folder that cannot be made is one line on stderr and exit code 1."""
    (tmp_path / "file").touch()
    printed = refused(capsys, "nerv-xs", "--clip", str(video), "-o", str(tmp_path / "file" / "run"))
    assert printed.startswith("nervbench: cannot write to the folder")
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    "option",
    [
        ("--epochs", "0"),
        ("--seed", "-1"),
        ("--seed", str(10**30)),
        ("--loss", "l3"),
        ("--learning-rate", "0"),
        ("--accumulate", "0"),
        ("--precision", "fp8"),
        ("--warmup-share", "1"),
        ("--evaluate-every", "-1"),
    ],
)
def test_options_out_of_range(capsys: pytest.CaptureFixture[str], option: tuple[str, str]) -> None:
    """An option out of its range is named, with exit code 1."""
    assert f"Invalid value for '{option[0]}'" in refused(capsys, "nerv-xs", *option)


def test_an_unknown_loss(capsys: pytest.CaptureFixture[str]) -> None:
    """A loss that is not known is refused with the known ones and the nearest."""
    printed = " ".join(refused(capsys, "nerv-xs", "--loss", "fusoin6").split())
    assert "unknown loss 'fusoin6'; known: fusion1, " in printed
    assert "did you mean 'fusion6'?" in printed


def test_frames_too_small_for_ms_ssim(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """A model whose frames MS-SSIM cannot take is refused before anything is written, with the losses that can be."""
    monkeypatch.chdir(tmp_path)
    small = NervSpec(fc_dim=4, strides=(5, 2), stem_widths=(8,), lower_width=4, embed_levels=6)
    monkeypatch.setitem(MODELS, "tiny", small)
    printed = refused(capsys, "tiny", "--loss", "fusion10")
    assert "frames are 160×90, and loss 'fusion10' needs 161 pixels in height and in width; possible" in printed
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_is_an_extra(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """Without its package, --tensorboard is refused with the command that installs it, before anything is written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    printed = refused(capsys, "nerv-xs", "--tensorboard")
    assert (
        "--tensorboard needs the package tensorboardX; install it with: pip install 'nervbench[tensorboard]'" in printed
    )
    assert list(tmp_path.iterdir()) == []


def test_all_options_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any, video: Path
) -> None:
    """Every option reaches the recipe that the checkpoint holds; scalars are written and the decoded PSNR is told."""
    small = NervSpec(fc_dim=4, strides=(2,), stem_widths=(8,), lower_width=4, embed_levels=6)
    monkeypatch.setitem(MODELS, "tiny", small)
    options = "--epochs 2 --batch 2 --accumulate 2 --learning-rate 1e-3 --warmup-share 0.5 --loss fusion4 --seed 7"
    options += f" --precision bf16 --save-every 1 --evaluate-every 2 --tensorboard --clip {video} -o {tmp_path / 'run'}"
    with pytest.raises(SystemExit) as ended:
        main(["train", "tiny", *options.split()])
    assert ended.value.code == 0
    assert ", decoded " in capsys.readouterr().err
    recipe = json.loads(checkpoint.load(tmp_path / "run" / "tiny.safetensors").notes["recipe"])
    told = Recipe(2, 2, 2, 1e-3, 0.5, "fusion4", "bf16", 7)
    assert recipe == json.loads(told.to_json())
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1
