"""ONNX Runtime on its CPU provider: ``ort`` opens the rewritten graph, ``ort_plain`` the one that PyTorch exports.

Live comparisons, fp32, two threads of a Xeon at 2.5 GHz, time of plain over rewritten: nerv-xs 1.41 (1.28 to 1.55),
nerv-s 1.52 (1.23 to 1.87). Nearly all of it is the head before the last shuffle: the channels then stay in the layout
of ONNX Runtime's own convolutions up to the last one.

``ort_cuda`` and ``ort_trt`` open the rewritten graph on an NVIDIA GPU, by ONNX Runtime's CUDA and TensorRT providers.
They are written against its documentation and have not yet run on a GPU.

The output stays where the session wrote it (I/O binding) until it is fetched. A provider that leaves convolutions or
products to another one, which ONNX Runtime allows without a word, is not what was asked for: FELL_BACK.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import TracebackType
from typing import Any, Self

import numpy as np
import onnxruntime

from nervbench.errors import FellBackError, LoadError, UnsupportedError
from nervbench.records import DeviceCard, Operator
from nervbench.runtime.base import NOTHING_YET, Frames, Opening, Session, time_positions

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
PROVIDERS: dict[tuple[str, str], dict[str, str]] = {
    (CUDA, "fp32"): {"use_tf32": "0"},
    (TENSORRT, "fp16"): {"trt_fp16_enable": "1"},
}
"""What providers are told in a precision: fp32 is fp32. TensorRT's engines are not cached: nobody would check them."""
PRECISIONS = {CPU: ("fp32",), CUDA: ("fp32", "fp16"), TENSORRT: ("fp32", "fp16")}
WARNINGS_AND_WORSE = 2
RECORD = "session.record_ep_graph_assignment_info"
KERNEL_TIME = "_kernel_time"
ITEM_BYTES = {"double": 8, "int64": 8, "float16": 2, "bfloat16": 2, "int8": 1, "uint8": 1, "bool": 1}
"""Of types that do not have four."""
ARITHMETIC = frozenset(
    {"Conv", "ConvTranspose", "FusedConv", "NhwcFusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul"}
)


class OrtSession:
    """Decodes with an ONNX Runtime session; input and output lie where its provider computes."""

    def __init__(self, session: Any, opening: Opening, provider: str) -> None:
        place = _place(provider)
        others = _elsewhere(session, provider)
        self.notes = (
            (f"left to another provider, with what it takes to get there: {_listed(others)}",) if others else ()
        )
        self._session = session
        self._opening = opening
        self._binding = session.io_binding()
        self._input = onnxruntime.OrtValue.ortvalue_from_numpy(time_positions(0, opening.batch, opening.frames), place)
        self._binding.bind_ortvalue_input(session.get_inputs()[0].name, self._input)
        self._binding.bind_output(session.get_outputs()[0].name, place)
        self._decoded = False

    def decode(self, index: int) -> None:
        """Decode the batch that starts at frame ``index``."""
        self._input.update_inplace(time_positions(index, self._opening.batch, self._opening.frames))
        self._session.run_with_iobinding(self._binding)
        self._decoded = True

    def fetch(self) -> Frames:
        """The last frames as a (B, H, W, 3) uint8 array."""
        if not self._decoded:
            raise RuntimeError(NOTHING_YET)
        frames: Frames = np.array(self._binding.copy_outputs_to_cpu()[0])
        return frames

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the session's memory."""
        del self._binding, self._session, self._input


@dataclass(frozen=True, slots=True)
class Ort:
    """A runtime of this name, which opens ONNX files of one format with one provider."""

    name: str
    form: str
    provider: str = CPU
    packages: tuple[str, ...] = ("onnxruntime",)

    @property
    def kind(self) -> str:
        """The kind of device that it runs on."""
        return _place(self.provider)

    def wants(self, precision: str) -> tuple[str, str]:
        """An ONNX file in the same precision."""
        return self.form, precision

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, or None: the CPU provider has no convolution in 16-bit types."""
        if device.kind != self.kind:
            where = "the CPU" if self.kind == "cpu" else "an NVIDIA GPU"
            other = "ort_cuda or ort_trt" if self.kind == "cpu" else "ort"
            return f"{self.name} needs {where}, and this device is none; possible here: {other}"
        if self.provider not in onnxruntime.get_available_providers():
            lacks = f"onnxruntime {onnxruntime.__version__} here has no {self.provider}"
            return f"{lacks}; put onnxruntime-gpu in its place (never both: they share one module)"
        if precision in (possible := PRECISIONS[self.provider]):
            return None
        instead = " (or the runtime ov for bf16)" if self.provider == CPU else ""
        return (
            f"ONNX Runtime's {self.provider} has no {precision} convolution; possible: {', '.join(possible)}{instead}"
        )

    def open(self, opening: Opening) -> Session:
        """Create the session and check that it runs where it was told to."""
        return OrtSession(self._loaded(opening, _options(opening)), opening, self.provider)

    @property
    def profiler(self) -> str:
        """What times the operators."""
        return "ONNX Runtime's profiler"

    def profile(self, opening: Opening, starts: Sequence[int]) -> tuple[Operator, ...]:
        """The nodes of the optimised graph, by ONNX Runtime's own profiler; of GPUs it would time the launches."""
        if self.provider != CPU:
            msg = f"ONNX Runtime's profiler times what {self.provider} is told to do, not when it is done"
            raise UnsupportedError(msg)
        with tempfile.TemporaryDirectory(prefix="nervbench-") as folder:
            options = _options(opening)
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            loaded = self._loaded(opening, options)
            with OrtSession(loaded, opening, self.provider) as session:
                for start in starts:
                    session.decode(start)
                written = Path(loaded.end_profiling())
            return operators(json.loads(written.read_text()), len(starts))

    def _loaded(self, opening: Opening, options: Any) -> Any:
        chosen = [(self.provider, PROVIDERS.get((self.provider, opening.precision), {}))]
        if self.provider == TENSORRT:
            # It lets TensorRT take TF32 for fp32 and has no option against it: microsoft/onnxruntime, issue 26029.
            os.environ["NVIDIA_TF32_OVERRIDE"] = "0"  # noqa: TID251 (told to NVIDIA's libraries, in this process)
        try:
            session = onnxruntime.InferenceSession(str(opening.path), options, providers=chosen)
        except Exception as error:
            msg = f"ONNX Runtime could not load {opening.path.name}: {error}"
            raise LoadError(msg) from error
        if elsewhere := fallen_back(session, self.provider):
            raise FellBackError(elsewhere)
        return session


def _place(provider: str) -> str:
    """The kind of device that a provider computes on, as ONNX Runtime calls it and as we do."""
    return "cpu" if provider == CPU else "cuda"


def _options(opening: Opening) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = WARNINGS_AND_WORSE
    options.intra_op_num_threads = opening.device.threads or 0  # 0: its own choice
    options.add_session_config_entry(RECORD, "1")
    return options


def operators(events: Sequence[Any], decodes: int) -> tuple[Operator, ...]:
    """The nodes among the events of a profile, each with the mean of all decodes but the first."""
    nodes: dict[str, list[Any]] = {}
    for event in events:
        if event.get("cat") == "Node" and str(event["name"]).endswith(KERNEL_TIME):
            nodes.setdefault(event["name"].removesuffix(KERNEL_TIME), []).append(event)
    found = []
    for name, seen in nodes.items():
        said = seen[0]["args"]
        seconds = fmean(1e-6 * event["dur"] for event in seen[-(decodes - 1) :])
        inputs, outputs = (_shapes(said.get(each, ())) for each in ("input_type_shape", "output_type_shape"))
        moved = sum(math.prod(shape) * ITEM_BYTES.get(kind, 4) for kind, shape in (*inputs, *outputs))
        flop = flop_of(said["op_name"], [shape for _, shape in inputs], [shape for _, shape in outputs])
        if (
            len(inputs) == 1 and flop
        ):  # weights that were laid out anew are not among the inputs: (in, out) of a product
            moved += ITEM_BYTES.get(inputs[0][0], 4) * inputs[0][1][-1] * outputs[0][1][-1]
        found.append(Operator(name, said["op_name"], seconds, flop, moved))
    return tuple(found)


def flop_of(kind: str, inputs: Sequence[Sequence[int]], outputs: Sequence[Sequence[int]]) -> int:
    """Of a convolution or a product, 2 a multiply-add; of all others 0."""
    if kind not in ARITHMETIC or not inputs or not outputs:
        return 0
    if "Conv" not in kind:
        return 2 * math.prod(outputs[0]) * inputs[0][-1]
    return 2 * math.prod(outputs[0]) * math.prod(inputs[1][1:]) if len(inputs) > 1 else 0  # (out, in, height, width)


def _shapes(said: Sequence[dict[str, Sequence[int]]]) -> list[tuple[str, Sequence[int]]]:
    """Types and shapes, of which a profile has one of each in a mapping of its own."""
    return [pair for each in said for pair in each.items()]


def fallen_back(session: Any, provider: str) -> str | None:
    """What of a session is not computed by the provider asked for, by its own account; None if nothing that counts."""
    if provider not in (active := session.get_providers()):
        return f"asked for {provider}, the session runs on {', '.join(active)}"
    others = {node: count for node, count in _elsewhere(session, provider).items() if node[0] in ARITHMETIC}
    return f"asked for {provider}, but: {_listed(others)}" if others else None


def _elsewhere(session: Any, provider: str) -> Counter[tuple[str, str]]:
    """(operator, provider) of the nodes that another provider computes; an older ONNX Runtime gives no account."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return Counter()
    return Counter(
        (node.op_type, part.ep_name)
        for part in session.get_provider_graph_assignment_info()
        if part.ep_name != provider
        for node in part.get_nodes()
    )


def _listed(nodes: Mapping[tuple[str, str], int]) -> str:
    return ", ".join(f"{count} × {kind} on {provider}" for (kind, provider), count in nodes.items())


RUNTIME = Ort("ort", "onnx_rewritten")
PLAIN = Ort("ort_plain", "onnx")
ON_CUDA = Ort("ort_cuda", "onnx_rewritten", CUDA)
ON_TENSORRT = Ort("ort_trt", "onnx_rewritten", TENSORRT)
