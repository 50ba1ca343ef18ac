"""From weights to a file, with a made-up clock: each stage has its own time, and a writer that fails is heard."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from nervbench.measure.stages import stages

from .test_scenario import Fake


class Film(Fake):
    """A session whose decodes take 0.5 s and whose fetches take 0.25 s.

    Its writer takes 1 s to open, 0.125 s for a batch and, when there are no more, 1.875 s for each that it had.
    """

    def __init__(self) -> None:
        super().__init__(0.5)
        self.written: list[list[str]] = []
        self.threads: list[threading.Thread] = []

    def fetch(self) -> Any:
        super().fetch()
        self._now += 0.25
        return np.zeros((1, 4, 4, 3), np.uint8)

    def write(self, batches: Iterator[Any]) -> None:
        """Take all batches; only in the first pass does it move the clock, which is not made for two threads."""
        self.threads.append(threading.current_thread())
        turns = not self.written
        self.written.append([])
        self._now += 1.0 * turns
        for _ in batches:
            self.calls.append("write")
            self.written[-1].append("batch")
            self._now += 0.125 * turns
        self._now += 1.875 * len(self.written[-1]) * turns


def test_times() -> None:
    """Each stage has its own time, what a writer puts off among it; what looks at frames between them is in none."""
    film = Film()
    found, _ = stages(film, film, range(3), 100.0, film.write, film.observe, [])

    assert found.decode_s == pytest.approx((0.5,) * 3)
    assert found.fetch_s == pytest.approx((0.25,) * 3)
    assert found.write_s == pytest.approx((1.125, 0.125, 0.125 + 3 * 1.875))
    assert found.overlapped_wall_s == pytest.approx(3 * 0.75)
    assert film.written == [["batch"] * 3] * 2
    assert film.threads[0] is threading.current_thread()
    assert film.threads[1] is not threading.current_thread()
    assert film.calls.index("write") > film.calls.index("decode 2")  # an encoder's threads disturb no decode
    assert [call for call in film.calls if "decode" in call] == [f"decode {n}" for n in (0, 0, 1, 2, 0, 1, 2)]


class Parted(Film):
    """A film that is decoded in two parts, of 0.5 s and 0.125 s."""

    def decode_in_parts(self, index: int, ended: Callable[[str], None]) -> None:
        """Decode in parts."""
        self.decode(index)
        ended("network")
        self._now += 0.125
        ended("to uint8")


def test_parts() -> None:
    """Where a session decodes in parts, each is timed after it is done, and together they are the decode."""
    film = Parted()
    found, _ = stages(film, film, range(3), 100.0, film.write, film.observe, [])

    assert found.parts_s == {"network": pytest.approx((0.5,) * 3), "to uint8": pytest.approx((0.125,) * 3)}
    assert found.decode_s == pytest.approx((0.625,) * 3)
    start = film.calls.index("decode 0", 1)
    assert film.calls[start : start + 5] == ["decode 0", *["synchronize"] * 3, "fetch"]


def test_budget() -> None:
    """A third of the budget is for decoding; the second pass takes the same batches."""
    film = Film()
    found, fired = stages(film, film, range(100), 9.0, film.write, film.observe, [])

    assert fired == "budget"
    assert len(found.decode_s) == 2  # of 1.75 s each, with a second to observe
    assert film.written == [["batch"] * 2] * 2


def test_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more frames are kept than there is room for, but one batch in any case."""
    for room, batches in ((1, 1), (3 * 48 - 1, 2), (3 * 48, 3)):
        monkeypatch.setattr("nervbench.measure.stages.KEPT_BYTES", room)
        film = Film()
        found, fired = stages(film, film, range(100), 1000.0, film.write, film.observe, [])
        assert (len(found.decode_s), fired) == (batches, "frames kept")


@pytest.mark.parametrize("failing", [1, 2])
def test_writer_that_fails(failing: int) -> None:
    """An error of the writer, in either pass, is raised; nobody waits for a writer that is gone."""
    film = Film()
    passes: list[int] = []

    def write(batches: Iterator[Any]) -> None:
        passes.append(1)
        next(batches)
        if len(passes) == failing:
            msg = "no space left"
            raise OSError(msg)
        film.write(batches)

    with pytest.raises(OSError, match="no space left"):
        stages(film, film, range(20), 1000.0, write, film.observe, [])
