"""Trainings that belong together: each in a process of its own, one after the other, a row written as each ends.

The same command again goes on: a training that has its row is left alone, one that has none or failed is begun again,
from the state that it saved last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nervbench import plugins, trials
from nervbench.device.base import Device
from nervbench.errors import InputError, NervbenchError, OutputError, TrainingError
from nervbench.records import Status
from nervbench.sweep import process
from nervbench.sweep.jobs import TrainJob
from nervbench.sweep.local import locked
from nervbench.trials import FILE, Trial

if TYPE_CHECKING:
    from nervbench.train.loop import Epoch

VERSIONS = ("nervbench", "torch", "numpy", "pytorch-msssim")
ENDINGS = {InputError: Status.LOAD_FAILED, TrainingError: Status.WRONG_OUTPUT}
"""What an error of ours says about a training: its clip cannot be used; its weights are not numbers."""


def run_training(job: TrainJob, tell: Callable[[Epoch], object] = lambda _: None) -> Trial:
    """Train, score, and say how it went; ``tell`` is called after every epoch.

    Errors of ours that are not about this training alone are raised.
    """
    from nervbench.model.cost import cost_of  # noqa: PLC0415 (these need PyTorch, and the parent does not)
    from nervbench.model.zoo import spec_of  # noqa: PLC0415
    from nervbench.train.place import card_of, place_of  # noqa: PLC0415
    from nervbench.train.whole import Order, recipe_of, score, train_whole  # noqa: PLC0415

    clock: Device = plugins.load(plugins.DEVICES, "cpu")()
    spec = spec_of(job.model)
    recipe = recipe_of(job.recipe)
    trial = dataclasses.replace(
        unstarted(job),
        params=cost_of(spec, "fp32").params,
        width=spec.width,
        height=spec.height,
        versions={name: metadata.version(name) for name in VERSIONS},
    )
    done = 0
    try:
        trial = dataclasses.replace(trial, device=card_of(place_of(job.place)) or clock.card().name)
        steps = train_whole(Order(job.model, job.source, recipe, job.folder, job.place), clock)
        while True:
            try:
                epoch = next(steps)
            except StopIteration as stopped:
                path: Path = stopped.value
                break
            done = epoch.number
            tell(epoch)
        quality = score(path, job.source)
    except tuple(ENDINGS) as error:
        status = next(status for kind, status in ENDINGS.items() if isinstance(error, kind))
        return dataclasses.replace(trial, status=status, reason=str(error), **curves(job.folder, done))
    return dataclasses.replace(
        trial,
        frames=quality.frames,
        quality=quality,
        checkpoint=f"{job.folder.name}/{path.name}",
        **curves(job.folder, recipe.epochs),
    )


def curves(folder: Path, epochs: int) -> dict[str, Any]:
    """What is known of so many epochs, as fields of a Trial."""
    from nervbench.train.history import history  # noqa: PLC0415 (it needs PyTorch)

    known = history(folder, epochs)
    return {"epochs": epochs, "curve_db": known.curve_db, "epoch_s": known.epoch_s}


def unstarted(job: TrainJob) -> Trial:
    """The row of a job before anything is known of it."""
    return Trial(job.name, job.model, dict(job.recipe), job.clip)


def left_to_do(jobs: Sequence[TrainJob], out: Path) -> list[TrainJob]:
    """The jobs that have no row yet, or one that says that they failed."""
    ended = {trial.key for trial in trials.read(out / FILE) if trial.status is Status.OK}
    return [job for job in jobs if unstarted(job).key not in ended]


def train_all(jobs: Sequence[TrainJob], out: Path, timeout_s: float) -> Iterator[TrainJob | Trial]:
    """Do what is left of the jobs: yields each as it begins, and its row when that has been written.

    Raises OutputError where another process writes to the folder, or its file cannot be written.
    """
    with locked(out):
        for job in left_to_do(jobs, out):
            yield job
            trial = _end(job, timeout_s)
            trials.append(out / FILE, trial)
            yield trial


def _end(job: TrainJob, timeout_s: float) -> Trial:
    """Bring one training to its end."""
    try:
        answer: Trial | process.Died = process.run(job, timeout_s)
    except OutputError:  # what this training could not write, the next cannot write either
        raise
    except NervbenchError as error:
        return dataclasses.replace(unstarted(job), status=Status.CRASHED, reason=str(error))
    if isinstance(answer, process.Died):
        status = Status.TIMED_OUT if answer.timed_out else Status.CRASHED
        return dataclasses.replace(unstarted(job), status=status, reason=answer.reason)
    return answer
