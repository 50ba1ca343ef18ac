"""Figures are SVG with every case in them, the same bytes each time."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import matplotlib as mpl
import pytest

from nervbench.records import Status
from nervbench.report.figures import MOST_BARS, caption, fps_against_ceiling
from nervbench.report.rows import groups_of
from tests.report.factory import CARD, a_run, failed, made, scaled


def texts(svg: bytes | None) -> list[str]:
    """All texts of a figure."""
    assert svg is not None
    return [element.text or "" for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_every_timed_case_is_drawn() -> None:
    """The figure names each case that has a number with its FPS and share, and none that has not."""
    group = groups_of(a_run())[0]
    words = texts(fps_against_ceiling(group))
    assert {row.label for row in group.timed} <= set(words)
    assert "1.82 FPS, 88 % of ceiling" in words
    assert "ceiling" in words
    assert not {row.label for row in group.untimed} & set(words)


def test_no_bar_no_figure() -> None:
    """Without a case with a number there is no figure."""
    assert fps_against_ceiling(groups_of([failed(Status.CRASHED, "x")])[0]) is None


def test_same_bytes_whatever_the_settings() -> None:
    """A user's own plotting settings change nothing, and are left as they were."""
    group = groups_of(a_run())[0]
    first = fps_against_ceiling(group)
    with mpl.rc_context({"font.size": 20, "axes.grid": True, "svg.fonttype": "path"}):
        assert fps_against_ceiling(group) == first
        assert mpl.rcParams["font.size"] == 20
    assert first is not None
    assert b"<dc:date>" not in first


def test_without_ceilings() -> None:
    """A device without ceilings has bars without marks."""
    result = replace(made(), device=replace(CARD, ceilings=None))
    words = texts(fps_against_ceiling(groups_of([result])[0]))
    assert "ceiling" not in words
    assert "0.943 FPS" in words


@pytest.mark.parametrize("model", ["$\\frac{x$", "日本語 🎬", "<b>&\x00\n", "x" * 500, "", "_hidden"])
def test_any_name(model: str) -> None:
    """A model of any name is drawn without a warning, as well-formed SVG."""
    assert texts(fps_against_ceiling(groups_of([made(model)])[0]))


def test_many_cases() -> None:
    """Of many cases the fastest are drawn, and the title says so."""
    group = groups_of([made(runtime=f"r{number}", samples_s=scaled(1 + number)) for number in range(MOST_BARS + 5)])[0]
    words = " ".join(texts(fps_against_ceiling(group)))
    assert "(the 40 fastest of 45 cases)" in words
    assert "nerv-s/fp32/r39/b1" in words
    assert "nerv-s/fp32/r40/b1" not in words


def test_caption() -> None:
    """A long label keeps its beginning and its end."""
    short = caption("a" * 50 + "b" * 50)
    assert len(short) == 44
    assert short.startswith("aaa")
    assert short.endswith("bbb")
