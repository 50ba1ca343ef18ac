"""The process that watches: what it hands back, when it reads, and how it ends."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from nervbench import store
from nervbench.device import sampler
from nervbench.device.base import Reading
from nervbench.device.sampler import Sampling, cost, watch
from nervbench.device.summary import POINTS, Seen, record
from nervbench.records import Meanwhile, Result, Status, Telemetry, case_of
from tests.waiting import gone

pytestmark = pytest.mark.alone

SLEEP = "import time; time.sleep(60)"
BURN = "while True: pass"


@contextlib.contextmanager
def python(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that does this, until the block ends."""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def unexplained(seen: Meanwhile) -> list[str]:
    """Names that are None for no reason."""
    unknown = [name for name, value in dataclasses.asdict(seen).items() if value is None]
    return [name for name in unknown if not any(name.startswith(key) for key in seen.missing)]


def test_what_is_seen() -> None:
    """A record comes back that can be stored; what is None in it has its reason, and no time is negative."""
    with Sampling(os.getpid(), period_s=0.05) as sampling:
        time.sleep(0.4)
    seen = sampling.meanwhile

    assert seen is not None, sampling.failure
    assert seen.period_s == 0.05
    assert 1 <= seen.samples <= 8
    assert seen.wall_s is not None
    assert seen.wall_s >= 0.4
    assert seen.memory_available_min_bytes is None or seen.memory_available_min_bytes > 1 << 20
    assert unexplained(seen) == []
    assert all(value >= 0 for value in dataclasses.asdict(seen).values() if isinstance(value, int | float))
    case = case_of("nerv-xs", "fp32", "eager", 1, "single_stream", "bundled")
    result = Result(case, Status.OK, samples_s=(0.1,), telemetry=Telemetry(meanwhile=seen))
    assert store.from_line(store.to_line(result)) == result


def test_too_short() -> None:
    """A span without a reading still has its totals, and says why it has no more."""
    with Sampling(os.getpid(), period_s=30.0) as sampling:
        pass
    seen = sampling.meanwhile

    assert seen is not None, sampling.failure
    assert seen.samples == 0
    assert seen.minor_faults is not None
    assert seen.missing["memory_available"] == "the samples were over before the first reading"
    assert unexplained(seen) == []


def test_others_are_seen() -> None:
    """A process that is not the worker's child is a load of others, whose threads are seen to run and to wait."""
    with python(SLEEP) as worker, python(BURN), Sampling(worker.pid) as sampling:
        time.sleep(0.6)

    assert sampling.meanwhile is not None, sampling.failure
    assert (sampling.meanwhile.others_cpu_share or 0) > 0.5 / (os.cpu_count() or 1) * 0.5
    if Path("/proc/self/schedstat").exists():
        assert sampling.meanwhile.others_waiting_share is not None, sampling.meanwhile.missing


def test_light() -> None:
    """The watching process imports nothing heavy."""
    code = "import sys, nervbench.device.sampler; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert "nervbench.device.cpu_readings" in loaded
    assert not {"torch", "numpy", "onnx", "psutil", "pynvml", "pydantic"} & set(loaded)


@pytest.mark.parametrize("also", ["", "os.fork()"], ids=["alone", "pipe held by another"])
def test_killed_parent(also: str) -> None:
    """When the worker is killed the sampler ends, also where a child of the worker keeps the pipe open."""
    code = f"""
import os, time
from nervbench.device.sampler import Sampling
sampling = Sampling(os.getpid()).__enter__()
os.write(1, b"%d\\n" % sampling.process.pid)
{also}
os.write(1, b"%d\\n" % os.getpid())  # one write: two processes share the pipe
time.sleep(20)
"""
    with python(code) as parent:
        assert parent.stdout
        pid, *members = (int(parent.stdout.readline()) for _ in range(3 if also else 2))
        assert psutil.pid_exists(pid)
        parent.send_signal(signal.SIGKILL)
        try:
            assert gone(pid)
        finally:
            for member in {*members} - {parent.pid}:
                os.kill(member, signal.SIGKILL)


def test_ends_with_the_block() -> None:
    """After the block, and after one that raises, no process is left."""
    with contextlib.suppress(KeyError), Sampling(os.getpid()) as sampling:
        raise KeyError
    assert sampling.process is not None
    assert sampling.process.returncode == 0
    assert not psutil.pid_exists(sampling.process.pid)


def test_interrupt() -> None:
    """Ctrl-C, which reaches every process of the terminal, does not take the record away."""
    with Sampling(os.getpid()) as sampling:
        assert sampling.process
        sampling.process.send_signal(signal.SIGINT)
        time.sleep(0.05)

    assert sampling.meanwhile is not None, sampling.failure


def test_process_that_vanishes() -> None:
    """Of a process that ends meanwhile nothing is claimed; the machine's readings stay."""
    with python(SLEEP) as worker, Sampling(worker.pid, period_s=0.05) as sampling:
        worker.kill()
        worker.wait()
        time.sleep(0.2)
    seen = sampling.meanwhile

    assert seen is not None, sampling.failure
    assert (seen.others_cpu_share, seen.major_faults, seen.voluntary_switches) == (None, None, None)
    assert seen.missing["major_faults"] == f"process {worker.pid} has ended"
    assert seen.swap_in_bytes is not None
    assert unexplained(seen) == []


@pytest.mark.parametrize("program", ["/no/such/python", "/bin/false"])
def test_cannot_start(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the sampler does not start the block runs all the same, and there is a reason."""
    monkeypatch.setattr(sys, "executable", program)
    with Sampling(os.getpid()) as sampling:
        ran = True

    assert ran
    assert sampling.meanwhile is None
    assert sampling.failure


def test_dies() -> None:
    """A sampler that is killed leaves no record, and a reason."""
    with Sampling(os.getpid()) as sampling:
        assert sampling.process
        sampling.process.kill()

    assert sampling.meanwhile is None
    assert sampling.failure
    assert "code -9" in sampling.failure


def test_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampler that does not answer is not waited for, and not left behind."""
    monkeypatch.setattr(sampler, "STOP_S", 0.2)
    with Sampling(os.getpid()) as sampling:
        assert sampling.process
        sampling.process.send_signal(signal.SIGSTOP)

    assert sampling.meanwhile is None
    assert sampling.process.returncode == -9


def test_gpu_without_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that cannot be watched is a reason, and the processor is watched all the same."""
    (tmp_path / "pynvml.py").write_text("raise ImportError('no pynvml here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with Sampling(os.getpid(), gpu="GPU-1") as sampling:
        pass

    assert sampling.meanwhile is not None, sampling.failure
    assert sampling.meanwhile.missing["gpu"] == "no pynvml here"
    assert sampling.meanwhile.minor_faults is not None
    assert unexplained(sampling.meanwhile) == []


@pytest.mark.slow
def test_cost() -> None:
    """The watching knows what it costs (how much, ``make bench-trust`` says)."""
    seen = cost(5.0)

    assert seen is not None
    assert seen.own_cpu_share is not None
    assert seen.samples > 1


class Clock:
    """Time that passes only when waited for; while the machine is suspended one of its two clocks stands."""

    def __init__(self, lateness_s: list[float], suspended_s: list[float]) -> None:
        self.running = self.sleepless = 100.0
        self.lateness_s, self.suspended_s = iter(lateness_s), iter(suspended_s)
        self.read_at: list[float] = []

    def closed(self, timeout_s: float) -> bool:
        """Wait, longer than was asked for, until there is no lateness left."""
        late = next(self.lateness_s, None)
        self.running += timeout_s + (late or 0.0)
        self.sleepless += timeout_s + (late or 0.0) + next(self.suspended_s, 0.0)
        return late is None

    def now(self) -> dict[str, Reading]:
        """Reading takes time."""
        self.read_at.append(self.running - 100)
        self.running += 0.01
        self.sleepless += 0.01
        return {"clock": self.running}

    def totals(self) -> dict[str, Reading]:
        """None here."""
        return {}


def watched(clock: Clock) -> Seen:
    """Watch it, every second."""
    return watch([clock], 1.0, clock.closed, lambda: clock.running, lambda: clock.sleepless)


def test_schedule() -> None:
    """Readings keep to their times; being late is not made up for, and what was missed is not read twice."""
    clock = Clock([0.0, 0.25, 2.5, 0.0], [])
    seen = watched(clock)

    assert clock.read_at == pytest.approx([1.0, 2.25, 5.5, 6.0])
    assert seen.samples == len(seen.values["clock"]) == 4
    assert seen.at_s["clock"] == pytest.approx(clock.read_at)
    assert seen.longest_gap_s == pytest.approx(2.5)


def test_suspended() -> None:
    """A suspended machine is a gap, though the clock of the schedule has stood still; a last one counts too."""
    assert watched(Clock([0.0, 0.0], [0.0, 60.0])).longest_gap_s == pytest.approx(60)
    assert watched(Clock([0.0], [0.0, 60.0])).longest_gap_s == pytest.approx(60)
    assert watched(Clock([0.0, 0.0], [])).longest_gap_s == pytest.approx(0)


def test_summary() -> None:
    """Means and nearest percentiles; reasons by name with their share; energy and shares from what has grown."""
    seen = Seen(samples=4)
    for clock, mask in ((1e9, 0x1), (2e9, 0x4), (2e9, 0x44), (3e9, 0x1000)):
        seen.add({"clock": clock, "gpu_throttle": mask, "gpu_power": "NVML: Not Supported"})
    first: dict[str, Reading] = {"others_cpu": 5.0, "steal": 1.0, "cpu_energy": 2.0, "swap_in": 9}
    last: dict[str, Reading] = {"others_cpu": 6.0, "steal": 1.5, "cpu_energy": 12.0, "swap_in": 8}
    fields = record(seen, first, last, 10.0)

    assert (fields["clock_hz"], fields["clock_p10_hz"], fields["clock_p90_hz"]) == (2e9, 1e9, 3e9)
    throttle = {"idle": 0.25, "sw_power_cap": 0.5, "hw_thermal_slowdown": 0.25, "bit_0x1000": 0.25}
    assert fields["gpu_throttle"] == throttle
    assert (fields["others_cpu_share"], fields["steal_share"], fields["cpu_energy_j"]) == (0.1, 0.05, 10.0)
    assert "swap_in_bytes" not in fields
    assert fields["missing"] == {
        "gpu_power": "NVML: Not Supported",
        "swap_in": "the counter went back, from 9 to 8",
    }


def test_over_time() -> None:
    """Readings are kept with their moments; of very many, the means of neighbours."""
    seen = Seen(samples=POINTS)
    for number in range(2 * POINTS + 2):
        seen.add({"clock": 1e9 + number, "gpu_power": "NVML: Not Supported"}, at_s=float(number))
    kept = record(seen, {}, {}, 1.0)["over_time"]

    assert kept.keys() == {"clock_hz"}
    at_s, clocks = kept["clock_hz"]
    assert len(at_s) == len(clocks) == (2 * POINTS + 2 + 2) // 3
    assert at_s[:2] == (1.0, 4.0)


def test_no_others() -> None:
    """Where there are no others the difference of two coarse counters may be a little under 0; then it is 0."""
    first: dict[str, Reading] = {"others_cpu": 5.0}

    assert record(Seen(samples=1), first, {"others_cpu": 4.99}, 10.0)["others_cpu_share"] == 0
