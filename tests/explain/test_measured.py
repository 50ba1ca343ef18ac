"""Times of frames from results."""

from __future__ import annotations

import dataclasses

import pytest

from nervbench.errors import ResultsError
from nervbench.explain.measured import frame_time, measured
from nervbench.records import DeviceCard, Result, Status, case_of

CASE = case_of("nerv-s", "fp32", "eager", 1, "single_stream", "seeded:0")
V100 = DeviceCard("cuda", "Tesla V100-PCIE-32GB", None, None, None)
MEASURED = Result(CASE, Status.OK, device=V100, samples_s=(0.02, 0.03, 0.04))


def test_median() -> None:
    """The GPU is known by its driver's name, and the time is the median of the samples."""
    found, time_s = frame_time([MEASURED], "nerv-s")

    assert (found.key, time_s) == ("v100", 0.03)


def test_interval_within_the_samples() -> None:
    """A few samples that scatter widely do not make the interval reach below the shortest, let alone below 0."""
    found = measured([dataclasses.replace(MEASURED, samples_s=(0.01, 0.9, 0.011, 2.0, 0.012))], "nerv-s")

    assert 0.01 <= found.low_s <= found.time_s == 0.012
    assert found.time_s <= found.high_s <= 2.0


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (dataclasses.replace(MEASURED, case=dataclasses.replace(CASE, model="nerv-m")), "found those of nerv-m"),
        (dataclasses.replace(MEASURED, case=dataclasses.replace(CASE, runtime="ort")), "no case nerv-s/fp32/eager/b1"),
        (dataclasses.replace(MEASURED, samples_s=()), "has no samples"),
        (dataclasses.replace(MEASURED, status=Status.CRASHED), "ended CRASHED"),
        (dataclasses.replace(MEASURED, device=DeviceCard("cpu", "Xeon", 1, 1, 1)), "on Xeon, which has no card"),
    ],
)
def test_refuses(result: Result, says: str) -> None:
    """Results of another model, of no such case, without samples or of a device without a card are refused."""
    with pytest.raises(ResultsError, match=says):
        frame_time([result], "nerv-s")
