"""``nervbench compress``, and what takes its files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint
from nervbench.train import loop

Run = Callable[..., Any]


def test_json(run: Run, tiny_file: Path, decoded: Path, tmp_path: Path) -> None:
    """The JSON has the parts of the file, its rate, and the scores before and after, which are those of eval."""
    out = tmp_path / "tiny.nerv"
    outcome = run("compress", tiny_file, "-o", out, "--bits", 6, "--prune", 0.3, "--clip", decoded, "--json")
    found = json.loads(outcome.out)
    size = out.stat().st_size

    assert outcome.code == 0
    assert (found["bits"], found["pruned_share"], found["file_bytes"]) == (6, 0.3, size)
    assert found["coded_bytes"] + found["header_bytes"] == size
    assert found["bits_per_pixel"] == 8 * size / (5 * 32 * 18)
    assert found["zero_share"] >= 0.29
    assert found["coded_over_entropy"] == found["coded_bytes"] / found["entropy_bytes"]
    scores = [json.loads(run("eval", file, "--clip", decoded, "--json").out)["psnr_db"] for file in (tiny_file, out)]
    assert [found["psnr_before_db"], found["psnr_after_db"]] == scores
    assert found["loss_db"] == scores[0] - scores[1] > 0


def test_lines(run: Run, tiny_file: Path, decoded: Path, tmp_path: Path) -> None:
    """The table for people has a line for each part; without a clip it has no scores."""
    words = ("compress", tiny_file, "-o", tmp_path / "tiny.nerv")
    with_scores, without = (run(*words, *more).out.splitlines() for more in (("--clip", decoded), ()))

    assert with_scores[:-1] == without
    assert [line.split()[0] for line in without[1:]] == [
        "parameters", "pruned", "entropy", "coded", "header", "file", "rate", "float16",
    ]  # fmt: skip
    assert "dB before" in with_scores[-1]


def test_eval_counts_the_file(run: Run, tiny_file: Path, decoded: Path, tmp_path: Path) -> None:
    """The rate that eval gives of a .nerv file is of the file itself."""
    out = tmp_path / "tiny.nerv"
    run("compress", tiny_file, "-o", out)
    found = json.loads(run("eval", out, "--clip", decoded, "--json").out)

    assert found["size_bytes"] == out.stat().st_size
    assert found["bits_per_pixel"] == 8 * out.stat().st_size / (5 * 32 * 18)


def test_decode(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    """The frames of a .nerv file are those of the weights in it."""
    run("compress", tiny_file, "-o", tmp_path / "tiny.nerv")
    plain = dataclasses.replace(checkpoint.load(tmp_path / "tiny.nerv"), coded_bytes=None)
    checkpoint.save(tmp_path / "plain.safetensors", plain)
    for name in ("tiny.nerv", "plain.safetensors"):
        assert run("decode", tmp_path / name, "-o", tmp_path / name.replace(".", "-")).code == 0

    coded, same = (sorted((tmp_path / name).iterdir()) for name in ("tiny-nerv", "plain-safetensors"))
    assert len(coded) == 5
    for one, other in zip(coded, same, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(one)), np.asarray(Image.open(other)))


def test_again(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    """A file that is there is replaced, by the same bytes."""
    out = tmp_path / "tiny.nerv"
    run("compress", tiny_file, "-o", out)
    first = out.read_bytes()
    run("compress", tiny_file, "-o", out)

    assert out.read_bytes() == first


def test_length_unknown(run: Run, tiny: Checkpoint, tmp_path: Path) -> None:
    """Where neither checkpoint nor clip says how many frames there are, the rate is unknown."""
    checkpoint.save(tmp_path / "silent.safetensors", dataclasses.replace(tiny, frames=None))
    words = ("compress", tmp_path / "silent.safetensors", "-o", tmp_path / "a.nerv")

    assert json.loads(run(*words, "--json").out)["bits_per_pixel"] is None
    assert "rate         –" in run(*words).out


def test_finetuning(run: Run, tiny_file: Path, decoded: Path, tmp_path: Path) -> None:
    """Training on the clip wins back some of what pruning lost; what was removed stays zero, and no state is left."""
    words = ("compress", tiny_file, "--prune", 0.5, "--clip", decoded, "--json")
    plain = json.loads(run(*words, "-o", tmp_path / "plain.nerv").out)
    outcome = run(*words, "-o", tmp_path / "tuned.nerv", "--finetune-epochs", 20)
    tuned = json.loads(outcome.out)

    assert outcome.code == 0
    assert "fine-tune 20/20" in outcome.err
    assert tuned["psnr_after_db"] > plain["psnr_after_db"]
    assert tuned["zero_share"] >= 0.499
    assert not (tmp_path / "tuned.nerv.training").exists()
    assert json.loads(checkpoint.load(tmp_path / "tuned.nerv").notes["compressed"])["finetune_epochs"] == 20


def test_finetuning_goes_on(
    run: Run, tiny_file: Path, decoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an interruption the same command goes on, and the file is that of an uninterrupted run."""
    words = ("compress", tiny_file, "--prune", 0.5, "--clip", decoded, "--finetune-epochs", 4)
    run(*words, "-o", tmp_path / "whole.nerv")
    one_epoch, calls = loop._one_epoch, []

    def twice(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return one_epoch(*given)

    monkeypatch.setattr(loop, "_one_epoch", twice)
    stopped = run(*words, "-o", tmp_path / "stopped.nerv")
    assert (stopped.code, (tmp_path / "stopped.nerv").exists()) == (130, False)
    assert run(*words, "-o", tmp_path / "stopped.nerv").code == 0

    assert len(calls) == 5
    assert (tmp_path / "stopped.nerv").read_bytes() == (tmp_path / "whole.nerv").read_bytes()


def test_assumed(run: Run, tiny: Checkpoint, tmp_path: Path) -> None:
    """What had to be assumed of a checkpoint of the authors is a note."""
    torch.save({"state_dict": tiny.model().state_dict()}, tmp_path / "theirs.pth")
    outcome = run("compress", tmp_path / "theirs.pth", "-o", tmp_path / "a.nerv")

    assert outcome.code == 0
    assert f"note: {tmp_path / 'theirs.pth'}: assumed " in outcome.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--bits", "9"], "9 is not in the range 4<=x<=8"),
        (["--bits", "3"], "3 is not in the range"),
        (["--prune", "1.2"], "1.2 is not in the range 0<=x<=0.99"),
        (["--prune", "nan"], "NaN is no share"),
        (["-o", "none/a.nerv"], "there is no folder none"),
        (["-o", "a.mp4"], "cannot write '.mp4' files (a.mp4); give a name that ends in .nerv"),
        (["-o", "folder.nerv"], "folder.nerv is a folder"),
        (["--finetune-epochs", "2"], "there is nothing to train on; give the clip of the checkpoint with --clip"),
        (["--clip", "none.mp4"], "no such file or folder"),
    ],
)
def test_refused(
    run: Run, tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], expected: str
) -> None:
    """What cannot be done is a message and exit code 1, and no file is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.nerv").mkdir()
    outcome = run("compress", tiny_file, "-o", "a.nerv", *words)

    assert (outcome.code, outcome.out) == (1, "")
    assert expected in outcome.err
    assert not (tmp_path / "a.nerv").exists()


@pytest.mark.parametrize(
    ("name", "expected"), [("none.pth", "none.pth: no such file"), ("nerv-sx", "did you mean 'nerv-s'?")]
)
def test_no_checkpoint(run: Run, tmp_path: Path, name: str, expected: str) -> None:
    """A checkpoint that is not there is said so."""
    outcome = run("compress", name, "-o", tmp_path / "a.nerv")

    assert outcome.code == 1
    assert expected in outcome.err


def test_damaged(run: Run, tiny_file: Path, decoded: Path, tmp_path: Path) -> None:
    """A .nerv file that was cut, or is something else, is a message and exit code 1."""
    out = tmp_path / "tiny.nerv"
    run("compress", tiny_file, "-o", out)
    out.write_bytes(out.read_bytes()[:-4])
    cut = run("eval", out, "--clip", decoded)
    out.write_bytes(tiny_file.read_bytes())
    other = run("decode", out, "-o", tmp_path / "frames")

    assert (cut.code, other.code) == (1, 1)
    assert "truncated or damaged" in cut.err
    assert "does not begin as a .nerv file does" in other.err
