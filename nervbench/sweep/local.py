"""The local executor: the cases of a plan, one after the other, each in a fresh process; a row is written as each ends.

Preparation comes first: what is wrong with the input is found before anything is measured, and nothing is exported
while something is timed. Progress is reported as events; nothing here prints, and nothing here runs while a case is
measured but a wait.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nervbench import store
from nervbench.config import Bench
from nervbench.errors import NervbenchError, OutputError
from nervbench.measure.scenario import spooled
from nervbench.records import STRICT, TO_FILE, Case, DeviceCard, Doubt, Result, Status
from nervbench.sweep import process
from nervbench.sweep.jobs import Asked, AskJob, CaseJob, ExportJob, Exports, Job, ModelJob, Prepared, ProbeJob
from nervbench.sweep.process import warmed
from nervbench.sweep.scratch import clear, scratch, writing

PROBE_S = 6.0
PREPARE_TIMEOUT_S = 24 * 3600.0
ASK_TIMEOUT_S = 300.0
RESULTS = "results.jsonl"
CUT_OFF = frozenset({Status.TIMED_OUT, Status.CRASHED, Status.OUT_OF_MEMORY})
"""Endings that can come in the middle of the samples."""
Outcome = TypeVar("Outcome")
Step = TypeVar("Step")


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling: what begins (``text``), or a case that ended (``result``).

    ``done`` of ``total`` cases have.
    """

    text: str
    done: int
    total: int
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do: the cases that are left, out of how many, with everything needed to do them."""

    bench: Bench
    cases: tuple[Case, ...]
    total: int
    out: Path
    cache: Path
    device: str = "cpu"
    profile: bool = False


def remaining(cases: tuple[Case, ...], results: Path) -> tuple[Case, ...]:
    """The cases that have no row of this machine yet."""
    ended = {row.case for row in store.read(results) if row.place is None} if results.exists() else set()
    return tuple(case for case in cases if case not in ended)


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the folder for one sweep; raises OutputError where another one has it. The lock ends with the process."""
    try:  # not through a link, which may lead out of the folder
        descriptor = os.open(out / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        msg = f"cannot lock the folder {out}: {error.strerror or error}; choose another with --out"
        raise OutputError(msg) from error
    with os.fdopen(descriptor, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            msg = f"another sweep is writing to {out}; wait for it or give another folder with --out"
            raise OutputError(msg) from None
        for half in out.rglob(".writing-*"):  # what a sweep was writing when it was killed
            half.unlink(missing_ok=True)
        clear()  # and the folders of its worker
        yield


@dataclass(frozen=True, slots=True)
class Ready:
    """What preparation found and made: enough to begin any case of the plan."""

    plan: Plan
    asked: dict[tuple[str, str], Asked]
    prepared: dict[str, Prepared]
    exported: dict[str, Exports]

    def job(self, case: Case, card: DeviceCard) -> CaseJob | Result:
        """The job of a case, or how it ended before it could begin."""
        asked, prepared = self.asked[case.runtime, case.precision], self.prepared[case.model]
        ended = Result(case, Status.UNSUPPORTED, asked.refusal, device=card, cost=prepared.costs[case.precision])
        if not asked.wants:
            return ended
        artifact = self.exported[case.model][asked.wants]
        if isinstance(artifact, str):
            return dataclasses.replace(ended, status=Status.EXPORT_FAILED, reason=artifact)
        bench = self.plan.bench
        return CaseJob(
            case,
            self.plan.device,
            card,
            prepared,
            artifact,
            bench.stopping,
            bench.server,
            bench.player,
            bench.verify.max_loss_db[case.precision],
            bench.verify.assumed_quality_db,
            self.plan.profile,
            # what times its first call or its loading begins as a user's program does
            "torch" in asked.packages and case.protocol == STRICT and case.scenario != TO_FILE,
        )


def preparation(plan: Plan) -> Generator[Event, None, Ready]:
    """Ask the runtimes, decode references, export; yields as each begins. What is wrong with the input ends it here."""
    done = plan.total - len(plan.cases)
    yield Event("asking the runtimes what they can do here", done, plan.total)
    pairs = tuple(dict.fromkeys((case.runtime, case.precision) for case in plan.cases))
    asked = ask_runtimes(plan.device, pairs)
    models = tuple(dict.fromkeys(case.model for case in plan.cases))
    yield Event(f"preparing {', '.join(models)}: reference frames, source, pictures", done, plan.total)
    prepared = dict(zip(models, _answer(tuple(_model_job(plan, model) for model in models)), strict=True))
    exports: dict[str, ExportJob] = {}
    for model in models:
        cases = (asked[case.runtime, case.precision] for case in plan.cases if case.model == model)
        keys = tuple(dict.fromkeys(answer.wants for answer in cases if answer.wants))
        exports[model] = ExportJob(prepared[model].checkpoint, keys, plan.cache)
    yield Event(f"exporting {', '.join(models)}", done, plan.total)
    return Ready(plan, asked, prepared, _export(exports))


def told(steps: Generator[Step, None, Outcome], tell: Callable[[Step], object]) -> Outcome:
    """What steps come to, each told as it comes."""
    while True:
        try:
            tell(next(steps))
        except StopIteration as stopped:
            outcome: Outcome = stopped.value
            return outcome


def execute(plan: Plan, card: DeviceCard | None = None) -> Generator[Event, None, None]:
    """Do the plan. Yields as things begin and end; every case that ends is already in the results file.

    Without the card of a device that was probed before, it is probed first.
    """
    if not plan.cases:
        return
    # Not on a GPU: what importing PyTorch does to its driver there is not known, and no process may fork after it.
    with warmed() if plan.device == "cpu" else contextlib.nullcontext():
        ready = yield from preparation(plan)
        done = plan.total - len(plan.cases)
        if card is None:
            yield Event("measuring what the device can do at most", done, plan.total)
            card = probe_device(plan.device, PROBE_S)
        for case in plan.cases:
            yield Event(case.name, done, plan.total)
            job = ready.job(case, card)
            result = job if isinstance(job, Result) else end(job, plan.bench.limits.case_timeout_s)
            store.append(plan.out / RESULTS, result)
            done += 1
            yield Event(case.name, done, plan.total, result)


def end(job: CaseJob, timeout_s: float) -> Result:
    """Bring one case to its end; where that is an early one, with what had been measured until then.

    Raises OutputError where there is no room for temporary files: that says nothing about the case.
    """
    began = time.monotonic()
    with scratch() as folder:
        spool = folder / "samples"
        with writing():
            spool.touch()
        answer = process.run(dataclasses.replace(job, spool=spool), timeout_s)
        samples_s = spooled(spool)
    wall_s = time.monotonic() - began
    result = _early(job, answer) if isinstance(answer, process.Died) else answer
    result = dataclasses.replace(result, wall_s=wall_s)
    if result.status not in CUT_OFF or min(samples_s, default=0.0) <= 0:  # none, or times of a clock that went back
        return result
    doubt = Doubt("cut_off", {"samples": len(samples_s)})
    return dataclasses.replace(result, samples_s=samples_s, doubts=(*result.doubts, doubt))


def _early(job: CaseJob, died: process.Died) -> Result:
    """The row of a case whose process ended without one."""
    killed = Status.OUT_OF_MEMORY if died.no_memory else Status.CRASHED
    return Result(
        job.case,
        Status.TIMED_OUT if died.timed_out else killed,
        died.reason,
        device=job.card,
        artifact=job.exported.artifact,
        cost=job.prepared.costs[job.case.precision],
    )


def probe_device(device: str, budget_s: float) -> DeviceCard:
    """The device's card; with a budget over 0 its ceilings are measured too."""
    card: DeviceCard = _answer(ProbeJob(device, budget_s))
    return card


def ask_runtimes(device: str, pairs: tuple[tuple[str, str], ...]) -> dict[tuple[str, str], Asked]:
    """What each runtime says of each precision; one whose import takes the process down is asked alone, and refused."""
    answer = process.run(AskJob(device, pairs), ASK_TIMEOUT_S)
    if not isinstance(answer, process.Died):
        together: dict[tuple[str, str], Asked] = answer
        return together
    alone: dict[tuple[str, str], Asked] = {}
    for pair in pairs:
        answer = process.run(AskJob(device, (pair,)), ASK_TIMEOUT_S)
        died = isinstance(answer, process.Died)
        alone |= {pair: Asked(refusal=f"the runtime cannot be loaded: {answer.reason}")} if died else answer
    return alone


def _export(jobs: dict[str, ExportJob]) -> dict[str, Exports]:
    """Each model's artifacts, or why there is none; if making them takes the process down, each is made alone."""
    jobs = {model: job for model, job in jobs.items() if job.keys}
    answer = process.run(tuple(jobs.values()), PREPARE_TIMEOUT_S) if jobs else []
    if not isinstance(answer, process.Died):
        return dict(zip(jobs, answer, strict=True))
    exports: dict[str, Exports] = {model: {} for model in jobs}
    alone = [(model, dataclasses.replace(job, keys=(key,))) for model, job in jobs.items() for key in job.keys]
    for model, job in alone:
        exports[model] |= _export({model: job})[model] if len(alone) > 1 else {job.keys[0]: answer.reason}
    return exports


def _model_job(plan: Plan, model: str) -> ModelJob:
    cases = [case for case in plan.cases if case.model == model]
    return ModelJob(
        model=model,
        weights=cases[0].weights,
        clip=plan.bench.clip,
        precisions=tuple(dict.fromkeys(case.precision for case in cases)),
        batches=tuple(sorted({case.batch for case in cases})),
        checked=plan.bench.verify.frames,
        cache=plan.cache,
        pictures=plan.out / "frames",
    )


def _answer(job: Job) -> Any:
    """The answer of a job without which nothing can be measured."""
    answer = process.run(job, PREPARE_TIMEOUT_S)
    if isinstance(answer, process.Died):
        msg = f"preparation failed: {answer.reason}"
        raise NervbenchError(msg)
    return answer
