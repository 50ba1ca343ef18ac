"""What every runtime must do, over all entry points and the precisions that they do not refuse.

bf16 is run here even where the CPU only emulates it: it is slow then, and its answer is the same.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino
import pytest
import torch
from openvino import opset13 as ops

from nervbench import plugins
from nervbench.device.cpu import CpuDevice
from nervbench.errors import FellBackError, LoadError, UnsupportedError
from nervbench.export.base import produce
from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.network import FrameDecoder, positions
from nervbench.model.spec import NervSpec
from nervbench.quality import mse_per_frame, psnr_from_mse
from nervbench.records import DeviceCard
from nervbench.runtime import aoti, ort, ov
from nervbench.runtime.base import (
    NOTHING_YET,
    ForwardOnly,
    Frames,
    InParts,
    Opening,
    OtherArithmetic,
    Runtime,
    Session,
    WithNotes,
)

# PyTorch's compiler uses what PyTorch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*")

SPEC = NervSpec(fc_dim=12, strides=(2, 2), stem_widths=(64,), lower_width=12, fc_height=6, fc_width=8)
FRAMES = 60
BATCH = 3
BOUND_DB = {"fp32": 57.0, "bf16": 40.0, "int8": 31.0}
RUNTIMES = plugins.names(plugins.RUNTIMES)
COMPILE = ("compiled", "compiled_max", "aoti")


@pytest.fixture(scope="module")
def card() -> DeviceCard:
    """This CPU."""
    return CpuDevice().card()


@pytest.fixture(scope="module")
def weights() -> Checkpoint:
    """A model of 32×24 pixels, with the forty embedding levels that lower precisions stumble over."""
    return checkpoint.seeded(SPEC, 0)


@pytest.fixture(scope="module")
def reference(weights: Checkpoint) -> Frames:
    """All frames, by fp32 eager."""
    with torch.inference_mode():
        frames: Frames = FrameDecoder(weights.model())(positions(torch.arange(FRAMES), FRAMES)).numpy()
    return frames


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where artifacts are kept during these tests."""
    return tmp_path_factory.mktemp("cache")


def opening(
    runtime: Runtime, precision: str, batch: int, weights: Checkpoint, cache: Path, card: DeviceCard
) -> Opening:
    """What a session is opened with."""
    path, artifact = produce(weights, *runtime.wants(precision), cache)
    return Opening(path, artifact, precision, batch, FRAMES, card)


def runs(name: str, precision: str, card: DeviceCard) -> Runtime:
    """The runtime of this name; skips, with its words, what it refuses on this device."""
    runtime: Runtime = plugins.load(plugins.RUNTIMES, name)
    if refusal := runtime.refusal(card, precision):
        pytest.skip(refusal)
    return runtime


@pytest.fixture(scope="module", params=[f"{name}/{precision}" for name in RUNTIMES for precision in BOUND_DB])
def named(request: pytest.FixtureRequest, weights: Checkpoint, cache: Path, card: DeviceCard) -> Iterator[Any]:
    """(name, precision, a session for batches of three that has not decoded yet)."""
    name, precision = str(request.param).split("/")
    runtime = runs(name, precision, card)
    try:
        session = runtime.open(opening(runtime, precision, BATCH, weights, cache, card))
    except FellBackError as error:
        pytest.skip(str(error))
    with session:
        with pytest.raises(RuntimeError, match=NOTHING_YET):
            session.fetch()
        yield name, precision, session


def distance_db(a: Frames, b: Frames) -> float:
    """The worst PSNR of a frame against its reference; 99 where all are identical."""
    return min(psnr_from_mse(float(error)) or 99.0 for error in mse_per_frame(a, b))


def test_frames(named: tuple[str, str, Session], reference: Frames) -> None:
    """Every batch of the clip is uint8 NHWC in memory and as near to fp32 eager as its precision allows."""
    _, precision, session = named
    for start in range(0, FRAMES, BATCH):
        session.decode(start)
        frames = session.fetch()

        assert frames.shape == (BATCH, 24, 32, 3)
        assert frames.dtype == np.uint8
        assert frames.flags.c_contiguous
        assert distance_db(frames, reference[start : start + BATCH]) > BOUND_DB[precision]


def test_forward(named: tuple[str, str, Session]) -> None:
    """The network without its last step, where a session has it, leaves the same frames behind."""
    name, _, session = named
    assert isinstance(session, ForwardOnly) == (name == "eager")
    session.decode(7)
    frames = session.fetch()
    if isinstance(session, ForwardOnly):
        session.forward(30)
        other = session.fetch()
        session.forward(7)
        assert np.array_equal(session.fetch(), frames)
        assert not np.array_equal(other, frames)
        session.decode(30)
        assert np.array_equal(session.fetch(), other)


def test_in_parts(named: tuple[str, str, Session]) -> None:
    """A decode in parts, where a session has them, names each once, in order, and gives the same frames."""
    name, _, session = named
    assert isinstance(session, InParts) == (name == "eager")
    if isinstance(session, InParts):
        session.decode(7)
        frames = session.fetch()
        session.decode(30)
        parts: list[str] = []
        session.decode_in_parts(7, parts.append)
        assert parts == ["embed", "network", "to uint8"]
        assert np.array_equal(session.fetch(), frames)


def test_wraps(named: tuple[str, str, Session], reference: Frames) -> None:
    """A batch that begins at the last frame goes on with the first."""
    _, precision, session = named
    session.decode(FRAMES - 1)

    assert distance_db(session.fetch(), reference[[FRAMES - 1, 0, 1]]) > BOUND_DB[precision]


def test_frames_stay(named: tuple[str, str, Session]) -> None:
    """Frames that were fetched are not changed by a later decode, which gives others."""
    _, _, session = named
    session.decode(0)
    first = session.fetch()
    kept = first.copy()
    session.decode(30)
    second = session.fetch()

    assert np.array_equal(first, kept)
    assert not np.array_equal(first, second)
    assert np.array_equal(session.fetch(), second)


@pytest.mark.parametrize("name", [name for name in RUNTIMES if name not in (*COMPILE, "ov_throughput")])
def test_one_frame(name: str, weights: Checkpoint, cache: Path, card: DeviceCard, reference: Frames) -> None:
    """A batch of one is one frame (the compilers' sessions are opened once only: it takes long)."""
    runtime = runs(name, "fp32", card)
    with runtime.open(opening(runtime, "fp32", 1, weights, cache, card)) as session:
        session.decode(7)

        assert distance_db(session.fetch(), reference[7:8]) > BOUND_DB["fp32"]


@pytest.mark.parametrize("damage", [b"", b"not a model", None])
@pytest.mark.parametrize("name", RUNTIMES)
def test_damaged(
    name: str, damage: bytes | None, weights: Checkpoint, cache: Path, card: DeviceCard, tmp_path: Path
) -> None:
    """An artifact that is empty, nonsense or cut off raises LoadError, in one line."""
    runtime = runs(name, "fp32", card)
    whole = opening(runtime, "fp32", BATCH, weights, cache, card)
    content = whole.path.read_bytes()
    path = tmp_path / whole.path.name
    path.write_bytes(content[: len(content) // 2] if damage is None else damage)
    with pytest.raises(LoadError, match=r"\A[^\n]+\Z"):
        runtime.open(Opening(path, whole.artifact, "fp32", BATCH, FRAMES, card))


@pytest.mark.parametrize("name", RUNTIMES)
def test_refusals(name: str, card: DeviceCard) -> None:
    """What a runtime has no arithmetic for is refused with what is possible; fp32 runs, or what it lacks is said."""
    runtime: Runtime = plugins.load(plugins.RUNTIMES, name)

    assert runtime.name == name
    if lacking := runtime.refusal(card, "fp32"):
        assert "compiler" in lacking or "needs an NVIDIA GPU" in lacking
        return
    for precision in ("fp16", "int8") if name not in ("ov", "ov_throughput") else ("fp16",):
        refusal = str(runtime.refusal(card, precision))
        assert precision in refusal
        assert "fp32" in refusal


ON_A_GPU = {
    "ov": "runs on the CPU",
    "ov_throughput": "runs on the CPU",
    "ov_plain": "runs on the CPU",
    "winograd": "a CPU's",
    "ort": "possible here: ort_cuda or ort_trt",
    "ort_plain": "possible here: ort_cuda or ort_trt",
    "ort_cuda": "put onnxruntime-gpu in its place",
    "ort_trt": "put onnxruntime-gpu in its place",
    "compiled": "compute capability 7.0 or more; this one has 6.0",
    "compiled_max": "compute capability 7.0 or more; this one has 6.0",
    "aoti": "compute capability 7.0 or more; this one has 6.0",
    "fused": "compute capability 7.0 or more; this one has 6.0",
    "trt": "TensorRT",
    "trt_graph": "TensorRT",
}


@pytest.mark.parametrize("name", RUNTIMES)
def test_on_a_gpu(name: str) -> None:
    """On a Tesla P100 eager PyTorch, TorchScript and graphs of it run; the others say what they would take."""
    p100 = DeviceCard("cuda", "Tesla P100", 56, None, 16 << 30, features=("sm_60",))
    runtime: Runtime = plugins.load(plugins.RUNTIMES, name)
    refusals = {runtime.refusal(p100, precision) for precision in ("fp32", "fp16")}

    if name in ON_A_GPU:
        assert all(ON_A_GPU[name] in str(refusal) for refusal in refusals)
    else:
        assert refusals == {None}
        assert re.search(r"possible: fp32, (tf32, )?bf16, fp16", str(runtime.refusal(p100, "int8")))


def test_left_to_another_provider(weights: Checkpoint, cache: Path, card: DeviceCard) -> None:
    """By the account of a session itself, what computes where is known; another provider than asked for is found."""
    given = opening(ort.RUNTIME, "fp32", 1, weights, cache, card)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry(ort.RECORD, "1")
    session = onnxruntime.InferenceSession(str(given.path), options, providers=[ort.CPU])

    assert ort.fallen_back(session, ort.CPU) is None
    assert ort.fallen_back(session, ort.CUDA) == f"asked for {ort.CUDA}, the session runs on {ort.CPU}"
    session.get_providers = lambda: [ort.CUDA, ort.CPU]
    said = str(ort.fallen_back(session, ort.CUDA))
    assert said.startswith(f"asked for {ort.CUDA}, but: ")
    assert f"2 × Conv on {ort.CPU}" in said or f"3 × Conv on {ort.CPU}" in said


def test_int8_is_taken(weights: Checkpoint, cache: Path, card: DeviceCard) -> None:
    """Where the CPU multiplies bytes OpenVINO does so, and a file in float that is said to be int8 is not accepted."""
    if refusal := CpuDevice().lacks("int8"):
        pytest.skip(refusal)
    with ov.RUNTIME.open(opening(ov.RUNTIME, "int8", 1, weights, cache, card)):
        pass
    with pytest.raises(FellBackError, match="computes every convolution in float"):
        ov.RUNTIME.open(dataclasses.replace(opening(ov.RUNTIME, "fp32", 1, weights, cache, card), precision="int8"))


def test_winograd_says_its_arithmetic(weights: Checkpoint, cache: Path, card: DeviceCard) -> None:
    """The session that does not convolve directly names its algorithm and counts what it executes."""
    runtime: Runtime = plugins.load(plugins.RUNTIMES, "winograd")
    with runtime.open(opening(runtime, "fp32", 1, weights, cache, card)) as session:
        assert isinstance(session, OtherArithmetic)
        assert session.algorithm.startswith("Winograd")
        stem, head = 80 * 64 + 64 * 12 * 6 * 8, 3 * 12 * 24 * 32
        tiles = 2 * 2 + 3 * 4  # 6×8 and 12×16 pixels
        assert session.flop_per_frame == 2 * (stem + head + 36 * tiles * 12 * 48)


def test_winograd_without_numba(card: DeviceCard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its compiler the runtime refuses and says what to install."""
    runtime: Runtime = plugins.load(plugins.RUNTIMES, "winograd")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    assert "pip install numba" in str(runtime.refusal(card, "fp32"))


def test_streams_want_a_batch(weights: Checkpoint, cache: Path, card: DeviceCard) -> None:
    """For one frame at a time the runtime of many streams refuses, and names the one for it."""
    with pytest.raises(UnsupportedError, match=r"leaves all but one stream .* possible: batches over 1 \(or ov\)"):
        ov.STREAMS.open(opening(ov.STREAMS, "fp32", 1, weights, cache, card))


def test_library_is_kept(weights: Checkpoint, cache: Path, card: DeviceCard, monkeypatch: pytest.MonkeyPatch) -> None:
    """What AOTInductor compiled is loaded again for the same case only; where altered it is made again, and said."""
    runtime = runs("aoti", "fp32", card)
    given = opening(runtime, "fp32", BATCH, weights, cache, card)
    with runtime.open(given) as session:
        assert isinstance(session, WithNotes)
        assert not session.notes
    libraries = [path for path in given.path.parent.glob("*.pt2") if runtime_facts(path)["batch"] == str(BATCH)]
    library = next(path for path in libraries if runtime_facts(path)["precision"] == "fp32")
    content = library.read_bytes()
    made: list[Opening] = []

    def compiled(opening: Opening) -> bytes:
        made.append(opening)
        return content

    monkeypatch.setattr(aoti, "_compiled", compiled)
    with runtime.open(given) as session:
        session.decode(0)
        assert not made
    library.write_bytes(content[:-1])
    with runtime.open(given) as session:
        assert isinstance(session, WithNotes)
        assert session.notes == (f"rebuilt: {library.name} did not match its hash",)
        assert made == [given]
    with runtime.open(dataclasses.replace(given, batch=BATCH + 1)):
        assert len(made) == 2


def runtime_facts(library: Path) -> dict[str, str]:
    """What the description beside a library says."""
    facts: dict[str, str] = json.loads(library.with_suffix(".pt2.json").read_text())
    return facts


def test_without_the_cut(
    weights: Checkpoint, cache: Path, card: DeviceCard, reference: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenVINO's bf16 is near fp32 only because of the cut: without it the positional embedding is lowered too."""
    position = ops.parameter([FRAMES], np.float32)
    nothing = openvino.Model([ops.result(position)], [position])
    monkeypatch.setattr(ov, "cut_before_arithmetic", lambda model: (nothing, model))
    given = opening(ov.RUNTIME, "bf16", FRAMES, weights, cache, card)
    try:
        session = ov.RUNTIME.open(given)
    except FellBackError as error:
        pytest.skip(str(error))
    with session:
        session.decode(0)

        assert distance_db(session.fetch(), reference) < 30
