"""The page that says how often ``explain`` names the cause that was planted, and its lines.

One line a pair of rows of one model: A, and B with nothing, one or two changes planted. What ``explain`` made of the
pair stands beside the truth, which is what each change does by itself, measured in other processes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from nervbench import store
from nervbench.errors import ResultsError
from nervbench.report.markdown import bullets, escape, sections, table
from nervbench.units import percent

SCHEMA = 1
FILE, PAGE = "proof.jsonl", "proof.md"
COMMAND = "make bench-explain"
CLAIMED = 0.03
"""A cause that changes the speed by more is claimed."""
REACH = 0.15
"""How far a share may be from the truth, of the whole gap."""
MOST = 30
MOST_LOG = 20.0
"""Between e to the minus 20th and to the 20th a factor lies."""


@dataclass(frozen=True, slots=True)
class Line:
    """A pair of rows, and what was made of it.

    ``found`` is by cause the logarithm of its factor in the speed and the ends of its 80 % interval, ``truth`` that of
    the change by itself or, of two, the mean of by itself and on top of the other. ``times_s`` are seconds a frame of
    every process: of A, of B, of another A, and of each change alone.
    ``stolen`` is the share of the processors that the host of a virtual machine took meanwhile, ``version`` a hash of
    what explains.
    """

    pair: str
    planted: tuple[str, ...]
    version: str
    device: str
    whole: float
    found: dict[str, tuple[float, float, float]]
    residual: float
    truth: dict[str, float]
    evidence: dict[str, str]
    times_s: dict[str, tuple[float, ...]]
    stolen: float
    schema: int = SCHEMA

    @property
    def key(self) -> tuple[object, ...]:
        """What two lines have in common of which the later counts."""
        return self.pair, self.version

    @property
    def named(self) -> bool:
        """Whether the causes with the largest parts are those that were planted."""
        first = sorted(self.found, key=lambda cause: -abs(self.found[cause][0]))[: len(self.planted)]
        return set(first) == set(self.planted)

    @property
    def near(self) -> bool:
        """Whether every planted cause has its share, within ``REACH`` of the whole gap."""
        whole = math.fsum(map(abs, self.truth.values()))
        return all(abs(self.part(cause) - log) <= REACH * whole for cause, log in self.truth.items())

    @property
    def silent(self) -> bool:
        """Whether no cause is claimed."""
        return all(abs(log) <= math.log(1 + CLAIMED) for log, _, _ in self.found.values())

    def part(self, cause: str) -> float:
        """What was found of a cause, 0 where nothing was."""
        return self.found[cause][0] if cause in self.found else 0.0


def to_line(line: Line) -> str:
    """One pair as one line of JSON, without the newline."""
    return store.line_of(dataclasses.asdict(line), f"the pair {line.pair}")


def from_line(text: str) -> Line:
    """The pair of one line; raises ResultsError where it is none, has a newer schema, or numbers that cannot be."""
    line = store.valid(text, Line, SCHEMA)
    logs = (line.whole, line.residual, *line.truth.values(), *(log for part in line.found.values() for log in part))
    if not all(abs(log) < MOST_LOG for log in logs):
        msg = f"a logarithm of {MOST_LOG:g} or more, either way"
        raise ResultsError(msg)
    if set(line.planted) != line.truth.keys():
        msg = f"truth is of {len(line.truth)} causes, which are not the {len(line.planted)} that were planted"
        raise ResultsError(msg)
    return line


def read(path: Path) -> list[Line]:
    """The pairs of a file, of those measured again only the last; none where there is no file."""
    return store.read_last(path, from_line)


def generate(folder: Path, command: str) -> dict[str, bytes]:
    """The page by its name, of the pairs that were explained by the last version; nothing where there are none."""
    lines = read(folder / FILE)
    current = [line for line in lines if line.version == lines[-1].version]
    return {PAGE: page(current, command).encode()} if current else {}


def counted(lines: Sequence[Line]) -> list[tuple[str, int, int]]:
    """What was asked, how often it held, of how many."""
    planted, bare = ([line for line in lines if bool(line.planted) is has] for has in (True, False))
    return [
        ("the planted causes are named first", sum(line.named for line in planted), len(planted)),
        (f"each has its share, within {percent(REACH)} of the gap", sum(line.near for line in planted), len(planted)),
        (f"nothing planted, no cause over {percent(CLAIMED)}", sum(line.silent for line in bare), len(bare)),
    ]


def page(lines: Sequence[Line], command: str) -> str:
    """The page as Markdown, ending in a newline."""
    devices = ", ".join(sorted({line.device for line in lines}))
    counts = bullets(f"{what}: {held} of {of}" for what, held, of in counted(lines))
    medians = f"Measured on {escape(devices)}. Median factors in the speed, by what was planted:\n\n{_table(lines)}"
    parts = (
        (
            "Question",
            "When the cause of a gap is known, because it was planted, does `nervbench explain` name it, with its "
            "share? And does it stay silent where nothing was planted?",
        ),
        ("Answer", counts),
        ("Evidence", medians),
        ("Not explained", _misses(lines) or "Every pair held."),
        (
            "How it was measured",
            "One machine is made into several: one thread, an older instruction set for its library, operators that "
            "start late, a slow bus to the host, a neighbour on its processors, fresh memory for every tensor; and a "
            "case is measured by another runtime, in another precision, or by a protocol that counts a first call "
            "which takes long. Several times all rows of a model are measured together, by processes that take turns; "
            "a pair is explained by the time whose ratio is in the middle. What each change does by itself is measured "
            "by other processes: that is the truth, the median of the ratios. Of two, it is the mean of what each does "
            "by itself and on top of the other. The share of a cause is its part of the logarithm.",
        ),
        ("Regenerate", f"`{command}` writes this page from `{FILE}`; `{COMMAND}` measures the pairs."),
    )
    return f"# Planted causes, and what explain makes of them\n\nGenerated by `{command}`.\n\n{sections(parts)}\n"


def _table(lines: Sequence[Line]) -> str:
    """A row for every set of causes: how many pairs, what they did, and what was found of each."""
    rows = []
    for planted in dict.fromkeys(line.planted for line in lines):
        of = [line for line in lines if line.planted == planted]
        truth, found = (_factors(of, planted, each) for each in (lambda line, cause: line.truth[cause], Line.part))
        held = f"{sum(line.named for line in of)} of {len(of)}", f"{sum(line.near for line in of)} of {len(of)}"
        if not planted:
            held = "–", f"silent {sum(line.silent for line in of)} of {len(of)}"
        rows.append((escape(" + ".join(planted) or "nothing"), truth, found, *held))
    return table(("planted", "by itself", "found", "named first", "share"), rows, right=(1, 2))


def _factors(lines: Sequence[Line], causes: Sequence[str], value: Callable[[Line, str], float]) -> str:
    """Median factors of the causes, in their order."""
    return " · ".join(f"{math.exp(median(value(line, cause) for line in lines)):.2f}" for cause in causes) or "–"


def _misses(lines: Sequence[Line]) -> str:
    """The pairs that did not hold, with what was found and what was true."""
    missed = [line for line in lines if not (line.named and line.near if line.planted else line.silent)]
    said = []
    for line in missed[:MOST]:
        found = ", ".join(f"{cause} {math.exp(part[0]):.2f}" for cause, part in sorted(line.found.items()))
        truth = ", ".join(f"{cause} {math.exp(log):.2f}" for cause, log in sorted(line.truth.items())) or "nothing"
        rest = f"residual {math.exp(line.residual):.2f}, {percent(line.stolen, 1)} of the processors stolen"
        said.append(escape(f"{line.pair}: planted {truth}; found {found or 'nothing'}; {rest}"))
    if len(missed) > MOST:
        said.append(f"and {len(missed) - MOST} more")
    return bullets(said)
