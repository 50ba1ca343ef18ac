"""Results files as the two sides of a comparison: read, gathered by case, compared case by case."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from nervbench import store
from nervbench.compare.ledger import Difference
from nervbench.compare.unpaired import BETWEEN, Comparison, compare
from nervbench.errors import ResultsError, unknown
from nervbench.records import Result

RESULTS = "results.jsonl"
Runs = dict[str, list[Result]]
"""The results of every case, by its name, in the order in which they ended."""
OWN_VERSION = frozenset({"nervbench"})
"""What may differ between two files: to compare two versions of this program is what they are mostly kept for."""


def read(path: Path) -> list[Result]:
    """The results of a file, of a run's folder, or of all the runs' folders in a folder (several runs of a case).

    Raises ResultsError where there is none.
    """
    paths = [path]
    if path.is_dir():
        paths = [path / RESULTS] if (path / RESULTS).exists() else sorted(path.glob(f"*/{RESULTS}"))
    results = [result for file in paths for result in store.read(file)]
    if not results:
        msg = f"no results in {path}; expected a {RESULTS}, the folder of a run, or a folder of such folders"
        raise ResultsError(msg)
    return results


def by_case(results: Iterable[Result]) -> Runs:
    """Results gathered by the name of their case."""
    runs: Runs = {}
    for result in results:
        runs.setdefault(result.case.name, []).append(result)
    return runs


def compare_all(
    a: Runs,
    b: Runs,
    level: float,
    bound: float,
    free: Collection[str] = OWN_VERSION,
    between: float = BETWEEN,
) -> list[Comparison]:
    """Every case of two sides against the case of the same name; one that only one side has is refused."""
    return [
        compare(a[name], b[name], level, bound, free, between) if name in a and name in b else _alone(name, name in a)
        for name in {**a, **b}
    ]


def chosen(runs: Runs, name: str, source: str) -> Sequence[Result]:
    """The runs of one case; raises ResultsError where there is none, with the nearest name."""
    if name not in runs:
        msg = f"{source}: {unknown('case', name, runs)}"
        raise ResultsError(msg)
    return runs[name]


def _alone(name: str, in_a: bool) -> Comparison:
    """The comparison that there is not, of a case with one side."""
    sides = ("present", "missing") if in_a else ("missing", "present")
    return Comparison(name, name, (Difference("case", *sides, blocking=True),))
