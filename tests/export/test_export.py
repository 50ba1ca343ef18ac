"""Artifacts: what is in them, and the cache that keeps them."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from nervbench.errors import ExportError
from nervbench.export import base, to_onnx
from nervbench.export.base import FORMATS, describe, produce, write
from nervbench.export.rewrites import rewritten
from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.network import FrameDecoder
from nervbench.model.spec import NervSpec
from nervbench.quality import mse_per_frame, psnr_from_mse

SPEC = NervSpec(fc_dim=4, strides=(2, 2), stem_widths=(8,), lower_width=4, fc_height=3, fc_width=4)
FAST = "checkpoint"  # the format that is written at once; the cache is the same for all


@pytest.fixture(scope="module")
def source() -> Checkpoint:
    """A model of 16×12 pixels with seeded weights."""
    return dataclasses.replace(checkpoint.seeded(SPEC, 1), frames=7)


@pytest.fixture(scope="module")
def exported(source: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the model as ONNX, made once."""
    cache = tmp_path_factory.mktemp("exported")
    produce(source, "onnx", "fp32", cache)
    return cache


@pytest.fixture(scope="module")
def onnx_file(source: Checkpoint, exported: Path) -> bytes:
    """The model as ONNX."""
    return produce(source, "onnx", "fp32", exported)[0].read_bytes()


@pytest.fixture
def cache(exported: Path, tmp_path: Path) -> Path:
    """A cache to work in, which has the model as ONNX already."""
    return shutil.copytree(exported, tmp_path / "cache")


def expected(source: Checkpoint, positions_B: Any) -> Any:
    """The frames of the network itself."""
    with torch.inference_mode():
        return FrameDecoder(source.model())(torch.from_numpy(positions_B)).numpy()


def positions(batch: int) -> Any:
    """Positions that differ."""
    return (np.arange(batch) / 7).astype(np.float32)


@pytest.mark.parametrize("batch", [1, 5])
def test_onnx_runs(source: Checkpoint, onnx_file: bytes, batch: int) -> None:
    """One ONNX file takes any batch and gives the network's frames as uint8 NHWC, with its weights inside."""
    session = onnxruntime.InferenceSession(onnx_file, providers=["CPUExecutionProvider"])
    (frames,) = session.run(["frames"], {"t": positions(batch)})

    assert (frames.shape, frames.dtype) == ((batch, 12, 16, 3), np.uint8)
    assert np.abs(frames.astype(int) - expected(source, positions(batch))).max() <= 1
    assert len(np.unique(frames)) > 20


def test_onnx_file(source: Checkpoint, onnx_file: bytes) -> None:
    """The ONNX file has the newest opset that all take, a batch without a number, and no data elsewhere."""
    model = onnx.load_from_string(onnx_file)
    weights = sum(tensor.numel() for tensor in source.tensors.values())

    assert [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")] == [to_onnx.OPSET] == [25]
    assert not model.graph.input[0].type.tensor_type.shape.dim[0].HasField("dim_value")
    assert all(not tensor.external_data for tensor in model.graph.initializer)
    assert len(onnx_file) > 4 * weights


@pytest.mark.parametrize(
    ("form", "precision", "opset"),
    [("onnx_17", "fp32", 17), ("onnx_20", "fp16", 20), ("onnx_22", "bf16", 22), ("onnx_qdq", "int8", 20)],
)
def test_older_opsets(source: Checkpoint, cache: Path, form: str, precision: str, opset: int) -> None:
    """The files for TensorRT's parsers: valid in their opset, with operators that it has, and the network's frames."""
    path, _ = produce(source, form, precision, cache)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [opset]
    if precision == "bf16":  # ONNX Runtime has none on a CPU
        return
    meant = expected(source, positions(5))
    if precision == "int8":
        meant = frames_of(produce(source, "onnx_rewritten", "int8", cache)[0])
    least_db = {"fp32": 60, "fp16": 45, "int8": 45}[precision]
    assert (psnr_from_mse(float(mse_per_frame(frames_of(path), meant).max())) or 99) > least_db


def frames_of(path: Path) -> Any:
    """Five frames of an ONNX file, by ONNX Runtime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["frames"], {"t": positions(5)})[0]


@pytest.mark.parametrize("form", ["onnx", "onnx_17"])
def test_onnx_is_quiet(form: str, source: Checkpoint, capfd: pytest.CaptureFixture[str]) -> None:
    """The exporter's talk reaches neither stdout nor stderr."""
    write(source, form, "fp32")

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_torchscript_runs(source: Checkpoint, precision: str) -> None:
    """A TorchScript file takes any batch and gives the network's frames as uint8 NHWC."""
    content, _ = write(source, "torchscript", precision)
    with warnings.catch_warnings(action="ignore"):  # PyTorch's word that TorchScript is deprecated
        script = torch.jit.load(io.BytesIO(content))  # type: ignore[no-untyped-call]
    for batch in (1, 5):
        frames = script(torch.from_numpy(positions(batch))).numpy()
        assert (frames.shape, frames.dtype) == ((batch, 12, 16, 3), np.uint8)
        assert np.abs(frames.astype(int) - expected(source, positions(batch))).max() <= (
            1 if precision == "fp32" else 9
        )


@pytest.mark.parametrize(("precision", "kind"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_checkpoint_loads(source: Checkpoint, tmp_path: Path, precision: str, kind: torch.dtype) -> None:
    """A checkpoint artifact is a checkpoint: same spec and frames, weights of the precision."""
    path, _ = produce(source, "checkpoint", precision, tmp_path)
    loaded = checkpoint.load(path)

    assert (loaded.spec, loaded.frames) == (source.spec, 7)
    assert {tensor.dtype for tensor in loaded.tensors.values()} == {kind}


def test_description(source: Checkpoint, tmp_path: Path) -> None:
    """Beside the file lies what it is: format, precision, spec, versions, size and hash."""
    path, artifact = produce(source, FAST, "fp32", tmp_path)

    assert json.loads(path.with_suffix(".safetensors.json").read_text()) == json.loads(describe(artifact))
    assert artifact.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert artifact.size_bytes == path.stat().st_size
    assert (artifact.format, artifact.precision, artifact.spec) == (FAST, "fp32", SPEC.to_json())
    assert set(artifact.versions) == {*FORMATS[FAST].packages, "nervbench"}
    assert path.name == f"{artifact.key}.safetensors"
    assert artifact.notes == ()


def test_kept(source: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time the same file is given, and nothing is written."""
    first = produce(source, FAST, "fp32", tmp_path)
    monkeypatch.setattr(base, "write", None)
    monkeypatch.setattr(base, "write_atomically", None)

    assert produce(source, FAST, "fp32", tmp_path) == first


def test_keys(source: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other weights, another format, another precision and another version of a tool are each another key."""
    other = checkpoint.seeded(SPEC, 2)
    paths = [produce(source, FAST, "fp32", tmp_path), produce(other, FAST, "fp32", tmp_path)]
    paths += [produce(source, FAST, "bf16", tmp_path), produce(source, "torchscript", "fp32", tmp_path)]
    monkeypatch.setattr(metadata, "version", lambda name: f"{name} of the future")
    paths.append(produce(source, FAST, "fp32", tmp_path))

    assert len({path for path, _ in paths}) == 5
    assert paths[0][0].exists()
    assert paths[-1][1].versions["safetensors"] == "safetensors of the future"


@pytest.mark.parametrize(
    ("suffix", "damage", "note"),
    [
        ("", b"", "rebuilt: the cached file did not match its hash"),
        ("", b"other bytes", "rebuilt: the cached file did not match its hash"),
        (".json", b"", "rebuilt: the cached file had no readable description"),
        (".json", b"[1]", "rebuilt: the cached file had no readable description"),
        (".json", b"{}", "rebuilt: the cached file had no readable description"),
        (".json", b'{"notes": [], "extra": 1}', "rebuilt: the cached file had no readable description"),
        (".json", b"\xff", "rebuilt: the cached file had no readable description"),
        (".json", None, "rebuilt: the cached file had no readable description"),
    ],
)
def test_damaged(source: Checkpoint, tmp_path: Path, suffix: str, damage: bytes | None, note: str) -> None:
    """A damaged file or description is rebuilt in its place, and the note says so, now and later."""
    path, artifact = produce(source, FAST, "fp32", tmp_path)
    wounded = path.with_name(path.name + suffix)
    if damage is None:
        wounded.unlink()
    else:
        wounded.write_bytes(damage)

    again, rebuilt = produce(source, FAST, "fp32", tmp_path)
    assert (again, checkpoint.load(again).sha256()) == (path, source.sha256())
    assert rebuilt == dataclasses.replace(artifact, notes=(note,), sha256=rebuilt.sha256)
    assert produce(source, FAST, "fp32", tmp_path) == (again, rebuilt)


def test_of_another_model(source: Checkpoint, tmp_path: Path) -> None:
    """A file and its description that belong together, but to another model, are not taken for this one's."""
    path, artifact = produce(source, FAST, "fp32", tmp_path)
    other, _ = produce(checkpoint.seeded(source.spec, 99), FAST, "fp32", tmp_path)
    for suffix in ("", ".json"):
        path.with_name(path.name + suffix).write_bytes(other.with_name(other.name + suffix).read_bytes())
    _, rebuilt = produce(source, FAST, "fp32", tmp_path)

    assert rebuilt == dataclasses.replace(
        artifact, notes=("rebuilt: the cached file was made of something else",), sha256=rebuilt.sha256
    )
    assert checkpoint.load(path).sha256() == source.sha256()


def test_exporter_fails(source: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an exporter raises is an ExportError with its words."""

    def fail(*_: object, **__: object) -> None:
        msg = "no such operator"
        raise RuntimeError(msg)

    monkeypatch.setattr(torch.onnx, "export", fail)
    monkeypatch.setattr(torch.jit, "trace", fail)
    for form in ("onnx", "torchscript"):
        with pytest.raises(ExportError, match=r"export failed: .*no such operator"):
            write(source, form, "fp32")


def test_exporter_gives_a_wrong_file(source: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph that ONNX itself does not accept is an ExportError, and so is none at all."""
    wrong = type("Program", (), {"model_proto": onnx.ModelProto()})()
    for program, says in ((wrong, "ONNX export failed: ValidationError"), (None, "ONNX export gave nothing")):
        monkeypatch.setattr(torch.onnx, "export", lambda *_, program=program, **__: program)
        with pytest.raises(ExportError, match=says):
            write(source, "onnx", "fp32")


def test_unknown(source: Checkpoint, tmp_path: Path) -> None:
    """An unknown format or precision is an ExportError that says which are known."""
    with pytest.raises(ExportError, match=r"unknown format 'onx'; .*did you mean 'onnx'"):
        produce(source, "onx", "fp32", tmp_path)
    for precision in ("fp8", "int8"):
        with pytest.raises(ExportError, match=f"unknown precision of onnx '{precision}'; known: bf16, fp16, fp32"):
            produce(source, "onnx", precision, tmp_path)


def test_int8(source: Checkpoint, cache: Path) -> None:
    """A rewritten file in int8 is kept under its own key, says what was applied, and is smaller than in float."""
    _, plain = produce(source, "onnx_rewritten", "fp32", cache)
    path, artifact = produce(source, "onnx_rewritten", "int8", cache)

    assert (artifact.precision, artifact.key != plain.key) == ("int8", True)
    assert any(note.startswith("rewrite convolutions in int8: applied in ") for note in artifact.notes)
    assert artifact.size_bytes < plain.size_bytes
    assert produce(source, "onnx_rewritten", "int8", cache) == (path, artifact)


def test_nothing_in_int8(source: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph of which nothing could be made int8 is not kept as one that is."""
    monkeypatch.setattr("nervbench.export.rewrites.ranges_of", lambda _: [None] * 99)
    with pytest.raises(ExportError, match=r"nothing could be made int8: the graph has \d convolutions"):
        produce(source, "onnx_rewritten", "int8", tmp_path)


def test_rewritten_of_the_kept_file(source: Checkpoint, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain file is exported once, and what is rewritten starts from it."""
    _, plain = produce(source, "onnx", "fp32", cache)
    monkeypatch.setattr(torch.onnx, "export", None)
    for precision in ("fp32", "int8"):
        _, artifact = produce(source, "onnx_rewritten", precision, cache)
        assert artifact.sha256 != plain.sha256


def test_rewritten(source: Checkpoint, cache: Path) -> None:
    """The rewritten file gives the plain one's frames; its notes, kept with it, say what came of each rule."""
    path, artifact = produce(source, "onnx_rewritten", "fp32", cache)
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (frames,) = session.run(["frames"], {"t": positions(5)})

    assert np.abs(frames.astype(int) - expected(source, positions(5))).max() <= 1
    assert artifact.notes == (
        "rewrite no shuffle by one: not applied, every DepthToSpace has a block size above 1",
        "rewrite activation before the shuffle: applied in 2 places",
        "rewrite head before the shuffle: applied in 1 place",
        "rewrite bytes are shuffled, not floats: applied in 2 places",
        "rewrite transpose before the shuffle: applied in 1 place",
    )
    assert produce(source, "onnx_rewritten", "fp32", cache) == (path, artifact)
    path.write_bytes(b"")
    assert produce(source, "onnx_rewritten", "fp32", cache)[1].notes == (
        "rebuilt: the cached file did not match its hash",
        *artifact.notes,
    )


def test_rewritten_in_bf16(source: Checkpoint) -> None:
    """A 16-bit export is rewritten too, and its folded head keeps the type."""
    content, artifact = write(source, "onnx_rewritten", "bf16")
    weights = {array.name: array.data_type for array in onnx.load_from_string(content).graph.initializer}

    assert weights["head.weight"] == onnx.TensorProto.BFLOAT16
    assert sum("applied in" in note for note in artifact.notes) == 4


def test_rewritten_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of the rewrites belongs to the key of what is rewritten, and of nothing else."""
    monkeypatch.setattr(base, "source_hash", lambda *packages: " ".join(packages))
    said = {form: base._versions(form, FORMATS[form].precisions[-1])["nervbench"] for form in FORMATS}

    rewritten_forms = [form for form in said if "nervbench_kernels.rewrites" in said[form]]
    assert rewritten_forms == ["onnx_rewritten", "onnx_qdq"]


def test_a_rewrite_fails(source: Checkpoint, onnx_file: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that breaks the graph is an ExportError, and no file."""

    def broken(*_: object) -> None:
        msg = "Nodes in a graph must be topologically sorted"
        raise onnx.checker.ValidationError(msg)

    monkeypatch.setattr("nervbench_kernels.rewrites.graph.rewrite", broken)
    with pytest.raises(ExportError, match="the rewritten ONNX graph is not valid: Nodes in a graph"):
        rewritten(onnx_file, source, "fp32")
