"""Take the samples of a case by its protocol and scenario, with everything that was seen meanwhile."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from nervbench.device.base import Device, WithUpload, WithYardstick
from nervbench.device.sampler import Sampling
from nervbench.measure import scenario
from nervbench.measure.playback import PLAYED, play
from nervbench.measure.protocol import COPIED, REPEATS, nothing, replay
from nervbench.measure.scenario import Spool, Timing
from nervbench.measure.server import LOADS, MISSED, climb
from nervbench.measure.stages import stages
from nervbench.records import COLD, MEAN, MEDIAN, PLAYBACK_HZ, SERVER, STRICT, TO_FILE, TO_HOST, Telemetry
from nervbench.runtime.base import OneByOne, OtherArithmetic, Session
from nervbench.sweep.compare import Watch
from nervbench.sweep.jobs import CaseJob
from nervbench.sweep.reference import Frames

VIDEO_FPS = 25.0
CHANNELS = 3
YARDSTICK_S = 0.2
"""Before the samples, and as much after them."""
SEED = 0
"""Of arrivals and seeks: the same for all, so that two cases are asked for the same."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The samples of a case, what was seen meanwhile, and frames that were kept to be checked."""

    samples_s: tuple[float, ...]
    telemetry: Telemetry
    kept: list[tuple[int, Frames]]


def take(job: CaseJob, device: Device, session: Session, load_s: float) -> Taken:
    """Time an open session."""
    watch = Watch(session, set(_starts(job)))
    yardstick_s = _yardstick(device)
    spool: AbstractContextManager[list[float]] = Spool(job.spool) if job.spool else nullcontext([])
    with spool as samples, Sampling(os.getpid(), gpu=device.watched) as sampling:
        before = device.counters()
        timing, also = _timed(job, device, session, watch, samples)
        after = device.counters()
    yardstick_s += _yardstick(device)
    telemetry = Telemetry(
        warm_up_s=timing.warm_up_s,
        stopped_by=timing.stopped_by,
        calls_per_sample=timing.calls_per_sample,
        averaged=MEDIAN if job.case.protocol == STRICT else MEAN,
        algorithm=session.algorithm if isinstance(session, OtherArithmetic) else None,
        flop_per_frame=session.flop_per_frame if isinstance(session, OtherArithmetic) else None,
        launches=session.launches(job.prepared.starts[0]) if isinstance(session, OneByOne) else None,
        yardstick_s=yardstick_s,
        load_s=load_s,
        wall_s=timing.wall_s,
        process_cpu_s=_difference(before.process_cpu_s, after.process_cpu_s),
        peak_memory_bytes=after.peak_memory_bytes,
        meanwhile=sampling.meanwhile,
        unwatched=sampling.failure,
        **also,
    )
    return Taken(timing.samples_s, telemetry, watch.kept)


def _starts(job: CaseJob) -> tuple[int, ...]:
    """Where the batches begin that are looked at."""
    return scenario.aligned(job.prepared.starts, job.prepared.frames, job.case.batch)


def _copying(job: CaseJob, device: Device) -> Callable[[], None]:
    """Begins to copy the true frames of a batch to the device, as floats; nothing where there is no way to go."""
    cost = job.prepared.costs[job.case.precision]
    numbers = CHANNELS * cost.width * cost.height * job.case.batch
    return partial(device.upload, numbers) if isinstance(device, WithUpload) else nothing


def _yardstick(device: Device) -> tuple[float, ...]:
    return device.yardstick(YARDSTICK_S) if isinstance(device, WithYardstick) else ()


def _timed(
    job: CaseJob, device: Device, session: Session, watch: Watch, samples: list[float]
) -> tuple[Timing, dict[str, Any]]:
    """Add the samples to ``samples``; how they were taken, and what else belongs into the telemetry."""
    case, prepared, rule = job.case, job.prepared, job.stopping
    if case.protocol != STRICT:
        clip = range(0, prepared.frames, case.batch)
        begin = _copying(job, device) if case.protocol in COPIED else nothing
        return replay(session, device, REPEATS[case.protocol], clip, rule.budget_s, watch, samples, begin), {}
    if case.scenario == TO_FILE:
        return _to_file(job, device, session, watch, samples)
    if case.scenario == SERVER or case.scenario in PLAYBACK_HZ:
        return _asked_for(job, device, session, watch, samples)
    calls = scenario.CALLS[case.scenario]
    starts = scenario.rotation(_starts(job), prepared.frames, case.batch, calls)
    if case.scenario == COLD:
        return scenario.measure(session, scenario.Cold(device), starts, rule, watch, samples), {"caches": "cold"}
    if case.scenario == TO_HOST:
        return scenario.measure(scenario.ToHost(session), device, starts, rule, watch, samples), {"frames_on": "host"}
    return scenario.measure(session, device, starts, rule, watch, samples), {}


def _to_file(
    job: CaseJob, device: Device, session: Session, watch: Watch, samples: list[float]
) -> tuple[Timing, dict[str, Any]]:
    """The stages from weights to an mp4, as ``nervbench decode`` writes it."""
    from nervbench.data.video import write_video  # noqa: PLC0415 (PyAV: only where a file is written)

    began = device.now()
    with tempfile.TemporaryDirectory(prefix="nervbench-") as folder:

        def write(pieces: Iterator[Frames]) -> None:
            write_video(Path(folder) / "decoded.mp4", pieces, VIDEO_FPS)

        # The checked frames first, so that a slow case gets to them.
        starts = (index for (index,) in scenario.rotation(_starts(job), job.prepared.frames, job.case.batch, 1))
        found, fired = stages(session, device, starts, job.stopping.budget_s, write, watch, samples)
    return Timing(found.decode_s, (), fired, 1, device.now() - began), {
        "stages": replace(found, unpack_s=job.prepared.unpack_s)
    }


class Recorded:
    """A session and its clock, that notes how long each decode takes until its frames are ready."""

    def __init__(self, session: Session, device: Device) -> None:
        self.decode_s: list[float] = []
        self._session, self._device = session, device
        self._began: float | None = None

    def decode(self, index: int) -> None:
        """Begin a decode."""
        self._began = self._device.now()
        self._session.decode(index)

    def synchronize(self) -> None:
        """Wait for it; without one, nothing is noted."""
        self._device.synchronize()
        if self._began is not None:
            self.decode_s.append(self._device.now() - self._began)
            self._began = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session if name == "fetch" else self._device, name)


def _asked_for(
    job: CaseJob, device: Device, session: Session, watch: Watch, samples: list[float]
) -> tuple[Timing, dict[str, Any]]:
    """A server or a player: somebody else decides when a frame is wanted, after one decode that warms up."""
    case, prepared = job.case, job.prepared
    began = device.now()
    recorded = Recorded(session, device)
    recorded.decode(_starts(job)[0])
    recorded.synchronize()
    warm_up_s, recorded.decode_s = tuple(recorded.decode_s), samples
    ended: dict[str, Any]
    if case.scenario == SERVER:
        starts = (index for (index,) in scenario.rotation(_starts(job), prepared.frames, case.batch, 1))
        bound_s, budget_s = job.server.latency_bound_s, job.stopping.budget_s
        served = climb(recorded, recorded, starts, bound_s, budget_s, SEED, time.sleep, watch)
        ended, fired = {"served": served}, LOADS if served.loads[-1].held else MISSED
    else:
        rate_hz, player = PLAYBACK_HZ[case.scenario], job.player
        ended = {
            "playback": play(
                recorded, recorded, prepared.frames, case.batch, rate_hz, player.play_s, SEED, time.sleep, watch,
                seek_every_s=player.seek_every_s, checked=_starts(job),
            )
        }  # fmt: skip
        fired = PLAYED
    return Timing(tuple(samples), warm_up_s, fired, 1, device.now() - began), ended


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before
