"""A clip of four frames, nerv-xs weights that fit it, and the fake runtimes on the path of child processes."""

from __future__ import annotations

import dataclasses
import os
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from nervbench.config import Bench, ClipSource, Limits, MatrixEntry, ModelEntry, Verify
from nervbench.model import checkpoint
from nervbench.model.network import FrameDecoder, positions
from nervbench.model.zoo import spec_of
from nervbench.records import SINGLE_STREAM, Result, case_of
from nervbench.settings import Stopping
from nervbench.sweep import local
from nervbench.sweep.jobs import Job
from nervbench.sweep.local import Event, Plan, execute, preparation, remaining, told
from tests.here import HERE, run_here

FAKES = Path(__file__).parent / "fakes"
FRAMES = 4
SEEDED = "seeded:3"


@dataclass(frozen=True)
class Studio:
    """Where the sweeps of these tests take place."""

    root: Path
    clip: Path
    trained: Path
    """A checkpoint whose frames are those of the clip, but for the noise that was put on the clip."""

    @property
    def cache(self) -> Path:
        """The cache that all sweeps share."""
        return self.root / "cache"

    def plan(
        self, out: Path, names: list[str], weights: str = SEEDED, timeout_s: float = 60.0, budget_s: float = 2.0
    ) -> Plan:
        """The cases ``runtime/precision/batch/scenario[/protocol]`` that have no row yet."""
        parts = [name.split("/") for name in names]
        cases = tuple(
            case_of("nerv-xs", precision, runtime, int(batch), scenario, weights, *protocol)
            for runtime, precision, batch, scenario, *protocol in parts
        )
        bench = Bench(
            models=(ModelEntry("nerv-xs", weights),),
            matrix=(MatrixEntry(("nerv-xs",), ("works",)),),
            clip=ClipSource(str(self.clip)),
            stopping=Stopping(max_samples=12, budget_s=budget_s),
            limits=Limits(timeout_s),
            verify=Verify(frames=2),
        )
        out.mkdir(exist_ok=True)
        return Plan(bench, remaining(cases, out / local.RESULTS), len(cases), out, self.cache)


def ended(plan: Plan) -> tuple[dict[str, Result], list[Event]]:
    """Do the plan: the results by runtime, and all events."""
    events = list(execute(plan))
    results = [event.result for event in events if event.result]
    return {result.case.runtime: result for result in results}, events


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """Clip and weights on disk, fakes on the path; no time spent on probing the device or on starting to prepare.

    Preparation in processes of their own is what the tests of ``nervbench run`` do.
    """
    root = tmp_path_factory.mktemp("studio")
    weights = dataclasses.replace(checkpoint.seeded(spec_of("nerv-xs"), 3), frames=FRAMES)
    trained = root / "trained.safetensors"
    checkpoint.save(trained, weights)
    decoder = FrameDecoder(weights.model())
    generator = np.random.default_rng(0)
    (root / "clip").mkdir()
    for index in range(FRAMES):
        with torch.inference_mode():
            frame = decoder(positions(torch.tensor([index]), FRAMES))[0].numpy()
        noisy = np.clip(frame + generator.normal(0, 5, frame.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(root / "clip" / f"{index}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "PROBE_S", 0.0)
        patch.setattr(local, "process", HERE)
        patch.setenv("PYTHONPATH", str(FAKES), prepend=os.pathsep)
        made = Studio(root, root / "clip", trained)
        plan = made.plan(root / "all", [f"works/fp32/1/{SINGLE_STREAM}"])
        every = dataclasses.replace(plan.bench, verify=Verify(frames=FRAMES))
        told(preparation(dataclasses.replace(plan, bench=every)), lambda _: None)  # fakes decode whatever is asked for
        yield made


@pytest.fixture(scope="session")
def kept(studio: Studio) -> Path:
    """A folder with what :data:`tests.bench.kills.PROGRAM` keeps of a preparation, done in this process."""
    folder = studio.root / "kept"
    folder.mkdir()

    def keep(job: Job, timeout_s: float) -> Any:
        answer = run_here(job, timeout_s)
        if isinstance(job, tuple):
            (folder / type(job[0]).__name__).write_bytes(pickle.dumps(answer))
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HERE, "run", keep)
        told(preparation(studio.plan(studio.root / "keeps", [f"works/fp32/1/{SINGLE_STREAM}"])), lambda _: None)
    return folder
