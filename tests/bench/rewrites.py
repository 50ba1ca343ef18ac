"""What each rewrite is worth in each runtime: ``make bench-rewrites [MODEL=nerv-xs]``.

A rule is left out and the graph takes turns with the one that has all of them (``nervbench compare --live``), frames
compared with fp32 eager's before and after. What helps one runtime may hurt another: a rule that makes one slower than
it would be without shows here, and ends with 1. As a check, the last line of a runtime leaves nothing out.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import platformdirs

from nervbench.compare.verdict import LEVEL, Verdict, Word
from nervbench.config import Bench, MatrixEntry, ModelEntry
from nervbench.errors import CompareError
from nervbench.export.base import produce
from nervbench.export.rewrites import rules
from nervbench.model.source import weights_of
from nervbench.records import SINGLE_STREAM, case_of
from nervbench.sweep.live import Rule, compare_live
from nervbench.sweep.local import Plan, told

PLANTED = Path(__file__).parent / "planted"
RUNTIMES = (("ort", "fp32"), ("ov", "fp32"), ("ov", "bf16"))
WEIGHTS = {"nerv-xs": "bundled"}
BOUND = 0.01
WORDS = {Word.SLOWER: "pays", Word.FASTER: "HURTS", Word.SAME: "makes no difference", Word.UNDECIDED: "undecided"}


def without(
    place: int, model: str, runtime: str, precision: str, folders: tuple[Path, Path], seconds: float
) -> Verdict:
    """Time without the rule over time with it. Raises CompareError where one of the two cannot run."""
    weights = WEIGHTS.get(model, "seeded:0")
    names = (runtime, f"{runtime}_without_{place}")
    cases = tuple(case_of(model, precision, name, 1, SINGLE_STREAM, weights) for name in names)
    bench = Bench((ModelEntry(model, weights),), (MatrixEntry((model,), names),))
    plan = Plan(bench, cases, len(cases), *folders)
    return told(compare_live(plan, Rule(seconds, LEVEL, BOUND)), id).verdict


def main() -> None:
    """Leave out one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nerv-xs")
    parser.add_argument("--seconds", type=float, default=40, help="for each ratio")
    parser.add_argument("--only", default="", help="runtimes, with their precision, that contain this")
    given = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PLANTED), os.environ.get("PYTHONPATH", "")])
    hurts, cache = False, platformdirs.user_cache_path("nervbench")
    with tempfile.TemporaryDirectory(prefix="nervbench-") as out:
        for runtime, precision in RUNTIMES:
            if given.only not in f"{runtime}/{precision}":
                continue
            notes = produce(
                weights_of(given.model, WEIGHTS.get(given.model, "seeded:0")), "onnx_rewritten", precision, cache
            )[1].notes
            for place, name in enumerate([*(rule.name for rule in rules()), "nothing"]):
                if refused := [note for note in notes if note.startswith(f"rewrite {name}: not applied")]:
                    print(f"{given.model}/{precision}/{runtime}: {refused[0]}", flush=True)
                    continue
                try:
                    found = without(place, given.model, runtime, precision, (Path(out), cache), given.seconds)
                except CompareError as error:
                    print(f"{given.model}/{precision}/{runtime} without {name}: not measured ({error})", flush=True)
                    continue
                hurts |= found.word is Word.FASTER and name != "nothing"
                times = f"{found.ratio:.3f} times ({found.low:.3f} to {found.high:.3f}) the time"
                print(f"{given.model}/{precision}/{runtime} without {name}: {times}: {WORDS[found.word]}", flush=True)
    sys.exit(hurts)


if __name__ == "__main__":
    main()
