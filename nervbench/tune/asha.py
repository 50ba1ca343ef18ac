"""Asynchronous successive halving (ASHA; Li et al., MLSys 2020, arXiv 1810.05934) on Ray Tune, on this machine.

After 1, 3, 9 … times the grace period, a training goes on only if its PSNR is among the best third of those that came
so far. Ray decides and remembers; trainings are those of the local executor, one at a time with all processors, and end
in the same rows. After a kill, Ray restores what it had decided and each training its own saved state.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nervbench import trials
from nervbench.errors import UnsupportedError
from nervbench.records import Status
from nervbench.sweep.jobs import TrainJob
from nervbench.sweep.local import locked
from nervbench.sweep.training import curves, left_to_do, run_training, unstarted
from nervbench.train.loop import Epoch
from nervbench.trials import FILE, Trial

REDUCTION = 3
NAME = "ray"
METRIC, TIME, ROW = "psnr_db", "epoch", "row"
INSTALL = (
    "Ray Tune is not installed: pip install 'nervbench[tune]'; or --search grid or random, which need nothing more"
)
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent anywhere
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

Tell = Callable[[Trial], object]
_listeners: list[Tell] = []
"""Who is told of a row in this process. Not part of what Ray keeps of a search, which is pickled."""


def search(jobs: Sequence[TrainJob], out: Path, epochs: int, grace: int, tell: Tell) -> None:
    """Train the jobs, stop the bad ones early, write a row for each; ``tell`` is called with each row.

    Raises UnsupportedError where Ray is not installed, and OutputError where another search writes to the folder.
    """
    if importlib.util.find_spec("ray") is None:
        raise UnsupportedError(INSTALL)
    with locked(out):
        if left_to_do(jobs, out):
            _listeners.append(tell)
            try:
                with _ray():
                    _tuner(jobs, out.resolve(), epochs, grace).fit()
            finally:
                _listeners.remove(tell)


@contextlib.contextmanager
def _ray() -> Iterator[None]:
    """A Ray of this machine's processors, without its dashboard and its talk."""
    os.environ.update(SETTINGS)  # noqa: TID251 (Ray reads them when it is imported, and knows no other way)
    import ray  # noqa: PLC0415 (an extra, and slow)

    ray.init(num_cpus=_processors(), include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _tuner(jobs: Sequence[TrainJob], out: Path, epochs: int, grace: int) -> Any:
    """A new search, or the one that was begun in the folder."""
    from ray import tune  # noqa: PLC0415
    from ray.tune.schedulers import ASHAScheduler  # noqa: PLC0415

    by_name = {job.name: job for job in jobs}
    trainable = tune.with_resources(tune.with_parameters(_train, jobs=by_name), {"cpu": _processors()})
    if tune.Tuner.can_restore(str(out / NAME)):  # with the callbacks, the scheduler and what it has seen
        return tune.Tuner.restore(str(out / NAME), trainable, restart_errored=True)
    # Its end is not that of the last epoch: after that the weights are scored, and the row comes.
    scheduler = ASHAScheduler(time_attr=TIME, max_t=epochs + 1, grace_period=grace, reduction_factor=REDUCTION)
    return tune.Tuner(
        trainable,
        param_space={"job": tune.grid_search(list(by_name))},
        tune_config=tune.TuneConfig(metric=METRIC, mode="max", scheduler=scheduler),
        run_config=tune.RunConfig(name=NAME, storage_path=str(out), callbacks=[_rows(by_name, out)], verbose=0),
    )


def _train(config: dict[str, str], jobs: dict[str, TrainJob]) -> None:
    """One training in a process of Ray's: reports every epoch, and at the end the whole row.

    Those of before a kill are reported again: what Ray kept of them may be older than the training's own state.
    """
    from ray import tune  # noqa: PLC0415

    job = jobs[config["job"]]
    before = curves(job.folder, int(job.recipe["epochs"]))["curve_db"]
    for number, psnr_db in enumerate(before, 1):
        tune.report({METRIC: psnr_db, TIME: number})

    def report(epoch: Epoch) -> None:
        if epoch.number > len(before):
            tune.report({METRIC: epoch.psnr_db, TIME: epoch.number})

    trial = run_training(job, report)
    last = trial.curve_db[-1] if trial.curve_db else 0.0
    tune.report({METRIC: last, TIME: trial.epochs + 1, ROW: trials.to_line(trial)})


def _rows(jobs: dict[str, TrainJob], out: Path) -> Any:
    """What Ray calls as trainings end: it writes their rows."""
    from ray import tune  # noqa: PLC0415

    class Rows(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
            _write(out, _row(jobs[trial.config["job"]], trial.last_result))

        def on_trial_error(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
            job = jobs[trial.config["job"]]
            reason = f"its process ended; what it said last is in {trial.local_path}"
            _write(out, dataclasses.replace(unstarted(job), status=Status.CRASHED, reason=reason))

    return Rows()


def _row(job: TrainJob, last: dict[str, Any]) -> Trial:
    """The row of a training that went to its end, or of one that was stopped, from what it left in its folder."""
    if ROW in last:
        return trials.from_line(last[ROW])
    return dataclasses.replace(unstarted(job), **curves(job.folder, last[TIME]))


def _write(out: Path, trial: Trial) -> None:
    """Write a row, but not twice: what ended just before a kill ends once more, for Ray had not kept that it had."""
    if trial.status is Status.OK and trial.key in {
        row.key for row in trials.read(out / FILE) if row.status is Status.OK
    }:
        return
    trials.append(out / FILE, trial)
    for tell in _listeners:
        tell(trial)
