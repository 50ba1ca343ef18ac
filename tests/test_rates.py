"""Points of rate and distortion on disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nervbench import rates
from nervbench.errors import ResultsError
from nervbench.rates import CODEC, RatePoint, Source, Timed
from nervbench.records import Quality

SOURCE = Source("bar", "ab" * 32, 320, 180, 132, "bicubic")
POINT = RatePoint(
    method="x264",
    kind=CODEC,
    settings={"crf": "28", "preset": "medium"},
    threads=2,
    device="CPU: a processor",
    source=SOURCE,
    versions={"av": "18.1.0"},
    encoder="x264 - core 165",
    size_bytes=70_000,
    quality=Quality(132, 31.2, 29.0, 7, 0.95, 0.9, 0.073, "bar", "ab" * 32, "bicubic", None),
    encode=Timed(132, (0.6, 0.5), (0.9, 0.8), (0.7,)),
)


def test_round_trip(tmp_path: Path) -> None:
    """A point is read back equal, with its samples."""
    path = tmp_path / "points.jsonl"
    rates.append(path, POINT)
    assert rates.read(path) == [POINT]


def test_made_again(tmp_path: Path) -> None:
    """Of a point that was made again the last counts; other settings, threads, versions or frames are another point."""
    path = tmp_path / "points.jsonl"
    again = replace(POINT, size_bytes=1)
    others = [
        replace(POINT, settings={"crf": "33", "preset": "medium"}),
        replace(POINT, threads=1),
        replace(POINT, versions={"av": "19.0.0"}),
        replace(POINT, source=replace(SOURCE, frames=10)),
    ]
    for point in (POINT, again, *others):
        rates.append(path, point)
    assert rates.read(path) == [again, *others]


def test_torn(tmp_path: Path) -> None:
    """A line that a kill has torn is dropped, and the next point follows the last whole one."""
    path = tmp_path / "points.jsonl"
    rates.append(path, POINT)
    with path.open("a") as file:
        file.write(rates.to_line(POINT)[:50])
    other = replace(POINT, threads=1)
    rates.append(path, other)
    assert rates.read(path) == [POINT, other]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 9}, "written with schema 9; this version reads schemas up to 1"),
        ({"threads": "two"}, "threads: Input should be a valid integer"),
        ({"size_bytes": float("inf")}, "size_bytes"),
        ({"status": "FINE"}, "status"),
    ],
)
def test_not_a_point(change: dict[str, object], words: str) -> None:
    """A line that is no point, or a newer one, is refused with what is wrong."""
    with pytest.raises(ResultsError, match=words):
        rates.from_line(json.dumps(json.loads(rates.to_line(POINT)) | change))


def test_speed_and_cores() -> None:
    """Frames a second are of the median sample; cores are processor time over wall time; both may be unknown."""
    assert POINT.encode
    assert POINT.encode.fps == pytest.approx(132 / 0.55)
    assert POINT.encode.cores == pytest.approx(1.7 / 1.1)
    assert (Timed(1, ()).fps, Timed(1, ()).cores, Timed(1, (0.0,)).fps) == (None, None, None)


def test_no_file(tmp_path: Path) -> None:
    """Where there is no file there are no points yet."""
    assert rates.read(tmp_path / "points.jsonl") == []
