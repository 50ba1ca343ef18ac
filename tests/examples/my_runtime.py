"""A runtime of your own: here ONNX Runtime, with one thread.

Entry point, group ``nervbench.runtimes``: ``ort_one_thread = "my_runtime:RUNTIME"``.
"""

import contextlib

import onnxruntime

from nervbench.records import DeviceCard
from nervbench.runtime.base import NOTHING_YET, Frames, Opening, time_positions


class Session(contextlib.AbstractContextManager["Session", None]):
    def __init__(self, opening: Opening) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.graph = onnxruntime.InferenceSession(str(opening.path), options)
        self.opening = opening
        self.frames: Frames | None = None

    def decode(self, index: int) -> None:
        t_B = time_positions(index, self.opening.batch, self.opening.frames)
        (self.frames,) = self.graph.run(None, {self.graph.get_inputs()[0].name: t_B})

    def fetch(self) -> Frames:
        if self.frames is None:
            raise RuntimeError(NOTHING_YET)
        return self.frames

    def __exit__(self, *_: object) -> None:
        del self.graph


class OneThread:
    name, packages = "ort_one_thread", ("onnxruntime",)

    def wants(self, precision: str) -> tuple[str, str]:
        return "onnx", precision  # the artifact: nervbench makes it, checks it and keeps it

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        return None if (device.kind, precision) == ("cpu", "fp32") else "ort_one_thread does fp32 on CPUs"

    def open(self, opening: Opening) -> Session:
        return Session(opening)


RUNTIME = OneThread()
