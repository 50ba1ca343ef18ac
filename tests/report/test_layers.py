"""The section of a page that says where the time goes: findings with their shares, figures, reasons."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from nervbench import store
from nervbench.explain.roofline import breakdown
from nervbench.records import Ceilings, Operator, Profile, Result
from nervbench.report import layers, pages
from nervbench.report.layers import findings
from nervbench.report.rows import groups_of
from tests.explain.rows_made import Machine

CONV, ADD, TINY = (
    Operator("c", "Conv", 0.06, 10**9, 10**6),
    Operator("a", "Add", 0.02, 0, 10**8),
    Operator("t", "Mul", 1e-3, 0, 100),
)


def row(*operators: Operator, **fields: Any) -> Result:
    """A row of 0.1 s a frame with these operators."""
    result = Machine().row()
    ceilings = Ceilings({"fp32": 50e9}, 10e9, 1.0, launch_s=1e-3)
    card = dataclasses.replace(result.device, ceilings=ceilings)  # type: ignore[type-var]
    profile = Profile("a clock", 3, operators, **fields)
    return dataclasses.replace(result, device=card, samples_s=(0.1,) * 9, profile=profile)


def said(*operators: Operator) -> list[str]:
    """The findings about these."""
    found = breakdown(row(*operators))
    assert found is not None
    return findings(found)


def test_findings() -> None:
    """Each limit has its share and its advice, the largest first; a share under 2 % is left out."""
    words = said(CONV, ADD, TINY)

    assert [each.split(" of the time")[0] for each in words] == ["60 %", "20 %", "19 %"]
    assert "bound by arithmetic, in Conv, at 33 %" in words[0]
    assert "another runtime's kernels" in words[0]
    assert "bound by memory, in Add, at 50 %" in words[1]
    assert "between the operators (19.0 ms)" in words[2]


@pytest.mark.parametrize(
    ("flop", "says"),
    [(2.5e9, "little is left but fewer"), (6e9, "2.0 times as fast as direct convolution")],
)
def test_near_the_roof(flop: float, says: str) -> None:
    """A kernel that is good already is not to be replaced."""
    assert says in said(dataclasses.replace(CONV, flop=int(flop)))[0]


def test_launches() -> None:
    """Many small operators are one finding."""
    words = said(*[TINY] * 99)

    assert words[0].startswith("99 % of the time is in 99 operators so small")


def test_page(tmp_path: Path) -> None:
    """The section stands on the page with both figures and the longest operators, and names what it leaves out."""
    many = [dataclasses.replace(ADD, name=f"add|{place}", seconds=1e-4) for place in range(20)]
    store.append(tmp_path / "results.jsonl", row(CONV, ADD, *many))
    page = pages.write(tmp_path).read_text()

    assert "## Where the time goes" in page
    assert "10 more" in page
    assert "add\\|0" in page
    for name in ("time", "roofline"):
        assert (tmp_path / f"figures/nerv-xs-fp32-eager-b1-{name}.svg").read_text().startswith("<?xml")
        assert f"figures/nerv-xs-fp32-eager-b1-{name}.svg" in page
    assert pages.check(tmp_path) == []


def test_reason() -> None:
    """A runtime that cannot tell is named with its reason; without any profile there is no section."""
    silent = row(reason="it does not tell")

    assert "it does not tell" in layers.section(groups_of([silent]), {})
    assert layers.section(groups_of([dataclasses.replace(silent, profile=None)]), {}) == ""


def test_no_roofline_without_ceilings(tmp_path: Path) -> None:
    """Times are drawn all the same."""
    result = row(CONV, ADD)
    bare = dataclasses.replace(result, device=dataclasses.replace(result.device, ceilings=None))  # type: ignore[type-var]
    store.append(tmp_path / "results.jsonl", bare)
    pages.write(tmp_path)

    assert [path.name for path in sorted((tmp_path / "figures").glob("nerv*"))] == ["nerv-xs-fp32-eager-b1-time.svg"]
