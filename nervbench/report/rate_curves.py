"""Curves of rate and distortion, and what one saves against another.

A curve is the points of one codec with one preset, tune and pixel format. Between points the logarithm of the rate is a
monotone piecewise cubic of the PSNR, as the video standards groups (JCT-VC, from Bjøntegaard, VCEG-M33) interpolate it;
beyond the ends nothing is known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nervbench.rates import CODEC, NETWORK, RatePoint, Source

if TYPE_CHECKING:
    from scipy.interpolate import PchipInterpolator

BD_NEEDS = 4
"""Points of each curve, as Bjøntegaard's method has them."""
BASELINE = ("x264", "yuv420p")
RATES, LEAST_STEP_DB = (1e-9, 1e9), 1e-6
"""Bits per pixel that can be drawn, and how much better a larger file must be to be a point of a curve."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one codec in order of PSNR, each better one larger; ``threads`` are those of its encoder."""

    label: str
    method: str
    pixel_format: str
    threads: int
    points: tuple[RatePoint, ...]

    @property
    def psnr_db(self) -> list[float]:
        """Of each point."""
        return [point.quality.psnr_db for point in self.points if point.quality]

    @property
    def rates(self) -> list[float]:
        """Bits per pixel of each point."""
        return [point.quality.bits_per_pixel for point in self.points if point.quality]


@dataclass(frozen=True, slots=True)
class Saving:
    """The mean difference in bits at equal PSNR, a share (−0.3: 30 % fewer), over a range in dB, or why none."""

    share: float | None
    low_db: float | None = None
    high_db: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """All points of one source: the curves of the codecs, and the networks that have a quality."""

    source: Source
    points: tuple[RatePoint, ...]
    curves: tuple[Curve, ...]
    networks: tuple[RatePoint, ...]

    @property
    def baseline(self) -> Curve | None:
        """The curve that others are compared with: x264 in 4:2:0."""
        return next((curve for curve in self.curves if (curve.method, curve.pixel_format) == BASELINE), None)


def scenes_of(points: Sequence[RatePoint]) -> list[Scene]:
    """The points by what was encoded, in the order in which sources appear."""
    found: dict[Source, list[RatePoint]] = {}
    for point in points:
        found.setdefault(point.source, []).append(point)
    return [Scene(source, tuple(some), _curves(some), _networks(some)) for source, some in found.items()]


def has_place(point: RatePoint) -> bool:
    """Whether a point can be drawn and compared: a rate and a PSNR that a picture can have."""
    found = point.quality
    return found is not None and RATES[0] < found.bits_per_pixel < RATES[1] and abs(found.psnr_db) < 1e3


def label_of(point: RatePoint) -> str:
    """Codec, preset, pixel format, and the tune where it is not for PSNR; of a network its name."""
    if point.kind == NETWORK:
        return point.method
    preset = point.settings.get("preset") or point.settings.get("cpu-used", "")
    tune = point.settings.get("tune", "psnr")
    words = (f"{point.method} {preset}".strip(), point.settings.get("pixel_format", ""), "" if tune == "psnr" else tune)
    return ", ".join(word for word in words if word)


def rate_at(curve: Curve, psnr_db: float) -> float | None:
    """The bits per pixel with which a curve has this PSNR; None outside of its points."""
    known = curve.psnr_db
    if len(known) < 2 or not known[0] <= psnr_db <= known[-1]:
        return None
    return float(10 ** _log_rate(curve)(psnr_db))


def saving(curve: Curve, baseline: Curve) -> Saving:
    """The Bjøntegaard delta rate of a curve against another, over the PSNR that both have."""
    for one in (curve, baseline):
        if len(one.points) < BD_NEEDS:
            return Saving(None, reason=f"{one.label} has {len(one.points)} points; {BD_NEEDS} are needed")
    low, high = max(curve.psnr_db[0], baseline.psnr_db[0]), min(curve.psnr_db[-1], baseline.psnr_db[-1])
    if low >= high:
        ranges = (f"{one.psnr_db[0]:.1f} to {one.psnr_db[-1]:.1f} dB" for one in (curve, baseline))
        return Saving(None, reason=f"no PSNR in common ({' against '.join(ranges)})")
    areas = [float(_log_rate(one).integrate(low, high)) for one in (curve, baseline)]
    return Saving(float(10 ** ((areas[0] - areas[1]) / (high - low)) - 1), low, high)


def _log_rate(curve: Curve) -> PchipInterpolator:
    """log10 of the rate by PSNR."""
    from scipy.interpolate import PchipInterpolator  # noqa: PLC0415 (other reports do without)

    return PchipInterpolator(curve.psnr_db, np.log10(curve.rates))


def _curves(points: Sequence[RatePoint]) -> tuple[Curve, ...]:
    """One for each device, versions and settings but the quality; of several thread counts only the largest."""
    found: dict[tuple[object, ...], list[RatePoint]] = {}
    for point in points:
        if point.kind == CODEC and has_place(point):
            same = [sorted(pairs.items()) for pairs in (point.settings | {"crf": ""}, point.versions)]
            found.setdefault((point.method, point.device, str(same)), []).append(point)
    return tuple(_curve(some) for some in found.values())


def _curve(points: Sequence[RatePoint]) -> Curve:
    threads = max(point.threads for point in points)
    kept = tuple(_rising(point for point in points if point.threads == threads))
    first = kept[0]
    return Curve(label_of(first), first.method, first.settings.get("pixel_format", ""), threads, kept)


def _rising(points: Iterable[RatePoint]) -> list[RatePoint]:
    """In order of rate, without what is no better than a smaller one: no curve goes through that."""
    kept: list[RatePoint] = []
    best = -math.inf
    for point in sorted(points, key=lambda point: point.quality.bits_per_pixel if point.quality else 0.0):
        if point.quality and point.quality.psnr_db > best + LEAST_STEP_DB:
            kept.append(point)
            best = point.quality.psnr_db
    return kept


def _networks(points: Sequence[RatePoint]) -> tuple[RatePoint, ...]:
    """Of several thread counts only the largest: the frames are the same."""
    found: dict[tuple[object, ...], RatePoint] = {}
    for point in points:
        if point.kind == NETWORK and has_place(point):
            key = (point.method, point.device, *sorted(point.settings.items()))
            if key not in found or found[key].threads < point.threads:
                found[key] = point
    return tuple(found.values())
