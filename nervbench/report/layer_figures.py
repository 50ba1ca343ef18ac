"""Two figures of a profiled case: the time of each operator, and its place under the roofs of the device."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from nervbench.explain.roofline import BOUNDS, COMPUTE, LAUNCH, MEMORY, UNKNOWN, Breakdown
from nervbench.records import Result
from nervbench.report.figures import caption, settled, svg
from nervbench.units import percent, prefixed, rate_unit

COLOURS = {COMPUTE: "#4477aa", MEMORY: "#ee7733", LAUNCH: "#aa3377", UNKNOWN: "#888888"}
MOST = 30
"""Bars; the shortest operators have none."""
WIDTH_IN, BAR_IN, AROUND_IN = 8.6, 0.24, 1.2
SQUARE_IN = (7.2, 4.6)
LEAST_POINT, LARGEST_POINT = 8.0, 400.0


def times(result: Result, found: Breakdown) -> bytes:
    """Bars in the order of execution, coloured by what binds each; as SVG."""
    longest = sorted(found.operators, key=lambda placed: -placed.operator.seconds)[:MOST]
    kept = {id(placed) for placed in longest}
    shown = [placed for placed in found.operators if id(placed) in kept]
    with settled():
        height = AROUND_IN + BAR_IN * len(shown)
        figure = Figure(figsize=(WIDTH_IN, height))
        axes = figure.add_axes((0.34, 0.5 / height, 0.5, 1 - AROUND_IN / height))
        named: set[str] = set()
        for place, placed in enumerate(shown):
            label = None if placed.bound in named else f"bound by {placed.bound}"
            named.add(placed.bound)
            axes.barh(place, 1e3 * placed.operator.seconds, height=0.7, color=COLOURS[placed.bound], label=label)
            if placed.least_s is not None:
                axes.plot([1e3 * placed.least_s], [place], "|", color="black", markersize=9, markeredgewidth=1.6)
            words = f"{prefixed(placed.operator.seconds, 's')}, {percent(placed.attained)}"
            axes.annotate(words, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8)
        axes.set_yticks(range(len(shown)), [caption(placed.operator.name, 34) for placed in shown], fontsize=8)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlabel("milliseconds (mark: the least that the ceilings allow; %: least / measured)")
        left = len(found.operators) - len(shown)
        more = f", the {len(shown)} longest of {len(found.operators)} operators" if left else ""
        _title(figure, f"{caption(result.case.name)}: where a decode's time goes{more}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=8)
        return svg(figure)


def roofline(result: Result, found: Breakdown) -> bytes | None:
    """FLOP/s over FLOP a byte, points as large as their time, under the roofs; None without ceilings or arithmetic."""
    ceilings = result.device.ceilings if result.device else None
    peak = ceilings.flop_per_s.get(result.case.precision) if ceilings else None
    copies = ceilings.copy_bytes_per_s if ceilings else None
    points = [
        (operator.flop / operator.bytes, operator.flop / operator.seconds, operator.seconds, placed.bound)
        for placed in found.operators
        if (operator := placed.operator).flop and operator.bytes and operator.seconds > 0
    ]
    if ceilings is None or not peak or not copies or not points:
        return None
    unit = rate_unit(result.case.precision)
    with settled():
        figure = Figure(figsize=SQUARE_IN)
        axes = figure.add_axes((0.12, 0.12, 0.84, 0.74))
        low = min([point[0] for point in points] + [peak / copies]) / 3
        high = max([point[0] for point in points] + [peak / copies]) * 3
        intensities = np.geomspace(low, high, 200)
        axes.plot(intensities, np.minimum(peak, copies * intensities), color="black", lw=1.4)
        roofs = f"{prefixed(peak, unit)}, {prefixed(copies, 'B/s')} from memory"
        if near := ceilings.cache_bytes_per_s:
            axes.plot(intensities, np.minimum(peak, near * intensities), color="black", lw=0.9, ls=":")
            roofs += f", {prefixed(near, 'B/s')} from the L2 cache (dotted)"
        most = max(point[2] for point in points)
        for bound in BOUNDS:
            own = [point for point in points if point[3] == bound]
            if own:
                sizes = [LEAST_POINT + LARGEST_POINT * point[2] / most for point in own]
                axes.scatter(
                    [point[0] for point in own], [point[1] for point in own], sizes,
                    color=COLOURS[bound], alpha=0.6, label=f"bound by {bound}", linewidths=0,
                )  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("FLOP a byte")
        axes.set_ylabel(unit)
        _title(figure, f"{caption(result.case.name)}: operators with arithmetic, as large as their time")
        axes.annotate(roofs, (0.02, 1), (0, -28), "figure fraction", textcoords="offset points", va="top", fontsize=8)
        axes.grid(color="#eeeeee", lw=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower right", frameon=False, fontsize=8, markerscale=0.5)
        return svg(figure)


def _title(figure: Figure, words: str) -> None:
    figure.text(0.02, 0.985, words, va="top", fontsize=11)
