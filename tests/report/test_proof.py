"""The page of planted causes: what counts as named, what as a share, and that it is made of its lines alone."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from nervbench.errors import ResultsError
from nervbench.report import pages, proof
from nervbench.report.proof import Line

HALVED = math.log(0.5)
GOOD = Line(
    pair="nerv-xs/eager/cores/0",
    planted=("cores",),
    version="a",
    device="a CPU",
    whole=HALVED,
    found={"cores": (HALVED + 0.02, -0.8, -0.6), "page faults": (-0.02, -0.1, 0.1)},
    residual=0.0,
    truth={"cores": HALVED},
    evidence={"cores": "2 → 1 threads"},
    times_s={"A": (0.01,), "B": (0.02,), "alone cores": (0.02,)},
    stolen=0.001,
)
NOTHING = replace(GOOD, pair="nerv-xs/eager/nothing/0", planted=(), truth={}, found={"clock held": (0.02, 0.0, 0.04)})
BAD = {
    "another is larger": replace(GOOD, found={"cores": (-0.3, -0.4, -0.2), "transfer": (-0.4, -0.5, -0.3)}),
    "too little": replace(GOOD, found={"cores": (0.84 * HALVED, -1.0, 0.0)}),
    "not found": replace(GOOD, found={}),
    "claimed": replace(NOTHING, found={"clock held": (0.05, 0.0, 0.1)}),
}


def test_what_holds() -> None:
    """A planted cause is to be first, within 15 % of the gap; nothing planted is to be nothing over 3 %."""
    assert (GOOD.named, GOOD.near, NOTHING.silent) == (True, True, True)
    assert [BAD["another is larger"].named, BAD["too little"].named, BAD["not found"].named] == [False, True, False]
    assert [BAD["too little"].near, BAD["not found"].near, BAD["claimed"].silent] == [False, False, False]


def test_page(tmp_path: Path) -> None:
    """The folder's page counts what held, shows every pair that did not, and is linked from the index."""
    bad = [replace(line, pair=name) for name, line in BAD.items()]
    lines = [replace(GOOD, version="older", pair="x"), GOOD, NOTHING, *bad]
    (tmp_path / proof.FILE).write_text("".join(f"{proof.to_line(line)}\n" for line in lines))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "box.jsonl").touch()
    pages.write(tmp_path)
    text = (tmp_path / proof.PAGE).read_text()

    assert "the planted causes are named first: 2 of 4" in text
    assert "each has its share, within 15 % of the gap: 1 of 4" in text
    assert "nothing planted, no cause over 3 %: 1 of 2" in text
    assert all(f"- {name}: planted" in text for name in BAD)
    assert "nerv-xs/eager/cores/0" not in text
    assert f"({proof.PAGE})" in (tmp_path / "index.md").read_text()
    assert pages.check(tmp_path) == []


def test_lines(tmp_path: Path) -> None:
    """A line comes back as it was; of a pair that was measured again the last counts; impossible ones are refused."""
    again = replace(GOOD, whole=-0.7)
    (tmp_path / proof.FILE).write_text("".join(f"{proof.to_line(line)}\n" for line in (GOOD, NOTHING, again)))
    assert proof.read(tmp_path / proof.FILE) == [again, NOTHING]
    wrong: list[dict[str, object]] = [{"whole": 1e9}, {"truth": {}}, {"found": {"cores": [1.0]}}, {"schema": 9}]
    for fields in wrong:
        with pytest.raises(ResultsError):
            proof.from_line(json.dumps(json.loads(proof.to_line(GOOD)) | fields))
