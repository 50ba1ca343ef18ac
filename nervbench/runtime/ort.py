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

from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import onnxruntime

from nervbench.errors import FellBackError, LoadError
from nervbench.records import DeviceCard
from nervbench.runtime.base import NOTHING_YET, Frames, Opening, Session, time_positions

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
PROVIDERS: dict[str, dict[str, str]] = {CPU: {}, CUDA: {"use_tf32": "0"}, TENSORRT: {}}
"""Providers and what they are told: fp32 is fp32. TensorRT's engines are not cached: nobody would check them."""
PRECISIONS = {CPU: ("fp32",), CUDA: ("fp32", "fp16"), TENSORRT: ("fp32", "fp16")}
WARNINGS_AND_WORSE = 2
RECORD = "session.record_ep_graph_assignment_info"
ARITHMETIC = frozenset(
    {"Conv", "ConvTranspose", "FusedConv", "NhwcFusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul"}
)


class OrtSession:
    """Decodes with an ONNX Runtime session; input and output lie on ``place``, ``cpu`` or ``cuda``."""

    def __init__(self, session: Any, opening: Opening, place: str) -> None:
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
        return "cpu" if self.provider == CPU else "cuda"

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
        options = onnxruntime.SessionOptions()
        options.log_severity_level = WARNINGS_AND_WORSE
        options.intra_op_num_threads = opening.device.threads or 0  # 0: its own choice
        options.add_session_config_entry(RECORD, "1")
        chosen = [(self.provider, PROVIDERS[self.provider])]
        try:
            session = onnxruntime.InferenceSession(str(opening.path), options, providers=chosen)
        except Exception as error:
            msg = f"ONNX Runtime could not load {opening.path.name}: {error}"
            raise LoadError(msg) from error
        if elsewhere := fallen_back(session, self.provider):
            raise FellBackError(elsewhere)
        return OrtSession(session, opening, self.kind)


def fallen_back(session: Any, provider: str) -> str | None:
    """What of a session is not computed by the provider asked for, by its own account; None if nothing that counts."""
    if provider not in (active := session.get_providers()):
        return f"asked for {provider}, the session runs on {', '.join(active)}"
    if not hasattr(session, "get_provider_graph_assignment_info"):  # an older one gives no account
        return None
    others = Counter(
        f"{node.op_type} on {part.ep_name}"
        for part in session.get_provider_graph_assignment_info()
        if part.ep_name != provider
        for node in part.get_nodes()
        if node.op_type in ARITHMETIC
    )
    return f"asked for {provider}, but: {', '.join(f'{n} × {what}' for what, n in others.items())}" if others else None


RUNTIME = Ort("ort", "onnx_rewritten")
PLAIN = Ort("ort_plain", "onnx")
ON_CUDA = Ort("ort_cuda", "onnx_rewritten", CUDA)
ON_TENSORRT = Ort("ort_trt", "onnx_rewritten", TENSORRT)
