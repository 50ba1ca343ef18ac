"""A suite is trained, decoded and reported, goes on where it was stopped, and is refused before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nervbench import store, suites, trials
from nervbench.cli import main
from nervbench.data.video import write_video
from nervbench.errors import CheckpointError, ClipError, ConfigError
from nervbench.model import checkpoint
from nervbench.model.spec import NervSpec
from nervbench.model.zoo import MODELS
from nervbench.rates import RatePoint
from nervbench.records import Status
from nervbench.suites import AtScale, Compress, Rates, Suite
from nervbench.sweep import child, process
from nervbench.sweep import suite as sweep
from nervbench.sweep.suite import SuiteOrder, ready, run
from nervbench.train.loop import Recipe
from nervbench.train.whole import settings
from nervbench.trials import Trial


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames of 320×180."""
    path = tmp_path_factory.mktemp("video") / "ramp.mp4"
    ramp = np.linspace(20, 220, 320)[None, None, :, None] * np.linspace(0.5, 1, 3)[:, None, None, None]
    write_video(path, iter([np.broadcast_to(ramp, (3, 180, 320, 3)).astype(np.uint8)]), 25)
    return path


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of a few weights, and jobs done in this process: what one of their own is for is tested elsewhere."""
    for place, name in enumerate(("nerv-xs", "nerv-xs-2blocks")):
        spec = NervSpec(fc_dim=4 + place, strides=(5, 2), stem_widths=(8,), lower_width=4, embed_levels=6)
        monkeypatch.setitem(MODELS, name, spec)
    monkeypatch.setattr(process, "run", lambda job, _timeout_s: child.answer(job))
    monkeypatch.setattr(sweep, "PROBE_S", 0.0)


def small(name: str, video: Path, arms: int = 2) -> Suite:
    """The first arms of a suite with two epochs of two frames, and one seed."""
    suite = suites.load(name)
    few = tuple(replace(arm, seeds={}, epochs={}) for arm in suite.arms[:arms])
    scale = AtScale(f"{video}:2", 2, (1,))
    return replace(suite, arms=few, scales={"small": scale, "full": scale}, conclusions=suite.conclusions[:2])


def test_from_the_command_to_the_page(
    tmp_path: Path, video: Path, here: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two arms are trained and decoded, the page is written; with --resume nothing is done again."""
    suite = small("ablation", video)
    monkeypatch.setattr(suites, "load", lambda _: suite)
    monkeypatch.chdir(tmp_path)

    def called(*more: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["run", "suite:ablation", "--out", "out", "--cache", "cache", *more])
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    code, out, err = called()
    assert code == 0
    assert "so here, in one run: Fewer blocks: more parameters" in out or "not so here, in one run: Fewer" in out
    assert "report: " in out
    assert "original-1: 2 epochs, PSNR " in err
    assert "nerv-xs-2blocks/fp32/eager/b1: OK " in err
    rows = trials.read(tmp_path / "out" / trials.FILE)
    assert [(row.name, row.clip, row.frames) for row in rows] == [
        ("original-1", "ramp:2", 2), ("fewer-blocks-1", "ramp:2", 2),
    ]  # fmt: skip
    results = store.read(tmp_path / "out" / "results.jsonl")
    assert [result.status for result in results] == [Status.OK, Status.OK]
    assert "decoding FPS" in (tmp_path / "out" / "suite.md").read_text()

    code, _, err = called()
    assert (code, "add --resume" in err) == (1, True)
    code, again, err = called("--resume")
    assert (code, again, err) == (0, out, "")


def test_compressed_and_rated(tmp_path: Path, video: Path, here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The arms of a suite with codecs are files of one trained network; they are measured beside the codecs."""
    suite = small("rate-distortion", video)
    eight = replace(suite.arms[1], compress=Compress("nerv", 8, 0.4, {"full": 1}))
    network = replace(suite.arms[0], weights={}, models={"full": "nerv-xs"})
    suite = replace(suite, arms=(network, eight), rates=Rates("x264", "1", 2))
    monkeypatch.setattr(suites, "load", lambda _: suite)
    out = tmp_path / "out"
    out.mkdir()
    steps = list(run(ready(SuiteOrder("rate-distortion", "full")), out, tmp_path / "cache"))
    assert [step.name for step in steps if isinstance(step, Trial)] == ["nerv-1"]
    points = [step for step in steps if isinstance(step, RatePoint)]
    assert {point.method for point in points} == {"nerv-xs", "nerv-8-bits", "x264"}
    assert (out / "nerv-8-bits.nerv").exists()
    assert not [
        step
        for step in run(ready(SuiteOrder("rate-distortion", "full")), out, tmp_path / "cache")
        if step not in points
    ]


def test_a_failed_training_is_a_row(tmp_path: Path, video: Path, here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with its reason, and the rest is done; a suite that needs its network says that there is none."""
    suite = small("rate-distortion", video)
    network = replace(suite.arms[0], weights={}, models={"full": "nerv-xs"}, recipe={"learning_rate": 1e30})
    suite = replace(suite, arms=(network, suite.arms[1]))
    monkeypatch.setattr(suites, "load", lambda _: suite)
    with pytest.raises(ConfigError, match="the training of NeRV in float16 failed, so there is nothing to compress"):
        list(run(ready(SuiteOrder("rate-distortion", "full")), tmp_path, tmp_path / "cache"))
    (row,) = trials.read(tmp_path / trials.FILE)
    assert row.status is Status.WRONG_OUTPUT


def test_the_users_clip(video: Path) -> None:
    """It is cut to the length of the suite's own, unless it is shorter or its length is given."""

    def clips(given: str) -> dict[str, str]:
        return {each.arm.key: each.clip for each in ready(SuiteOrder("new-dataset", "small", given)).trainings}

    assert clips(str(video)) == {"bunny": "bigbuckbunny:32", "other": f"{video}:3"}
    assert clips("bikes")["other"] == "bikes:32"
    assert clips("bikes:40")["other"] == "bikes:40"


def test_checkpoints_join(tmp_path: Path) -> None:
    """A checkpoint of a known architecture joins under the name of its file."""
    path = tmp_path / "My best.safetensors"
    checkpoint.save(path, checkpoint.bundled("nerv-xs"))
    (joined,) = ready(SuiteOrder("table2", "small", checkpoints=(path,))).chosen.joined
    assert (joined.key, joined.model) == ("joined-my-best", "nerv-xs")


def test_what_cannot_be_is_refused(tmp_path: Path, video: Path) -> None:
    """Unknown suites, clips and checkpoints, and what does not go together, before anything is done."""
    odd = tmp_path / "odd.safetensors"
    spec = NervSpec(fc_dim=4, strides=(2,), stem_widths=(8,), lower_width=4, embed_levels=6)
    checkpoint.save(odd, checkpoint.seeded(spec, 0))
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"x" * 100)
    for order, kind, said in [
        (SuiteOrder("ablatoin", "small"), ConfigError, "unknown suite 'ablatoin'.*did you mean 'ablation'"),
        (SuiteOrder("ablation", "small", "none.mp4"), ClipError, "clip none.mp4: no such file or folder"),
        (SuiteOrder("new-dataset", "small", f"{video}:9"), ClipError, "it has 3 frames; its first 9 were asked for"),
        (SuiteOrder("rate-distortion", "small", str(video)), ConfigError, "leave --clip out, or give --scale full"),
        (SuiteOrder("rate-distortion", "full", None, (odd,)), ConfigError, "put it beside the codecs with: nervbench"),
        (SuiteOrder("table2", "small", None, (odd,)), ConfigError, "is of an architecture that has no name here"),
        (SuiteOrder("table2", "small", None, (broken,)), CheckpointError, "broken.safetensors"),
    ]:
        with pytest.raises(kind, match=said):
            ready(order)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["suite:none"], "unknown suite 'none'; known: ablation, "),
        (["suite:ablation", "--only", "*"], "--only, --budget, --profile and --on are of the cases of a bench.toml"),
        (["suite:ablation", "--budget", "8m"], "--only, --budget, --profile and --on are of the cases of a bench.toml"),
        (["bench.toml", "--budget", "soon"], "'soon' is no time; possible: seconds, or minutes or hours"),
        (["bench.toml", "--scale", "small"], "--scale, --clip and --checkpoint are of suites"),
        (["suite:ablation", "--scale", "tiny"], "Invalid value for '--scale'"),
        (["suite:ablation", "--checkpoint", "none.pth"], "Invalid value for '--checkpoint'"),
        (["suite:ablation", "--clip", "none.mp4"], "clip none.mp4: no such file or folder"),
    ],
)
def test_user_errors(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    """They are said on stderr with exit code 1, and no folder is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["run", *words])
    assert ended.value.code == 1
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "runs").exists()


def test_arms_take_turns() -> None:
    """Every arm is trained with its first seed before one is with its second."""
    jobs = sweep._jobs(suites.trainings(suites.load("table2"), "small"), Path("out"), "cpu")
    assert [job.name for job in jobs] == ["siren-1", "ffn-1", "nerv-1", "nerv-2", "nerv-3"]
    jobs = sweep._jobs(suites.trainings(suites.load("new-dataset"), "small"), Path("out"), "cpu")
    assert [job.name for job in jobs] == ["bunny-1", "other-1", "bunny-2", "other-2"]


def test_recipes_are_whole() -> None:
    """What a suite does not say of a recipe is as the published runs had it."""
    (job, *_) = sweep._jobs(suites.trainings(suites.load("hyperparameters"), "full"), Path("out"), "cpu")
    assert job.recipe == settings(Recipe(epochs=300, learning_rate=2e-4))
