"""A suite's folder, read: its rows, and what every arm came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nervbench import rates, store, suites, trials
from nervbench.rates import RatePoint
from nervbench.records import FAILED, Result, Status
from nervbench.report.effects import Measured, measured
from nervbench.report.rows import latest, one_line
from nervbench.suites import Arm, Known, Suite
from nervbench.suites.chosen import FILE as CHOSEN
from nervbench.suites.chosen import Chosen
from nervbench.suites.chosen import read as read_chosen
from nervbench.trials import Trial

RESULTS = "results.jsonl"
FILES = (CHOSEN, trials.FILE, RESULTS, rates.FILE)
"""All that a page is made of."""


@dataclass(frozen=True, slots=True)
class Read:
    """A suite's folder, read."""

    folder: Path
    suite: Suite
    chosen: Chosen
    trials: Sequence[Trial]
    results: Sequence[Result]
    points: Sequence[RatePoint]
    found: dict[str, Measured]

    @property
    def failed(self) -> list[str]:
        """What failed, in a line each of plain text."""
        rows: list[tuple[str, Status, str | None]] = [
            *((t.name, t.status, t.reason) for t in self.trials if t.status is not Status.OK),
            *((r.case.name, r.status, r.reason) for r in self.results if r.status in FAILED),
        ]
        return [
            f"{name}: {status.value}, {one_line(reason or 'no reason was recorded')}" for name, status, reason in rows
        ]

    def name(self, key: str) -> str:
        """The name of an arm, or of a checkpoint that joined."""
        arm = next((arm for arm in self.suite.arms if arm.key == key), None)
        return arm.name if arm else self.known(key).name

    def model(self, key: str) -> str | None:
        """The model of an arm at this scale; None of one that is made of another."""
        joined = {each.key: each.model for each in self.chosen.joined}
        return joined.get(key) or next(a.models.get(self.chosen.scale) for a in self.suite.arms if a.key == key)

    def known(self, key: str) -> Known:
        """A checkpoint that joined; one that was not published has its file's name."""
        joined = next(each for each in self.chosen.joined if each.key == key)
        unknown = Known(joined.sha256, key.removeprefix("joined-"))
        return next((each for each in self.suite.known if each.sha256 == joined.sha256), unknown)

    @property
    def rows(self) -> list[tuple[str, Arm | Known]]:
        """Every arm and every checkpoint that joined, by its key."""
        return [
            *((arm.key, arm) for arm in self.suite.arms),
            *((each.key, self.known(each.key)) for each in self.chosen.joined),
        ]


def read(folder: Path) -> Read:
    """A suite's folder. Raises ResultsError where a file of it cannot be read, ConfigError for an unknown suite."""
    chosen = read_chosen(folder)
    suite = suites.load(chosen.suite)
    results = latest(store.read(folder / RESULTS)) if (folder / RESULTS).exists() else []
    rows = trials.read(folder / trials.FILE), results, rates.read(folder / rates.FILE)
    return Read(folder, suite, chosen, *rows, measured(suite, chosen, *rows))
