"""The reasons to distrust a result that lie in what the machine did meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nervbench.measure.checks import doubts_meanwhile
from nervbench.records import Meanwhile

QUIET = Meanwhile(
    period_s=0.25,
    samples=40,
    wall_s=10.0,
    longest_gap_s=0.002,
    own_cpu_share=0.001,
    others_cpu_share=0.05,
    steal_share=0.02,
    clock_hz=3.1e9,
    clock_p10_hz=3.0e9,
    clock_p90_hz=3.3e9,
    memory_available_min_bytes=512 << 20,
    swap_in_bytes=1 << 19,
    swap_out_bytes=1 << 19,
    minor_faults=10_000,
    major_faults=100,
    voluntary_switches=10_000,
    involuntary_switches=10_000,
    gpu_busy_share=1.0,
    gpu_sm_clock_p10_hz=1.8e9,
    gpu_sm_clock_p90_hz=1.98e9,
    gpu_throttle={"idle": 0.1, "application_clocks": 1.0},
    gpu_other_processes=0,
)
"""Everything just within its bound."""


def test_quiet() -> None:
    """What is at its bound or within raises no doubt, and neither does what is unknown."""
    assert doubts_meanwhile(QUIET) == ()
    assert doubts_meanwhile(Meanwhile()) == ()


def test_unobserved() -> None:
    """Where nobody watched, that is the doubt."""
    (doubt,) = doubts_meanwhile(None)

    assert (doubt.code, doubt.values) == ("unobserved", {})


@pytest.mark.parametrize(
    ("code", "seen", "values"),
    [
        ("others_busy", replace(QUIET, others_cpu_share=0.3), {"share": 0.3}),
        ("stolen", replace(QUIET, steal_share=0.021), {"share": 0.021}),
        ("swapping", replace(QUIET, swap_out_bytes=1 << 20), {"bytes": 3 << 19, "faults_per_s": 10.0}),
        ("swapping", Meanwhile(swap_in_bytes=2 << 20), {"bytes": 2 << 20, "faults_per_s": 0.0}),
        ("swapping", replace(QUIET, major_faults=101), {"bytes": 1 << 20, "faults_per_s": 10.1}),
        ("low_memory", replace(QUIET, memory_available_min_bytes=1000), {"bytes": 1000}),
        ("throttled", replace(QUIET, gpu_throttle={"idle": 1.0, "sw_power_cap": 0.1, "hw_slowdown": 0.4}),
         {"hw_slowdown": 0.4, "sw_power_cap": 0.1}),
        ("shared_gpu", replace(QUIET, gpu_other_processes=2), {"processes": 2}),
        ("suspended", replace(QUIET, longest_gap_s=5.1), {"gap_s": 5.1}),
    ],
)  # fmt: skip
def test_doubt(code: str, seen: Meanwhile, values: dict[str, float]) -> None:
    """Each is raised alone past its bound, with what was seen."""
    (doubt,) = doubts_meanwhile(seen)

    assert doubt.code == code
    assert doubt.values == pytest.approx(values)


def test_clock_moved() -> None:
    """A clock that changes by more than a tenth is a doubt: the GPU's where it is known, else the processor's."""
    (gpu,) = doubts_meanwhile(replace(QUIET, gpu_sm_clock_p10_hz=1.2e9, gpu_sm_clock_p90_hz=1.8e9))
    (cpu,) = doubts_meanwhile(Meanwhile(clock_p10_hz=2e9, clock_p90_hz=2.5e9))

    assert gpu.values == pytest.approx({"share": 0.5, "low_hz": 1.2e9, "high_hz": 1.8e9})
    assert cpu.values == pytest.approx({"share": 0.25, "low_hz": 2e9, "high_hz": 2.5e9})
    assert {gpu.code, cpu.code} == {"clock_moved"}
    assert doubts_meanwhile(replace(QUIET, clock_p10_hz=1e9)) == ()  # of a processor that only feeds the GPU


def test_all_at_once() -> None:
    """Doubts do not hide each other."""
    seen = replace(QUIET, others_cpu_share=1.0, steal_share=0.5, longest_gap_s=60.0)

    assert [doubt.code for doubt in doubts_meanwhile(seen)] == ["others_busy", "stolen", "suspended"]
