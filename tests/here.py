"""Jobs of a sweep done in the process of the tests, which has PyTorch in memory already."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from nervbench.sweep import child, process
from nervbench.sweep.jobs import ExportJob, Job, ModelJob, TrainJob


def run_here(job: Job, timeout_s: float) -> Any:
    """As :func:`process.run`, but models are prepared and trained in this process."""
    if isinstance(job, TrainJob) or (isinstance(job, tuple) and isinstance(job[0], ModelJob | ExportJob)):
        return child.answer(job)
    return process.run(job, timeout_s)


HERE = SimpleNamespace(run=run_here, Died=process.Died)
"""To put in the place of the module :mod:`nervbench.sweep.process`."""
