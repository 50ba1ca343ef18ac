"""Scenarios that change one thing: cold caches, frames on the host. Frames of both are compared as ever."""

from __future__ import annotations

import pytest

from nervbench.records import COLD, TO_HOST, Status

from .conftest import Studio, ended

pytestmark = pytest.mark.alone


def test_ways(studio: Studio) -> None:
    """Each row names what was otherwise; a wrong frame is found though the clock stops elsewhere."""
    names = [f"works/fp32/1/{COLD}", f"works/fp32/1/{TO_HOST}", f"late/fp32/1/{TO_HOST}"]
    _, events = ended(studio.plan(studio.root / "ways", names))
    cold, host, late = [event.result for event in events if event.result]

    for result, ways in ((cold, ("cold", "device")), (host, ("hot", "host"))):
        assert result.status == Status.OK, result.reason
        assert result.telemetry
        assert (result.telemetry.caches, result.telemetry.frames_on) == ways
        assert 5 <= len(result.samples_s) <= 12  # fewer where the time is over, on a busy machine
        assert result.fidelity
        assert result.fidelity.during_frames == (0, 3)
    assert late.status == Status.WRONG_OUTPUT
