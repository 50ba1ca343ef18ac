"""How often a live comparison is right: ``make bench-trust [N=100]``.

Three kinds of comparison of nerv-xs on OpenVINO with itself, N of each: equals (every verdict of "faster" or "slower"
is false), one side slowed by 1 % and one by 2 % (every other verdict than "slower" is a miss). Prints a line for each
with the count so far; every comparison is kept as a JSON line, so that a run that is interrupted has lost nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import platformdirs

from nervbench.compare.verdict import Word
from nervbench.config import Bench, MatrixEntry, ModelEntry
from nervbench.records import SINGLE_STREAM, case_of
from nervbench.sweep.live import Live, Rule, compare_live
from nervbench.sweep.local import Plan, told

PLANTED = Path(__file__).parent / "planted"
KINDS = {"equals": ("ov", 20.0), "1 % slower": ("ov_plus_1", 60.0), "2 % slower": ("ov_plus_2", 20.0)}
"""The other side and the seconds given to each comparison."""
LEVEL, BOUND = 0.01, 0.01


def one(other: str, budget_s: float, seed: int, out: Path) -> Live:
    """One comparison of OpenVINO with the other side."""
    names = tuple(dict.fromkeys(("ov", other)))
    cases = tuple(case_of("nerv-xs", "fp32", name, 1, SINGLE_STREAM, "bundled") for name in names)
    bench = Bench((ModelEntry("nerv-xs", "bundled"),), (MatrixEntry(("nerv-xs",), names),))
    steps = compare_live(
        Plan(bench, cases, len(cases), out, platformdirs.user_cache_path("nervbench")),
        Rule(budget_s, LEVEL, BOUND, seed),
    )
    return told(steps, id)


def main() -> None:
    """Run N comparisons of each kind, in turn, so that a quiet hour does not favour one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--only", choices=[*KINDS])
    parser.add_argument("--out", type=Path, default=Path("runs/bench-trust"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PLANTED), os.environ.get("PYTHONPATH", "")])
    right = dict.fromkeys([given.only] if given.only else KINDS, 0)
    with (given.out / "comparisons.jsonl").open("a") as lines:
        for number in range(given.n):
            for kind in right:
                other, budget_s = KINDS[kind]
                found = one(other, budget_s, number, given.out)
                verdict = found.verdict
                differs = verdict.word in (Word.FASTER, Word.SLOWER)
                right[kind] += not differs if kind == "equals" else verdict.word is Word.SLOWER
                lines.write(
                    json.dumps(
                        {"kind": kind, "word": verdict.word, "ratio": verdict.ratio, "low": verdict.low,
                         "high": verdict.high, "wall_s": found.wall_s, "turns": [
                             [turn.pair, turn.round, turn.side, turn.seconds] for turn in found.turns]}
                    ) + "\n"
                )  # fmt: skip
                lines.flush()
                line = f"{kind}: {verdict.word} {verdict.ratio:.4f} ({verdict.low:.4f} to {verdict.high:.4f})"
                print(f"{line} in {found.wall_s:.0f} s; right {right[kind]} of {number + 1}", flush=True)
    sys.exit(any(right[kind] < given.n * (0.99 if kind == "equals" else 0.95) for kind in right))


if __name__ == "__main__":
    main()
