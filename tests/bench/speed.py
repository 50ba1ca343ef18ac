"""How fast the fastest cases are, against what they are to be measured by: ``make bench-speed [MODEL=nerv-s]``.

Every ratio is of two warm processes that take turns (``nervbench compare --live``), with the interval that goes with
it; each side's frames are compared with fp32 eager's before it is timed and after. What a case is compared with:

- the floor of its precision: matrix products of as many operations as a frame has (``planted/planted_floors.py``);
- the authors' recipe: fp32 eager, as published. Which case is the fastest depends on the processor, so several are
  asked, and one has to be fast enough;
- the graph as PyTorch exports it, in the same runtime.

Last, the seconds that an export takes, cold and from the cache. What this processor cannot do is said.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from nervbench.compare.verdict import LEVEL
from nervbench.config import Bench, MatrixEntry, ModelEntry
from nervbench.errors import CompareError
from nervbench.export.base import produce
from nervbench.model import checkpoint
from nervbench.model.zoo import spec_of
from nervbench.records import SINGLE_STREAM, case_of
from nervbench.sweep.live import BOUND, Rule, compare_live
from nervbench.sweep.local import Plan, told

PLANTED = Path(__file__).parent / "planted"
WEIGHTS = "seeded:0"


@dataclass(frozen=True, slots=True)
class Question:
    """Time of ``case`` over time of ``against``, which is to be at most ``reach``; both precision/runtime."""

    says: str
    case: str
    against: str
    reach: float


FASTEST = ("fp32/winograd", "bf16/ov", "int8/ov")
QUESTIONS = (
    Question("fp32 against its floor", "fp32/winograd", "fp32/floor", 1.05),
    Question("bf16 against its floor", "bf16/ov", "bf16/floor", 1.15),
    Question("int8 against its floor", "int8/ov", "int8/floor", 1.5),
    *(Question("against the authors' recipe", case, "fp32/eager", 1 / 5) for case in FASTEST),
    Question("ONNX Runtime, rewritten against plain", "fp32/ort", "fp32/ort_plain", 1 / 1.2),
    Question("OpenVINO, rewritten against plain", "fp32/ov", "fp32/ov_plain", 1.0),
)
EXPORT_COLD_S, EXPORT_CACHED_S = 20.0, 0.5


def answer(question: Question, model: str, out: Path, seconds: float) -> bool:
    """Measure and print one ratio; whether it is what it is to be. If it cannot be measured, the reason is printed."""
    names = [f"{model}/{side}/b1" for side in (question.against, question.case)]
    sides = (side.split("/") for side in (question.against, question.case))
    cases = tuple(case_of(model, precision, runtime, 1, SINGLE_STREAM, WEIGHTS) for precision, runtime in sides)
    runtimes = tuple(case.runtime for case in cases)
    bench = Bench((ModelEntry(model, WEIGHTS),), (MatrixEntry((model,), runtimes),))
    plan = Plan(bench, cases, len(cases), out, platformdirs.user_cache_path("nervbench"))
    try:
        found = told(compare_live(plan, Rule(seconds, LEVEL, BOUND)), id)
    except CompareError as error:
        print(f"{question.says}: not measured ({error})", flush=True)
        return False
    verdict = found.verdict
    found_so = verdict.high <= question.reach
    word = "reached" if found_so else "not reached" if verdict.low > question.reach else "undecided in this time"
    times = f"{verdict.ratio:.3f} times ({verdict.low:.3f} to {verdict.high:.3f}) the time of {names[0]}"
    print(f"{question.says}: {names[1]} takes {times}; asked: at most {question.reach:.3f}, {word}", flush=True)
    return found_so


def exported(model: str) -> bool:
    """Print how long an export takes, without what is imported once; whether that is quick enough."""
    loaded = checkpoint.seeded(spec_of(model), 0)
    with tempfile.TemporaryDirectory(prefix="nervbench-") as cache:
        took_s = []
        for _ in range(2):
            began = time.perf_counter()
            produce(loaded, "onnx_rewritten", "fp32", Path(cache))
            took_s.append(time.perf_counter() - began)
    cold_s, cached_s = took_s
    reached = cold_s <= EXPORT_COLD_S and cached_s <= EXPORT_CACHED_S
    asked = f"asked: {EXPORT_COLD_S:g} and {EXPORT_CACHED_S:g} s, {'reached' if reached else 'not reached'}"
    print(f"export of {model} to ONNX, rewritten: cold {cold_s:.1f} s, cached {cached_s:.2f} s; {asked}", flush=True)
    return reached


def main() -> None:
    """Ask every question; exit with 1 if none of those that say the same is answered as it is to be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nerv-s")
    parser.add_argument("--seconds", type=float, default=180, help="for each ratio")
    parser.add_argument("--only", default="", help="questions that contain this")
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PLANTED), os.environ.get("PYTHONPATH", "")])
    asked = [question for question in QUESTIONS if given.only in question.says]
    with tempfile.TemporaryDirectory(prefix="nervbench-") as out:
        reached = dict.fromkeys((question.says for question in asked), False)
        for question in asked:
            reached[question.says] |= answer(question, given.model, Path(out), given.seconds)
    if given.only in "export":
        reached["export"] = exported(given.model)
    sys.exit(not all(reached.values()))


if __name__ == "__main__":
    main()
