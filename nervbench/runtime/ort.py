"""ONNX Runtime on its CPU provider: ``ort`` opens the rewritten graph, ``ort_plain`` the one that PyTorch exports.

Live comparisons, fp32, two threads of a Xeon at 2.5 GHz, time of plain over rewritten: nerv-xs 1.41 (1.28 to 1.55),
nerv-s 1.52 (1.23 to 1.87). Nearly all of it is the head before the last shuffle: the channels then stay in the layout
of ONNX Runtime's own convolutions up to the last one.

The output stays where the session wrote it (I/O binding) until it is fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import onnxruntime

from nervbench.errors import FellBackError, LoadError
from nervbench.records import DeviceCard
from nervbench.runtime.base import NOTHING_YET, Frames, Opening, Session, time_positions

PROVIDER = "CPUExecutionProvider"
WARNINGS_AND_WORSE = 2


class OrtSession:
    """Decodes with an ONNX Runtime session."""

    def __init__(self, session: Any, opening: Opening) -> None:
        self._session = session
        self._opening = opening
        self._binding = session.io_binding()
        self._input = session.get_inputs()[0].name
        self._binding.bind_output(session.get_outputs()[0].name, "cpu")
        self._decoded = False

    def decode(self, index: int) -> None:
        """Decode the batch that starts at frame ``index``."""
        positions_B = time_positions(index, self._opening.batch, self._opening.frames)
        self._binding.bind_cpu_input(self._input, positions_B)
        self._session.run_with_iobinding(self._binding)
        self._decoded = True

    def fetch(self) -> Frames:
        """The last frames as a (B, H, W, 3) uint8 array."""
        if not self._decoded:
            raise RuntimeError(NOTHING_YET)
        frames: Frames = np.array(self._binding.get_outputs()[0].numpy())
        return frames

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the session's memory."""
        del self._binding, self._session


@dataclass(frozen=True, slots=True)
class Ort:
    """A runtime of this name, which opens ONNX files of one format."""

    name: str
    form: str
    packages: tuple[str, ...] = ("onnxruntime",)

    def wants(self, precision: str) -> tuple[str, str]:
        """An ONNX file in the same precision."""
        return self.form, precision

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run, or None: the CPU provider has no convolution in 16-bit types."""
        if precision == "fp32":
            return None
        return (
            f"ONNX Runtime's CPU provider has no {precision} convolution; possible: fp32 (or the runtime ov for bf16)"
        )

    def open(self, opening: Opening) -> Session:
        """Create the session and check that it runs where it was told to."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = WARNINGS_AND_WORSE
        options.intra_op_num_threads = opening.device.threads or 0  # 0: its own choice
        try:
            session = onnxruntime.InferenceSession(str(opening.path), options, providers=[PROVIDER])
        except Exception as error:
            msg = f"ONNX Runtime could not load {opening.path.name}: {error}"
            raise LoadError(msg) from error
        if (active := session.get_providers()) != [PROVIDER]:
            msg = f"asked for {PROVIDER}, the session runs on {', '.join(active)}"
            raise FellBackError(msg)
        return OrtSession(session, opening)


RUNTIME = Ort("ort", "onnx_rewritten")
PLAIN = Ort("ort_plain", "onnx")
