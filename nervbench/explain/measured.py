"""The time of a frame of a model that was measured on a GPU, or published, as one side of a comparison."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from nervbench import published
from nervbench.cards import Peaks, card, cards
from nervbench.errors import ResultsError
from nervbench.explain.gap import MEASURED, PUBLISHED, Side
from nervbench.records import SINGLE_STREAM, STRICT, Result, Status
from nervbench.stats import Floats, bootstrap_interval

ROUNDED_FPS = 0.1
"""Published speeds have one decimal."""
LEVEL = 0.2
"""Of the interval of a measured time: 80 %."""


def frame_time(results: Sequence[Result], model: str) -> tuple[Peaks, float]:
    """The GPU and the median seconds of a frame, see :func:`measured`."""
    found = measured(results, model)
    return card(found.key), found.time_s


def measured(results: Sequence[Result], model: str) -> Side:
    """The fp32 eager case of the model with batch 1, single stream, as one side.

    Raises ResultsError where there is none, where it has no samples, or where its device has no card.
    """
    if not (of_model := [result for result in results if result.case.model == model]):
        found = sorted({result.case.model for result in results})
        msg = f"no results of {model}, found those of {', '.join(found)}: a time of one model says nothing of another"
        raise ResultsError(msg)
    fit = [result for result in of_model if _comparable(result)]
    if not fit:
        msg = f"no case {model}/fp32/eager/b1 (single stream, strict) among the results; it is what is predicted"
        raise ResultsError(msg)
    last = fit[-1]
    if last.status is not Status.OK or not last.samples_s:
        msg = f"{last.case.name} has no samples (it ended {last.status.value}); measure it again"
        raise ResultsError(msg)
    name = last.device.name if last.device else ""
    on = card_of(name)
    if on is None:
        where = name or "an unknown device"
        msg = f"{last.case.name} was measured on {where}, which has no card; known: {', '.join(cards())}"
        raise ResultsError(msg)
    says = f"{last.case.name}, {len(last.samples_s)} samples by the protocol {last.case.protocol}"
    return Side(on.key, on.name, MEASURED, median(last.samples_s), *interval(last.samples_s, medians), says)


def interval(samples_s: Sequence[float], statistic: Callable[[Floats], Floats]) -> tuple[float, float]:
    """Of a statistic of samples, 80 %, by the bootstrap; never beyond the samples."""
    least, most = min(samples_s), max(samples_s)
    low, high = bootstrap_interval(statistic, samples_s, LEVEL) or (least, most)
    return max(low, least), min(high, most)


def published_on(model: str, on: Peaks) -> Side | None:
    """What was published of a model on a card; None where nothing was. The interval is that of the rounding."""
    if (row := published.decoding(model, on.key)) is None:
        return None
    half = ROUNDED_FPS / 2
    said = f"{row.source}; {row.conditions}; by the protocol {row.protocol}" if row.protocol else row.source
    return Side(on.key, on.name, PUBLISHED, 1 / row.fps, 1 / (row.fps + half), 1 / (row.fps - half), said)


def medians(samples: Floats) -> Floats:
    """Of each row."""
    found: Floats = np.median(samples, axis=-1)
    return found


def card_of(name: str) -> Peaks | None:
    """The card of a device by the name that its driver gives it; of several the one that says most.

    >>> [card_of(name).key for name in ("Tesla P100-PCIE-16GB", "Tesla P100-SXM2-16GB", "NVIDIA GeForce RTX 2080 Ti")]
    ['p100', 'p100-sxm2', 'rtx-2080-ti']
    >>> card_of("Tesla P40")
    """
    low = name.lower()
    fit = [
        found for key, found in cards().items() if all(re.search(rf"\b{part}(gb)?\b", low) for part in key.split("-"))
    ]
    return max(fit, key=lambda found: found.key.count("-"), default=None)


def _comparable(result: Result) -> bool:
    case = result.case
    return (case.precision, case.runtime, case.batch, case.scenario, case.protocol) == (
        "fp32", "eager", 1, SINGLE_STREAM, STRICT,
    )  # fmt: skip
