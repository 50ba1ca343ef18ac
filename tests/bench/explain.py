"""How often ``nervbench explain`` names the cause that was planted: ``make bench-explain [N=3]``.

One machine is made into several: with one thread, with an older instruction set for its library, with operators that
start late, with a slow bus to the host, with a neighbour on its processors; and a case is measured in another
precision (where the CPU has int8), by another runtime or another protocol. Each change alone and two at a time, over
several models. Two rows are measured and explained, A without and B with the changes. What each change does by itself
is measured by other rows, in other processes: that is the truth. Where nothing is planted, no cause is to be claimed.

All rows of a pair are measured at the same time, by processes that take turns of a tenth of a second: a virtual machine
may be half as fast again in one second as in the next, without anything that tells. What others had of the processors
is counted in a row's own turns.

Every pair is kept as a line of ``reports/proof.jsonl``: run it again to go on.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import inspect
import math
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from multiprocessing.connection import Client, Connection, Listener
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
from nervbench.records import SINGLE_STREAM, STRICT, TO_HOST, Ceilings, DeviceCard, Result, Status, case_of
from nervbench.report import proof
from nervbench.report.proof import Line
from nervbench.settings import Stopping
from nervbench.sweep import process
from nervbench.sweep.jobs import CaseJob
from nervbench.sweep.live import runnable
from nervbench.sweep.local import Plan, Ready, preparation, probe_device, told
from tests.bench.planted.planted_turns import NAME, OVER, TURNS
from tests.bench.trust import stolen, wait_for_calm

PLANTED = Path(__file__).parent / "planted"
DELAY, BUS = "PLANTED_DELAY_S", "PLANTED_BUS_BYTES_PER_S"
FAST_BUS, SLOW_BUS = "100e6", "8e6"
PROBE_S, TIMEOUT_S = 3.0, 600.0
REST_S = 0.03
"""Between two turns: threads of libraries wait for work in loops for a while before they sleep."""
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
    neighbours: bool = False
    runtime: str = "eager"
    precision: str = "fp32"
    protocol: str = STRICT
    scenario: str = SINGLE_STREAM

    def changed(self, changes: tuple[str, ...]) -> Machine:
        """With these causes."""
        machine = self
        for name in changes:
            fields = dict(CHANGES.get(name) or {"runtime": OTHER_RUNTIME[machine.runtime]})
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
    frame_model.CONTENTION: {"neighbours": True},
    "precision": {"precision": "int8"},
    "protocol": {"protocol": "nerv"},
}
OTHER_RUNTIME = {"eager": "ort", "ov": "eager"}
"""One that takes another time on every CPU."""
EAGER = Machine(variables=MEMORY)
FETCHED = Machine(variables=(*MEMORY, (BUS, FAST_BUS)), scenario=TO_HOST)
OPENVINO = Machine(variables=MEMORY, runtime="ov")
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
    """This process, and those that it starts, on such a machine; its neighbours are not there yet."""
    before, allowed = dict(os.environ), os.sched_getaffinity(0)
    try:
        os.environ |= dict(machine.variables)
        if machine.threads:
            os.sched_setaffinity(0, sorted(allowed)[: machine.threads])
        yield
    finally:
        os.sched_setaffinity(0, allowed)
        os.environ.clear()
        os.environ |= before


@contextlib.contextmanager
def neighbours_of(machine: Machine) -> Iterator[list[subprocess.Popen[bytes]]]:
    """One on each of its processors, where such a machine has any: they compute when they are let go on.

    A single one would take another processor each time, or the same for long.
    """
    with made(machine):
        processors = os.sched_getaffinity(0) if machine.neighbours else ()
    with contextlib.ExitStack() as stack:
        beside = []
        for processor in processors:
            command = f"import os; os.sched_setaffinity(0, {{{processor}}})\nwhile True: pass"
            beside.append(subprocess.Popen([sys.executable, "-c", command]))
            stack.callback(beside[-1].wait)
            stack.callback(beside[-1].kill)
            beside[-1].send_signal(signal.SIGSTOP)
        yield beside


@dataclass
class Turns:
    """Lets the processes of a pair go on, one at a time; a neighbour computes in the turns of its process."""

    listener: Listener
    chance: random.Random

    def give(self, neighbours: Mapping[str, Sequence[subprocess.Popen[bytes]]]) -> dict[str, tuple[float, float]]:
        """Until all have ended. By name, what share of the processors others had, and the host of this machine.

        One that ends before its time, and one that does not come, is left out.
        """
        doors: dict[str, Connection] = {}
        while len(doors) < len(neighbours):
            door = self.listener.accept()
            doors[door.recv()] = door
        had: dict[str, tuple[float, float]] = {}
        left = list(neighbours)
        while left:
            for name in self.chance.sample(left, len(left)):
                time.sleep(REST_S)
                with running(neighbours[name]):
                    try:
                        doors[name].send(None)
                        answer = doors[name].recv()
                    except (EOFError, ConnectionError):
                        left.remove(name)
                        continue
                if answer is not OVER:
                    had[name] = answer
                    left.remove(name)
        for name in had:
            doors[name].send(None)
        return had


@contextlib.contextmanager
def running(stopped: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """These compute while the block runs."""
    for each in stopped:
        each.send_signal(signal.SIGCONT)
    yield
    for each in stopped:
        each.send_signal(signal.SIGSTOP)


def measured_row(job: CaseJob, machine: Machine, address: str, name: str) -> Result | process.Died:
    """One row, in turns; called in a process of its own."""
    with made(machine):
        os.environ |= {TURNS: address, NAME: name}
        answer: Result | process.Died = process.run(job, TIMEOUT_S)
    with Client(address) as door:  # in the place of a process that never came, which would be waited for
        door.send(name)
    return answer


@dataclass
class Workshop:
    """What is ready to be measured, and the probes that were made."""

    ready: Ready
    cards: dict[tuple[Any, ...], DeviceCard] = dataclasses.field(default_factory=dict)

    def job(self, model: str, machine: Machine) -> CaseJob:
        """The job of one row."""
        if machine.hardware not in self.cards:
            with made(machine):
                self.cards[machine.hardware] = best([probe_device("planted", PROBE_S) for _ in range(ROUNDS)])
        case = case_of(model, machine.precision, machine.runtime, 1, machine.scenario, WEIGHTS, machine.protocol)
        return runnable(self.ready.job(case, self.cards[machine.hardware]))

    def runs(self, pair: Pair) -> dict[str, list[Result]]:
        """Several runs of A, B, each change alone and, of choices, the rows that a sweep has beside, in turns."""
        machines = {"A": pair.base, "B": pair.base.changed(pair.planted)}
        machines |= {f"alone {cause}": pair.base.changed((cause,)) for cause in pair.planted}
        if len(pair.planted) > 1:
            machines |= {f"beside {cause}": pair.base.changed((cause,)) for cause in pair.planted if cause in CHOICES}
        every = {(name, number): machine for number in range(ROUNDS) for name, machine in machines.items()}
        jobs = {key: self.job(pair.model, machine) for key, machine in every.items()}
        with (
            contextlib.ExitStack() as stack,
            ProcessPoolExecutor(len(every), multiprocessing.get_context("fork")) as pool,
            tempfile.TemporaryDirectory(prefix="nervbench-") as folder,
            Listener(str(Path(folder) / "turns"), backlog=2 * len(every)) as listener,
        ):
            neighbours = {str(key): stack.enter_context(neighbours_of(machine)) for key, machine in every.items()}
            address = str(listener.address)
            asked = {key: pool.submit(measured_row, jobs[key], every[key], address, str(key)) for key in every}
            had = Turns(listener, random.Random(pair.name)).give(neighbours)
            rows = {key: in_turns(answer.result(), had.get(str(key))) for key, answer in asked.items()}
        return {name: [rows[name, number] for number in range(ROUNDS)] for name in machines}


def best(cards: Sequence[DeviceCard]) -> DeviceCard:
    """What was the best of several probes: what disturbs one makes it slower."""
    every = [dataclasses.asdict(card.ceilings) for card in cards if card.ceilings]
    found: dict[str, Any] = {}
    for name, first in every[0].items():
        seen = [each[name] for each in every if each[name] is not None]
        if isinstance(first, dict):
            found[name] = {key: max(each[key] for each in seen) for key in first}
        else:
            found[name] = (max if name.endswith("per_s") else min)(seen, default=None)
    return dataclasses.replace(cards[0], ceilings=Ceilings(**found))


def in_turns(row: Result | process.Died, had: tuple[float, float] | None) -> Result:
    """A row that says what others had of the processors in its turns; ends the program where it was not measured."""
    if isinstance(row, process.Died) or row.status is not Status.OK or not had:
        sys.exit(f"{row}"[:2000])
    seen = row.telemetry and row.telemetry.meanwhile
    if not row.telemetry or not seen:
        sys.exit(f"{row.case.name}: nobody watched the machine: {row.telemetry and row.telemetry.unwatched}")
    seen = dataclasses.replace(seen, others_cpu_share=max(0.0, had[0]), steal_share=had[1])
    return dataclasses.replace(row, telemetry=dataclasses.replace(row.telemetry, meanwhile=seen))


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
