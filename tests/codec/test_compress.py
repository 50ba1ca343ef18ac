"""A checkpoint as a .nerv file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nervbench.bitstream.grid import MAX_BITS, MIN_BITS, dequantise, quantise
from nervbench.codec.compress import NOTE, compress
from nervbench.codec.prune import kept, prunable, pruned
from nervbench.errors import CheckpointError
from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.spec import NervSpec
from nervbench.model.zoo import MODELS
from tests.fuzz import seeds

SMALL = NervSpec(fc_dim=12, strides=(2, 2), stem_widths=(40,), fc_height=3, fc_width=4, lower_width=24)
BOUND = 1.03
"""Coded bytes over entropy, at the most."""


def small(share: float = 0.0) -> Checkpoint:
    """Some 25,000 random weights, of which a share is removed."""
    made = checkpoint.seeded(SMALL, 0)
    return dataclasses.replace(made, tensors=pruned(made.tensors, kept(made.tensors, share)), frames=9)


def loaded(folder: Path, data: bytes) -> Checkpoint:
    """What a file of these bytes holds."""
    (folder / "made.nerv").write_bytes(data)
    return checkpoint.load(folder / "made.nerv")


@pytest.mark.parametrize("bits", range(MIN_BITS, MAX_BITS + 1))
def test_weights_are_those_of_the_grid(tmp_path: Path, bits: int) -> None:
    """A file gives the quantised weights back bit for bit, with spec, frames and notes."""
    source = small(0.4)
    data, account = compress(source, bits, {"pruned": 0.4})
    found = loaded(tmp_path, data)

    assert (found.spec, found.frames, found.coded_bytes) == (source.spec, 9, len(data))
    assert json.loads(found.notes[NOTE]) == {"bits": bits, "pruned": 0.4}
    for name, tensor in source.tensors.items():
        expected = tensor.half().float() if tensor.dim() == 1 else dequantise(quantise(tensor.numpy(), bits))
        assert found.tensors[name].numpy().tobytes() == torch.as_tensor(expected).numpy().tobytes()
    assert account.file_bytes == len(data) == account.coded_bytes + account.header_bytes


def test_pruned_weights_stay_zero(tmp_path: Path) -> None:
    """What was removed is exactly zero in the file, and the account says its share."""
    source = small(0.4)
    data, account = compress(source, 8)
    found = loaded(tmp_path, data)

    for name in prunable(source.tensors):
        assert (found.tensors[name][source.tensors[name] == 0] == 0).all()
    assert account.zero_share == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("share", [0, 0.4])
@pytest.mark.parametrize("bits", range(MIN_BITS, MAX_BITS + 1))
def test_near_the_entropy_of_random_weights(bits: int, share: float) -> None:
    """Symbols and tables of 330,000 random weights take at most 1.03 times their entropy."""
    made = checkpoint.seeded(MODELS["hnerv-0.35m"], 0)
    made = dataclasses.replace(made, tensors=pruned(made.tensors, kept(made.tensors, share)))
    _, account = compress(made, bits)

    assert account.entropy_bytes < account.coded_bytes <= BOUND * account.entropy_bytes


@pytest.mark.parametrize("share", [0, 0.9])
@pytest.mark.parametrize("bits", range(MIN_BITS, MAX_BITS + 1))
def test_near_the_entropy_of_trained_weights(bits: int, share: float) -> None:
    """So do those of the shipped model, even where most of them were removed."""
    made = checkpoint.bundled("nerv-xs")
    made = dataclasses.replace(made, tensors=pruned(made.tensors, kept(made.tensors, share)))
    _, account = compress(made, bits)

    assert account.entropy_bytes < account.coded_bytes <= BOUND * account.entropy_bytes


@pytest.mark.parametrize("name", ["hnerv-0.35m", "ffn-xs", "siren-xs"])
def test_families(tmp_path: Path, name: str) -> None:
    """Every family is compressed, by the same code."""
    source = checkpoint.seeded(MODELS[name], 0)
    found = loaded(tmp_path, compress(source, 8)[0])

    assert found.spec == source.spec
    assert found.frames == source.frames
    for each, tensor in source.tensors.items():
        assert (found.tensors[each] - tensor).abs().max() <= tensor.abs().max() / 200


def test_another_process_gives_the_same(tmp_path: Path) -> None:
    """Bytes do not depend on the process, and another one decodes the same weights."""
    data, _ = compress(small(0.4), 6)
    found = loaded(tmp_path, data)
    code = (
        "import hashlib, sys\nfrom pathlib import Path\nfrom nervbench.model import checkpoint\n"
        "from tests.codec.test_compress import compress, small\n"
        "print(hashlib.sha256(compress(small(0.4), 6)[0]).hexdigest(), checkpoint.load(Path(sys.argv[1])).sha256())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "made.nerv")]
    root = Path(__file__).parents[2]
    words = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout.split()

    assert words == [hashlib.sha256(data).hexdigest(), found.sha256()]


def test_biases_that_float16_cannot_hold(tmp_path: Path) -> None:
    """A vector with values beyond float16 is kept in float32."""
    source = small()
    large = torch.linspace(1, 1e6, len(source.tensors["stem.0.bias"]))
    made = dataclasses.replace(source, tensors=source.tensors | {"stem.0.bias": large})

    assert torch.equal(loaded(tmp_path, compress(made, 8)[0]).tensors["stem.0.bias"], large)


def test_weights_that_are_not_finite() -> None:
    """They are refused."""
    source = small()
    broken = source.tensors["stem.0.weight"].clone()
    broken[0, 0] = torch.nan
    with pytest.raises(CheckpointError, match="cannot be compressed: weights that are NaN"):
        compress(dataclasses.replace(source, tensors=source.tensors | {"stem.0.weight": broken}), 8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 1 << 16), value=st.binary(min_size=1, max_size=8), whole=st.booleans())
def test_altered_files(tmp_path: Path, place: int, value: bytes, whole: bool) -> None:
    """Whatever is changed in a file, with or without fitting checksums, it is refused or gives finite weights."""
    data = seeds.coded()[0]
    place %= len(data)
    changed = data[:place] + value + data[place + len(value) :]
    try:
        found = loaded(tmp_path, seeds.with_checksums(changed) if whole else changed)
    except CheckpointError as error:
        assert str(error).isprintable()  # noqa: PT017 (it may also be accepted)
        return
    assert all(bool(torch.isfinite(tensor).all()) for tensor in found.tensors.values())


def test_not_finite_in_a_file(tmp_path: Path) -> None:
    """A bias of infinity under fitting checksums is refused as in any checkpoint."""
    data, _ = compress(seeds.tiny(), 8)
    bias = seeds.tiny().tensors["stem.0.bias"].half().numpy()
    assert not bias.any()
    with pytest.raises(CheckpointError, match=r"NaN or infinite|weights than were coded"):
        loaded(tmp_path, seeds.with_checksums(data.replace(bytes(6), b"\x00\x7c" * 3, 1)))
