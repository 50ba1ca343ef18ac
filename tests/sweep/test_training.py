"""Trainings in processes of their own: one that fails stops no other, and the same order again does what is left."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from nervbench import trials
from nervbench.data.video import write_video
from nervbench.device.cpu import CpuDevice
from nervbench.errors import OutputError, ResultsError
from nervbench.model import checkpoint
from nervbench.records import Status
from nervbench.sweep.jobs import TrainJob
from nervbench.sweep.local import locked
from nervbench.sweep.training import left_to_do, run_training, train_all
from nervbench.train.loop import Recipe
from nervbench.train.whole import Order, recipe_of, settings, train_whole
from nervbench.trials import FILE, Trial

RECIPE = settings(Recipe(epochs=2))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three frames of 320×180."""
    path = tmp_path_factory.mktemp("video") / "ramp.mp4"
    ramp = np.linspace(20, 220, 320)[None, None, :, None] * np.linspace(0.5, 1, 3)[:, None, None, None]
    write_video(path, iter([np.broadcast_to(ramp, (3, 180, 320, 3)).astype(np.uint8)]), 25)
    return path


def test_one_of_two_fails(tmp_path: Path, video: Path) -> None:
    """A damaged clip ends its own training with the reason; the next one is trained, written and scored."""
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(video.read_bytes()[:900])
    jobs = [
        TrainJob(path.name, "nerv-xs", path.stem, str(path), RECIPE, tmp_path / "out" / path.stem)
        for path in (damaged, video)
    ]
    (tmp_path / "out").mkdir()
    steps = list(train_all(jobs, tmp_path / "out", 120))
    bad, good = trials.read(tmp_path / "out" / FILE)

    assert steps == [jobs[0], bad, jobs[1], good]
    assert (bad.status, bad.epochs, bad.quality) == (Status.LOAD_FAILED, 0, None)
    assert "damaged.mp4" in str(bad.reason)
    assert good.whole
    assert (good.frames, len(good.curve_db), len(good.epoch_s)) == (3, 2, 2)
    assert good.quality
    assert good.quality.psnr_db > 5
    assert checkpoint.load(tmp_path / "out" / str(good.checkpoint)).frames == 3
    assert left_to_do(jobs, tmp_path / "out") == jobs[:1]


def test_another_recipe_is_another_training(tmp_path: Path, video: Path) -> None:
    """A row counts for a job only where model, clip and the whole recipe are the same."""
    job = TrainJob("a", "nerv-xs", "ramp", str(video), RECIPE, tmp_path / "a")
    trials.append(tmp_path / FILE, Trial("a", "nerv-xs", RECIPE, "ramp", epochs=2))

    assert left_to_do([job], tmp_path) == []
    for change in ({"name": "b"}, {"model": "nerv-s"}, {"clip": "c"}, {"recipe": RECIPE | {"seed": 2}}):
        assert left_to_do([dataclasses.replace(job, **change)], tmp_path)


def test_interrupted(tmp_path: Path, video: Path) -> None:
    """One that was interrupted goes on from its saved state, and the row says that fewer epochs were timed."""
    job = TrainJob("a", "nerv-xs", "ramp", str(video), RECIPE, tmp_path / "whole")
    whole = run_training(job)
    order = Order("nerv-xs", str(video), recipe_of(RECIPE | {"save_every": 1}), tmp_path / "cut")
    next(train_whole(order, CpuDevice()))
    rest = run_training(dataclasses.replace(job, folder=order.folder))

    assert whole.quality == rest.quality
    assert whole.curve_db == rest.curve_db
    assert rest.whole


def test_diverged(tmp_path: Path, video: Path) -> None:
    """Weights that became NaN are a row with the step, not a crash."""
    trial = run_training(TrainJob("a", "nerv-xs", "ramp", str(video), RECIPE | {"learning_rate": 1e30}, tmp_path / "a"))
    assert trial.status is Status.WRONG_OUTPUT
    assert "epoch 1" in str(trial.reason)
    assert not trial.whole


def test_unknown_model(tmp_path: Path, video: Path) -> None:
    """What is wrong with the order is a row too."""
    job = TrainJob("a", "nerv-x", "ramp", str(video), RECIPE, tmp_path / "a")
    *_, trial = train_all([job], tmp_path, 60)
    assert isinstance(trial, Trial)
    assert (trial.status, trial.checkpoint) == (Status.CRASHED, None)
    assert "unknown model 'nerv-x'" in str(trial.reason)


def test_one_at_a_time(tmp_path: Path, video: Path) -> None:
    """Two commands do not write to one folder."""
    job = TrainJob("a", "nerv-xs", "ramp", str(video), RECIPE, tmp_path / "a")
    with locked(tmp_path), pytest.raises(OutputError, match="another sweep is writing to"):
        list(train_all([job], tmp_path, 60))


def test_settings() -> None:
    """A recipe comes back from its settings."""
    recipe = Recipe(epochs=7, loss="l1", learning_rate=1e-3)
    assert recipe_of(settings(recipe)) == recipe


def test_lines(tmp_path: Path) -> None:
    """A trial comes back from its line; made again, only the last counts; another record is refused with its number."""
    first = Trial("a", "nerv-xs", RECIPE, "c.mp4", Status.TIMED_OUT, "no end after 3 s")
    trials.append(tmp_path / FILE, first)
    assert trials.read(tmp_path / FILE) == [first]
    second = dataclasses.replace(first, status=Status.OK, reason=None, epochs=2, epoch_s=(1.5, 2.5, 9.0))
    trials.append(tmp_path / FILE, second)
    assert trials.read(tmp_path / FILE) == [second]
    assert second.usual_epoch_s == 2.5
    with (tmp_path / FILE).open("a") as file:
        file.write('{"schema": 1, "name": 3}\n')
    with pytest.raises(ResultsError, match="line 3"):
        trials.read(tmp_path / FILE)
    with pytest.raises(ResultsError, match="cannot be stored"):
        trials.append(tmp_path / FILE, dataclasses.replace(second, epoch_s=(float("nan"),)))
