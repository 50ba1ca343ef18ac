"""Two figures of a model's fastest cases: how their decodes are distributed, and how these went as time passed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from nervbench.records import SINGLE_STREAM, Result
from nervbench.report.figures import caption, headline, logarithmic, settled, svg
from nervbench.report.rows import Group, Row
from nervbench.stats import samples_needed
from nervbench.units import prefixed, significant

MOST = 6
"""Cases in a figure."""
POINTS = 120
"""Of a line: what a figure of this size can show."""
CYCLE = ("#4477aa", "#ee7733", "#228833", "#aa3377", "#66ccee", "#888888")
WIDTH_IN, PANEL_IN, AROUND_IN = 8.6, 1.5, 1.0
SERIES = {
    "gpu_sm_clock_hz": ("SM clock", "Hz"),
    "gpu_power_w": ("GPU power", "W"),
    "gpu_temperature_celsius": ("GPU, °C", ""),
    "gpu_busy_share": ("GPU busy", ""),
    "clock_hz": ("CPU clock", "Hz"),
    "cpu_temperature_celsius": ("CPU, °C", ""),
    "memory_available_bytes": ("memory left", "B"),
}
"""What was read while the samples were taken: the name of its panel, and its unit."""


def distributions(group: Group) -> bytes | None:
    """The share of single decodes that took so long at most, of the fastest cases; as SVG, None where none has enough.

    A case has enough where its p90 is supported.
    """
    rows = [row for row in group.timed if _single(row.result) and len(row.result.samples_s) >= samples_needed(0.9)]
    if not rows:
        return None
    with settled():
        figure = Figure(figsize=(WIDTH_IN, 3.4))
        axes = figure.add_axes((0.09, 0.15, 0.58, 0.7))
        for row, colour in zip(rows[:MOST], CYCLE, strict=False):
            samples_ms = 1e3 * np.asarray(row.result.samples_s)
            shares = np.linspace(0, 1, min(len(samples_ms), POINTS))
            label = f"{caption(row.label, 34)}, {len(samples_ms)}"
            axes.plot(np.quantile(samples_ms, shares), 100 * shares, color=colour, lw=1.4, label=label)
        logarithmic(axes)
        axes.set_xlabel("milliseconds a decode, logarithmic")
        axes.set_ylabel("% of the decodes, at most")
        axes.set_ylim(0, 100)
        _dress(axes)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8, title="case, decodes")
        headline(figure, f"{caption(group.model)}: how long single decodes take{_of(rows)}")
        return svg(figure)


def over_time(group: Group) -> bytes | None:
    """Time a decode from the first sample to the last, and below it what was read of the machine meanwhile; as SVG.

    A point of the first panel is the median of as many samples in a row as make 120 points. None without a case that
    has enough samples for a course.
    """
    rows = [row for row in group.timed if len(row.result.samples_s) >= samples_needed(0.5)][:MOST]
    if not rows:
        return None
    names = [name for name in SERIES if any(name in _series(row.result) for row in rows)]
    with settled():
        height = AROUND_IN + PANEL_IN * (1 + len(names))
        figure = Figure(figsize=(WIDTH_IN, height))
        below, tall = 0.5 / height, (height - AROUND_IN) / height / (1 + len(names))
        panels = [
            figure.add_axes((0.11, below + (len(names) - place) * tall, 0.56, 0.86 * tall))
            for place in range(1 + len(names))
        ]
        for row, colour in zip(rows, CYCLE, strict=False):
            at_s, call_ms = _course(row.result)
            panels[0].plot(at_s, call_ms, color=colour, lw=1.1, label=caption(row.label, 38))
            began_s = sum(row.result.telemetry.warm_up_s) if row.result.telemetry else 0.0
            for panel, name in zip(panels[1:], names, strict=True):
                when_s, values = _series(row.result).get(name, ((), ()))
                panel.plot([when - began_s for when in when_s], values, color=colour, lw=1.1)
        panels[0].set_ylabel("ms a decode")
        for panel, name in zip(panels[1:], names, strict=True):
            words, unit = SERIES[name]
            panel.set_ylabel(words)
            panel.yaxis.set_major_formatter(
                FuncFormatter(lambda value, _, unit=unit: prefixed(value, unit) if unit else significant(value))
            )
        for panel in panels:
            _dress(panel)
            panel.sharex(panels[0])
        for panel in panels[:-1]:
            panel.tick_params(labelbottom=False)
        panels[-1].set_xlabel("seconds since the first sample")
        panels[0].legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8)
        headline(figure, f"{caption(group.model)}: the timed run as time passed{_of(group.timed)}")
        return svg(figure)


def _single(result: Result) -> bool:
    """Whether a sample is one decode."""
    averaged = result.telemetry is not None and result.telemetry.calls_per_sample > 1
    return result.case.scenario == SINGLE_STREAM and not averaged


def _of(rows: Sequence[Row]) -> str:
    return f" (the {MOST} fastest of {len(rows)} cases)" if len(rows) > MOST else ""


def _series(result: Result) -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
    seen = result.telemetry.meanwhile if result.telemetry else None
    return seen.over_time if seen else {}


def _course(result: Result) -> tuple[list[float], list[float]]:
    """Seconds since the first sample began, and milliseconds a decode there."""
    calls = result.telemetry.calls_per_sample if result.telemetry else 1
    samples_s = np.asarray(result.samples_s)
    ends_s = np.asarray(list(accumulate(result.samples_s))) * calls
    parts = min(len(samples_s), POINTS)
    at_s = [math.fsum(part) / len(part) for part in np.array_split(ends_s, parts)]  # exact: the same on every CPU
    return at_s, [float(1e3 * np.median(part)) for part in np.array_split(samples_s, parts)]


def _dress(axes: Axes) -> None:
    axes.grid(color="#eeeeee", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
