"""How often ``nervbench explain`` names the cause that was planted: ``make bench-explain [N=3]``.

One machine is made into several: with one thread, with an older instruction set for its library, with operators that
start late, with a slow bus to the host, with a neighbour on its processors; and a case is measured in another
precision (where the CPU has int8), by another runtime or by another protocol, which counts a first call that takes
long. Each change alone and two at a time, over several models. Two rows are measured and explained, A without and B
with the changes. What each change does by itself is measured by other rows, in other processes: that is the truth; of
two, what each does by itself and on top of the other, the mean, as the split is to be. Where nothing is planted, no
cause is to be claimed.

All pairs of one model on one machine are measured at the same time, by processes that take short turns: a virtual
machine may be half as fast again in one second as in the next, without anything that tells. What others had of the
processors is counted in a row's own turns; a row with neighbours has a single one. A is the same in these pairs; the
truth is of other processes.

Every pair is kept as a line of ``reports/proof.jsonl``, those of a block at its end: run it again to go on. The rows
themselves stay in the folder ``--out``: with ``--again`` they are explained once more, by what explains now.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import inspect
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median, stdev
from typing import Any

import platformdirs

from nervbench import store
from nervbench.config import MAX_LOSS_DB, Bench, MatrixEntry, ModelEntry, Verify
from nervbench.device.cpu import CpuDevice
from nervbench.explain import frame_model, row_figures, rows, shapley
from nervbench.explain.rows import BETWEEN, CHOICES, explain
from nervbench.records import SINGLE_STREAM, STRICT, TO_HOST, Ceilings, DeviceCard, Result, case_of
from nervbench.report import proof
from nervbench.report.proof import Line
from nervbench.settings import Stopping
from nervbench.sweep.jobs import CaseJob
from nervbench.sweep.live import runnable
from nervbench.sweep.local import Plan, Ready, preparation, probe_device, told
from tests.bench.in_turns import Machine, in_turns, made
from tests.bench.trust import wait_for_calm

PLANTED = Path(__file__).parent / "planted"
DELAY, BUS = "PLANTED_DELAY_S", "PLANTED_BUS_BYTES_PER_S"
FAST_BUS, SLOW_BUS = "100e6", "8e6"
PROBE_S, PROBES = 2.0, 4
WEIGHTS = "seeded:0"
ROUNDS = 6
"""Processes of every row; what they scatter by is part of the answer."""
LONGER: dict[str, Any] = {"budget_s": 1.5, "warm_up": 5}
"""For rows with neighbours, whose samples scatter more than others'."""
PUBLISHED: dict[str, Any] = {"budget_s": 2.0}
"""For published protocols, which end after every tenth call only: a first call that takes long, and dozens more."""
KEPT, FRESH = str(1 << 32), str(1 << 16)
"""Bytes from which on the allocator of the C library takes a tensor's memory from the system and gives it back."""
MEMORY = (("MALLOC_MMAP_THRESHOLD_", KEPT), ("MALLOC_TRIM_THRESHOLD_", KEPT))
MODELS = ("nerv-xs", "nerv-xs-2blocks", "nerv-xs-3fc")
KEPT_IN = Path("reports") / proof.FILE
EXPLAINS = (frame_model, row_figures, rows, shapley)
"""What explains: pairs explained by another version of these do not count."""


Runs = list[dict[str, Result]]
"""The rows of each run of a block, by name."""
CPU = CpuDevice()
OLDER_ISA = "SSE41"
"""For oneDNN: the oldest that it has kernels for. By AVX2 a processor that halves AVX-512 is as fast."""
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


def changed(machine: Machine, causes: tuple[str, ...]) -> Machine:
    """A machine with these causes."""
    for name in causes:
        fields = dict(CHANGES.get(name) or {"runtime": OTHER_RUNTIME[machine.runtime]})
        fields["variables"] = tuple({**dict(machine.variables), **dict(fields.get("variables", ()))}.items())
        machine = dataclasses.replace(machine, **fields)
    return machine


@dataclass(frozen=True)
class Block:
    """A model on a machine, and every set of causes that is planted there: what is measured at the same time."""

    model: str
    base: Machine
    causes: tuple[str, ...]
    turn: int

    @property
    def planted(self) -> list[tuple[str, ...]]:
        """Nothing, each cause, and any two that go together."""
        slow_bus = self.base is FETCHED  # without it, nothing is new there
        sets = [(), *((cause,) for cause in self.causes), *combinations(self.causes, 2)]
        return [
            each
            for each in sets
            if set(each) not in APART and not (slow_bus and each and frame_model.TRANSFER not in each)
        ]

    @property
    def alone(self) -> list[str]:
        """The causes whose truth is asked for."""
        return [cause for cause in self.causes if any(cause in each for each in self.planted)]

    def name(self, planted: tuple[str, ...]) -> str:
        """A pair's name."""
        base = {EAGER: "eager", FETCHED: "fetched", OPENVINO: "ov"}[self.base]
        return f"{self.model}/{base}/{' + '.join(planted) or 'nothing'}/{self.turn}"

    @property
    def machines(self) -> dict[str, Machine]:
        """What is measured, by name: A, B of each set of causes (with nothing planted an A of its own), each alone."""
        found = {"A": self.base}
        found |= {f"B {' + '.join(each)}": changed(self.base, each) for each in self.planted}
        return found | {f"alone {cause}": changed(self.base, (cause,)) for cause in self.alone}


def blocks(turns: int) -> Iterator[Block]:
    """All of them: those of one model after the other's, again and again."""
    for turn in range(turns):
        for base, causes in POSSIBLE:
            yield Block(MODELS[turn % len(MODELS)], base, causes, turn)


@dataclass
class Workshop:
    """What is ready to be measured, and the probes that were made."""

    ready: Ready
    cards: dict[tuple[Any, ...], DeviceCard] = dataclasses.field(default_factory=dict)

    def probe(self, machines: Sequence[Machine]) -> None:
        """Probe every machine that was not, all of them again and again: this one is slower for minutes, now and then.

        Ceilings that are of other minutes would differ by that.
        """
        wanted = {each.hardware: each for each in machines if each.hardware not in self.cards}
        cards: dict[tuple[Any, ...], list[DeviceCard]] = {hardware: [] for hardware in wanted}
        for _ in range(PROBES):
            for hardware, machine in wanted.items():
                with made(machine):
                    cards[hardware].append(probe_device("planted", PROBE_S))
        self.cards |= {hardware: best(found) for hardware, found in cards.items()}

    def job(self, model: str, machine: Machine) -> CaseJob:
        """The job of one row."""
        case = case_of(model, machine.precision, machine.runtime, 1, machine.scenario, WEIGHTS, machine.protocol)
        job = runnable(self.ready.job(case, self.cards[machine.hardware]))
        budget = (LONGER if machine.neighbours else {}) | (PUBLISHED if machine.protocol != STRICT else {})
        return dataclasses.replace(job, stopping=dataclasses.replace(job.stopping, **budget))

    def runs(self, block: Block, number: int) -> dict[str, Result]:
        """One run of all that a block measures."""
        machines = block.machines
        jobs = {name: self.job(block.model, machine) for name, machine in machines.items()}
        return in_turns(jobs, machines, f"{block.name(())} {number}")


def best(cards: Sequence[DeviceCard]) -> DeviceCard:
    """What was the best of several probes: what disturbs one makes it slower. What one did not see is not known."""
    every = [dataclasses.asdict(card.ceilings) for card in cards if card.ceilings]
    found: dict[str, Any] = {}
    for name, first in every[0].items():
        seen = [each[name] for each in every]
        if isinstance(first, dict):
            found[name] = {key: max(each[key] for each in seen) for key in first}
        else:
            found[name] = None if None in seen else (max if name.endswith("per_s") else min)(seen)
    return dataclasses.replace(cards[0], ceilings=Ceilings(**found))


def prepared(out: Path, models: tuple[str, ...]) -> Ready:
    """Every case of the models, ready to be measured."""
    bench = Bench(
        tuple(ModelEntry(model, WEIGHTS) for model in models),
        (MatrixEntry(models, ("eager", "ort", "ov")),),
        verify=Verify(
            max_loss_db=MAX_LOSS_DB | {"int8": 3.0}
        ),  # random weights lose more than trained ones; speed is asked for
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


def measured(block: Block, workshop: Workshop, folder: Path, bound: float) -> Runs:
    """The rows of a block, kept as they come."""
    every = []
    for number in range(ROUNDS):
        wait_for_calm(bound)
        every.append(workshop.runs(block, number))
        kept_in(folder, block, number).unlink(missing_ok=True)
        for row in every[-1].values():
            store.append(kept_in(folder, block, number), row)
    return every


def kept_in(folder: Path, block: Block, number: int) -> Path:
    """Where the rows of one run of a block are, in the order of its machines."""
    return folder / f"{block.name(()).replace('/', '-')}-{number}.jsonl"


def kept(block: Block, folder: Path) -> Runs | None:
    """The rows of a block as :func:`measured` kept them; None where some are missing."""
    files = [store.read(path) for number in range(ROUNDS) if (path := kept_in(folder, block, number)).exists()]
    if [len(rows) for rows in files] != [len(block.machines)] * ROUNDS:
        return None
    return [dict(zip(block.machines, rows, strict=True)) for rows in files]


def explained(block: Block, every: Runs, version: str) -> Iterator[Line]:
    """A block's lines: what was explained of every pair, and what each change does by itself."""
    seen = [row.telemetry.meanwhile for found in every for row in found.values() if row.telemetry]
    share = max((each.steal_share or 0.0 for each in seen if each), default=0.0)
    runs = {name: [found[name] for found in every] for name in every[0]}
    times = {name: tuple(map(row_figures.frame_time, found)) for name, found in runs.items()}
    for planted in block.planted:
        name = f"B {' + '.join(planted)}"
        a, b, between = usual_pair(runs["A"], runs[name])
        choices = [cause for cause in planted if cause in CHOICES] if len(planted) > 1 else []
        beside = [row for cause in choices for row in usual_pair(runs["A"], runs[f"B {cause}"])[:2]]
        gap = explain(a, b, beside, between=(between, 0.0))
        alone = {f"alone {cause}": times[f"alone {cause}"] for cause in planted}
        yield Line(
            pair=block.name(planted),
            planted=planted,
            version=version,
            device=a.device.name if a.device else "",
            whole=math.log(gap.whole.factor),
            found={part.cause: (math.log(part.factor), math.log(part.low), math.log(part.high)) for part in gap.parts},
            residual=math.log(gap.residual.factor),
            truth=truth_of(planted, times),
            evidence={part.cause: part.evidence for part in gap.parts},
            times_s={"A": times["A"], "B": times[name], "another A": times["B "], **alone},
            stolen=share,
        )


def usual_pair(before: Sequence[Result], after: Sequence[Result]) -> tuple[Result, Result, float]:
    """Of the runs of two rows the one in the middle by their ratio, and how uncertain its logarithm is thereby.

    Both rows of a run took turns: a machine that is slower for a while is so for both.
    """
    logs = ratios(*([row_figures.frame_time(row) for row in rows] for rows in (before, after)))
    at = sorted(range(len(logs)), key=logs.__getitem__)[(len(logs) - 1) // 2]
    return before[at], after[at], max(BETWEEN, stdev(logs)) / math.sqrt(len(logs))


def truth_of(planted: tuple[str, ...], times: Mapping[str, tuple[float, ...]]) -> dict[str, float]:
    """What each cause changes: by itself or, of two, the mean of by itself and on top of the other."""
    unchanged = times["B "]
    alone = {cause: log_ratio(unchanged, times[f"alone {cause}"]) for cause in planted}
    if len(planted) < 2:
        return alone
    one, other = planted
    both = log_ratio(unchanged, times[f"B {one} + {other}"])
    return {one: (alone[one] + both - alone[other]) / 2, other: (alone[other] + both - alone[one]) / 2}


def log_ratio(before: Sequence[float], after: Sequence[float]) -> float:
    """Logarithm of how much the speed changes, the median of all runs."""
    return median(ratios(before, after))


def ratios(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """Logarithms of how much the speed changes, in each run."""
    return [math.log(one / other) for one, other in zip(before, after, strict=True)]


def write(lines: Iterator[Line]) -> None:
    """Keep a block's lines and tell them."""
    for line in lines:
        store.append_line(KEPT_IN, proof.to_line(line))
        tell(line)


def tell(line: Line) -> None:
    """What was found of a pair, and what is true."""
    told_as = ", ".join(f"{cause} {log:+.3f}" for cause, (log, _, _) in line.found.items())
    truth = ", ".join(f"{cause} {log:+.3f}" for cause, log in line.truth.items())
    held = f"named {line.named}, share {line.near}" if line.planted else f"silent {line.silent}"
    print(f"{line.pair}: {told_as}; truth {truth}; residual {line.residual:+.3f}; {held}", flush=True)


def main() -> None:
    """Measure the blocks that are left, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=3, help="turns through all pairs, each with another model")
    parser.add_argument("--only", default="", help="blocks whose first pair has this in its name")
    parser.add_argument("--stolen", type=float, default=0.05, help="share of processor time, default %(default)s")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-explain"))
    parser.add_argument("--again", action="store_true", help="explain the rows kept in --out, measure nothing")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PLANTED), os.environ.get("PYTHONPATH", "")])
    version = hashlib.sha256("".join(map(inspect.getsource, EXPLAINS)).encode()).hexdigest()[:12]
    done = {line.pair for line in proof.read(KEPT_IN) if line.version == version}
    wanted = [
        block
        for block in blocks(given.n)
        if given.only in block.name(()) and not {block.name(each) for each in block.planted} <= done
    ]
    if given.again:
        for block in wanted:
            if found := kept(block, given.out):
                write(explained(block, found, version))
    elif wanted:
        os.environ[BUS] = FAST_BUS
        workshop = Workshop(prepared(given.out, tuple(dict.fromkeys(block.model for block in wanted))))
        del os.environ[BUS]
        workshop.probe([machine for block in wanted for machine in block.machines.values()])
        for block in wanted:
            write(explained(block, measured(block, workshop, given.out, given.stolen), version))
    for what, count, of in proof.counted([line for line in proof.read(KEPT_IN) if line.version == version]):
        print(f"{what}: {count} of {of}")


if __name__ == "__main__":
    main()
