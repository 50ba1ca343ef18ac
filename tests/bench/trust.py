"""How often a live comparison is right: ``make bench-trust [N=100]``.

Three kinds of comparison of nerv-xs on OpenVINO with itself, N of each: equals (every verdict of "faster" or "slower"
is false), one side slowed by 1 % and one by 2 % (every other verdict than "slower" is a miss). Prints a line for each
with the count so far. N of each take three hours, so every comparison is kept as a line of ``reports/trust.jsonl``:
run it again to go on, on another machine too. The turns that it rests on are in ``--out``.

On a virtual machine the host may give the processors to others for minutes, and then nothing can be measured. So before
a comparison they are kept busy for a moment, again and again until the host takes less than ``--stolen`` of their time;
what it takes afterwards is kept beside the verdict and excludes nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import inspect
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import psutil

from nervbench.compare import paired
from nervbench.compare import verdict as verdicts
from nervbench.compare.verdict import LEVEL, Word
from nervbench.config import Bench, MatrixEntry, ModelEntry
from nervbench.records import SINGLE_STREAM, case_of
from nervbench.sweep import ground, live, turns
from nervbench.sweep.jobs import CaseJob
from nervbench.sweep.live import BOUND, Live, Rule, compare_jobs, runnable
from nervbench.sweep.local import Plan, preparation, probe_device, told

PLANTED = Path(__file__).parent / "planted"
KEPT = Path("reports/trust.jsonl")
EQUALS = "equals"
KINDS = {EQUALS: ("ov", 20.0), "1 % slower": ("ov_plus_1", 60.0), "2 % slower": ("ov_plus_2", 20.0)}
"""The other side and the seconds given to each comparison."""
TIMEOUT_S = 60.0
BUSY_S, PAUSE_S = 2.0, 20.0
COMPARISON = (paired, verdicts, live, ground, turns)
"""What makes a comparison: lines of another version of these do not count."""


def prepared(out: Path) -> tuple[str, dict[str, CaseJob]]:
    """The device's name, and the case of every runtime here, ready to be compared."""
    names = tuple(dict.fromkeys(("ov", *(other for other, _ in KINDS.values()))))
    cases = tuple(case_of("nerv-xs", "fp32", name, 1, SINGLE_STREAM, "bundled") for name in names)
    bench = Bench((ModelEntry("nerv-xs", "bundled"),), (MatrixEntry(("nerv-xs",), names),))
    plan = Plan(bench, cases, len(cases), out, platformdirs.user_cache_path("nervbench"))
    ready = told(preparation(plan), id)
    card = probe_device(plan.device, 0.0)
    return card.name, {case.runtime: runnable(ready.job(case, card)) for case in cases}


def stolen(before: Any) -> float:
    """The share of the processors' time that the host has given to others since ``before``."""
    now = psutil.cpu_times()
    return float((now.steal - before.steal) / max(sum(now) - sum(before), 1e-9))


def wait_for_calm(bound: float) -> None:
    """Return when the host has taken less than ``bound`` while all processors were asked to compute."""
    square = np.ones((512, 512), np.float32)
    while True:
        before, until_s = psutil.cpu_times(), time.monotonic() + BUSY_S
        while time.monotonic() < until_s:
            square @ square  # NumPy's library uses all of them
        if stolen(before) < bound:
            return
        time.sleep(PAUSE_S)


def is_right(kind: str, word: str) -> bool:
    """Whether the verdict is the one that is to come out."""
    return word not in (Word.FASTER, Word.SLOWER) if kind == EQUALS else word == Word.SLOWER


def line_of(kind: str, found: Live, version: str, device: str, share: float) -> dict[str, Any]:
    """A comparison as it is kept."""
    verdict = dataclasses.asdict(found.verdict)
    return {"version": version, "device": device, "kind": kind, **verdict, "wall_s": found.wall_s, "stolen": share}


def main() -> None:
    """Run N comparisons of each kind, in turn, so that a quiet hour does not favour one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--only", choices=[*KINDS])
    parser.add_argument("--stolen", type=float, default=0.05, help="share of processor time, default %(default)s")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-trust"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PLANTED), os.environ.get("PYTHONPATH", "")])
    version = hashlib.sha256("".join(map(inspect.getsource, COMPARISON)).encode()).hexdigest()[:12]
    kinds = [given.only] if given.only else [*KINDS]
    device, jobs = prepared(given.out)
    done: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for line in KEPT.read_text().splitlines() if KEPT.exists() else ():
        row = json.loads(line)
        if row["version"] == version:
            done[row["kind"]] += 1
            right[row["kind"]] += is_right(row["kind"], row["word"])
    with KEPT.open("a") as lines, (given.out / "turns.jsonl").open("a") as turns_of:
        while left := [kind for kind in kinds if done[kind] < given.n]:
            kind = min(left, key=done.__getitem__)
            other, budget_s = KINDS[kind]
            rule = Rule(budget_s, LEVEL, BOUND, done[kind])
            wait_for_calm(given.stolen)
            before = psutil.cpu_times()
            found = told(compare_jobs((jobs["ov"], jobs[other]), rule, TIMEOUT_S), id)
            verdict, share = found.verdict, stolen(before)
            lines.write(json.dumps(line_of(kind, found, version, device, share)) + "\n")
            lines.flush()
            turns_of.write(json.dumps([dataclasses.astuple(turn) for turn in found.turns]) + "\n")
            done[kind] += 1
            right[kind] += is_right(kind, verdict.word)
            line = f"{kind}: {verdict.word} {verdict.ratio:.4f} ({verdict.low:.4f} to {verdict.high:.4f})"
            print(
                f"{line} in {found.wall_s:.0f} s, {share:.0%} stolen; right {right[kind]} of {done[kind]}", flush=True
            )
    sys.exit(any(right[kind] < done[kind] * (0.99 if kind == EQUALS else 0.95) for kind in kinds))


if __name__ == "__main__":
    main()
