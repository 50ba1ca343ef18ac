"""The runtimes that open rewritten graphs, with one rule left out: what is it worth?"""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx

from nervbench.export.rewrites import rules
from nervbench.records import DeviceCard
from nervbench.runtime import ort, ov
from nervbench.runtime.base import Opening, Runtime, Session
from nervbench_kernels.rewrites.graph import rewrite

RUNTIMES: dict[str, Runtime] = {"ort": ort.RUNTIME, "ov": ov.RUNTIME}


@dataclass(frozen=True, slots=True)
class Without:
    """A runtime that opens the plain graph, applies all rules but one, and goes on as the other does."""

    runtime: Runtime
    place: int

    @property
    def name(self) -> str:
        """Such as ``ort_without_2``, by the place of the rule."""
        return f"{self.runtime.name}_without_{self.place}"

    @property
    def packages(self) -> tuple[str, ...]:
        """Those of the other."""
        return self.runtime.packages

    def wants(self, _precision: str) -> tuple[str, str]:
        return "onnx", "fp32"

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        return self.runtime.refusal(device, precision)

    def open(self, opening: Opening) -> Session:
        others = [rule for place, rule in enumerate(rules()) if place != self.place]
        with tempfile.TemporaryDirectory(prefix="nervbench-") as folder:
            path = Path(folder) / opening.path.name
            onnx.save(rewrite(onnx.load(opening.path), others)[0], path)
            return self.runtime.open(dataclasses.replace(opening, path=path))


def __getattr__(name: str) -> Without:
    """``ort_without_0`` and so on; ``ov_without_5``, of no such rule, leaves nothing out."""
    runtime, found, place = name.partition("_without_")
    if not found:
        raise AttributeError(name)
    return Without(RUNTIMES[runtime], int(place))
