"""The operators of a case are timed after its samples, and what goes wrong there costs no row."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from nervbench.errors import UnsupportedError
from nervbench.records import Operator
from nervbench.sweep import worker
from nervbench.sweep.operators import FEWEST, MOST, profile

JOB: Any = SimpleNamespace(opening=None, prepared=SimpleNamespace(starts=(0, 5)))


class Tells:
    """A runtime that tells what it is asked for."""

    name, profiler = "tells", "a made-up clock"

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def profile(self, opening: Any, starts: Any) -> tuple[Operator, ...]:
        self.starts = starts
        if self.error:
            raise self.error
        return (Operator("conv", "Conv", 0.01, 10, 20),)


@pytest.mark.parametrize(("decode_s", "decodes"), [(1e-4, MOST), (0.25, 8), (9.0, FEWEST)])
def test_decodes(decode_s: float, decodes: int) -> None:
    """As many as fit, going round the checked frames; the first is not counted."""
    runtime: Any = Tells()
    found = profile(JOB, runtime, decode_s)

    assert len(runtime.starts) == decodes
    assert set(runtime.starts) == {0, 5}
    assert (found.source, found.decodes, len(found.operators)) == ("a made-up clock", decodes - 1, 1)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnsupportedError("many streams"), "many streams"),
        (RuntimeError("it broke\nat line 3"), "RuntimeError: it broke"),
    ],
)
def test_refused(error: Exception, reason: str) -> None:
    """A runtime that cannot, and one that fails, leave a reason."""
    runtime: Any = Tells(error)
    found = profile(JOB, runtime, 0.1)

    assert (found.operators, found.reason) == ((), reason)


def test_silent() -> None:
    """A runtime that was not asked to tell does not."""
    silent: Any = SimpleNamespace(name="silent")

    assert profile(JOB, silent, 0.1).reason == "silent does not tell the times of its operators"


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment tells libraries and the allocator is in the row, cut where it is long; folders are not."""
    monkeypatch.setattr(os, "environ", {
        "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "x" * 999, "CUDA_HOME": "/somewhere", "PATH": "/bin", "HOME": "/",
    })  # fmt: skip

    assert worker._variables() == {"MALLOC_ARENA_MAX": "x" * worker.LONGEST, "OMP_NUM_THREADS": "1"}
