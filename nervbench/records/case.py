"""What is measured, and how it can end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

SCHEMA = 2
"""The version of a line of results. A reader refuses a newer one and still loads an older one."""


SINGLE_STREAM = "single_stream"
OFFLINE = "offline"
COLD = "cold"
TO_HOST = "to_host"
TO_FILE = "to_file"
SERVER = "server"
PLAYBACK_HZ = {f"playback_{rate}": float(rate) for rate in (25, 30, 60)}
"""Scenarios of a player, each with the rate of its display."""
SCENARIOS = (SINGLE_STREAM, OFFLINE, COLD, TO_HOST, TO_FILE, SERVER, *PLAYBACK_HZ)
STRICT = "strict"
PROTOCOLS = (STRICT, "nerv", "hnerv")
"""Ways to time a single stream: ours, and those of published code, replayed (:mod:`nervbench.measure.protocol`)."""
MEDIAN, MEAN = "median", "mean"
PRECISIONS = ("fp32", "tf32", "bf16", "fp16", "fp8", "int8")
"""Of arithmetic. ``tf32`` is fp32 whose products keep 10 bits of the mantissa, as a GPU's matrix units have them.

``fp8`` is e4m3, of those layers that bear it.
"""
PLACES = ("cpu", "cuda")
"""Where a training runs."""
Scale = Literal["small", "full"]
SCALES: tuple[Scale, ...] = get_args(Scale)
"""Of suites: what two cores do, and what was published."""


class Status(StrEnum):
    """How a case ended. Every ending is a row."""

    OK = "OK"
    UNSUPPORTED = "UNSUPPORTED"
    EXPORT_FAILED = "EXPORT_FAILED"
    LOAD_FAILED = "LOAD_FAILED"
    WRONG_OUTPUT = "WRONG_OUTPUT"
    FELL_BACK = "FELL_BACK"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    CRASHED = "CRASHED"
    TIMED_OUT = "TIMED_OUT"


FAILED = frozenset(Status) - {Status.OK, Status.UNSUPPORTED}
"""The endings that make ``nervbench run`` exit with 4. UNSUPPORTED is an answer, not a failure."""


@dataclass(frozen=True, slots=True)
class Case:
    """One point of the matrix.

    ``weights`` is ``bundled`` (the trained checkpoint that is shipped), ``seeded:N`` or the path of a checkpoint.
    """

    name: str
    model: str
    precision: str
    runtime: str
    batch: int
    scenario: str
    weights: str
    protocol: str = STRICT


def case_of(
    model: str, precision: str, runtime: str, batch: int, scenario: str, weights: str, protocol: str = STRICT
) -> Case:
    """A case with the name people paste: ``nerv-s/fp16/trt/b1``; with ``/offline`` or ``/nerv`` where it is another.

    Other than single stream, and other than strict; never both.
    """
    name = f"{model}/{precision}/{runtime}/b{batch}"
    name += "".join(f"/{way}" for way in (scenario, protocol) if way not in (SINGLE_STREAM, STRICT))
    return Case(name, model, precision, runtime, batch, scenario, weights, protocol)
