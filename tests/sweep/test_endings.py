"""Every way in which a case can end is a row, and the sweep goes on after each."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path

import pytest

from nervbench import store
from nervbench.config import Verify
from nervbench.measure.scenario import CALLS
from nervbench.measure.server import BOUND_SERVICES
from nervbench.records import FAILED, OFFLINE, SINGLE_STREAM, Doubt, Result, Status
from nervbench.report.rows import decoding_fps, one_line
from nervbench.settings import Player
from nervbench.sweep import process
from nervbench.sweep.local import RESULTS, Event, Plan, execute, remaining
from tests.waiting import gone

from .conftest import FRAMES, Studio, ended

pytestmark = pytest.mark.alone

PLAIN = f"fp32/1/{SINGLE_STREAM}"
# runtime: how its case ends, and what the reason says (a pattern)
ENDINGS: dict[str, tuple[Status, str | None]] = {
    "works": (Status.OK, None),
    "prints": (Status.OK, None),
    "leaves": (Status.OK, None),
    "litters": (Status.OK, None),
    "wrong": (Status.WRONG_OUTPUT, r"before timing: frame \d is .* dB from fp32 eager, at least 57\.\d dB are needed"),
    "grey": (Status.WRONG_OUTPUT, r"before timing: frame \d is .*largest difference \d+ of 255"),
    "nan": (Status.WRONG_OUTPUT, r"shape \(1, 180, 320, 3\) and type float32, expected \(1, 180, 320, 3\) uint8"),
    "shape": (Status.WRONG_OUTPUT, r"shape \(1, 3, 180, 320\) and type uint8, expected \(1, 180, 320, 3\) uint8"),
    "late": (Status.WRONG_OUTPUT, r"during the timed run: frame \d is"),
    "raises": (Status.CRASHED, r"^ValueError: the driver said no\n.*in _raise\n"),
    "speechless": (
        Status.CRASHED,
        r"^Speechless: it cannot say why: its __str__ raised RecursionError\n.*in _lose_words",
    ),
    "segfaults": (Status.CRASHED, r"^the worker was ended by SIGSEGV$"),
    "exits": (Status.CRASHED, r"^the worker ended with exit code 3 and without a result$"),
    "hungry": (Status.OUT_OF_MEMORY, r"^MemoryError"),
    "bad_alloc": (Status.OUT_OF_MEMORY, r"^RuntimeError: std::bad_alloc$"),
    "no_room": (Status.OUT_OF_MEMORY, r"^the compiler failed: DefaultCPUAllocator: can't allocate memory$"),
    "killed": (Status.CRASHED, r"^the worker was ended by SIGKILL$"),
    "refuses": (Status.UNSUPPORTED, r"^needs a device of 1977; none is here$"),
    "missing": (Status.UNSUPPORTED, r"'missing' cannot run here: .* install the package that has no_such_package_any"),
    "odd_format": (Status.EXPORT_FAILED, r"^unknown format 'gguf'; known: checkpoint, onnx, "),
    "no_load": (Status.LOAD_FAILED, r"^the file is newer than this runtime$"),
    "elsewhere": (Status.FELL_BACK, r"^asked for the NPU, the session runs on the CPU$"),
}


def with_all_frames(plan: Plan) -> Plan:
    """The plan, short, and with references of all frames: these scenarios decode others than those that are checked."""
    stopping = dataclasses.replace(plan.bench.stopping, budget_s=0.5)
    changed = dataclasses.replace(plan.bench, stopping=stopping, player=Player(1.0, 0.4), verify=Verify(frames=FRAMES))
    return dataclasses.replace(plan, bench=changed)


Sweep = tuple[dict[str, Result], list[Event], Path]


@pytest.fixture(scope="module", params=["started", "forked"])
def sweep(studio: Studio, request: pytest.FixtureRequest) -> Sweep:
    """One sweep over all of them, whose processes are started, and one whose are forked as those that take PyTorch."""
    out = studio.root / f"endings-{request.param}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "takes_torch", lambda _: request.param == "forked")
        if request.param == "forked":
            patch.setattr(process, "_started", lambda *_: pytest.fail("it was not forked"))
        results, events = ended(studio.plan(out, [f"{name}/{PLAIN}" for name in ENDINGS]))
    return results, events, out


@pytest.mark.parametrize("name", ENDINGS)
def test_ending(sweep: Sweep, name: str) -> None:
    """The case ends with its status and a reason that a person can read."""
    status, pattern = ENDINGS[name]
    result = sweep[0][name]

    assert result.status == status, result.reason
    assert (result.reason is None) if pattern is None else re.search(pattern, result.reason or "", re.DOTALL)
    assert bool(result.samples_s) is (status == Status.OK)
    if result.status == Status.OK and result.environment:  # the row says how its process began
        assert ("forked" in result.environment.settings["process"]) is sweep[2].name.endswith("forked")
    assert result.quality is None  # seeded weights resemble no source


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("raises", r"ValueError: the driver said no \(in _raise, fake_runtimes\.py:\d+\)"),
        ("speechless", r"Speechless: it cannot say why: .* \(in _lose_words, fake_runtimes\.py:\d+\)"),
    ],
)
def test_reason_on_one_line(sweep: Sweep, name: str, says: str) -> None:
    """Of an error's traceback, deep as it is, a table shows where it arose and nothing else."""
    assert re.fullmatch(says, one_line(sweep[0][name].reason or ""))


def test_killed_for_memory(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Linux counts one more process that it ended for want of memory, a killed worker was that one."""
    monkeypatch.setattr(process, "memory_kills", itertools.count().__next__)
    results, _ = ended(studio.plan(studio.root / "memory", [f"{name}/{PLAIN}" for name in ("killed", "segfaults")]))

    assert results["killed"].status == Status.OUT_OF_MEMORY
    assert results["killed"].reason == "the worker was ended by SIGKILL because the system's memory ran out"
    assert results["segfaults"].status == Status.CRASHED


def test_cut_off(studio: Studio) -> None:
    """Whatever ends a case in the middle of its samples, they are kept, with a doubt, and make no result."""
    expected = {
        "killed_late": Status.CRASHED,
        "raises_late": Status.CRASHED,
        "hungry_late": Status.OUT_OF_MEMORY,
        "hangs_late": Status.TIMED_OUT,
    }
    out = studio.root / "cut_off"
    results, _ = ended(studio.plan(out, [f"{name}/{PLAIN}" for name in expected], timeout_s=8.0))

    assert {name: result.status for name, result in results.items()} == expected
    for result in results.values():
        assert len(result.samples_s) == 5  # eight decodes, but two that are checked and one that warms up
        assert result.doubts == (Doubt("cut_off", {"samples": 5}),)
        assert decoding_fps(result) is None
    assert (results["hangs_late"].wall_s or 0) > 8 > (results["killed_late"].wall_s or 0) > 0
    assert store.read(out / RESULTS) == [*results.values()]


def test_endless_output(studio: Studio) -> None:
    """A runtime that prints without an end is ended long before its time, and the sweep goes on."""
    names = [f"{name}/{PLAIN}" for name in ("chatters_late", "works")]
    results, _ = ended(studio.plan(studio.root / "endless", names, timeout_s=60.0))
    result = results["chatters_late"]

    assert result.status == Status.CRASHED
    said = "the worker wrote more than 64 MB to its output; its last words: "
    assert str(result.reason).startswith(said)  # the last word may be cut in two by the kill
    assert "retrying retrying" in str(result.reason)
    assert (len(result.samples_s), result.doubts) == (5, (Doubt("cut_off", {"samples": 5}),))
    assert (result.wall_s or 0) < 30
    assert results["works"].status == Status.OK


@pytest.mark.parametrize(
    ("device", "says"),
    [
        ("set_back", r"^the device's clock gave -3\d{3}\.?\d* s for a decode: it was set back"),
        ("vanishes", "the device vanishes was there when the sweep began and is gone: PyTorch sees no NVIDIA GPU"),
    ],
)
def test_device_fails(studio: Studio, device: str, says: str) -> None:
    """A device whose clock goes back, or that is gone in the middle of a sweep, makes no numbers and is no refusal."""
    plan = dataclasses.replace(studio.plan(studio.root / device, [f"works/{PLAIN}"]), device=device)
    results, _ = ended(plan)

    assert results["works"].status == Status.CRASHED
    assert re.search(says, results["works"].reason or "")
    assert not results["works"].samples_s


def test_rows(sweep: Sweep) -> None:
    """Rows and cases are the same, in order; the file holds what was told; nothing is left to do."""
    results, events, out = sweep
    told = [event.result for event in events if event.result]

    assert [result.case.runtime for result in told] == list(ENDINGS)
    assert store.read(out / RESULTS) == told
    assert remaining(tuple(result.case for result in told), out / RESULTS) == ()
    assert [event.done for event in events if event.result] == list(range(1, len(ENDINGS) + 1))
    assert {result.status for result in results.values()} >= FAILED - {Status.TIMED_OUT}


def test_litter(sweep: Sweep, studio: Studio) -> None:
    """What a worker leaves running when it ends is ended too; its row is as good as any."""
    assert sweep[0]["litters"].samples_s
    assert gone(int((studio.cache / "litter").read_text()))


def test_a_good_row(sweep: Sweep) -> None:
    """A case that worked says what it ran on, how it was compared and how it was timed."""
    result = sweep[0]["works"]

    assert result.device
    assert result.device.kind == "cpu"
    assert result.environment
    assert result.environment.versions["fake-runtimes"] == "1.0"
    assert result.environment.versions["not-installed"] == "unknown"
    assert result.artifact
    assert result.artifact.format == "checkpoint"
    assert result.cost
    assert (result.cost.width, result.cost.height) == (320, 180)
    assert result.fidelity
    assert (result.fidelity.before_frames, result.fidelity.during_frames) == ((0, 3), (0, 3))
    assert (result.fidelity.worst_psnr_db, result.fidelity.largest_difference) == (None, 0)
    assert result.telemetry
    assert (result.telemetry.stopped_by, len(result.telemetry.warm_up_s), len(result.samples_s)) == ("samples", 1, 12)


def test_protocol(studio: Studio) -> None:
    """A published protocol goes once through the clip, ten calls a frame, and its frames are compared all the same."""
    names = [f"{runtime}/{PLAIN}/nerv" for runtime in ("works", "wrong")]
    results, _ = ended(studio.plan(studio.root / "protocol", names))
    result = results["works"]

    assert result.status == Status.OK, result.reason
    assert len(result.samples_s) == 10 * FRAMES
    assert result.telemetry
    assert (result.telemetry.stopped_by, result.telemetry.averaged, result.telemetry.warm_up_s) == ("clip", "mean", ())
    assert result.fidelity
    assert (result.fidelity.before_frames, result.fidelity.during_frames) == ((0, 3), (0, 3))
    assert results["wrong"].status == Status.WRONG_OUTPUT
    assert str(results["wrong"].reason).startswith("after timing: frame ")
    assert results["wrong"].samples_s == ()


def test_to_file(studio: Studio) -> None:
    """Stages of the way to a file: each has a time a batch, and the frames that were written are compared."""
    names = ["works/fp32/1/to_file", "late/fp32/1/to_file"]
    results, _ = ended(with_all_frames(studio.plan(studio.root / "to_file", names, budget_s=0.2)))
    result = results["works"]

    assert result.status == Status.OK, result.reason
    assert result.telemetry
    found = result.telemetry.stages
    assert found
    assert len(found.fetch_s) == len(found.write_s) == len(found.decode_s) > FRAMES
    assert result.samples_s == found.decode_s
    assert 0 < found.overlapped_wall_s < 60
    assert found.unpack_s is None  # of seeded weights there is no file
    assert result.fidelity
    assert result.fidelity.during_frames == (0, 1, 2, 3)
    assert results["late"].status == Status.WRONG_OUTPUT


def test_on_demand(studio: Studio) -> None:
    """A server and a player record what they were asked for and what they gave; their frames are compared."""
    names = ["works/fp32/1/server", "works/fp32/1/playback_30", "late/fp32/1/playback_30"]
    plan = with_all_frames(studio.plan(studio.root / "on_demand", names))
    rows = {result.case.name: result for event in execute(plan) if (result := event.result)}
    server, player = rows["nerv-xs/fp32/works/b1/server"], rows["nerv-xs/fp32/works/b1/playback_30"]

    assert server.status == player.status == Status.OK, (server.reason, player.reason)
    assert server.telemetry
    served = server.telemetry.served
    assert served
    assert served.bound_s == BOUND_SERVICES * served.service_s
    assert all(len(load.latencies_s) >= 64 for load in served.loads)
    assert server.samples_s
    assert player.telemetry
    seen = player.telemetry.playback
    assert seen
    assert (seen.rate_hz, len(seen.late_s) + seen.dropped) == (30.0, 30)
    assert seen.seeks_s
    assert rows["nerv-xs/fp32/late/b1/playback_30"].status == Status.WRONG_OUTPUT


def test_files(sweep: Sweep, studio: Studio) -> None:
    """In the end only files of ours are left; seeded weights have no pictures."""
    assert [path.name for path in sweep[2].iterdir()] == [RESULTS]
    assert {path.name for path in studio.cache.iterdir()} >= {"artifacts", "checkpoints", "reference"}


def test_resume_and_timeout(sweep: Sweep, studio: Studio, capfd: pytest.CaptureFixture[str]) -> None:
    """In a folder with rows exactly the rest is done, silently; a case without an end is TIMED_OUT."""
    _, _, out = sweep
    before = store.read(out / RESULTS)
    names = [f"{name}/{PLAIN}" for name in ("works", "hangs", "segfaults")] + [f"works/fp32/2/{OFFLINE}"]
    plan = studio.plan(out, names, timeout_s=6.0)
    results, events = ended(plan)
    after = store.read(out / RESULTS)

    assert capfd.readouterr() == ("", "")  # what a runtime prints reaches nobody
    assert [case.name for case in plan.cases] == ["nerv-xs/fp32/hangs/b1", "nerv-xs/fp32/works/b2/offline"]
    assert after[: len(before)] == before
    assert [result.case for result in after[len(before) :]] == list(plan.cases)
    assert (events[0].done, events[-1].done, events[-1].total) == (2, 4, 4)
    assert results["hangs"].status == Status.TIMED_OUT
    assert results["hangs"].reason == "no end after 6 s; its last words: waiting for the device"
    assert results["works"].status == Status.OK, results["works"].reason
    assert results["works"].telemetry
    assert results["works"].telemetry.calls_per_sample == CALLS[OFFLINE]
    assert results["works"].fidelity
    assert results["works"].fidelity.during_frames == (0, 1, 2, 3)  # batches of two that begin at 0 and 2
