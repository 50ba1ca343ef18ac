"""From weights to a file, with a made-up clock: each stage has its own time, and a writer that fails is heard."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nervbench.measure.stages import stages

from .test_scenario import Fake


class Film(Fake):
    """A session whose decodes take 0.5 s and whose fetches take 0.25 s; its writer takes 2 s a batch."""

    def __init__(self) -> None:
        super().__init__(0.5)
        self.written: list[list[str]] = []
        self.threads: list[threading.Thread] = []

    def fetch(self) -> None:
        super().fetch()
        self._now += 0.25

    def write(self, batches: Iterator[Any]) -> None:
        """Take all batches; only in the first pass does it move the clock, which is not made for two threads."""
        self.threads.append(threading.current_thread())
        first = not self.written
        self.written.append([])
        for _ in batches:
            self.written[-1].append("batch")
            self._now += 2.0 if first else 0.0


def test_times() -> None:
    """Each stage has its own time; what looks at frames between them is in none."""
    film = Film()
    found = stages(film, film, range(3), 100.0, film.write, film.observe)

    assert found.decode_s == pytest.approx((0.5,) * 3)
    assert found.fetch_s == pytest.approx((0.25,) * 3)
    assert found.write_s == pytest.approx((2.0,) * 3)
    assert found.overlapped_wall_s == pytest.approx(3 * 0.75)
    assert film.written == [["batch"] * 3] * 2
    assert film.threads[0] is threading.current_thread()
    assert film.threads[1] is not threading.current_thread()
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
    found = stages(film, film, range(3), 100.0, film.write, film.observe)

    assert found.parts_s == {"network": pytest.approx((0.5,) * 3), "to uint8": pytest.approx((0.125,) * 3)}
    assert found.decode_s == pytest.approx((0.625,) * 3)
    start = film.calls.index("decode 0", 1)
    assert film.calls[start : start + 5] == ["decode 0", *["synchronize"] * 3, "fetch"]


def test_budget() -> None:
    """Half of the budget is for the first pass; the second takes the same batches."""
    film = Film()
    found = stages(film, film, range(100), 12.0, film.write, film.observe)

    assert len(found.decode_s) == 2  # of 3.75 s each, with a second to observe
    assert film.written == [["batch"] * 2] * 2


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
        stages(film, film, range(20), 1000.0, write, film.observe)
