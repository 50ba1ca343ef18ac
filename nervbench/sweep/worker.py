"""One case, in a process of its own: open, verify, measure, verify what was measured. A wrong answer has no number."""

from __future__ import annotations

import dataclasses
import errno
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from nervbench import errors, plugins, stats
from nervbench.device.base import Device, WithSettings
from nervbench.measure import checks
from nervbench.records import STRICT, Environment, Result, Status
from nervbench.runtime.base import Runtime, Session, WithNotes
from nervbench.sweep.compare import Comparison
from nervbench.sweep.jobs import CaseJob, said
from nervbench.sweep.operators import profile
from nervbench.sweep.score import Scored, score
from nervbench.sweep.scratch import check_room, is_full
from nervbench.sweep.take import Taken, take

ENDINGS: dict[type[errors.NervbenchError], Status] = {
    errors.UnsupportedError: Status.UNSUPPORTED,
    errors.ExportError: Status.EXPORT_FAILED,
    errors.LoadError: Status.LOAD_FAILED,
    errors.FellBackError: Status.FELL_BACK,
}
"""How each of our errors ends a case; one that is not here is about the files given and ends LOAD_FAILED."""

TOLD = (
    *("ATEN_", "BLIS_", "CUBLAS", "CUDA_", "CUDNN_", "DNNL_", "GOMP_", "KMP_", "LD_PRELOAD", "MALLOC_", "MKL_"),
    *("NVIDIA_TF32", "OMP_", "ONEDNN_", "OPENBLAS_", "ORT_", "OV_", "PYTORCH_", "TORCH"),
)
"""How the names begin of environment variables that change what libraries compute with."""
HARMLESS = frozenset({"CUDA_HOME", "CUDA_PATH", "CUDA_VERSION", "TORCH_HOME", "TORCHINDUCTOR_CACHE_DIR"})
"""Folders, and what an image says of itself."""
LONGEST = 200
ALLOCATION = (
    *("can't allocate memory", "cannot allocate memory", "out of memory", "outofmemory", "bad_alloc", "bad allocation"),
    *("failed to allocate", "cublas_status_alloc_failed", "cudnn_status_alloc_failed", "cuda_error_out_of_memory"),
)
"""How libraries say, whatever the letters' size, that there was not enough memory."""
NO_ROOM = os.strerror(errno.ENOSPC).lower()
TRACEBACK_LINES = 12
began = "fresh for this case"
"""How this process began, for its row; one that is forked says so (:mod:`nervbench.sweep.forking`)."""


Taking = Callable[[CaseJob, Device, Session, float], Taken]
"""Times an open session; the seconds are those that opening it took."""


def run_case(job: CaseJob, taking: Taking = take) -> Result:
    """Measure one case; every ending is a Result, but that of a disk that is full: raises OutputError."""
    result = Result(
        case=job.case,
        status=Status.CRASHED,
        device=job.card,
        artifact=job.exported.artifact,
        cost=job.prepared.costs[job.case.precision],
    )
    try:
        device = _device(job.device)
        runtime: Runtime = plugins.load(plugins.RUNTIMES, job.case.runtime)
        result = dataclasses.replace(result, environment=_environment(runtime, job, device))
        return _measured(result, job, device, runtime, taking)
    except errors.NervbenchError as error:
        _stop_where_full(error)
        return dataclasses.replace(result, status=_status(error), reason=said(error))
    except Exception as error:  # noqa: BLE001 (a runtime may raise anything; here it becomes a row)
        _stop_where_full(error)
        status, reason = _unexpected(error)
        return dataclasses.replace(result, status=status, reason=reason)


def _device(name: str) -> Device:
    """The device of the case, which was there when the sweep began."""
    try:
        device: Device = plugins.load(plugins.DEVICES, name)()
    except errors.UnsupportedError as error:
        msg = f"the device {name} was there when the sweep began and is gone: {error}"
        raise RuntimeError(msg) from error
    return device


def _measured(result: Result, job: CaseJob, device: Device, runtime: Runtime, taking: Taking) -> Result:
    result = _timed(result, job, device, runtime, taking)
    if job.profile and result.status is Status.OK:
        return dataclasses.replace(result, profile=profile(job, runtime, stats.median(result.samples_s) or 1.0))
    return result


def _timed(result: Result, job: CaseJob, device: Device, runtime: Runtime, taking: Taking) -> Result:
    began = device.now()
    with runtime.open(job.opening) as session:
        load_s = device.now() - began
        if isinstance(session, WithNotes) and result.artifact:
            notes = (*result.artifact.notes, *session.notes)
            result = dataclasses.replace(result, artifact=dataclasses.replace(result.artifact, notes=notes))
        # A published protocol counts the very first call, so what it times is verified after it.
        taken = taking(job, device, session, load_s) if job.case.protocol != STRICT else None
        when = "after" if taken else "before"
        comparison = Comparison(job)
        for start in job.prepared.starts:
            session.decode(start)
            device.synchronize()
            comparison.add(start, session.fetch())
        result = dataclasses.replace(result, fidelity=comparison.fidelity())
        if wrong := comparison.wrong():
            return dataclasses.replace(result, status=Status.WRONG_OUTPUT, reason=f"{when} timing: {wrong}")
        scored = score(job, session, device) if job.prepared.source else None
        if scored and scored.wrong:
            return dataclasses.replace(
                result, status=Status.WRONG_OUTPUT, reason=scored.wrong, quality=scored.quality()
            )
        return _judged(result, job, taken or taking(job, device, session, load_s), comparison, scored)


def _judged(result: Result, job: CaseJob, taken: Taken, comparison: Comparison, scored: Scored | None) -> Result:
    """Check frames of the timed run and finish what is slow to score."""
    for start, frames in taken.kept:
        comparison.add(start, frames, during=True)
    result = dataclasses.replace(
        result,
        telemetry=taken.telemetry,
        fidelity=comparison.fidelity(),
        quality=scored.quality() if scored else None,
    )
    wrong = comparison.wrong()
    if scored and not wrong:
        wrong = next(filter(None, (scored.worse(start, frames) for start, frames in taken.kept)), None)
    if wrong:
        return dataclasses.replace(result, status=Status.WRONG_OUTPUT, reason=f"during the timed run: {wrong}")
    if (least_s := min(taken.samples_s, default=1.0)) <= 0:
        reason = f"the device's clock gave {least_s:g} s for a decode: it was set back, or is too coarse"
        return dataclasses.replace(result, status=Status.CRASHED, reason=reason)
    doubts = (
        *checks.doubts_about(taken.samples_s, job.stopping.noise),
        *checks.doubts_meanwhile(taken.telemetry.meanwhile),
        *checks.doubts_unchecked(comparison.fidelity().during_frames),
    )
    return dataclasses.replace(result, status=Status.OK, samples_s=taken.samples_s, doubts=doubts)


def _environment(runtime: Runtime, job: CaseJob, device: Device) -> Environment:
    packages = ("nervbench", "numpy", *runtime.packages)
    of_device = device.settings() if isinstance(device, WithSettings) else {}
    return Environment(
        python=platform.python_version(),
        system=platform.platform(),
        versions={name: _version(name) for name in packages},
        settings={
            "process": began,
            "threads": str(job.card.threads or "unknown"),
            **of_device,
            **_variables(),
        },
    )


def _variables() -> dict[str, str]:
    """What the environment tells the libraries that compute."""
    every = os.environ  # noqa: TID251 (theirs, not ours: a number depends on them)
    return {name: every[name][:LONGEST] for name in sorted(every) if name.startswith(TOLD) and name not in HARMLESS}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # the module comes under another name, as from onnxruntime-gpu
        return str(getattr(sys.modules.get(package), "__version__", "unknown"))


def _stop_where_full(error: Exception) -> None:
    """Raises OutputError where a case ends because our own files, or temporary files of any library, found no room."""
    if isinstance(error, errors.OutputError) and is_full(error.__cause__):
        raise error
    if any(map(is_full, (error, error.__cause__))) or NO_ROOM in said(error).lower():
        check_room(Path(tempfile.gettempdir()))


def _status(error: errors.NervbenchError) -> Status:
    """How an error of ours ends a case. Of a runtime that could not load, the cause may be that memory ran out."""
    if isinstance(error, errors.LoadError | errors.ExportError) and any(map(_no_memory, (error, error.__cause__))):
        return Status.OUT_OF_MEMORY
    return next((ending for kind, ending in ENDINGS.items() if isinstance(error, kind)), Status.LOAD_FAILED)


def _no_memory(error: BaseException | None) -> bool:
    return isinstance(error, MemoryError) or any(words in said(error).lower() for words in ALLOCATION)


def _unexpected(error: Exception) -> tuple[Status, str]:
    """Status and reason of an error that is not ours: what it says, the end of its traceback, where it arose.

    The traceback has its first line whatever is cut, by which reports know to leave it out.
    """
    text = f"{type(error).__name__}: {said(error)}"
    if _no_memory(error):
        return Status.OUT_OF_MEMORY, text.splitlines()[0]
    *_, last = traceback.extract_tb(error.__traceback__)
    first, *lines = "".join(traceback.format_exception(error)).splitlines()
    where = f"(in {last.name}, {Path(last.filename).name}:{last.lineno})"
    return Status.CRASHED, "\n".join([text, first, *lines[-TRACEBACK_LINES:], where])
