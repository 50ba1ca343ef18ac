"""What is written for TensorBoard, read back from the files."""

from __future__ import annotations

import struct
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event

from nervbench.train.loop import Epoch
from nervbench.train.scalars import scalars


def written(folder: Path) -> list[tuple[int, str, float]]:
    """Step, name and value of all scalars in the order of the files' names; each record has its length before it."""
    found = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name.rsplit(".", 1)[-1]):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            found += [(event.step, value.tag, value.simple_value) for value in event.summary.value]
            data = data[16 + length :]
    return found


def test_an_epoch_is_five_numbers(tmp_path: Path) -> None:
    """Loss, PSNR, rate, seconds and, where frames were decoded, their PSNR, under the epoch's number."""
    with scalars(tmp_path) as write:
        write(Epoch(1, 3, 0.5, 20.0, 0.25), 8.0)
        write(Epoch(2, 3, 0.25, 21.0, 0.125, 22.5), 9.0)
    names = ["train/loss", "train/psnr_db", "train/learning_rate", "train/seconds", "decoded/psnr_db"]
    first, second = [0.5, 20.0, 0.25, 8.0], [0.25, 21.0, 0.125, 9.0, 22.5]
    expected = [(1, *each) for each in zip(names, first, strict=False)]
    assert written(tmp_path) == expected + [(2, *each) for each in zip(names, second, strict=True)]


def test_a_resumed_run_has_a_file_of_its_own(tmp_path: Path) -> None:
    """What is written after a resumption is kept beside what was there."""
    for number in (1, 2):
        with scalars(tmp_path) as write:
            write(Epoch(number, 2, 0.5, 20.0, 0.25), 8.0)
    assert sorted({step for step, _, _ in written(tmp_path)}) == [1, 2]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_run_that_does_nothing_writes_nothing(tmp_path: Path) -> None:
    """A run that is done already makes no file."""
    with scalars(tmp_path / "none"):
        pass
    assert not (tmp_path / "none").exists()
