"""What forbids a comparison, what is only listed, and what a caller may let differ."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nervbench.compare.ledger import ledger, refused
from nervbench.records import (
    OFFLINE,
    SINGLE_STREAM,
    Artifact,
    Ceilings,
    DeviceCard,
    Doubt,
    Environment,
    Load,
    Playback,
    Quality,
    Result,
    Served,
    Status,
    Telemetry,
    case_of,
)

CEILINGS = Ceilings({"fp32": 200e9, "bf16": 400e9}, 20e9, 6.0)
CARD = DeviceCard("cpu", "a CPU", 2, 2, 8 << 30, clock_hz=2.5e9, features=("avx2",), ceilings=CEILINGS)
STACK = Environment("3.11.7", "Linux", {"nervbench": "1.0", "torch": "2.13"}, {"threads": "2"})
A = Result(
    case=case_of("nerv-s", "fp32", "eager", 1, SINGLE_STREAM, "bundled"),
    status=Status.OK,
    device=CARD,
    environment=STACK,
    artifact=Artifact("checkpoint", "fp32", "key", "ab" * 32, 100, "spec", {}),
    samples_s=(0.01, 0.011, 0.012, 0.013),
    telemetry=Telemetry(),
    quality=Quality(132, 33.0, 29.0, 1, None, None, 0.2, "clip", "cd" * 32, "bicubic"),
)


def changed(result: Result, part: str, **fields: Any) -> Result:
    """A result with fields of one of its parts changed."""
    return replace(result, **{part: replace(getattr(result, part), **fields)})


BLOCKING = {
    "model": changed(A, "case", model="nerv-m"),
    "weights": changed(A, "case", weights="seeded:0"),
    "precision": changed(A, "case", precision="bf16"),
    "runtime": changed(A, "case", runtime="ov"),
    "batch": changed(A, "case", batch=4),
    "scenario": changed(A, "case", scenario=OFFLINE),
    "architecture": changed(A, "artifact", spec="wider"),
    "clip": changed(A, "quality", clip_sha256="ef" * 32),
    "calls per sample": changed(A, "telemetry", calls_per_sample=4),
    "frames on": changed(A, "telemetry", frames_on="host"),
    "device": replace(A, device=None),
    "device name": changed(A, "device", name="another CPU"),
    "device threads": changed(A, "device", threads=4),
    "instruction sets": changed(A, "device", features=("avx2", "avx512f")),
    "clock": changed(A, "device", clock_hz=2.0e9),
    "environment": replace(A, environment=None),
    "package torch": changed(A, "environment", versions={"nervbench": "1.0", "torch": "2.14"}),
    "package nervbench": changed(A, "environment", versions={"nervbench": "1.1", "torch": "2.13"}),
    "setting threads": changed(A, "environment", settings={"threads": "1"}),
    "setting OMP": changed(A, "environment", settings={"threads": "2", "OMP": "1"}),
    "status": replace(A, status=Status.CRASHED, reason="signal 9"),
    "samples": replace(A, samples_s=(0.01, 0.01)),
}
LISTED = {
    "setting process": changed(A, "environment", settings={"threads": "2", "process": "forked"}),
    "python": changed(A, "environment", python="3.12.1"),
    "system": changed(A, "environment", system="Linux 7"),
    "artifact": changed(A, "artifact", sha256="00" * 32),
    "algorithm": changed(A, "telemetry", algorithm="Winograd"),
    "doubts": replace(A, doubts=(Doubt("noisy", {"noise": 0.1}),)),
}
WEAKENING = {
    "ceiling copy": changed(A, "device", ceilings=replace(CEILINGS, copy_bytes_per_s=15e9)),
    "ceiling fp32": changed(A, "device", ceilings=replace(CEILINGS, flop_per_s={"fp32": 150e9})),
    "doubts": replace(A, doubts=(Doubt("noisy", {"noise": 0.1}), Doubt("others_busy", {"share": 0.3}))),
}


@pytest.mark.parametrize("what", BLOCKING)
def test_blocking(what: str) -> None:
    """A difference in what is known to change a time refuses the comparison, by its name, whichever side has it."""
    for pair in ((A, BLOCKING[what]), (BLOCKING[what], A)):
        found = ledger(*pair)
        assert [each.what for each in found] == [what]
        assert refused(found)


@pytest.mark.parametrize("what", LISTED)
def test_listed(what: str) -> None:
    """What merely might matter is listed and refuses nothing."""
    found = ledger(A, LISTED[what])
    assert [each.what for each in found] == [what]
    assert not refused(found)


@pytest.mark.parametrize("what", WEAKENING)
def test_weakening(what: str) -> None:
    """What a neighbour may have done refuses nothing; the side to which it was done is named."""
    for pair, side in (((A, WEAKENING[what]), "b"), ((WEAKENING[what], A), "a")):
        (found,) = ledger(*pair)
        assert (found.what, found.blocking, found.hinders) == (what, False, side)
        assert not ledger(*pair, {what})[0].hinders


@pytest.mark.parametrize(
    ("shares", "hindered"), [((0.1, 0.1), ""), ((0.1, 0.14), ""), ((0.1, 0.16), "b"), ((0.3, 0.1), "a")]
)
def test_alike_disturbed(shares: tuple[float, float], hindered: str) -> None:
    """A neighbour that both sides had hinders neither, unless one had clearly more of it."""
    one, other = (replace(A, doubts=(Doubt("others_busy", {"share": share}),)) for share in shares)
    assert ledger(one, other)[0].hinders == hindered


def player(late: int, dropped: int) -> Result:
    """A player with so many of its hundred frames late or dropped."""
    lates = (*[0.01] * late, *[-0.01] * (100 - late - dropped))
    return changed(A, "telemetry", playback=Playback(60.0, 0.1, tuple(range(len(lates))), lates, dropped, (), 2.0))


def server(*held: bool) -> Result:
    """A server that was offered 50, 70 … requests a second and held some of these loads."""
    loads = tuple(Load(50.0 + 20 * place, (0.01,), 1.0, 0, each) for place, each in enumerate(held))
    return changed(A, "telemetry", served=Served(0.01, 0.05, loads))


@pytest.mark.parametrize(
    ("good", "bad", "says"),
    [
        (player(3, 0), player(6, 3), "late or dropped frames: 3 % against 9 %"),
        (server(True, True), server(True, False), "requests held: 70 a second against 50 a second"),
        (server(True), server(False), "requests held: 50 a second against 0 a second"),
    ],
)
def test_worse_outcomes(good: Result, bad: Result, says: str) -> None:
    """Where more is asked than decodes, a worse end is told; a better one is not, nor one that chance may bring."""
    (found,) = ledger(good, bad)
    assert (str(found), found.blocking, found.worse) == (says, False, True)
    assert ledger(bad, good) == ledger(player(3, 0), player(3, 4)) == ()


@pytest.mark.parametrize("what", ["runtime", "precision", "batch", "package torch", "package nervbench", "clock"])
def test_what_is_compared_may_differ(what: str) -> None:
    """The caller names what is compared; it stays in the list, and a package goes by its own name."""
    found = ledger(A, BLOCKING[what], {what.removeprefix("package ")})
    assert [each.what for each in found] == [what]
    assert not refused(found)


@pytest.mark.parametrize("what", ["status", "samples"])
def test_nothing_is_no_choice(what: str) -> None:
    """A side without samples is refused whatever the caller lets differ."""
    assert refused(ledger(A, BLOCKING[what], {what}))


def test_alike() -> None:
    """A result against itself has an empty ledger; one doubted on both sides carries its doubts along."""
    assert ledger(A, A) == ()
    doubted = LISTED["doubts"]
    assert [(each.a, each.b, each.blocking) for each in ledger(doubted, doubted)] == [("noisy", "noisy", False)]


def test_near_enough() -> None:
    """Clocks and ceilings within 10 % are alike, and ones that were not measured forbid nothing."""
    near = changed(A, "device", clock_hz=2.6e9, ceilings=replace(CEILINGS, copy_bytes_per_s=18.5e9))
    unmeasured = changed(A, "device", clock_hz=None, ceilings=None)
    assert ledger(A, near) == ledger(A, unmeasured) == ()


def test_packages_of_two_runtimes() -> None:
    """Between two runtimes only the packages that both have can differ."""
    other = changed(BLOCKING["runtime"], "environment", versions={"nervbench": "1.0", "openvino": "2026.0"})
    assert [each.what for each in ledger(A, other, {"runtime"})] == ["runtime"]


@pytest.mark.parametrize("sample", [0.0, -1.0, 1e12])
def test_impossible_times(sample: float) -> None:
    """A time of 0, below it or of a thousand years is refused, not computed with."""
    found = ledger(A, replace(A, samples_s=(0.01, 0.01, 0.01, sample)))
    assert str(found[0]) == "samples: 4 against 4 (some are no times)"
