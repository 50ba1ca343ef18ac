"""Every parser of ours under damaged input, for a bounded number of inputs; ``make fuzz`` does the same at length."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import __main__ as fuzzing
from tests.fuzz import others, targets
from tests.fuzz.common import Target
from tests.fuzz.mutate import MAX_LENGTH, mutated
from tests.fuzz.targets import TARGETS

SLOW = {"authors", "pickle", "metadata", "coded", "summed", "image", "video", "state", "compared", "explained"}


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_examples(name: str, tmp_path: Path) -> None:
    """A few hundred damaged examples end as a value or as an error of ours, none takes long, and memory stays."""
    found = fuzzing.fuzz(name, 60 if name in SLOW else 300, 0, tmp_path)

    assert found.crashes == 0, "\n".join(path.read_text() for path in tmp_path.glob("*.txt"))
    assert found.longest_s < fuzzing.HANG_S
    assert found.end_bytes - found.warm_bytes < fuzzing.MAX_GROWTH_BYTES
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_any_bytes(name: str, data: bytes) -> None:
    """Whatever the bytes, a parser gives a value or an error of ours, in words that can be printed."""
    TARGETS[name].parse(data)


ACCEPTED = (
    "safetensors",
    "metadata",
    "authors",
    "hnerv",
    "trial",
    "point",
    "gap",
    "kernels",
    "axis",
    "pickle",
    "coded",
    "summed",
    "bench",
    "glob",
    "frames",
    "line",
    "report",
    "image",
    "video",
    "chosen",
    "state",
    "compared",
    "explained",
)


@pytest.mark.parametrize("name", ACCEPTED)
def test_examples_are_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first example of a parser that can refuse is accepted: what is damaged was whole before."""
    for module in (targets, others):
        monkeypatch.setattr(module, "refusing", contextlib.nullcontext)
    TARGETS[name].parse(TARGETS[name].seeds()[0])


def test_a_crash_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An input that makes a parser raise something else is counted and saved with its traceback."""

    def parse(data: bytes) -> None:
        if data != b"fine":
            raise KeyError(data)

    monkeypatch.setitem(TARGETS, "spec", Target(parse, lambda: [b"fine"], 1.0))
    found = fuzzing.fuzz("spec", 5, 0, tmp_path)

    assert found.crashes >= 3
    assert "KeyError" in (tmp_path / "spec-1.txt").read_text()
    assert (tmp_path / "spec-1").read_bytes() != b"fine"


def test_inputs_are_the_same_each_time() -> None:
    """A seed gives the same inputs again, and they are bounded."""
    first, again = ([mutated(draw, [b"abc" * 9000], [b"x"]) for _ in range(200)] for draw in map(random.Random, (7, 7)))

    assert first == again
    assert len(set(first)) > 150
    assert max(map(len, first)) <= MAX_LENGTH


def test_shares() -> None:
    """The shares of the targets make one."""
    assert sum(target.share for target in TARGETS.values()) == pytest.approx(1, abs=0.01)
