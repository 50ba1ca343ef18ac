"""Figures as SVG. The same rows give the same bytes: fixed salt, no date, text kept as text.

Labels are drawn without mathematics and in Latin letters only, so that a name from a file can neither fail nor act.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from nervbench.report.markdown import plain
from nervbench.report.rows import Group, Row
from nervbench.units import percent, significant

MOST_BARS = 40
LABEL_LENGTH = 44
COLOURS = {
    "fp32": "#4477aa",
    "tf32": "#66ccee",
    "bf16": "#ee7733",
    "fp16": "#228833",
    "fp8": "#ccbb44",
    "int8": "#aa3377",
}
OTHER_COLOUR = "#888888"
SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "nervbench",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
}
WIDTH_IN, BAR_IN, TOP_IN, BOTTOM_IN, RIGHT_IN, LETTER_IN = 8.6, 0.3, 0.7, 0.55, 1.75, 0.078


def fps_against_ceiling(group: Group) -> bytes | None:
    """Bars of decoding FPS, fastest at the top, each with the ceiling of its precision as a mark; None without any bar.

    Of more than 40 cases the 40 fastest are drawn, and the title says so.
    """
    rows = group.timed[:MOST_BARS]
    if not rows:
        return None
    with settled():
        figure, axes = _canvas(rows)
        _bars(axes, rows)
        _dress(axes, group, rows)
        return svg(figure)


@contextlib.contextmanager
def settled() -> Iterator[None]:
    """Matplotlib as every figure here needs it, whatever the settings of who draws."""
    with rc_context():
        rcdefaults()
        rcParams.update(SETTINGS)
        yield


def caption(text: str, length: int = LABEL_LENGTH) -> str:
    """A label that any font draws: Latin letters, one line, cut in the middle where it is long."""
    text = re.sub(r"[^\x20-\x7e\u00a1-\u017f]", "?", plain(text))
    half = length // 2
    return text if len(text) <= length else f"{text[: length - half - 3]}...{text[-half:]}"


def _canvas(rows: tuple[Row, ...]) -> tuple[Figure, Axes]:
    """A figure whose height follows the number of bars and whose left margin follows the longest label."""
    height = TOP_IN + BOTTOM_IN + BAR_IN * len(rows)
    left = 0.2 + LETTER_IN * max(len(caption(row.label)) for row in rows)
    figure = Figure(figsize=(WIDTH_IN, height))
    width = WIDTH_IN - left - RIGHT_IN
    return figure, figure.add_axes((left / WIDTH_IN, BOTTOM_IN / height, width / WIDTH_IN, BAR_IN * len(rows) / height))


def _bars(axes: Axes, rows: tuple[Row, ...]) -> None:
    """One bar a case, its ceiling as a mark, and its numbers in a column at the right."""
    seen: set[str] = set()
    for place, row in enumerate(rows):
        precision, fps = row.result.case.precision, row.fps or 0.0
        name = None if precision in seen else caption(precision)
        seen.add(precision)
        axes.barh(place, fps, height=0.62, color=COLOURS.get(precision, OTHER_COLOUR), label=name)
        words = f"{significant(fps)} FPS"
        if row.share is not None:
            words += f", {percent(row.share)} of ceiling"
        axes.annotate(words, (1.015, place), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    ceilings = [(1 / row.roof.least_s, place) for place, row in enumerate(rows) if row.roof.least_s]
    if ceilings:
        axes.plot(*zip(*ceilings, strict=True), "|", color="black", markersize=15, markeredgewidth=2.2, label="ceiling")
    axes.set_xlim(0, 1.04 * max([row.fps or 0.0 for row in rows] + [ceiling for ceiling, _ in ceilings]))


def _dress(axes: Axes, group: Group, rows: tuple[Row, ...]) -> None:
    """Names, axis, title and legend."""
    axes.set_yticks(range(len(rows)), [caption(row.label) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("decoding FPS (frames a second)")
    surplus = len(group.timed) - len(rows)
    part = f" (the {len(rows)} fastest of {len(group.timed)} cases)" if surplus else ""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    headline(figure, f"{caption(group.model)}: decoding FPS and the ceiling of each precision{part}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=6, frameon=False, fontsize=8, borderaxespad=0.1, markerscale=0.6
    )


def headline(figure: Figure, words: str) -> None:
    """The title, at the left edge of the figure."""
    figure.axes[0].annotate(
        words, (0.02, 1), (0, -12), "figure fraction", textcoords="offset points", va="top", fontsize=11
    )


def logarithmic(axes: Axes) -> None:
    """A logarithmic horizontal axis with plain numbers at 1, 2 and 5."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: significant(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def svg(figure: Figure) -> bytes:
    """The figure as SVG without date and version."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
