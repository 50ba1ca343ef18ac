"""How often ``nervbench explain`` names the cause that was planted: ``make bench-explain [N=3]``.

One machine is made into several: with one thread, with an older instruction set for its library, with operators that
start late, with a slow bus to the host, with a neighbour on its processors; and a case is measured in another
precision (where the CPU has int8), by another runtime or another protocol. Each change alone and two at a time, over
several models. Two rows are measured and explained, A without and B with the changes. What each change does by itself
is measured by other rows, in other processes: that is the truth. Where nothing is planted, no cause is to be claimed.

Every pair is kept as a line of ``reports/proof.jsonl``: run it again to go on.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import inspect
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

import platformdirs
import psutil

from nervbench import store
from nervbench.config import Bench, MatrixEntry, ModelEntry
from nervbench.device.cpu import CpuDevice
from nervbench.explain import frame_model, rows, shapley
from nervbench.explain.rows import CHOICES, explain, usual
from nervbench.records import SINGLE_STREAM, STRICT, TO_HOST, DeviceCard, Result, Status, case_of
from nervbench.report import proof
from nervbench.report.proof import Line
from nervbench.settings import Stopping
from nervbench.sweep import process
from nervbench.sweep.local import Plan, Ready, preparation, probe_device, told
from tests.bench.trust import stolen, wait_for_calm

PLANTED = Path(__file__).parent / "planted"
DELAY, BUS = "PLANTED_DELAY_S", "PLANTED_BUS_BYTES_PER_S"
FAST_BUS, SLOW_BUS = "100e6", "8e6"
PROBE_S, TIMEOUT_S = 4.0, 120.0
WEIGHTS = "seeded:0"
ROUNDS = 3
"""Processes of every row; what they scatter by is part of the answer."""
KEPT, FRESH = str(1 << 32), str(1 << 16)
"""Bytes from which on the allocator of the C library takes a tensor's memory from the system and gives it back."""
MEMORY = (("MALLOC_MMAP_THRESHOLD_", KEPT), ("MALLOC_TRIM_THRESHOLD_", KEPT))
MODELS = ("nerv-xs", "nerv-xs-2blocks", "nerv-xs-3fc")
KEPT_IN = Path("reports") / proof.FILE
EXPLAINS = (frame_model, rows, shapley)
"""What explains: pairs explained by another version of these do not count."""


@dataclass(frozen=True)
class Machine:
    """How a case is measured."""

    threads: int | None = None
    variables: tuple[tuple[str, str], ...] = ()
    neighbours: int = 0
    runtime: str = "eager"
    precision: str = "fp32"
    protocol: str = STRICT
    scenario: str = SINGLE_STREAM

    def changed(self, changes: tuple[str, ...]) -> Machine:
        """With these causes."""
        machine = self
        for name in changes:
            fields = dict(CHANGES[name])
            fields["variables"] = tuple({**dict(machine.variables), **dict(fields.get("variables", ()))}.items())
            machine = dataclasses.replace(machine, **fields)
        return machine

    @property
    def hardware(self) -> tuple[Any, ...]:
        """What a probe depends on."""
        return self.threads, self.variables


CPU = CpuDevice()
OLDER_ISA = "AVX2" if any(name.startswith("avx512") for name in CPU.card().features) else "SSE41"
"""For oneDNN: older than what this machine has."""
CHANGES: dict[str, dict[str, Any]] = {
    frame_model.CORES: {"threads": 1},
    frame_model.EFFICIENCY: {"variables": (("ONEDNN_MAX_CPU_ISA", OLDER_ISA),)},
    frame_model.LAUNCH: {"variables": ((DELAY, "1e-3"),)},
    frame_model.FAULTS: {"variables": (("MALLOC_MMAP_THRESHOLD_", FRESH),)},
    frame_model.TRANSFER: {"variables": ((BUS, SLOW_BUS),)},
    frame_model.CONTENTION: {"neighbours": 1},
    "precision": {"precision": "int8"},
    "runtime": {"runtime": "ort"},
    "protocol": {"protocol": "nerv"},
}
EAGER = Machine(variables=MEMORY)
FETCHED = Machine(variables=(*MEMORY, (BUS, FAST_BUS)), scenario=TO_HOST)
OPENVINO = Machine(runtime="ov")
DEVICE = (frame_model.CORES, frame_model.EFFICIENCY, frame_model.LAUNCH, frame_model.CONTENTION)
POSSIBLE = (
    (EAGER, (*DEVICE, frame_model.FAULTS, "runtime", "protocol")),
    (FETCHED, (frame_model.TRANSFER, *DEVICE)),
    (OPENVINO, (frame_model.CORES, frame_model.CONTENTION, *(() if CPU.lacks("int8") else ("precision",)), "runtime")),
)
APART = (
    {frame_model.LAUNCH, "runtime"},
    {frame_model.EFFICIENCY, "runtime"},
    {frame_model.FAULTS, "runtime"},
    {"protocol", "runtime"},
    {"precision", "runtime"},
)
"""Changes of which one undoes the other, or that no row can have both."""


@dataclass(frozen=True)
class Pair:
    """A, and what is planted in B."""

    model: str
    base: Machine
    planted: tuple[str, ...]
    turn: int

    @property
    def name(self) -> str:
        base = {EAGER: "eager", FETCHED: "fetched", OPENVINO: "ov"}[self.base]
        return f"{self.model}/{base}/{' + '.join(self.planted) or 'nothing'}/{self.turn}"


def pairs(turns: int) -> Iterator[Pair]:
    """All pairs: those of one model after the other's, again and again."""
    for turn in range(turns):
        model = MODELS[turn % len(MODELS)]
        for base, causes in POSSIBLE:
            yield Pair(model, base, (), turn)
            for count in (1, 2):
                for planted in combinations(causes, count):
                    fetched_before = base is FETCHED and frame_model.TRANSFER not in planted
                    if set(planted) not in APART and not fetched_before:
                        yield Pair(model, base, planted, turn)


@contextlib.contextmanager
def made(machine: Machine) -> Iterator[None]:
    """This process, and those that it starts, on such a machine."""
    before, allowed = dict(os.environ), os.sched_getaffinity(0)
    beside = []
    try:
        os.environ |= dict(machine.variables)
        if machine.threads:
            os.sched_setaffinity(0, sorted(allowed)[: machine.threads])
        beside = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(machine.neighbours)]
        yield
    finally:
        for each in beside:
            each.kill()
            each.wait()
        os.sched_setaffinity(0, allowed)
        os.environ.clear()
        os.environ |= before


@dataclass
class Workshop:
    """What is ready to be measured, and the probes that were made."""

    ready: Ready
    cards: dict[tuple[Any, ...], DeviceCard] = dataclasses.field(default_factory=dict)

    def row(self, model: str, machine: Machine) -> Result:
        """One row, of a fresh process."""
        if machine.hardware not in self.cards:
            with made(dataclasses.replace(machine, neighbours=0)):
                self.cards[machine.hardware] = probe_device("planted", PROBE_S)
        case = case_of(model, machine.precision, machine.runtime, 1, machine.scenario, WEIGHTS, machine.protocol)
        job = self.ready.job(case, self.cards[machine.hardware])
        if isinstance(job, Result):
            sys.exit(f"{case.name}: {job.status.value}, {job.reason}")
        with made(machine):
            result: Result | process.Died = process.run(job, TIMEOUT_S)
        if isinstance(result, process.Died) or result.status is not Status.OK:
            sys.exit(f"{case.name}: {result}"[:2000])
        return result

    def runs(self, pair: Pair) -> dict[str, list[Result]]:
        """Several runs of A, B, each change alone and, of choices, the rows that a sweep has beside, in turns."""
        machines = {"A": pair.base, "B": pair.base.changed(pair.planted)}
        machines |= {f"alone {cause}": pair.base.changed((cause,)) for cause in pair.planted}
        if len(pair.planted) > 1:
            machines |= {f"beside {cause}": pair.base.changed((cause,)) for cause in pair.planted if cause in CHOICES}
        found: dict[str, list[Result]] = {name: [] for name in machines}
        order = random.Random(pair.name)
        for _ in range(ROUNDS):
            for name in order.sample(list(machines), len(machines)):
                found[name].append(self.row(pair.model, machines[name]))
        return found


def prepared(out: Path, wanted: list[Pair]) -> Ready:
    """Every case of the pairs, ready to be measured."""
    models = tuple(dict.fromkeys(pair.model for pair in wanted))
    bench = Bench(
        tuple(ModelEntry(model, WEIGHTS) for model in models),
        (MatrixEntry(models, ("eager", "ort", "ov")),),
        stopping=Stopping(noise=0.01, min_samples=12, budget_s=1.0),
    )
    precisions = ("fp32",) if CPU.lacks("int8") else ("fp32", "int8")
    runs = (("fp32", "eager"), ("fp32", "ort"), *((precision, "ov") for precision in precisions))
    cases = tuple(
        case_of(model, precision, runtime, 1, SINGLE_STREAM, WEIGHTS) for model in models for precision, runtime in runs
    )
    return told(
        preparation(Plan(bench, cases, len(cases), out, platformdirs.user_cache_path("nervbench"), "planted")), id
    )


def measured(pair: Pair, workshop: Workshop, version: str) -> Line:
    """A pair's line: what was explained, and what each change does by itself."""
    before = psutil.cpu_times()
    runs = workshop.runs(pair)
    (a, between_a), (b, between_b) = usual(runs["A"]), usual(runs["B"])
    beside = [a, *(usual(found)[0] for name, found in runs.items() if name.startswith("beside"))]
    gap = explain(a, b, beside if len(beside) > 1 else (), between=(between_a, between_b))
    times = {name: [frame_model.frame_time(run) for run in found] for name, found in runs.items()}
    truth = {cause: math.log(median(times["A"]) / median(times[f"alone {cause}"])) for cause in pair.planted}
    return Line(
        pair=pair.name,
        planted=pair.planted,
        version=version,
        device=a.device.name if a.device else "",
        whole=math.log(gap.whole.factor),
        found={part.cause: (math.log(part.factor), math.log(part.low), math.log(part.high)) for part in gap.parts},
        residual=math.log(gap.residual.factor),
        truth=truth,
        evidence={part.cause: part.evidence for part in gap.parts},
        times_s={name: tuple(found) for name, found in times.items()},
        stolen=stolen(before),
    )


def main() -> None:
    """Measure the pairs that are left, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=3, help="turns through all pairs, each with another model")
    parser.add_argument("--only", default="", help="pairs whose name has this in it")
    parser.add_argument("--stolen", type=float, default=0.05, help="share of processor time, default %(default)s")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-explain"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PLANTED), os.environ.get("PYTHONPATH", "")])
    version = hashlib.sha256("".join(map(inspect.getsource, EXPLAINS)).encode()).hexdigest()[:12]
    lines = [line for line in proof.read(KEPT_IN) if line.version == version]
    done = {line.pair for line in lines}
    wanted = [pair for pair in pairs(given.n) if given.only in pair.name and pair.name not in done]
    if wanted:
        os.environ[BUS] = FAST_BUS
        workshop = Workshop(prepared(given.out, wanted))
        del os.environ[BUS]
        for pair in wanted:
            wait_for_calm(given.stolen)
            line = measured(pair, workshop, version)
            store.append_line(KEPT_IN, proof.to_line(line))
            lines.append(line)
            told_as = ", ".join(f"{cause} {log:+.3f}" for cause, (log, _, _) in line.found.items())
            truth = ", ".join(f"{cause} {log:+.3f}" for cause, log in line.truth.items())
            held = f"named {line.named}, share {line.near}" if line.planted else f"silent {line.silent}"
            print(f"{pair.name}: {told_as}; truth {truth}; residual {line.residual:+.3f}; {held}", flush=True)
    for what, count, of in proof.counted(lines):
        print(f"{what}: {count} of {of}")


if __name__ == "__main__":
    main()
