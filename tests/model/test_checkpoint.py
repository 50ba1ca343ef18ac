"""Our checkpoints: what is written comes back, and what is damaged or hostile is refused by name."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from nervbench.errors import CheckpointError
from nervbench.model import checkpoint
from nervbench.model.checkpoint import FORMAT, METADATA, Checkpoint
from nervbench.model.network import FrameDecoder, positions
from nervbench.model.spec import NervSpec
from nervbench.model.zoo import MODELS

TINY = NervSpec(fc_dim=4, strides=(2, 1), stem_widths=(8,), fc_height=3, fc_width=5, lower_width=6, embed_levels=5)
WIDE = NervSpec(fc_dim=16, strides=(2, 2, 2), stem_widths=(64,), lower_width=16)


def frames_of(made: Checkpoint, indices: list[int], count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Decoded frames of a checkpoint."""
    with torch.inference_mode():
        found: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = FrameDecoder(made.model())(
            positions(torch.tensor(indices), count)
        ).numpy()
    return found


def written(
    folder: Path, tensors: dict[str, torch.Tensor] | None = None, metadata: dict[str, str] | None = None
) -> Path:
    """A safetensors file with these tensors and this metadata, whatever they are."""
    path = folder / "made.safetensors"
    everything = {"format": FORMAT, "spec": TINY.to_json(), "frames": "7", "notes": "{}"} | (metadata or {})
    safetensors.torch.save_file(
        checkpoint.seeded(TINY, 0).tensors if tensors is None else tensors, path, {METADATA: json.dumps(everything)}
    )
    return path


def test_round_trip_in_float16(tmp_path: Path) -> None:
    """Spec, weights, frame count and notes come back as they were saved, in float16 too."""
    tensors = {name: tensor.half() for name, tensor in checkpoint.seeded(TINY, 3).tensors.items()}
    saved = Checkpoint(TINY, tensors, 132, {"clip": "bigbuckbunny – CC BY 3.0"})
    checkpoint.save(tmp_path / "a.safetensors", saved)
    found = checkpoint.load(tmp_path / "a.safetensors")
    assert (found.spec, found.frames, found.notes, found.assumed) == (TINY, 132, saved.notes, None)
    assert all(found.tensors[name].dtype == torch.float16 for name in tensors)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in tensors.items())
    assert found.sha256() == saved.sha256()
    assert found.model().dtype == torch.float32


def test_frame_count_may_be_unknown(tmp_path: Path) -> None:
    """A checkpoint without a frame count keeps it unknown."""
    checkpoint.save(tmp_path / "a.safetensors", checkpoint.seeded(TINY, 0))
    assert checkpoint.load(tmp_path / "a.safetensors").frames is None


def test_the_hash_is_of_spec_and_weights() -> None:
    """The hash ignores notes and memory format, and changes with the spec, a weight or its type."""
    made = checkpoint.seeded(TINY, 0)
    last = {name: tensor.to(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
            for name, tensor in made.tensors.items()}  # fmt: skip
    assert Checkpoint(TINY, last, 9, {"a": "b"}).sha256() == made.sha256()
    half = {name: tensor.half() for name, tensor in made.tensors.items()}
    other = {**made.tensors, "stem.0.bias": made.tensors["stem.0.bias"] + 1}
    sigmoid = NervSpec(4, (2, 1), (8,), 3, 5, 6, embed_levels=5, output="sigmoid")
    hashes = {Checkpoint(TINY, half).sha256(), Checkpoint(TINY, other).sha256(), Checkpoint(sigmoid, last).sha256()}
    assert len(hashes | {made.sha256()}) == 4


def test_seeded_is_deterministic() -> None:
    """A seed gives the same weights each time, another seed gives others, and the global generator is left alone."""
    before = torch.get_rng_state()
    first, again, other = (checkpoint.seeded(TINY, seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert first.sha256() == again.sha256() != other.sha256()
    checkpoint._check(Path("seeded"), first)


@pytest.mark.parametrize("spec", [WIDE, MODELS["nerv-xs"]], ids=["wide", "nerv-xs"])
def test_seeded_frames_use_the_range(spec: NervSpec) -> None:
    """Frames of seeded weights are no uniform grey, and those of different times differ."""
    frames = frames_of(checkpoint.seeded(spec, 0), [0, 1, 66], 132).astype(np.float32)
    assert frames[0].std() > 25
    assert np.abs(frames[0] - frames[1]).mean() > 5
    assert np.abs(frames[0] - frames[2]).mean() > 5


def hostile(values: dict[str, object]) -> dict[str, str]:
    """Metadata with the tiny spec, some of its values replaced."""
    return {"spec": json.dumps(json.loads(TINY.to_json()) | values)}


@pytest.mark.parametrize("cut", [0, 4, 100, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, cut: float) -> None:
    """A safetensors file that was cut off anywhere is refused as such."""
    path = written(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(cut * len(data)) if 0 < cut < 1 else int(cut)])
    with pytest.raises(CheckpointError, match=r"made\.safetensors: not a whole safetensors file"):
        checkpoint.load(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    """A weight that is NaN or infinite is refused with the name of its tensor."""
    tensors = checkpoint.seeded(TINY, 0).tensors
    tensors["layers.1.conv.conv.bias"][2] = value
    with pytest.raises(CheckpointError, match=r"layers\.1\.conv\.conv\.bias has 1 values that are NaN or infinite"):
        checkpoint.load(written(tmp_path, tensors))


def test_another_shape_is_refused(tmp_path: Path) -> None:
    """Weights that do not fit the spec are refused with the first that differs."""
    tensors = checkpoint.seeded(TINY, 0).tensors | {"stem.0.bias": torch.zeros(9)}
    with pytest.raises(CheckpointError, match=r"'stem\.0\.bias' is \(9,\), expected \(8,\)"):
        checkpoint.load(written(tmp_path, tensors))


def test_missing_and_further_weights_are_refused(tmp_path: Path) -> None:
    """A weight that is missing or has no place is refused by name, safe to print."""
    tensors = checkpoint.seeded(TINY, 0).tensors
    missing = {name: tensor for name, tensor in tensors.items() if name != "stem.2.bias"}
    with pytest.raises(CheckpointError, match=r"'stem\.2\.bias' is missing"):
        checkpoint.load(written(tmp_path, missing))
    with pytest.raises(CheckpointError, match=r"'\\x1b\[2J\\n' is \(1,\), expected nothing of that name") as raised:
        checkpoint.load(written(tmp_path, tensors | {"\x1b[2J\n": torch.zeros(1)}))
    assert str(raised.value).isprintable()


def test_weights_must_be_floats(tmp_path: Path) -> None:
    """Integer weights of the right shapes are refused."""
    tensors = {name: tensor.to(torch.int32) for name, tensor in checkpoint.seeded(TINY, 0).tensors.items()}
    with pytest.raises(CheckpointError, match=r"holds torch\.int32, expected floating-point weights"):
        checkpoint.load(written(tmp_path, tensors))


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        ({"format": "pt"}, "without a nervbench spec in its metadata"),
        ({"spec": "{"}, "metadata cannot be read"),
        ({"spec": "[" * 100_000}, "nested too deep"),
        ({"spec": TINY.to_json().replace("fc_dim", "fc_dims")}, "unknown keys 'fc_dims'"),
        (hostile({"fc_dim": "4"}), "fc_dim .* found '4'"),
        (hostile({"strides": [1 << 19]}), "the bounds are"),
        (hostile({"lower_width": 1 << 20}), "does not fit its spec"),
        (hostile({"strides": [1, 1, 1], "lower_width": 40_000}), "parameters; the bound is"),
        (hostile({"blocks_per_stage": 1 << 20}), "blocks; the bound is"),
        (hostile({"fc_dim": 9}), "does not fit its spec"),
        ({"frames": "many"}, "metadata cannot be read"),
        ({"frames": "100000000000"}, "100000000000 frames; possible: 1 to"),
        ({"frames": "0"}, "0 frames; possible: 1 to"),
        ({"frames": "-3"}, "-3 frames; possible: 1 to"),
        ({"notes": "[1]"}, "metadata cannot be read"),
        ({"notes": "[" * 100_000}, "metadata cannot be read"),
    ],
)
def test_hostile_metadata_is_refused(tmp_path: Path, metadata: dict[str, str], named: str) -> None:
    """Metadata that is malformed, unknown, of another type or huge is refused at once and on one line."""
    path = written(tmp_path, metadata=metadata)
    start = time.perf_counter()
    with pytest.raises(CheckpointError, match=named) as raised:
        checkpoint.load(path)
    assert time.perf_counter() - start < 2
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 1000


def test_a_path_that_is_no_file(tmp_path: Path) -> None:
    """A missing file and a folder are refused, each as what it is."""
    with pytest.raises(CheckpointError, match=r"none\.safetensors: no such file"):
        checkpoint.load(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="a folder, expected a file"):
        checkpoint.load(tmp_path)


def test_nothing_shipped_for_a_name() -> None:
    """A model without a shipped checkpoint is refused with the two ways on."""
    with pytest.raises(
        CheckpointError, match=r'no trained checkpoint of nerv-s is shipped; .*nervbench train.*"seeded:0"'
    ):
        checkpoint.bundled("nerv-s")
