"""Fuzz targets for the small parsers, and for what computes with results that somebody else has written."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import click

from nervbench import store
from nervbench.cli import _live
from nervbench.cli import compare as comparing
from nervbench.cli._duration import DURATION
from nervbench.compare import files, ledger
from nervbench.data import clip as clips
from nervbench.device.cpu_readings import CpuReadings
from nervbench.errors import NervbenchError
from nervbench.explain import measured, rows
from nervbench.export import base
from nervbench.report import gap_page, proof
from nervbench.report.markdown import plain
from nervbench.runtime import kept, trt_engine, trt_layers
from nervbench.suites import chosen as suite
from nervbench.sweep import reference
from nervbench.train import history as epochs
from nervbench.train import state as states
from tests.device.machine import PID, lay_out
from tests.fuzz.common import keep, promise, refusing
from tests.report.factory import a_run

LONGEST = 200
READ = (
    *("proc/stat", "proc/meminfo", "proc/vmstat", f"proc/{PID}/stat", f"proc/{PID}/status"),
    *(f"proc/{PID}/task/{PID}/status", "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq"),
    *("sys/class/hwmon/hwmon0/name", "sys/class/hwmon/hwmon0/temp1_input", "sys/class/powercap/intel-rapl:0/name"),
    *("sys/class/powercap/intel-rapl:0/energy_uj", "sys/class/powercap/intel-rapl:0/max_energy_range_uj"),
)
"""The files of a machine that are read."""
BENCH = _live.bench_of(None)


def chosen(data: bytes) -> None:
    """What was chosen of a suite."""
    with refusing():
        suite.read(keep(f"suite/{suite.FILE}", data).parent)


def history(data: bytes) -> None:
    """The epochs of a training: what is damaged is not known, and the rest is."""
    found = epochs.history(keep(f"epochs/{epochs.EPOCHS}", data).parent, 5)
    promise(len(found.curve_db) <= 5, "more epochs than there were")
    promise(found.trained_s is None or found.trained_s >= 0, "a time that is negative")


def state(data: bytes) -> None:
    """The saved state of a training."""
    with refusing():
        states.read(keep("state.pt", data))


def array(data: bytes) -> None:
    """A kept array: it is whole, or it is made anew."""
    path = keep("frames.npy", data)
    keep("frames.sha256", data[:64])
    promise(not reference.whole(path, (2, 4, 4, 3)), "an array that nobody vouched for")


def described(data: bytes) -> None:
    """The descriptions beside kept artifacts and engines: they fit, or the file is made anew, and why is said."""
    artifact, why = base._from_cache(_beside("model.onnx", data), "key")
    promise(artifact is None and bool(why), "an artifact that nobody vouched for")
    content, why = kept.kept(_beside("engine.plan", data), {"gpu": "sm_60"})
    promise(content is None and bool(why), "an engine that nobody vouched for")


def _beside(name: str, data: bytes) -> Path:
    keep(f"{name}.json", data)
    return keep(name, b"weights")


def machine(data: bytes) -> None:
    """Files under /proc and /sys: numbers or reasons. The first byte says which file holds the others."""
    root = keep("machine/ready", b"").parent
    if not (root / "proc").exists():
        lay_out(root)
    name = READ[data[0] % len(READ)] if data else READ[0]
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    before = (root / name).read_bytes() if (root / name).exists() else None
    (root / name).write_bytes(data[1:])
    try:
        readings = CpuReadings(PID, root)
        found = readings.now() | readings.totals()
    finally:
        (root / name).unlink() if before is None else (root / name).write_bytes(before)
    promise(all(isinstance(each, int | float | str) for each in found.values()), "a reading of another kind")


def words(data: bytes) -> None:
    """Words of the command line: times, shares, names of cases, clips with their beginnings."""
    text = plain(data.decode(errors="replace"))[:LONGEST]
    option = click.Option(["--x"])
    for read in (DURATION.convert, lambda value, param, context: comparing.share()(context, param, value)):
        with contextlib.suppress(click.BadParameter):
            number = read(text, option, click.Context(click.Command("x")))
            promise(number is not None and 0 <= number < 1e10, "a number out of bounds")
    with refusing():
        promise(_live.case_named(text, BENCH).batch > 0, "a batch of nothing")
    where, first = clips.beginning(text)
    promise(first is None or text == f"{where}:{first}", "a clip that reads otherwise")


def inspector(data: bytes) -> None:
    """What TensorRT says of its layers: what is not understood is left out."""
    said = data.decode(errors="replace")
    (found,) = trt_layers.operators([[("a", 1.0)], [("a", 2.0)]], said)
    promise(found.seconds == 1.5, "another time")
    trt_engine.convolution_types(said)


def compared(data: bytes) -> None:
    """Results held against good ones, and against themselves, as ``compare`` and ``check`` do it."""
    with refusing():
        found = files.by_case(store.read(keep("b.jsonl", data)))
        good = files.by_case(a_run())
        for others in (good, found):
            pairs = files.compare_all(others, found, 0.01, 0.03, (), 0.005)
            said = comparing.words_of(pairs, 0.03)
            json.dumps(comparing.plain_data(pairs, said), allow_nan=False)


def planted(data: bytes) -> None:
    """Pairs with planted causes, and their page."""
    with refusing():
        proof.generate(keep(f"planted/{proof.FILE}", data).parent, "nervbench report reports")


def explained(data: bytes) -> None:
    """Results explained against a good one and as a source of predictions, as ``explain`` and ``predict`` do it."""
    with refusing():
        found = store.read(keep("a.jsonl", data))
        with contextlib.suppress(NervbenchError):
            measured.frame_time(found, "nerv-s")
        good = a_run()
        for name, runs in files.by_case(found).items():
            other, between = rows.usual(runs)
            same = [row for row in good if row.case.name == name][:1] or good[:1]
            with contextlib.suppress(NervbenchError):
                differs = tuple(map(str, ledger.ledger(other, same[0])))
                gap = rows.explain(other, same[0], found, good, differs, (between, 0.0))
                gap_page.to_line(gap)
