"""A model family of your own: here a linear layer of sines and cosines of the time, sixteen times enlarged.

Entry point, group ``nervbench.families``: ``blurry = "my_model:FAMILY"``.
"""

import dataclasses
import json
from typing import Any

from torch import Tensor, nn

from nervbench.model import fields
from nervbench.model.family import Family
from nervbench.model.network import Network, PositionalEmbedding, in_unit_range


@dataclasses.dataclass(frozen=True)
class BlurrySpec:
    width: int
    height: int
    family, frames = "blurry", None

    def to_json(self) -> str:
        return json.dumps({"family": self.family} | dataclasses.asdict(self), sort_keys=True)


class Blurry(Network):
    def __init__(self, spec: BlurrySpec) -> None:
        super().__init__()
        self.spec, self.pe = spec, PositionalEmbedding(1.25, 40)
        self.line = nn.Linear(80, 3 * spec.height * spec.width // 256)

    def embedding(self, t_B: Tensor) -> Tensor:
        return self.pe.forward(t_B[:, None])

    def frames(self, e_BE: Tensor) -> Tensor:
        small = self.line(e_BE.to(self.dtype)).unflatten(1, (3, self.spec.height // 16, self.spec.width // 16))
        return in_unit_range(nn.functional.interpolate(small, scale_factor=16, mode="nearest"), "sigmoid")


def parse(raw: dict[str, Any]) -> BlurrySpec:
    spec: BlurrySpec = fields.parse(BlurrySpec, raw, {"width": fields.count, "height": fields.count})
    return spec


FAMILY = Family("blurry", {"blurry-xs": BlurrySpec(320, 176)}, parse, Blurry, deviation=lambda name, shape: 0.3)
