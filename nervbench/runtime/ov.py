"""OpenVINO on the CPU. Reads the fp32 ONNX file; the precision is a hint that it must confirm.

``ov`` opens the rewritten graph, ``ov_plain`` the one that PyTorch exports. Live comparisons, fp32, two threads of a
Xeon at 2.5 GHz, time of plain over rewritten: nerv-xs 1.163 (1.156 to 1.170), nerv-s 1.18 (1.06 to 1.32).

``ov_throughput`` is for batches: it splits the threads into as many streams as OpenVINO thinks best, and every frame
is a request of its own.

The hint of the precision holds for a whole model. Below fp32 it would also lower the positional embedding, whose
angles reach 18,900 radians: seeded nerv-xs frames then come out at 16 dB against fp32 instead of 53. So there the graph
is cut before its first matrix product or convolution, and what lies before the cut, a few hundred operations, is
compiled by itself in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import numpy as np
import openvino
from openvino import opset13 as ops

from nervbench.errors import FellBackError, LoadError, UnsupportedError, first_line
from nervbench.records import DeviceCard, Operator
from nervbench.runtime.base import NOTHING_YET, Frames, Opening, Session, time_positions

HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
"""What is asked of OpenVINO; int8 is in the graph already, and what is not in int8 stays float32."""
INTEGERS = ("i8", "u8")
ARITHMETIC = ("MatMul", "Convolution")
PRODUCTS = ("MatMul", "FullyConnected")
"""What OpenVINO calls them when they are executed."""


class OvSession:
    """Decodes with one inference request for the network and, below fp32, one for the float32 part before it."""

    def __init__(self, compiled: Any, before: Any | None, opening: Opening) -> None:
        self._request = compiled.create_infer_request()
        self._before = before.create_infer_request() if before else None
        self._opening = opening
        self._decoded = False

    def decode(self, index: int) -> None:
        """Decode the batch that starts at frame ``index``."""
        self._request.infer([self._inputs(index)], share_inputs=True, share_outputs=True)
        self._decoded = True

    def start(self, index: int) -> None:
        """Enqueue the same; :meth:`wait` returns when it is done."""
        self._request.start_async([self._inputs(index)])

    def wait(self) -> None:
        """Wait for what was started."""
        self._request.wait()
        self._decoded = True

    def _inputs(self, index: int) -> Any:
        positions_B = time_positions(index, self._opening.batch, self._opening.frames)
        if not self._before:
            return positions_B
        return self._before.infer([positions_B], share_inputs=True, share_outputs=True)[0]

    def fetch(self) -> Frames:
        """The last frames as a (B, H, W, 3) uint8 array."""
        if not self._decoded:
            raise RuntimeError(NOTHING_YET)
        frames: Frames = np.array(self._request.get_output_tensor().data)
        return frames

    def operators(self, starts: Sequence[int]) -> tuple[Operator, ...]:
        """Those that were executed, with the mean of all decodes but the first; needs PERF_COUNT."""
        seconds: dict[str, float] = {}
        for turn, start in enumerate(starts):
            self.decode(start)
            for seen in self._request.profiling_info if turn else ():
                if seen.status == openvino.ProfilingInfo.Status.EXECUTED:
                    share = seen.real_time.total_seconds() / (len(starts) - 1)
                    seconds[seen.node_name] = seconds.get(seen.node_name, 0.0) + share
        graph = self._request.get_compiled_model().get_runtime_model()
        nodes = {node.get_friendly_name(): node for node in graph.get_ordered_ops()}
        return tuple(_operator(name, nodes[name], took) for name, took in seconds.items() if name in nodes)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the request and with it the compiled model."""
        del self._request, self._before


def _operator(name: str, node: Any, seconds: float) -> Operator:
    """A node of the graph that is executed, with its arithmetic by its shapes."""
    kind = str(node.get_rt_info()["layerType"].astype(str))
    inputs, outputs = ([port.get_shape() for port in ports] for ports in (node.inputs(), node.outputs()))
    moved = sum(
        math.prod(port.get_shape()) * port.get_element_type().size for port in (*node.inputs(), *node.outputs())
    )
    flop = 0
    if kind == "Convolution":  # the weights are (out, in, height, width)
        flop = 2 * math.prod(outputs[0]) * math.prod(list(inputs[1])[1:])
    elif kind in PRODUCTS:
        flop = 2 * math.prod(outputs[0]) * list(inputs[0])[-1]
    return Operator(name, kind, seconds, flop, moved)


class OvStreams:
    """Decodes a batch as so many requests of one frame, which share out the streams of a compiled model."""

    def __init__(self, compiled: Any, before: Any | None, opening: Opening) -> None:
        self._frames = [OvSession(compiled, before, replace(opening, batch=1)) for _ in range(opening.batch)]

    def decode(self, index: int) -> None:
        """Decode the batch that starts at frame ``index``."""
        for offset, frame in enumerate(self._frames):
            frame.start(index + offset)
        for frame in self._frames:
            frame.wait()

    def fetch(self) -> Frames:
        """The last frames as a (B, H, W, 3) uint8 array."""
        return np.concatenate([frame.fetch() for frame in self._frames])

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the requests and with them the compiled model."""
        self._frames.clear()


def cut_before_arithmetic(model: Any) -> tuple[Any, Any]:
    """Split a model before its first matrix product or convolution: (what lies before, the rest).

    The model given is used up. Raises LoadError where it has neither.
    """
    first = next((op for op in model.get_ordered_ops() if op.get_type_name() in ARITHMETIC), None)
    if first is None:
        msg = f"the graph has no {' or '.join(ARITHMETIC)} to lower the precision of"
        raise LoadError(msg)
    data = first.input(0).get_source_output()
    before = openvino.Model([ops.result(data)], model.get_parameters(), "before")
    parameter = ops.parameter(data.get_partial_shape(), np.float32, "data")
    first.input(0).replace_source_output(parameter.output(0))
    return before, openvino.Model(model.get_results(), [parameter], "rest")


@dataclass(frozen=True, slots=True)
class Ov:
    """A runtime of this name, which opens ONNX files of one format, for one frame at a time or for many."""

    name: str
    form: str
    hint: str = "LATENCY"
    packages: tuple[str, ...] = ("openvino",)

    def wants(self, precision: str) -> tuple[str, str]:
        """The fp32 ONNX file: OpenVINO lowers the precision itself, but for int8, which the file must have."""
        return self.form, "int8" if precision == "int8" else "fp32"

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, or None."""
        if device.kind != "cpu":
            return (
                f"OpenVINO runs on the CPU here, and this device is a GPU; take another runtime for {precision} on it"
            )
        if precision == "int8" and self.form == "onnx":
            return "the plain export has no int8; possible: fp32, bf16 (or the runtime ov for int8)"
        return None if precision in HINTS else f"OpenVINO here runs {', '.join(HINTS)}; {precision} is not available"

    @property
    def profiler(self) -> str:
        """What times the operators."""
        return "OpenVINO's performance counters"

    def profile(self, opening: Opening, starts: Sequence[int]) -> tuple[Operator, ...]:
        """The operators that OpenVINO executes, by its own counters; of many streams at once these say nothing."""
        if self.hint == "THROUGHPUT":
            msg = f"the requests of {self.name} run at the same time; possible: ov"
            raise UnsupportedError(msg)
        with self._open(opening, {"PERF_COUNT": True}) as session:
            assert isinstance(session, OvSession)
            return session.operators(starts)

    def open(self, opening: Opening) -> Session:
        """Compile for a fixed batch and check that the precision asked for is the one it took."""
        return self._open(opening, {})

    def _open(self, opening: Opening, also: dict[str, Any]) -> Session:
        streams = self.hint == "THROUGHPUT"
        if streams and opening.batch == 1:
            msg = f"one frame at a time leaves all but one stream of {self.name} idle; possible: batches over 1 (or ov)"
            raise UnsupportedError(msg)
        core = openvino.Core()
        hint = HINTS[opening.precision]
        try:
            model = core.read_model(str(opening.path))
            model.reshape([1 if streams else opening.batch])
            before = None
            if opening.precision == "bf16":
                start, model = cut_before_arithmetic(model)
                before = core.compile_model(start, "CPU", {"INFERENCE_PRECISION_HINT": HINTS["fp32"]})
            settings = {"PERFORMANCE_HINT": self.hint, "INFERENCE_PRECISION_HINT": hint, **also}
            if opening.device.threads:
                settings["INFERENCE_NUM_THREADS"] = str(opening.device.threads)
            compiled = core.compile_model(model, "CPU", settings)
        except RuntimeError as error:
            msg = f"OpenVINO could not load {opening.path.name}: {first_line(error)}"
            raise LoadError(msg) from error
        took = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if took != hint:
            msg = f"asked OpenVINO for {hint}, it compiled for {took}"
            raise FellBackError(msg)
        if opening.precision == "int8" and not _in_integers(compiled):
            msg = "asked OpenVINO for int8, it computes every convolution in float; a CPU with VNNI or AMX would not"
            raise FellBackError(msg)
        return (OvStreams if streams else OvSession)(compiled, before, opening)


def _in_integers(compiled: Any) -> bool:
    """Whether some convolution takes integers, by the account that OpenVINO gives of what it runs."""
    taken = (node.get_rt_info() for node in compiled.get_runtime_model().get_ops())
    return any(
        info["layerType"].astype(str) == "Convolution" and info["runtimePrecision"].astype(str) in INTEGERS
        for info in taken
    )


RUNTIME = Ov("ov", "onnx_rewritten")
PLAIN = Ov("ov_plain", "onnx")
STREAMS = Ov("ov_throughput", "onnx_rewritten", "THROUGHPUT")
