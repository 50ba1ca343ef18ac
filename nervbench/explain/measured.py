"""The time of a frame of a model that was measured on a GPU, from a results file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

from nervbench.cards import Peaks, cards
from nervbench.errors import ResultsError
from nervbench.records import SINGLE_STREAM, STRICT, Result, Status


def frame_time(results: Sequence[Result], model: str) -> tuple[Peaks, float]:
    """The GPU and the median seconds of a frame, of the fp32 eager case of the model with batch 1, single stream.

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
    card = card_of(name)
    if card is None:
        where = name or "an unknown device"
        msg = f"{last.case.name} was measured on {where}, which has no card; known: {', '.join(cards())}"
        raise ResultsError(msg)
    return card, median(last.samples_s)


def card_of(name: str) -> Peaks | None:
    """The card of a device by the name that its driver gives it; of several the one that says most.

    >>> [card_of(name).key for name in ("Tesla P100-PCIE-16GB", "Tesla P100-SXM2-16GB", "NVIDIA GeForce RTX 2080 Ti")]
    ['p100', 'p100-sxm2', 'rtx-2080-ti']
    >>> card_of("Tesla P40")
    """
    low = name.lower()
    fit = [card for key, card in cards().items() if all(re.search(rf"\b{part}(gb)?\b", low) for part in key.split("-"))]
    return max(fit, key=lambda card: card.key.count("-"), default=None)


def _comparable(result: Result) -> bool:
    case = result.case
    return (case.precision, case.runtime, case.batch, case.scenario, case.protocol) == (
        "fp32", "eager", 1, SINGLE_STREAM, STRICT,
    )  # fmt: skip
