"""A checkpoint by its path or by the name of a shipped model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from nervbench.errors import CheckpointError
from nervbench.model import checkpoint
from nervbench.model.authors import PUBLISHED
from nervbench.model.source import opened
from nervbench.model.spec import NervSpec

TINY = NervSpec(fc_dim=4, strides=(2, 1), stem_widths=(8,), lower_width=6)


def test_told_what_was_assumed(tmp_path: Path) -> None:
    """Of a file that does not hold its architecture it is told what was assumed; of one that does, nothing."""
    made = dataclasses.replace(checkpoint.seeded(TINY, 0), frames=5)
    checkpoint.save(tmp_path / "ours.safetensors", made)
    torch.save({"state_dict": made.model().state_dict()}, tmp_path / "theirs.pth")
    told: list[str] = []
    for name in ("ours.safetensors", "theirs.pth"):
        opened(str(tmp_path / name), told.append)

    assert told == [f"{tmp_path / 'theirs.pth'}: assumed {PUBLISHED}"]


def test_shipped() -> None:
    """The name of a model is its shipped checkpoint."""
    assert opened("nerv-xs").sha256() == checkpoint.bundled("nerv-xs").sha256()


@pytest.mark.parametrize(
    ("name", "said"), [("nerv-sx", "did you mean 'nerv-s'?"), ("none.pth", "none.pth: no such file")]
)
def test_neither(name: str, said: str) -> None:
    """What is neither a file nor a name is refused, with the nearest name where it could be one."""
    with pytest.raises(CheckpointError, match="no such file") as caught:
        opened(name)

    assert said in str(caught.value)
