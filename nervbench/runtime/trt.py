"""TensorRT, 8.5 to 11. Written against its documentation and binding packages; not yet run on a GPU.

TensorRT is imported when a case asks for it, and without it every case is refused with the package to install. Memory
is PyTorch's; the frames stay on the GPU, where the engine wrote them, until they are fetched. ``trt`` launches its
kernels one by one, a few dozen a decode, which hide behind the work of all but the smallest models; ``trt_graph``
launches them as one CUDA graph.

Any batch may be asked for, as the ONNX files leave it open. An engine is built for one: what runs is then what was
tuned, not a compromise of a range.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from types import TracebackType
from typing import Any, Self

import torch

from nervbench.errors import LoadError, UnsupportedError, first_line
from nervbench.records import DeviceCard, Operator
from nervbench.runtime import trt_gpu, trt_layers
from nervbench.runtime.base import NOTHING_YET, Frames, Opening, capability_of, time_positions
from nervbench.runtime.trt_engine import Engine, Plan, failure, load
from nervbench.runtime.trt_versions import GENERATIONS, advice, generation, refusal, release

DISTRIBUTIONS = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12", "tensorrt-cu11")
"""Packages that bring the module ``tensorrt``, each of which may be installed without the others."""


class TrtSession:
    """Decodes with one execution context. ``notes`` say what was unusual about its engine."""

    def __init__(self, trt: Any, loaded: Engine, opening: Opening, gpu: trt_gpu.Gpu, graphed: bool) -> None:
        self._loaded, self._opening, self._gpu = loaded, opening, gpu
        self.notes = loaded.notes
        self._context = loaded.engine.create_execution_context()
        if self._context is None:
            raise failure(loaded.heard.words, "making an execution context")
        # All positions and what a batch needs after the last, so that a decode copies within the GPU only.
        self._positions = gpu.put(time_positions(0, opening.frames + opening.batch - 1, opening.frames))
        self._input = gpu.put(time_positions(0, opening.batch, opening.frames))
        name, output = _ends(trt, loaded.engine)
        if not self._context.set_input_shape(name, (opening.batch,)):
            raise failure(loaded.heard.words, f"setting a batch of {opening.batch}")
        self._output = gpu.empty(tuple(self._context.get_tensor_shape(output)), torch.uint8)
        for tensor, memory in ((name, self._input), (output, self._output)):
            if not self._context.set_tensor_address(tensor, memory.data_ptr()):
                raise failure(loaded.heard.words, f"setting the address of {tensor}")
        self._replay = gpu.captured(self._enqueue) if graphed else None
        self._decoded = False

    def decode(self, index: int) -> None:
        """Enqueue the batch that starts at frame ``index``."""
        start = index % self._opening.frames
        with self._gpu.stream() as stream:
            self._input.copy_(self._positions[start : start + self._opening.batch])
            if self._replay:
                self._replay()
            else:
                self._enqueue(stream)
        self._decoded = True

    def _enqueue(self, stream: int) -> None:
        """Enqueue the network on a stream."""
        if not self._context.execute_async_v3(stream):
            raise failure(self._loaded.heard.words, "decoding")

    def fetch(self) -> Frames:
        """The last frames as a (B, H, W, 3) uint8 array."""
        if not self._decoded:
            raise RuntimeError(NOTHING_YET)
        self._gpu.wait()
        frames: Frames = self._output.to("cpu", copy=True).numpy()
        return frames

    def profile(self, trt: Any, starts: Sequence[int]) -> tuple[Operator, ...]:
        """The layers, in order, with the mean seconds of the batches at all ``starts`` but the first."""
        self.decode(starts[0])
        self._gpu.wait()
        inspector = self._loaded.engine.create_engine_inspector()
        inspector.execution_context = self._context  # or sizes that depend on the batch are not told
        said = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
        watching = self._context.profiler = trt_layers.watching(trt)
        decodes = []
        for start in starts[1:]:
            watching.seen = []
            self.decode(start)
            self._gpu.wait()
            decodes.append(watching.seen)
        return trt_layers.operators(decodes, said)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release memory and engine, once nothing uses them."""
        self._gpu.wait()
        del self._replay, self._context, self._loaded, self._input, self._output, self._positions


def _ends(trt: Any, engine: Any) -> tuple[str, str]:
    """Names of an engine's input and output. Raises LoadError where they are not float32 (B,) and uint8 NHWC."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    found = sorted((engine.get_tensor_mode(name).name, engine.get_tensor_dtype(name).name, name) for name in names)
    if [(mode, dtype) for mode, dtype, _ in found] != [("INPUT", "FLOAT"), ("OUTPUT", "UINT8")]:
        msg = f"expected a FLOAT input and a UINT8 output, the engine has {found}"
        raise LoadError(msg)
    (*_, given), (*_, made) = found
    return given, made


def _tensorrt() -> Any:
    """The module. Raises UnsupportedError without it, or where its libraries cannot be loaded."""
    if importlib.util.find_spec("tensorrt") is None:
        msg = "TensorRT is not installed"
        raise UnsupportedError(msg)
    try:
        return importlib.import_module("tensorrt")
    except (ImportError, OSError, RuntimeError) as error:
        msg = f"TensorRT is installed but could not be imported ({first_line(error)})"
        raise UnsupportedError(msg) from error


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Trt:
    """A runtime of this name, which replays a CUDA graph (``graphed``) or launches kernel by kernel."""

    name: str
    graphed: bool = False
    profiler = trt_layers.PROFILER

    @property
    def packages(self) -> tuple[str, ...]:
        """PyTorch, and the package that TensorRT was installed as: its name says for which CUDA."""
        return (next(filter(_installed, DISTRIBUTIONS), "tensorrt"), "torch")

    def wants(self, precision: str) -> tuple[str, str]:
        """An ONNX file of an opset that its parser knows; in fp32 for TensorRT 8, which lowers it itself."""
        try:
            row = generation(release(_tensorrt().__version__))
        except UnsupportedError:
            row = None
        build = (row or GENERATIONS[-1]).builds.get(precision)
        return build.artifact if build else ("onnx", precision)

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, with what to install for this GPU; None if it can."""
        if device.kind == "cpu":
            return f"TensorRT needs an NVIDIA GPU, and this device is a CPU; take another runtime for {precision} on it"
        capability = capability_of(device)
        try:
            version = _tensorrt().__version__
        except UnsupportedError as error:
            return f"{error}; {advice(capability)}"
        return refusal(version, capability, precision) or trt_gpu.missing()

    def open(self, opening: Opening) -> TrtSession:
        """Load the engine that is kept for this GPU and software, or build one, and bind it to memory."""
        return self._opened(opening, self.graphed)

    def _opened(self, opening: Opening, graphed: bool) -> TrtSession:
        trt = _tensorrt()
        if reason := trt_gpu.missing():
            raise UnsupportedError(reason)
        gpu = trt_gpu.Gpu()
        facts = gpu.facts()
        row = generation(release(trt.__version__))
        reason = refusal(trt.__version__, facts.capability, opening.precision)
        if reason or row is None:
            raise UnsupportedError(reason)
        return TrtSession(trt, load(trt, Plan(opening, row, facts, trt.__version__)), opening, gpu, graphed)

    def profile(self, opening: Opening, starts: Sequence[int]) -> tuple[Operator, ...]:
        """The layers that the engine executes; TensorRT reports them after each execution, which it then waits for."""
        with self._opened(opening, graphed=False) as session:
            return session.profile(_tensorrt(), starts)


RUNTIME = Trt("trt")
GRAPHED = Trt("trt_graph", graphed=True)
