"""The picture of rate and distortion: a line a codec, a star a network."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from nervbench.report.figures import OTHER_COLOUR, caption, settled, svg
from nervbench.report.rate_curves import Scene
from nervbench.units import significant

COLOURS = {"x264": "#4477aa", "x265": "#ee7733", "svt-av1": "#228833", "vp9": "#aa3377"}
STYLES = {"yuv444p": "--"}
SIZE_IN = (8.6, 4.6)
MOST_LINES, MOST_STARS = 20, 40


def rate_figure(scene: Scene) -> bytes | None:
    """Bits per pixel (logarithmic) against PSNR as SVG; None without any point. At most 20 lines and 40 stars."""
    if not scene.curves and not scene.networks:
        return None
    with settled():
        figure = Figure(figsize=SIZE_IN, layout="constrained")
        axes = figure.add_subplot()
        _lines(axes, scene)
        _stars(axes, scene)
        _dress(axes, scene)
        return svg(figure)


def _lines(axes: Axes, scene: Scene) -> None:
    for curve in scene.curves[:MOST_LINES]:
        axes.plot(
            curve.rates,
            curve.psnr_db,
            STYLES.get(curve.pixel_format, "-"),
            marker="o",
            markersize=3.5,
            linewidth=1.4,
            color=COLOURS.get(curve.method, OTHER_COLOUR),
            label=caption(curve.label),
        )


def _stars(axes: Axes, scene: Scene) -> None:
    for point in scene.networks[:MOST_STARS]:
        if point.quality:
            place = (point.quality.bits_per_pixel, point.quality.psnr_db)
            axes.plot(*place, "*", markersize=13, color="black", markeredgecolor="white")
            axes.annotate(
                caption(point.method), place, (0, -9), textcoords="offset points", ha="center", va="top", fontsize=8
            )


def _dress(axes: Axes, scene: Scene) -> None:
    """Scales, names, legend."""
    source = scene.source
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5), numticks=30))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _place: significant(value, 1)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.06, y=0.08)
    axes.set_xlabel("bits per pixel of the whole file")
    axes.set_ylabel("PSNR of RGB frames, dB (mean)")
    axes.set_title(f"{caption(source.clip)}, {source.width}×{source.height}, {source.frames} frames", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    if scene.curves:
        axes.figure.legend(frameon=False, fontsize=8, loc="outside right upper")
