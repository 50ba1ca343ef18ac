"""``nervbench rate``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from nervbench import rates
from nervbench.cli import cli
from nervbench.codec import points as measuring
from nervbench.model.checkpoint import Checkpoint, save
from nervbench.rates import NETWORK, RatePoint
from nervbench.records import Status

Run = Callable[..., Any]


def made(folder: Path) -> list[RatePoint]:
    """The points of a folder."""
    return rates.read(folder / rates.FILE)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes are not repeated to fill half a second."""
    monkeypatch.setattr(measuring, "MIN_WALL_S", 0.0)


@pytest.mark.usefixtures("few")
def test_rate(run: Run, tiny_file: Path, decoded: Path, tmp_path: Path) -> None:
    """Codecs and a checkpoint become points with the bytes of their files, and a page with a figure."""
    out = tmp_path / "rate"
    words = ("rate", tiny_file, "--clip", decoded, "--codecs", "x264:ultrafast", "--threads", "1", "-o", out)
    outcome = run(*words)
    assert outcome.code == 0, outcome.err
    points = made(out)
    (network,) = [point for point in points if point.kind == NETWORK]
    assert len(points) == 15
    assert network.quality is not None
    assert network.decode_rgb is not None
    assert network.size_bytes == tiny_file.stat().st_size
    assert network.quality.bits_per_pixel == 8 * tiny_file.stat().st_size / (5 * 32 * 18)
    assert network.quality.psnr_db > 60
    assert (len(network.decode_rgb.samples_s), network.encode, network.decode) == (5, None, None)
    assert {point.source.frames for point in points} == {5}
    assert "![decoded: bits per pixel and PSNR](rate-1.svg)" in (out / "rate.md").read_text()
    assert (out / "rate-1.svg").is_file()


@pytest.mark.usefixtures("few")
def test_resumed(
    run: Run, tiny_file: Path, decoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """A second run measures nothing again; the page is the same; --page writes it without clip and checkpoint."""
    out = tmp_path / "rate"
    words = ("rate", tiny_file, "--clip", decoded, "--codecs", "x264:ultrafast", "--threads", "1", "-o", out)
    run(*words)
    before = (out / rates.FILE).read_bytes(), (out / "rate.md").read_bytes()
    (out / "rate.md").unlink()

    def never(*_: object) -> None:
        pytest.fail("measured again")

    monkeypatch.setattr(measuring, "timed", never)
    monkeypatch.setattr("nervbench.codec.network.measured", never)
    assert run(*words).code == 0
    assert ((out / rates.FILE).read_bytes(), (out / "rate.md").read_bytes()) == before
    (out / "rate.md").unlink()
    assert run("rate", "--page", "-o", out).code == 0
    assert (out / "rate.md").read_bytes() == before[1]


@pytest.mark.usefixtures("few")
def test_some_frames(run: Run, tiny_file: Path, decoded: Path, tmp_path: Path) -> None:
    """Of some frames the codecs encode only those; a network's bits are spread over all that its file holds."""
    out = tmp_path / "rate"
    run("rate", tiny_file, "--clip", decoded, "--codecs", "x264:ultrafast", "--threads", "1", "--frames", 2, "-o", out)
    codec, *_, network = made(out)
    assert codec.quality is not None
    assert network.quality is not None
    assert codec.quality.bits_per_pixel == 8 * (codec.size_bytes or 0) / (2 * 32 * 18)
    assert network.quality.bits_per_pixel == 8 * tiny_file.stat().st_size / (5 * 32 * 18)
    assert network.quality.psnr_db > 60
    assert network.remark == "its file holds 5 frames, over which its bits are spread"


@pytest.mark.usefixtures("few")
def test_training_time(run: Run, tiny: Checkpoint, decoded: Path, tmp_path: Path) -> None:
    """The encoding time of a network is that of its training where the checkpoint says it."""
    path = tmp_path / "noted.safetensors"
    save(path, replace(tiny, notes={"trained_s": "3600.5"}))
    out = tmp_path / "rate"
    run("rate", path, "--clip", decoded, "--codecs", "svt-av1:13", "--threads", "1", "-o", out)
    assert [point.encode and point.encode.samples_s for point in made(out) if point.kind == NETWORK] == [(3600.5,)]


@pytest.mark.usefixtures("few")
def test_refused_frames(run: Run, tmp_path: Path) -> None:
    """Frames that an encoder refuses are rows that say UNSUPPORTED; the others are measured, and the verb ends well."""
    (tmp_path / "odd").mkdir()
    Image.new("RGB", (31, 18), "teal").save(tmp_path / "odd" / "0.png")
    out = tmp_path / "rate"
    outcome = run("rate", "--clip", tmp_path / "odd", "--codecs", "x264:ultrafast", "--threads", "1", "-o", out)
    assert outcome.code == 0
    ended = {(point.settings["pixel_format"], point.status) for point in made(out)}
    assert ended == {("yuv420p", Status.UNSUPPORTED), ("yuv444p", Status.OK)}
    assert "UNSUPPORTED: yuv420p takes frames of even sides, these are 31x18" in (out / "rate.md").read_text()
    before = (out / rates.FILE).read_bytes()
    again = run("rate", "--clip", tmp_path / "odd", "--codecs", "x264:ultrafast", "--threads", "1", "-o", out)
    assert again.err.count("UNSUPPORTED") == 7  # tried again, and not written twice
    assert (out / rates.FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--codecs", "x264,h266"), "unknown codec 'h266'; known: svt-av1, vp9, x264, x265"),
        (("--codecs", "x264:slwo"), "unknown preset of x264 'slwo'"),
        (("--threads", "0"), "--threads: '0' is no number of threads; write 1 to 1024, or all"),
        (("--threads", "many"), "--threads: 'many' is no number of threads"),
        (("--frames", "6"), "--frames 6: the clip decoded has 5; leave it out to take all"),
    ],
)
def test_usage(run: Run, decoded: Path, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """A wrong option is one sentence with what is possible, and exit code 1."""
    outcome = run("rate", "--clip", decoded, *words, "-o", tmp_path / "rate")
    assert outcome.code == 1
    assert said in outcome.err


def test_assumed(run: Run, tiny: Checkpoint, decoded: Path, tmp_path: Path) -> None:
    """What had to be assumed of a checkpoint of the authors is a note, also where a later one is refused."""
    path = tmp_path / "theirs.pth"
    torch.save({"state_dict": tiny.model().state_dict()}, path)
    outcome = run("rate", path, tmp_path / "none.pth", "--clip", decoded, "-o", tmp_path / "rate")
    assert outcome.code == 1
    assert f"note: {path}: assumed " in outcome.err


def test_other_length(run: Run, tiny_file: Path, tmp_path: Path) -> None:
    """A checkpoint of another number of frames than the clip is refused."""
    outcome = run("rate", tiny_file, "--clip", "bigbuckbunny", "-o", tmp_path / "rate")
    assert outcome.code == 1
    assert "was trained on 5 frames, the clip bigbuckbunny has 132" in outcome.err


def test_damaged_points(run: Run, decoded: Path, tmp_path: Path) -> None:
    """A points file that holds something else is refused with its line."""
    (tmp_path / rates.FILE).write_text('{"schema": 1}\n')
    outcome = run("rate", "--clip", decoded, "-o", tmp_path)
    assert outcome.code == 1
    assert "points.jsonl, line 1: method: " in outcome.err


def test_help() -> None:
    """The help has an example."""
    assert "nervbench rate nerv-xs -o runs/rate" in CliRunner().invoke(cli, ["rate", "--help"]).output
