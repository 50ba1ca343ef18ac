"""Weights files that were made to do harm: refused at once, in words, and nothing in them is run."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import re
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from nervbench.cli import cli
from nervbench.errors import CheckpointError, NervbenchError
from nervbench.model import checkpoint
from nervbench.model.pickles import MAX_SHARED, MAX_TUPLES
from nervbench.model.plain import plain_data
from nervbench.model.source import weights_of
from tests.fuzz import seeds

TUPLE = b"K\x01\x85q\x01"  # (1,), kept in the memo as 1
AS_KEY = b"h\x00h\x01K\x01s."  # the dict that is 0 in the memo gets it as a key
HEADER = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}


class Trace:
    """An object whose unpickling makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


def refusal(path: Path, content: bytes) -> str:
    """What a file of this content is refused with, which must be soon and printable."""
    path.write_bytes(content)
    start = time.perf_counter()
    with pytest.raises(CheckpointError) as raised:
        checkpoint.load(path)
    assert time.perf_counter() - start < 3
    assert str(raised.value).isprintable()
    return str(raised.value)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("words", [["eval", "PTH"], ["decode", "PTH", "-o", "OUT", "--total", "3"]])
def test_no_verb_runs_a_pickle(tmp_path: Path, words: list[str], zipped: bool) -> None:
    """A .pth with code in it, given to a verb, is refused, and the file that the code would make is not there."""
    path = tmp_path / "made.pth"
    torch.save({"state_dict": {"a": Trace(tmp_path / "trace")}}, path, _use_new_zipfile_serialization=zipped)
    outcome = CliRunner().invoke(
        cli, [{"PTH": str(path), "OUT": str(tmp_path / "out")}.get(word, word) for word in words]
    )

    assert isinstance(outcome.exception, CheckpointError)
    assert "nothing in it was run" in str(outcome.exception)
    assert not (tmp_path / "trace").exists()


def test_no_weights_or_training_state_run_a_pickle(tmp_path: Path) -> None:
    """Nor does one that bench.toml gives as weights, or that lies where a training left its state."""
    path = tmp_path / "made.pth"
    torch.save(Trace(tmp_path / "trace"), path)
    with pytest.raises(CheckpointError, match="nothing in it was run"):
        weights_of("nerv-xs", str(path))
    with pytest.raises(CheckpointError, match=r"training state .* nothing in it was run"):
        plain_data(path, "training state")
    path.write_bytes(pickle.dumps(Trace(tmp_path / "second")))
    (tmp_path / "second").unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match="nothing in it was run"):
        weights_of("nerv-xs", str(path))
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize(
    ("pickled", "named"),
    [
        (b"\x80\x02}q\x00" + TUPLE + b"h\x01h\x01\x86q\x01" * 60 + AS_KEY, f"tuples .* are {MAX_TUPLES}, {MAX_SHARED}"),
        (b"\x80\x02}q\x00)" + b"\x85" * 1_000_000 + b"K\x01s.", "1000000 tuples"),
        (b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\x00\x7f\x85R.", r"asks for builtins\.bytearray"),
        (b"\x80\x02c_codecs\nencode\n.", r"asks for _codecs\.encode"),
        (b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n.", r"asks for torch\._tensor\._rebuild_from_type_v2"),
        (b"\x80\x02c\x1b[2J\nx\n.", r"asks for \?\[2J\.x"),
        (b"\x80\x02]" + b"]" * (5 << 20), "its pickle has 5242883 bytes; the bound is"),
    ],
)
def test_pickles_that_only_keep_busy(tmp_path: Path, pickled: bytes, named: str) -> None:
    """A pickle that would fill memory, overflow the stack or be hashed for ever is refused before it is loaded."""
    assert re.search(named, refusal(tmp_path / "made.pth", seeds.with_pickle(pickled)))


@pytest.mark.parametrize("cover", ["get", "items", "keys"])
def test_covered_methods(tmp_path: Path, cover: str) -> None:
    """An OrderedDict whose methods the file covers with attributes is read like any other."""
    name = cover.encode()
    covered = b"\x80\x02ccollections\nOrderedDict\n)R}X" + len(name).to_bytes(4, "little") + name + b"K\x01sb."
    assert "no weights in it" in refusal(tmp_path / "made.pth", seeds.with_pickle(covered))


def test_keys_that_are_no_names(tmp_path: Path) -> None:
    """Tensors under keys that are no text are no weights."""
    buffer = io.BytesIO()
    torch.save({(1, 2): torch.zeros(2)}, buffer)
    assert "no weights in it (found: 'a tuple')" in refusal(tmp_path / "made.pth", buffer.getvalue())


def test_names_with_escape_codes(tmp_path: Path) -> None:
    """A pruned weight without its mask is named so that the terminal shows it as it is (found by fuzzing)."""
    buffer = io.BytesIO()
    torch.save({"\x1b[2Ja_orig": torch.zeros(2)}, buffer)
    assert "found ?[2Ja_orig (2,)" in refusal(tmp_path / "made.pth", buffer.getvalue())


def test_one_storage_with_many_names(tmp_path: Path) -> None:
    """A storage that a file calls by ten thousand names is not multiplied by as many masks."""
    tensor = torch.ones(1000)
    buffer = io.BytesIO()
    torch.save({f"a{number}_{kind}": tensor for number in range(200) for kind in ("orig", "mask")}, buffer)
    assert "more than the file holds" in refusal(tmp_path / "made.pth", buffer.getvalue())


def test_zip_that_unpacks_to_more(tmp_path: Path) -> None:
    """A compressed file of weights is refused by the sizes that it announces: torch.save compresses nothing."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr("a/data/0", bytes(1 << 26))
    assert "would unpack to 67108868 bytes from" in refusal(tmp_path / "made.pth", buffer.getvalue())


def header(kind: bytes, size: int) -> bytes:
    """The header of a member of a tar file."""
    member = tarfile.TarInfo("a")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (header(b"x", 0) * 3000, "old tar format"),
        (gzip.compress(header(b"x", 1 << 27) + bytes(1 << 27)), "no whole PyTorch file"),
        (gzip.compress(b"x" * 2000)[:12], "no whole PyTorch file"),
    ],
    ids=["nested", "compressed", "cut"],
)
def test_tar_files(tmp_path: Path, content: bytes, named: str) -> None:
    """A tar file is told by its first header: neither is it unpacked nor are its thousand extensions followed."""
    assert named in refusal(tmp_path / "made.pth", content)


def safetensors(text: str | dict[str, Any], data: bytes = bytes(8), length: int | None = None) -> bytes:
    """A safetensors file with this header, whatever it is."""
    written = (text if isinstance(text, str) else json.dumps(text)).encode()
    return (len(written) if length is None else length).to_bytes(8, "little") + written + data


def entry(**values: object) -> dict[str, Any]:
    """A header of one tensor with other values."""
    return {"a": HEADER["a"] | values}


ABSURD = {
    "length beyond the file": safetensors(HEADER, length=1 << 62),
    "length of all ones": safetensors(HEADER, length=(1 << 64) - 1),
    "length 0": safetensors("", length=0),
    "huge header": safetensors(" " * (2 << 20)),
    "nested": safetensors('{"a":' * 100_000),
    "not UTF-8": (4).to_bytes(8, "little") + b"{\xff\xff}",
    "overlap": safetensors(HEADER | {"b": HEADER["a"]}),
    "gap": safetensors(entry(data_offsets=[4, 12]), bytes(12)),
    "negative": safetensors(entry(data_offsets=[-8, 0])),
    "backwards": safetensors(entry(data_offsets=[8, 0])),
    "beyond": safetensors(entry(data_offsets=[0, 1 << 40])),
    "shape of too many": safetensors(entry(shape=[1 << 40, 1 << 40])),
    "shape that overflows": safetensors(entry(shape=[1 << 62, 4])),
    "negative shape": safetensors(entry(shape=[-2])),
    "NaN": safetensors(entry(shape=[float("nan")])),
    "unknown type": safetensors(entry(dtype="F31")),
    "keys twice": safetensors(f'{{"a": {json.dumps(HEADER["a"])}, "a": {json.dumps(HEADER["a"])}}}'),
    "escape codes": safetensors({"\x1b[2J": 1}),
    "list": safetensors("[]"),
}


@pytest.mark.parametrize("kind", ABSURD)
def test_absurd_headers(tmp_path: Path, kind: str) -> None:
    """A safetensors file whose header cannot be meant is refused at once, by the library or by us."""
    assert "made.safetensors: " in refusal(tmp_path / "made.safetensors", ABSURD[kind])


@pytest.mark.parametrize("value", ["Infinity", "NaN", "1.5", "true", '"1e9"', "[7]", "1" * 5000])
def test_absurd_frame_counts(tmp_path: Path, value: str) -> None:
    """A frame count that is no whole number is refused (an infinite one was an OverflowError)."""
    text = seeds.metadata()[0].replace(b'"frames": "7"', b'"frames": ' + value.encode())
    assert "metadata cannot be read" in refusal(tmp_path / "a.safetensors", seeds.with_metadata(text))


def test_notes_can_be_printed(tmp_path: Path) -> None:
    """What the notes of a file say cannot move the cursor of the terminal that shows it."""
    path = tmp_path / "a.safetensors"
    path.write_bytes(seeds.with_metadata(seeds.metadata()[0].replace(b"box", b"\\\\u001b[2J\\\\n")))
    assert checkpoint.load(path).notes["resized_with"] == "?[2J?"


@pytest.mark.parametrize("name", ["x" * 5000, "a/" * 3000 + "b.pth", "a\x00b"])
def test_impossible_paths(name: str) -> None:
    """A path that the system cannot even look for is refused like one that is not there."""
    with pytest.raises(NervbenchError) as raised:
        weights_of("nerv-xs", name)
    assert len(str(raised.value)) < 1200
