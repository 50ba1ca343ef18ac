"""The tables of a suite's page, and how numbers and effects are written there."""

from __future__ import annotations

from statistics import fmean

from nervbench import suites
from nervbench.report.effects import DIFFERENCES, EXACT, Effect, Measured, judged
from nervbench.report.markdown import escape, table
from nervbench.report.rows import one_line
from nervbench.report.suite_read import Read
from nervbench.suites import Quantity
from nervbench.units import UNKNOWN, percent, prefixed, significant

HEADS: dict[Quantity, str] = {
    "params": "parameters",
    "psnr_db": "PSNR",
    "ms_ssim": "MS-SSIM",
    "epoch_s": "an epoch",
    "train_s": "training",
    "decode_fps": "decoding FPS",
    "bits_per_pixel": "bits per pixel",
}


def claims(found: Read) -> str:
    """One row a comparison: published, measured with its interval, verdict."""
    head = ("conclusion", "compared", "published", "here", "verdict")
    rows = []
    for conclusion in found.suite.conclusions:
        for place, each in enumerate(judged(found.suite, conclusion, found.found)):
            claim = each.claim
            was = "; ".join(
                f"{_change(claim.quantity, value)} ({escape(name)})" for name, value in each.published.items()
            )
            bound = f" within {_bound(claim.quantity, claim.within)}" if claim.change == "same" else ""
            compared = f"{HEADS[claim.quantity]}, {found.name(claim.of)} against {found.name(claim.against)}"
            rows.append(
                [
                    escape(conclusion.says) if place == 0 else "",
                    f"{escape(compared)}: {claim.change}{bound}",
                    was or "in words only",
                    effect_words(claim.quantity, each.measured) if each.measured else UNKNOWN,
                    each.verdict.value,
                ]
            )
    return table(head, rows)


def numbers(found: Read) -> str:
    """One row an arm and source: published and measured, with the difference."""
    head = ["arm", "numbers", *(HEADS[quantity] for quantity in found.suite.quantities)]
    rows = []
    for key, arm in found.rows:
        own = found.found[key]
        here = {name: fmean(values) for name, values in own.values.items()}
        rows.append(
            [escape(found.name(key)), _runs(own, found.model(key)), *(_cell(q, own) for q in found.suite.quantities)]
        )
        for source, was_numbers in suites.published(found.suite, arm).items():
            was = [_number(q, was_numbers[q]) if q in was_numbers else UNKNOWN for q in found.suite.quantities]
            rows.append(["", escape(source), *was])
            if here:
                apart = [_apart(q, here.get(q), was_numbers.get(q)) for q in found.suite.quantities]
                rows.append(["", "difference", *apart])
    return table(head, rows, right=range(2, len(head)))


def _runs(own: Measured, model: str | None) -> str:
    """What stands in the row: the model and how many runs, or why there is none."""
    runs = max(map(len, own.values.values()), default=0)
    if not runs:
        return f"here: {escape(one_line(own.reason or ''))}"
    return f"**here**: {f'{escape(model)}, ' if model else ''}{runs} run{'s' if runs != 1 else ''}"


def _cell(quantity: Quantity, own: Measured) -> str:
    values = own.values.get(quantity)
    return _number(quantity, fmean(values)) if values else UNKNOWN


def _apart(quantity: Quantity, here: float | None, was: float | None) -> str:
    if here is None or was is None:
        return UNKNOWN
    return _change(quantity, here - was if quantity in DIFFERENCES else here / was)


def _number(quantity: Quantity, value: float) -> str:
    match quantity:
        case "params":
            return f"{value:,.0f}"
        case "psnr_db":
            return f"{value:.2f} dB"
        case "ms_ssim":
            return f"{value:.4f}"
        case "epoch_s" | "train_s":
            return f"{value / 60:,.0f} min" if value >= 600 else prefixed(value, "s")
        case _:
            return significant(value)


def effect_words(quantity: Quantity, effect: Effect) -> str:
    """An effect with its interval; none is needed where another run changes nothing."""
    said = _change(quantity, effect.value)
    if effect.low is None or effect.high is None:
        return f"{said}, one run a side"
    if quantity in EXACT:
        return said
    return f"{said}, {_change(quantity, effect.low)} to {_change(quantity, effect.high)}"


def _change(quantity: Quantity, value: float) -> str:
    """A difference with its sign, a ratio as a percentage or, from two on, as a factor.

    >>> _change("psnr_db", -0.4), _change("epoch_s", 0.75), _change("decode_fps", 39.0)
    ('-0.40 dB', '-25.0 %', '×39.0')
    """
    if quantity == "psnr_db":
        return f"{value:+.2f} dB"
    if quantity == "ms_ssim":
        return f"{value:+.4f}"
    return f"{100 * (value - 1):+.1f} %" if 0.5 < value < 2 else f"×{significant(value)}"


def _bound(quantity: Quantity, within: float) -> str:
    if quantity == "psnr_db":
        return f"{within:g} dB"
    return f"{within:g}" if quantity in DIFFERENCES else percent(within)
