"""What the local executor takes of a case beside measuring it: ``make bench-overhead [N="10 100"]``.

A case is measured N times in a row, each in a fresh process, its row written as it ends. Counted is the time from one
row to the next without the timed run itself: the start of the process, imports, loading, the comparison with fp32
eager before and after, the watching process, the row. The first ten and the last ten of N are told apart, so that what
grows with the number of cases shows; with ``--rows`` so many rows are in the file before.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import platformdirs

from nervbench import store
from nervbench.config import Bench, MatrixEntry, ModelEntry
from nervbench.records import SINGLE_STREAM, Result, Status, case_of
from nervbench.settings import Stopping
from nervbench.sweep.local import RESULTS, Plan, execute

MODEL, WEIGHTS = "nerv-xs", "seeded:0"
EDGE = 10


def overheads(runtime: str, count: int, rows: int) -> list[float]:
    """Seconds of each case beside its timed run."""
    case = case_of(MODEL, "fp32", runtime, 1, SINGLE_STREAM, WEIGHTS)
    bench = Bench(
        (ModelEntry(MODEL, WEIGHTS),),
        (MatrixEntry((MODEL,), (runtime,)),),
        stopping=Stopping(noise=0.5, min_samples=5, max_samples=5, budget_s=1.0),
    )
    found: list[float] = []
    with TemporaryDirectory(prefix="nervbench-") as folder:
        out = Path(folder)
        for _ in range(rows):
            store.append(out / RESULTS, Result(case, Status.UNSUPPORTED, "was there before"))
        plan = Plan(bench, (case,) * count, count, out, platformdirs.user_cache_path("nervbench"))
        began = 0.0
        for event in execute(plan):
            if event.result is None:
                began = began or time.monotonic() if event.text == case.name else 0.0
                continue
            ended = time.monotonic()
            told = event.result.telemetry
            assert told, event.result.reason
            found.append(ended - began - (told.wall_s or 0.0))
            began = ended
    return found


def main() -> None:
    """Count and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, nargs="+", default=[10, 100], help="cases in a row, default 10 and 100")
    parser.add_argument("--rows", type=int, default=0, help="rows in the file before the first case")
    parser.add_argument("--runtimes", nargs="+", default=["eager", "ort", "ov"])
    given = parser.parse_args()
    for runtime in given.runtimes:
        for count in given.n:
            found = overheads(runtime, count, given.rows)
            first, last = median(found[:EDGE]), median(found[-EDGE:])
            print(
                f"{runtime}, {count} cases, {given.rows} rows before: {median(found):.2f} s a case "
                f"(first {EDGE}: {first:.2f}, last {EDGE}: {last:.2f}, most {max(found):.2f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
