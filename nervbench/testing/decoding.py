"""A case decoded in the process of pytest, with the rounds of pytest-benchmark as its samples."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import platformdirs
import pytest

from nervbench import store
from nervbench.cli._duration import DURATION
from nervbench.cli._live import bench_of, case_named
from nervbench.cli.compare import share
from nervbench.compare.files import OWN_VERSION
from nervbench.compare.unpaired import compare, holds_up, word_of
from nervbench.compare.verdict import Word
from nervbench.config import ModelEntry
from nervbench.device.base import Device
from nervbench.device.sampler import Sampling
from nervbench.errors import NervbenchError
from nervbench.files import writable_folder
from nervbench.measure.scenario import aligned, rotation
from nervbench.measure.stopping import SAMPLES
from nervbench.records import MEDIAN, DeviceCard, Result, Status, Telemetry
from nervbench.report.pages import device_slug
from nervbench.runtime.base import Session
from nervbench.sweep.compare import Watch
from nervbench.sweep.jobs import CaseJob
from nervbench.sweep.local import Plan, preparation, probe_device, told
from nervbench.sweep.take import Taken
from nervbench.sweep.worker import Taking, run_case

LEAST_S = 1e-9


@dataclass
class Decoding:
    """What a session decodes with. ``fail_on`` is a share, or None where nothing is held against a baseline."""

    place: str
    budget_s: float
    baselines: Path
    fail_on: float | None
    card: DeviceCard | None = None
    jobs: dict[tuple[str, ...], CaseJob | Result] = field(default_factory=dict)

    def decoded(self, benchmark: Any, node: pytest.Item, name: str, weights: str | None, clip: str | None) -> Result:
        """The row of a case; the test is skipped where it cannot run here, and fails where it ends badly."""
        try:
            job = self.job(name, weights, clip)
            row = job if isinstance(job, Result) else run_case(job, pedantic(benchmark))
        except NervbenchError as error:
            pytest.fail(f"{name}: {error}", pytrace=False)
        if row.status in (Status.UNSUPPORTED, Status.FELL_BACK):
            pytest.skip(f"{name}: {row.status.value}, {row.reason}")
        if row.status is not Status.OK:
            pytest.fail(f"{name}: {row.status.value}, {row.reason}", pytrace=False)
        if row.environment:
            shared = {**row.environment.settings, "process": "that of pytest"}
            row = dataclasses.replace(row, environment=dataclasses.replace(row.environment, settings=shared))
        benchmark.extra_info["nervbench"] = said(row)
        if self.fail_on is not None and benchmark.enabled:
            hold(row, self.baselines, self.fail_on, node)
        return row

    def job(self, name: str, weights: str | None, clip: str | None) -> CaseJob | Result:
        """The case, ready to be run, or how it ended before that; prepared once a session."""
        key = (name, weights or "", clip or "")
        if key in self.jobs:
            return self.jobs[key]
        bench = bench_of(None)
        if weights:
            bench = dataclasses.replace(bench, models=tuple(ModelEntry(each.name, weights) for each in bench.models))
        if clip:
            bench = dataclasses.replace(bench, clip=dataclasses.replace(bench.clip, source=clip))
        bench = dataclasses.replace(bench, stopping=dataclasses.replace(bench.stopping, budget_s=self.budget_s))
        case = case_named(name, bench)
        self.card = self.card or probe_device(self.place, 0.0)
        kept = writable_folder(platformdirs.user_cache_path("nervbench")).resolve()
        with tempfile.TemporaryDirectory(prefix="nervbench-") as folder:  # for pictures, which nobody asked for here
            ready = told(preparation(Plan(bench, (case,), 1, Path(folder), kept, self.place)), id)
        self.jobs[key] = ready.job(case, self.card)
        return self.jobs[key]


def decoding(words: Mapping[str, Any]) -> Decoding:
    """By the words of the options. Raises pytest.UsageError where one cannot be read."""
    option = "budget"
    try:
        budget_s = float(DURATION.convert(words[option], None, None))
        option = "fail-on"
        fail_on = share()(click.Context(click.Command("pytest")), click.Option([f"--{option}"]), words[option])
    except click.BadParameter as error:
        msg = f"--nervbench-{option}: {error.message}"
        raise pytest.UsageError(msg) from None
    return Decoding(words["device"], budget_s, Path(words["baselines"]), fail_on)


def pedantic(benchmark: Any) -> Taking:
    """Takes the samples by ``benchmark.pedantic``, each round another frame of the clip."""

    def take(job: CaseJob, device: Device, session: Session, load_s: float) -> Taken:
        rule, batch, frames = job.stopping, job.case.batch, job.prepared.frames
        checked = aligned(job.prepared.starts, frames, batch)
        starts, watch = rotation(checked, frames, batch, 1), Watch(session, set(checked))
        last: list[int] = []

        def next_start() -> tuple[tuple[int], dict[str, Any]]:
            if last:
                watch(last.pop())
            last.extend(next(starts))
            return (last[0],), {}

        def decode(start: int) -> None:
            session.decode(start)
            device.synchronize()

        def seconds() -> float:
            before = device.now()
            decode(checked[0])
            return device.now() - before

        fastest_s = min(seconds() for _ in range(2))
        rounds = min(max(rule.min_samples, int(rule.budget_s / max(fastest_s, LEAST_S))), rule.max_samples)
        began = device.now()
        with Sampling(os.getpid(), gpu=device.watched) as sampling:
            benchmark.pedantic(decode, setup=next_start, rounds=rounds, warmup_rounds=rule.warm_up)
        watch(last.pop())
        samples = tuple(benchmark.stats.stats.data) if benchmark.enabled else (seconds(),)
        telemetry = Telemetry(
            stopped_by=SAMPLES,
            averaged=MEDIAN,
            load_s=load_s,
            wall_s=device.now() - began,
            meanwhile=sampling.meanwhile,
            unwatched=sampling.failure,
        )
        return Taken(samples, telemetry, watch.kept)

    return take


def said(row: Result) -> dict[str, Any]:
    """What pytest-benchmark's files keep of a row beside its times."""
    parts = {name: getattr(row, name) for name in ("device", "environment", "fidelity", "quality")}
    return {
        "case": row.case.name,
        "weights": row.case.weights,
        "flop_per_frame": row.cost.flop_per_frame if row.cost else None,
        "doubts": [dataclasses.asdict(doubt) for doubt in row.doubts],
        **{name: dataclasses.asdict(part) if part else None for name, part in parts.items()},
    }


def hold(row: Result, folder: Path, fail_on: float, node: pytest.Item) -> None:
    """Hold a row against the baseline of its device and stack; without one it becomes that."""
    versions = row.environment.versions if row.environment else {}
    others = sorted(item for item in versions.items() if item[0] not in OWN_VERSION)
    stack = hashlib.sha256(repr(others).encode()).hexdigest()[:8]
    path = folder / f"{device_slug([row])}-{stack}.jsonl"
    same = (row.case.name, row.case.weights)
    runs = [each for each in store.read(path) if (each.case.name, each.case.weights) == same] if path.exists() else []
    if not runs:
        path.parent.mkdir(parents=True, exist_ok=True)
        store.append(path, row)
        return
    found = compare(runs, [row], free=OWN_VERSION)
    word = word_of(found, fail_on)
    if found.verdict is None or word is None:
        differs = "; ".join(str(each) for each in found.ledger if each.blocking)
        pytest.fail(f"{row.case.name} cannot be compared with {path}: {differs}", pytrace=False)
    says = (
        f"{row.case.name} takes {found.verdict.ratio:.3f} times its baseline's time ({found.verdict.low:.3f} to "
        f"{found.verdict.high:.3f}) in {path}"
    )
    if word is Word.SLOWER:
        pytest.fail(f"{says}, which is slower by more than {100 * fail_on:g} %", pytrace=False)
    if holds_up(found, fail_on):
        node.warn(pytest.PytestWarning(f"{says}: undecided whether it is slower by {100 * fail_on:g} %"))
