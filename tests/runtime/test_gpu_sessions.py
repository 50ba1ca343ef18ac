"""Sessions of a GPU on fakes: what is captured, what is replayed, and that frames are those of the network."""

from __future__ import annotations

import contextlib
import importlib.util
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from nervbench.device.cpu import CpuDevice
from nervbench.errors import UnsupportedError
from nervbench.export.base import produce
from nervbench.model import checkpoint
from nervbench.model.nerv import Nerv
from nervbench.model.network import FrameDecoder, positions
from nervbench.model.precision import stored
from nervbench.model.spec import NervSpec
from nervbench.quality import mse_per_frame, psnr_from_mse
from nervbench.runtime import cuda_graph, eager, fused, torch_session
from nervbench.runtime.base import NOTHING_YET, Opening, Runtime, Session
from tests import interpreted
from tests.runtime.fake_gpu import card

SPEC = NervSpec(fc_dim=6, strides=(2, 2), stem_widths=(16,), lower_width=6, fc_height=3, fc_width=4)
FRAMES, BATCH = 7, 3


def opening(folder: Path, precision: str = "fp32", spec: NervSpec = SPEC) -> Opening:
    """Seeded weights on this CPU, as if it were the GPU."""
    path, artifact = produce(checkpoint.seeded(spec, 3), "checkpoint", stored(precision), folder)
    return Opening(path, artifact, precision, BATCH, FRAMES, CpuDevice().card())


def meant(index: int) -> Any:
    """The batch that starts at ``index``, by eager fp32."""
    decoder = FrameDecoder(checkpoint.seeded(SPEC, 3).model()).eval()
    with torch.inference_mode():
        return decoder(positions((index + torch.arange(BATCH)) % FRAMES, FRAMES)).numpy()


def check(session: Session, least_db: float) -> None:
    """Batches in any order, past the end too; an earlier batch is not touched by a later one."""
    with session:
        with pytest.raises(RuntimeError, match=NOTHING_YET):
            session.fetch()
        session.decode(5)
        first = session.fetch()
        for index in (0, 6, 5):
            session.decode(index)
            found = session.fetch()
            assert found.shape == (BATCH, SPEC.height, SPEC.width, 3)
            assert (psnr_from_mse(float(mse_per_frame(found, meant(index)).max())) or math.inf) > least_db
        assert np.array_equal(first, found)


@pytest.mark.parametrize(("precision", "least_db"), [("fp32", 57.0), ("fp16", 50.0), ("bf16", 40.0), ("fp8", 30.0)])
def test_fused(tmp_path: Path, precision: str, least_db: float) -> None:
    """One kernel a block, in every precision; where there is no GPU there is no graph either."""
    interpreted.fused_block()
    check(fused.RUNTIME.open(opening(tmp_path, precision)), least_db)


def test_fused_in_fp8(tmp_path: Path) -> None:
    """The last two blocks are, by the largest value that each is given in any frame; the row says so."""
    interpreted.fused_block()
    spec = replace(SPEC, strides=(2, 2, 2))
    network = checkpoint.seeded(spec, 3).model().eval()
    assert isinstance(network, Nerv)
    session = fused.RUNTIME.open(opening(tmp_path, "fp8", spec))
    assert isinstance(session, fused.FusedSession)

    kinds = [block.image.dtype for block in session._blocks]
    assert kinds == [torch.float16, torch.float8_e4m3fn, torch.float8_e4m3fn]
    with torch.inference_mode():
        images = network.stem(network.embedding(positions(torch.arange(FRAMES), FRAMES)))
        images = images.unflatten(1, (spec.fc_dim, spec.fc_height, spec.fc_width))
        for block, layer in zip(session._blocks[1:], network.layers, strict=False):
            images = layer(images)
            assert block.scale == pytest.approx(448 / float(images.abs().max()), rel=2e-3)
    assert session.notes[-1] == "the last 2 of 3 blocks are in fp8 (e4m3), the others in fp16"


def test_fused_alone_has_fp8() -> None:
    """On a GPU that multiplies it; its weights lie in a file in fp16."""
    hopper = card("sm_90", kind="cuda")
    assert fused.RUNTIME.wants("fp8") == ("checkpoint", "fp16")
    assert fused.RUNTIME.refusal(hopper, "fp8") is None
    for runtime in (eager.RUNTIME, cuda_graph.RUNTIME):
        assert "fp8 is not available in the PyTorch runtimes on a GPU" in str(runtime.refusal(hopper, "fp8"))
    assert "fp8 is not" in str(torch_session.refusal(card("sm_90", kind="cpu"), "fp8"))


def test_fused_replays_what_was_captured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decode copies the stem of its frames in and replays; it enqueues no kernel by itself."""
    interpreted.fused_block()
    session = fused.RUNTIME.open(opening(tmp_path))
    assert isinstance(session, fused.FusedSession)
    replayed: list[float] = []
    monkeypatch.setattr(session, "_replay", lambda: replayed.append(float(session._blocks[0].inside.float().sum())))
    for index in (0, 3, 0):
        session.decode(index)

    assert len(replayed) == 3
    assert replayed[0] == replayed[2] != replayed[1]
    assert session.notes[0].startswith("embedding and stem of all frames")


@pytest.mark.parametrize("other", [{"norm": "bn"}, {"upscale": "transpose"}], ids=str)
def test_fused_refuses_another_network(tmp_path: Path, other: dict[str, str]) -> None:
    """Blocks that are made of something else end in a reason."""
    interpreted.fused_block()
    spec = NervSpec(**{**{name: getattr(SPEC, name) for name in SPEC.__dataclass_fields__}, **other})
    with pytest.raises(UnsupportedError, match="written for NeRV's blocks of convolution, PixelShuffle and activation"):
        fused.RUNTIME.open(opening(tmp_path, spec=spec))


def test_fused_refuses_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that its offsets do not reach: the row says what is possible."""
    monkeypatch.setattr(interpreted.fused_block(), "MOST_ELEMENTS", 100)
    with pytest.raises(UnsupportedError, match=r"a batch of 3 is too large here: .* less than 2"):
        fused.RUNTIME.open(opening(tmp_path))


def test_cuda_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames are what the captured work left in its place, for the positions put in before."""

    def captured(enqueue: Callable[[], None]) -> Any:
        enqueue()  # its results are those of the last positions until it is replayed
        return SimpleNamespace(replay=enqueue)

    monkeypatch.setattr(torch_session, "captured", captured)
    check(cuda_graph.RUNTIME.open(opening(tmp_path)), 57.0)


@pytest.mark.parametrize(("precision", "allowed"), [("tf32", True), ("fp32", False), ("fp16", False)])
def test_tf32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, allowed: bool) -> None:
    """Weights stay in fp32; PyTorch's libraries are told that products may be shorter, or may not."""
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, *_, **__: module)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    given = replace(opening(tmp_path, "fp32"), precision=precision, device=card("sm_90", kind="cuda"))
    flags: tuple[Any, ...] = (
        torch.backends.cudnn,
        torch.backends.cuda.matmul,
    )  # with attributes that no monkeypatch can put back
    before = [each.allow_tf32 for each in flags]
    for each in flags:
        each.allow_tf32 = not allowed
    try:
        network = torch_session.network(given)
        found = [each.allow_tf32 for each in flags]
    finally:
        for each, value in zip(flags, before, strict=True):
            each.allow_tf32 = value

    assert found == [allowed, allowed]
    assert next(network.parameters()).dtype == (torch.float16 if precision == "fp16" else torch.float32)


@pytest.mark.parametrize(
    "runtime", [eager.RUNTIME, eager.CHANNELS_LAST, cuda_graph.RUNTIME], ids=lambda each: each.name
)
def test_who_has_tf32(runtime: Runtime) -> None:
    """Runtimes of PyTorch's libraries open the weights of fp32 for it; kernels of our own have none."""
    assert runtime.wants("tf32") == ("checkpoint", "fp32")
    assert runtime.refusal(card("sm_90", kind="cuda"), "tf32") is None
    assert "tf32 is not available" in str(torch_session.refusal(card("sm_90", kind="cuda"), "tf32"))


def test_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called three times on a stream aside that the usual one waits for, then once to be captured."""
    done: list[str] = []

    class Stream(str):
        __slots__ = ()

        def wait_stream(self, other: str) -> None:
            done.append(f"{self} waits for {other}")

    @contextlib.contextmanager
    def entered(what: Any) -> Iterator[None]:
        done.append(f"in {what}")
        yield
        done.append(f"out of {what}")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: "the graph")
    monkeypatch.setattr(torch.cuda, "Stream", lambda: Stream("aside"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: Stream("usual"))
    monkeypatch.setattr(torch.cuda, "stream", entered)
    monkeypatch.setattr(torch.cuda, "graph", entered)
    found: Any = torch_session.captured(lambda: done.append("called"))

    assert found == "the graph"
    assert done == [
        "aside waits for usual",
        "in aside",
        *["called"] * 3,
        "out of aside",
        "usual waits for aside",
        "in the graph",
        "called",
        "out of the graph",
    ]


@pytest.mark.parametrize(
    ("features", "kind", "precision", "says"),
    [
        (("avx2",), "cpu", "fp32", "Triton needs an NVIDIA GPU, and this device is none"),
        (("sm_60",), "cuda", "fp32", "for GPUs of compute capability 7.0 or more; this one has 6.0"),
        (
            ("sm_90",),
            "cuda",
            "int8",
            "int8 is not available in the PyTorch runtimes on a GPU; possible: fp32, bf16, fp16",
        ),
    ],
)
def test_fused_refusal(features: tuple[str, ...], kind: str, precision: str, says: str) -> None:
    """What cannot run ends in a reason; what can has none."""
    pytest.importorskip("triton")
    assert says in (fused.RUNTIME.refusal(card(*features, kind=kind), precision) or "")
    assert fused.RUNTIME.refusal(card("sm_90"), "bf16") is None


@pytest.mark.parametrize(
    ("feature", "built", "says"),
    [
        (
            "sm_60",
            ["sm_75", "sm_80", "compute_120"],
            "of compute capability 7.5 and newer, this one has 6.0; its wheels",
        ),
        ("sm_61", ["sm_60", "sm_70"], None),
        ("sm_90", ["sm_120a", "sm_80"], None),
        ("sm_60", [], None),
        ("avx2", ["sm_75"], None),
    ],
)
def test_too_old(feature: str, built: list[str], says: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU for which this PyTorch has no code is refused before anything crashes on it."""
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built)
    found = torch_session.refusal(card(feature), "fp32")

    assert (found is None) if says is None else (says in (found or ""))


def test_old_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Triton without what the kernels ask for is refused with the version to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(metadata, "version", {"triton": "3.3.1"}.__getitem__)
    assert fused.RUNTIME.refusal(card("sm_90"), "bf16") == (
        "Triton 3.3.1 is too old for these kernels; pip install 'triton>=3.4'"
    )


def test_fused_without_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch for a GPU brings Triton; where it does not, the reason says what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert fused.RUNTIME.refusal(card("sm_90"), "bf16") == (
        "Triton, which compiles these kernels, is not installed: pip install triton"
    )
