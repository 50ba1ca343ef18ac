"""Kept frames: whole, or made anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nervbench.config import ClipSource
from nervbench.sweep import reference
from nervbench.sweep.jobs import ModelJob
from nervbench.sweep.prepare import prepare
from tests.sweep.conftest import Studio

SHAPE = (4, 6, 3)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:40],
        lambda data: data[:-5],
        lambda data: b"x" * len(data),
        lambda data: data[:-1] + b"\1",
    ],
)
def test_damaged(tmp_path: Path, damage: object) -> None:
    """A frame that is empty, cut off or overwritten, if only in one value, is not whole; nor is one of another size."""
    path = tmp_path / "1.npy"
    assert not reference.whole(path, SHAPE)
    reference.save_array(path, np.zeros(SHAPE, np.uint8))
    assert reference.whole(path, SHAPE)
    assert not reference.whole(path, (4, 7, 3))
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert not reference.whole(path, SHAPE)


def test_made_anew(studio: Studio, tmp_path: Path) -> None:
    """A damaged frame of the reference and a damaged source in the cache are replaced, not reported."""
    job = ModelJob(
        "nerv-xs", str(studio.trained), ClipSource(str(studio.clip)), ("fp32",), (1,), 2, tmp_path, tmp_path / "frames"
    )
    made = prepare(job)
    assert made.source
    kept = [made.source, reference.path_of(made.reference, 0)]
    whole = [path.read_bytes() for path in kept]
    for path in kept:
        path.write_bytes(path.read_bytes()[:200])

    assert replace(prepare(job), unpack_s=made.unpack_s) == made
    assert [path.read_bytes() for path in kept] == whole
