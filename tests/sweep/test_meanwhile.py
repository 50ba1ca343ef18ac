"""A case is watched while it is timed, and is timed all the same where it cannot be watched."""

from __future__ import annotations

from nervbench.records import SINGLE_STREAM, Status

from .conftest import Studio, ended


def test_watched(studio: Studio) -> None:
    """A case brings what was seen meanwhile; one that cannot be watched brings its samples and a doubt."""
    results, _ = ended(
        studio.plan(studio.root / "meanwhile", [f"{name}/fp32/1/{SINGLE_STREAM}" for name in ("works", "blinds")])
    )
    seen, unseen = (results[name].telemetry for name in ("works", "blinds"))

    assert {result.status for result in results.values()} == {Status.OK}
    assert seen is not None
    assert seen.meanwhile is not None
    assert seen.meanwhile.own_cpu_share is not None
    assert unseen is not None
    assert unseen.meanwhile is None
    assert "unobserved" in {doubt.code for doubt in results["blinds"].doubts}
    assert "the sampler did not start: " in str(results["blinds"].telemetry and results["blinds"].telemetry.unwatched)
    assert "unobserved" not in {doubt.code for doubt in results["works"].doubts}
