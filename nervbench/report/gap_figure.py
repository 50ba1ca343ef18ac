"""The waterfall of a gap: from the speed of one GPU to that of the other, cause by cause."""

from __future__ import annotations

from matplotlib.figure import Figure

from nervbench.explain.gap import Gap
from nervbench.report.figures import caption, headline, settled, svg
from nervbench.report.gap_words import by_size, span, times
from nervbench.units import significant

FASTER, SLOWER, REST, ENDS = "#228833", "#aa3377", "#bbbbbb", "#4477aa"
WIDTH_IN, BAR_IN, AROUND_IN = 8.6, 0.42, 1.15


def waterfall(gap: Gap) -> bytes:
    """Bars on a logarithmic axis of FPS, so that equal factors are equally long; as SVG."""
    with settled():
        bars = [*by_size(gap), gap.residual]
        figure = Figure(figsize=(WIDTH_IN, AROUND_IN + BAR_IN * (len(bars) + 2)))
        axes = figure.add_axes((0.24, 0.62 / figure.get_figheight(), 0.5, 1 - AROUND_IN / figure.get_figheight()))
        at = start = 1 / gap.a.time_s
        ends = [start, 1 / gap.b.time_s]
        words = [f"{significant(start)} FPS, {gap.a.kind}"]
        axes.plot([start], [0], "D", color=ENDS)
        for place, part in enumerate(bars, 1):
            colour = REST if part is gap.residual else FASTER if part.factor >= 1 else SLOWER
            axes.barh(place, at * part.factor - at, left=at, height=0.6, color=colour)
            axes.plot([at * part.low, at * part.high], [place, place], color="black", lw=1)
            axes.plot([at * part.factor] * 2, [place, place + 1], color="#888888", lw=0.6)
            at *= part.factor
            ends += [at, at / part.factor * part.low, at / part.factor * part.high]
            words.append(f"× {times(part.factor)} ({span(part)})")
        axes.plot([ends[1]], [len(bars) + 1], "D", color=ENDS)
        words.append(f"{significant(ends[1])} FPS, {gap.b.kind}")
        names = [gap.a.name, *(part.cause for part in bars), gap.b.name]
        axes.set_yticks(range(len(names)), [caption(name) for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xscale("log")
        low, high = min(ends), max(ends)
        axes.set_xlim(low / (high / low) ** 0.08, high * (high / low) ** 0.08)
        ticks = sorted({start, ends[1]})
        axes.set_xticks(ticks, [significant(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_xlabel("decoding FPS, logarithmic")
        for place, said in enumerate(words):
            axes.annotate(said, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=8)
        headline(figure, f"{caption(gap.model)}: from one GPU to the other (lines: 80 % intervals)")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        return svg(figure)
