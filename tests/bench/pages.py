"""How long a report takes of many results: ``make bench-report [N="1000 10000"]``.

Results of two models on every runtime and precision, 200 samples each, are written to a folder; ``nervbench report``
makes the pages of it in a process of its own, whose whole time and largest memory are told, and the time a result, so
that what does not grow linearly shows.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from nervbench import store
from tests.report.factory import made

SAMPLES = 200
KINDS = list(product(("nerv-s", "nerv-xs"), ("eager", "ort", "ov", "torchscript"), ("fp32", "bf16", "int8")))


def fill(path: Path, number: int) -> None:
    """Results of so many batches as it takes."""
    random = np.random.default_rng(0)
    with path.open("w") as file:
        for place in range(number):
            model, runtime, precision = KINDS[place % len(KINDS)]
            samples_s = tuple((0.05 * random.lognormal(0, 0.05, SAMPLES)).tolist())
            row = made(model, runtime, precision, samples_s, batch=1 + place // len(KINDS))
            file.write(f"{store.to_line(row)}\n")


def made_in(folder: Path) -> tuple[float, float]:
    """Seconds that the report of a folder takes, and the GiB that it holds at most."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "nervbench", "report", str(folder)], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit("the report could not be made")
    return time.monotonic() - began, used.ru_maxrss / (1 << 20)


def main() -> None:
    """Make reports of more and more results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, nargs="+", default=[1000, 10_000], help="results, default 1000 and 10000")
    parser.add_argument("--rounds", type=int, default=3, help="reports of each number, in turns")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="nervbench-") as below:
        for number in given.n:
            (Path(below) / str(number)).mkdir()
            fill(Path(below) / str(number) / "results.jsonl", number)
        found: dict[int, list[tuple[float, float]]] = {number: [] for number in given.n}
        for _, number in product(range(given.rounds), given.n):
            found[number].append(made_in(Path(below) / str(number)))
        for number, each in found.items():
            seconds = sorted(taken_s for taken_s, _ in each)
            print(
                f"{number} results: {seconds[0]:.2f} to {seconds[-1]:.2f} s, {1e3 * seconds[0] / number:.2f} ms each, "
                f"{max(held for _, held in each):.2f} GiB",
                flush=True,
            )


if __name__ == "__main__":
    main()
