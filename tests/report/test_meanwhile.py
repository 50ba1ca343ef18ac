"""The section of what the machine did meanwhile: who watched, a line a case, and what could not be read."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from nervbench.records import Meanwhile, Result, Status, Telemetry
from nervbench.report.compose import Surroundings, page
from nervbench.report.meanwhile import frames_watched, section
from nervbench.report.rows import groups_of

from .factory import failed, made

MACHINE = Meanwhile(
    period_s=0.25,
    samples=16,
    wall_s=4.0,
    own_cpu_share=0.0012,
    others_cpu_share=0.034,
    steal_share=0.0,
    clock_hz=3.0e9,
    clock_p10_hz=2.0e9,
    clock_p90_hz=3.2e9,
    cpu_temperature_max_celsius=71.4,
    cpu_energy_j=84.0,
    memory_available_min_bytes=3 << 29,
    swap_in_bytes=0,
    swap_out_bytes=5 << 20,
    minor_faults=700_000,
    major_faults=1,
    voluntary_switches=50,
    involuntary_switches=10,
)
GPU = Meanwhile(
    period_s=0.25,
    samples=8,
    gpu_busy_share=0.97,
    gpu_memory_busy_share=0.4,
    gpu_sm_clock_hz=1.98e9,
    gpu_sm_clock_p10_hz=1.98e9,
    gpu_sm_clock_p90_hz=1.99e9,
    gpu_memory_clock_hz=3.2e9,
    gpu_throttle={"idle": 0.125, "sw_power_cap": 0.5},
    gpu_power_w=412.0,
    gpu_power_max_w=530.0,
    gpu_energy_j=2100.0,
    gpu_temperature_max_celsius=63.0,
    gpu_memory_used_max_bytes=2 << 30,
    gpu_process_memory_max_bytes=1 << 30,
    gpu_pcie_rx_bytes_per_s=1.2e9,
    gpu_pcie_tx_bytes_per_s=3e6,
    gpu_other_processes=0,
)


def watched(seen: Meanwhile | None, runtime: str = "eager", scenario: str = "single_stream", batch: int = 1) -> Result:
    """A case of five samples that was watched."""
    result = made(runtime=runtime, scenario=scenario, batch=batch)
    assert result.telemetry
    return replace(result, telemetry=replace(result.telemetry, meanwhile=seen))


def tables(*results: Result) -> list[dict[str, str]]:
    """Every line of the tables of the section, its cells by the heads of their columns."""
    blocks = [block.splitlines() for block in section(groups_of(results)).split("\n\n") if block.startswith("| ")]
    split = [[line[2:-2].split(" | ") for line in block] for block in blocks]
    return [dict(zip(heads, cells, strict=True)) for heads, _, *rest in split for cells in rest]


def test_machine() -> None:
    """Shares, clock, temperature, energy a frame, rates a second and sizes, in the units of the heads."""
    assert tables(watched(MACHINE)) == [
        {
            "case": "nerv-s/fp32/eager/b1",
            "load of others": "3.4 %",
            "steal": "0.0 %",
            "clock": "2.00 GHz to 3.20 GHz",
            "hottest, °C": "71",
            "energy a frame": "14.0 J",  # 84 J, one call to warm up and five samples
            "page faults minor / major, a second": "175000 / 0.250",
            "switches voluntary / involuntary, a second": "12.5 / 2.50",
            "swapped in / out, MiB": "0 / 5.00",
            "least memory left, GiB": "1.50",
        }
    ]


def test_gpu() -> None:
    """A GPU has a table of its own, with the reasons of its clocks in order and its energy a frame."""
    assert tables(watched(GPU))[1] == {
        "case": "nerv-s/fp32/eager/b1",
        "busy / its memory": "97 % / 40 %",
        "SM clock": "1.98 GHz",
        "memory clock": "3.20 GHz",
        "held down by": "sw_power_cap 50 %, idle 12 %",
        "power mean / most": "412 W / 530 W",
        "energy a frame": "350 J",
        "hottest, °C": "63",
        "memory used / by the case, GiB": "2.00 / 1.00",
        "PCIe rx / tx": "1.20 GB/s / 3.00 MB/s",
        "other processes": "0",
    }
    assert "Energy a frame: what the GPU took" in section(groups_of([watched(GPU)]))


def test_only_known_columns() -> None:
    """A column that no case has a value for is not there, nor its words; a single unknown value is a dash, never 0."""
    text = section(
        groups_of([watched(Meanwhile(steal_share=0.0)), watched(Meanwhile(major_faults=8, wall_s=4.0), "ov")])
    )

    assert "| case | steal | page faults minor / major, a second |" in text
    assert "| nerv-s/fp32/eager/b1 | 0.0 % | – |" in text
    assert "| nerv-s/fp32/ov/b1 | – | – / 2.00 |" in text
    assert "Steal:" in text
    for word in ("Energy", "Clock", "GPU", "Swap", "Not read"):
        assert word not in text


def test_gpu_lines() -> None:
    """Where one case was on a GPU and another was not, the other has no line of dashes in the GPU's table."""
    text = section(groups_of([watched(MACHINE), watched(GPU, "ov")]))

    assert text.count("| nerv-s/fp32/eager/b1 |") == 1
    assert text.count("| nerv-s/fp32/ov/b1 |") == 2


def test_clock() -> None:
    """A clock that stayed within 1 % is its mean, and one that moved more its p10 and p90."""
    still = replace(MACHINE, clock_hz=2.505e9, clock_p10_hz=2.5e9, clock_p90_hz=2.52e9)

    moved, half_known = replace(still, clock_p90_hz=2.55e9), replace(still, clock_p10_hz=None)

    shown = [line["clock"] for line in tables(watched(still), watched(moved, "ort"), watched(half_known, "ov"))]
    assert shown == ["2.50 GHz", "2.50 GHz to 2.55 GHz", "2.50 GHz"]


def test_reasons() -> None:
    """Nothing that held the clocks down is not the same as not knowing."""
    assert tables(watched(replace(GPU, gpu_throttle={})))[1]["held down by"] == "nothing"
    assert "held down by" not in tables(watched(replace(GPU, gpu_throttle=None)))[1]


@pytest.mark.parametrize(
    ("scenario", "protocol", "calls", "warm_up", "batch", "frames", "energy"),
    [
        ("single_stream", "strict", 1, 3, 1, 8, "11.0 J"),
        ("to_host", "strict", 1, 1, 4, 24, "3.67 J"),
        ("offline", "strict", 4, 2, 2, 44, "2.00 J"),  # a warm-up call is one decode, also where a sample is of four
        ("single_stream", "hnerv", 1, 0, 2, 10, "8.80 J"),
        ("server", "strict", 1, 1, 2, 12, "7.33 J"),
        ("playback_25", "strict", 1, 1, 1, 6, "14.7 J"),
        ("to_file", "strict", 1, 0, 1, None, None),  # decodes twice, and writes a video
        ("cold", "strict", 1, 1, 1, None, None),  # empties caches in between
        ("of_tomorrow", "strict", 1, 1, 1, None, None),
    ],
)
def test_frames_watched(
    scenario: str, protocol: str, calls: int, warm_up: int, batch: int, frames: int | None, energy: str | None
) -> None:
    """The decodes of a case are its warm-up and its five samples; where there was more, no energy a frame is given."""
    telemetry = Telemetry((0.1,) * warm_up, calls_per_sample=calls, meanwhile=replace(MACHINE, cpu_energy_j=88.0))
    result = replace(made(scenario=scenario, protocol=protocol, batch=batch), telemetry=telemetry)

    assert frames_watched(result) == frames
    assert [line.get("energy a frame") for line in tables(result)] == [energy]


def test_who_watched() -> None:
    """Period, readings and the watching's own cost stand above the table, the latter as the worst and the median."""
    shares = (0.0012, 0.0014, 0.0555)
    several = [
        watched(replace(MACHINE, samples=16 + place, own_cpu_share=share), runtime)
        for place, (share, runtime) in enumerate(zip(shares, ("eager", "ort", "ov"), strict=True))
    ]
    text = section(groups_of(several))
    assert "looked at the machine every 250 ms, 16 to 18 times a case." in text
    assert "took 5.55 % of one processor in the worst case and 0.14 % in the median one." in text
    one = section(groups_of([watched(replace(MACHINE, period_s=None, own_cpu_share=None))]))
    assert "every –, 16 times a case. That took – of one" in one


def test_missing() -> None:
    """A reason stands once with all names that it is for, also where only a number in it differs."""
    pid = "process {} has ended"
    seen = [
        replace(
            MACHINE, missing={"clock": "no cpufreq", "minor_faults": pid.format(17), "major_faults": pid.format(17)}
        ),
        replace(MACHINE, missing={"clock": "no cpufreq", "tree": pid.format(99), "gpu": "no GPU was named"}),
    ]
    text = section(groups_of([watched(each, runtime) for each, runtime in zip(seen, ("eager", "ov"), strict=True)]))

    assert text.endswith(
        "and why):\n\n"
        "- clock: no cpufreq\n"
        "- minor_faults, major_faults, tree: process 17 has ended (in other cases with other numbers)\n"
        "- gpu: no GPU was named"
    )


def test_which_cases() -> None:
    """Cases that are apart are there too; those without a number or that nobody watched are not."""
    died = replace(watched(MACHINE, "ort"), status=Status.CRASHED, samples_s=())
    apart = watched(MACHINE, scenario="server")
    results = [watched(MACHINE, "ov"), died, watched(None, "compiled"), apart, failed(Status.TIMED_OUT, None)]

    assert [line["case"] for line in tables(*results)] == ["nerv-s/fp32/ov/b1", "nerv-s/fp32/eager/b1/server"]
    assert section(groups_of([died, watched(None)])) == ""
    assert section(groups_of([Result(made().case, Status.CRASHED, "the worker died")])) == ""


def test_place() -> None:
    """The section stands between the device and the doubts."""
    results = [watched(MACHINE)]
    text = page(results, groups_of(results), Surroundings("x", {}, {}))

    assert text.index("## Device") < text.index("## Meanwhile") < text.index("## Doubts")


def test_hostile() -> None:
    """Names and reasons of a file stay text, and numbers that no machine has are no error."""
    evil = "<b>|![x](http://evil)\n# head"
    seen = replace(MACHINE, gpu_throttle={evil: 1.0}, missing={evil: f"{evil} {'long ' * 999}"})
    text = section(groups_of([replace(watched(seen), case=replace(made().case, name=evil))]))
    for word in ("<", "http://", "\n# head"):
        assert word not in text
    assert not re.search(r"(?<!\\)\]\(", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [11] * 3 + [3] * 3
    assert len(text) < 3000

    odd = replace(MACHINE, wall_s=5e-324, cpu_energy_j=1e308, others_cpu_share=-1e308, swap_in_bytes=-(10**18))
    assert tables(watched(odd))[0]["page faults minor / major, a second"] == "∞ / ∞"
    assert not [head for head in tables(watched(replace(odd, wall_s=0.0)))[0] if "a second" in head]
    no_calls = Telemetry(calls_per_sample=0, meanwhile=MACHINE)
    assert "energy a frame" not in tables(replace(made(), telemetry=no_calls))[0]
