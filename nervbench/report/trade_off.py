"""Speed against quality: which cases no other one beats in both, and where the rest lie."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from nervbench.report.figures import COLOURS, OTHER_COLOUR, caption, headline, logarithmic, settled, svg
from nervbench.report.markdown import escape, image, table
from nervbench.report.rows import Group, Row
from nervbench.report.tables import speed
from nervbench.units import fixed

HEAD = ("#", "case", "FPS", "PSNR, dB", "worst frame, dB", "MS-SSIM")
WORDS = """\
Cases whose frames were scored against the source video, those of the Pareto front by number: no other case is as fast \
and has a higher PSNR. What each step to the right costs is the step down."""
SIZE_IN = (8.6, 4.4)
MARKS = "osD^vP"
MOST_KINDS, MOST_POINTS = 16, 500
"""Of models and precisions, and cases of one: the fastest are drawn."""
LEAST_SPAN_DB = 1.0
"""Of the vertical axis: without it a hundredth of a dB would look like a cliff."""
SHOWN = 12
"""Of the front, in the table; a longer one has its fastest there."""


def scored(groups: Sequence[Group]) -> list[Row]:
    """Every timed case with a quality, the fastest first."""
    rows = (row for group in groups for row in group.timed if row.result.quality)
    return sorted(rows, key=lambda row: (-(row.fps or 0.0), row.label))


def front(rows: Sequence[Row]) -> list[Row]:
    """Those that no other row beats in one of speed and PSNR and equals in the other; ``rows`` as of :func:`scored`.

    PSNR counts to 0.01 dB: what differs by less differs by rounding.
    """
    kept: list[Row] = []
    for row in rows:
        if not kept or _psnr_db(row) > _psnr_db(kept[-1]):
            if kept and kept[-1].fps == row.fps:
                kept.pop()
            kept.append(row)
    return kept


def section(groups: Sequence[Group], figure: str | None) -> str:
    """Words, the figure at this path, and the cases of the front; empty where there is no figure."""
    if figure is None:
        return ""
    best = front(scored(groups))[:SHOWN]
    return f"{WORDS}\n\n{image('decoding FPS against PSNR', figure)}\n\n{_table(best)}"


def scatter(groups: Sequence[Group]) -> bytes | None:
    """FPS (logarithmic) against PSNR as SVG, a colour a precision, a mark a model; None under two different points."""
    rows = scored(groups)
    if len({(row.fps, _psnr_db(row)) for row in rows}) < 2:
        return None
    best = front(rows)
    kinds: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        kinds.setdefault((row.result.case.model, row.result.case.precision), []).append(row)
    models = list(dict.fromkeys(model for model, _ in kinds))
    with settled():
        figure = Figure(figsize=SIZE_IN)
        axes = figure.add_axes((0.09, 0.12, 0.66, 0.76))
        lines = [*zip(*((row.fps, _psnr_db(row)) for row in best), strict=True)]
        axes.plot(*lines, drawstyle="steps-post", color="black", lw=1, label="Pareto front")
        for (model, precision), members in list(kinds.items())[:MOST_KINDS]:
            shown = members[:MOST_POINTS]
            axes.plot(
                [row.fps or 0.0 for row in shown], list(map(_psnr_db, shown)), MARKS[models.index(model) % len(MARKS)],
                markersize=6, alpha=0.8, color=COLOURS.get(precision, OTHER_COLOUR), markeredgecolor="white",
                label=caption(f"{model}, {precision}", 28),
            )  # fmt: skip
        for number, row in enumerate(best[:SHOWN], 1):
            place = (row.fps or 0.0, _psnr_db(row))
            axes.annotate(str(number), place, (4, 4), textcoords="offset points", fontsize=8)
        logarithmic(axes)
        axes.set_xlabel("decoding FPS (frames a second), logarithmic")
        axes.set_ylabel("PSNR, dB")
        psnrs_db = [_psnr_db(row) for row in rows]
        around_db = max(LEAST_SPAN_DB - (max(psnrs_db) - min(psnrs_db)), 0.1 * (max(psnrs_db) - min(psnrs_db))) / 2
        axes.set_ylim(min(psnrs_db) - around_db, max(psnrs_db) + around_db)
        headline(figure, "Decoding speed against quality")
        axes.grid(color="#eeeeee", lw=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8)
        return svg(figure)


def _psnr_db(row: Row) -> float:
    """To as many digits as are shown."""
    assert row.result.quality
    return round(row.result.quality.psnr_db, 2)


def _table(rows: Sequence[Row]) -> str:
    lines = []
    for number, row in enumerate(rows, 1):
        found = row.result.quality
        assert found
        numbers = (fixed(found.psnr_db, 2), fixed(found.psnr_worst_db, 2), fixed(found.ms_ssim, 4))
        lines.append([str(number), escape(row.label), speed(row.fps), *numbers])
    return table(HEAD, lines, right=range(2, len(HEAD)))
