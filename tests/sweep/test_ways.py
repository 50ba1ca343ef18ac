"""Scenarios that change one thing: cold caches, frames on the host. Frames of both are compared as ever."""

from __future__ import annotations

from nervbench.records import COLD, TO_HOST, Status

from .conftest import Studio, ended


def test_ways(studio: Studio) -> None:
    """Each row names what was otherwise; a wrong frame is found though the clock stops elsewhere."""
    cold, _ = ended(studio.plan(studio.root / COLD, [f"works/fp32/1/{COLD}"]))
    host, _ = ended(
        studio.plan(
            studio.root / TO_HOST, [f"{name}/fp32/1/{TO_HOST}" for name in ("works", "late")], str(studio.trained)
        )
    )

    for result, ways in ((cold["works"], ("cold", "device")), (host["works"], ("hot", "host"))):
        assert result.status == Status.OK, result.reason
        assert result.telemetry
        assert (result.telemetry.caches, result.telemetry.frames_on) == ways
        assert len(result.samples_s) == 12
        assert result.fidelity
        assert result.fidelity.during_frames == (0, 3)
    assert host["late"].status == Status.WRONG_OUTPUT
