"""Pixel-wise networks as plain data: (x, y, t) in, the colour of one pixel out.

SIREN (Sitzmann et al., NeurIPS 2020, arXiv 2006.09661) takes the coordinates as they are and has sines between its
layers; FFN (the NeRF of NeRV's Table 2; Mildenhall et al., ECCV 2020) embeds each coordinate in sines and cosines of
rising frequency and has ReLUs. A frame of 1280×720 takes 921,600 evaluations, so 2 FLOP a weight and pixel: 5.9 TFLOP
a frame for 3.2M weights, where NeRV-S takes 0.2.

NeRV's paper says "3-layer perceptron" of either and gives no widths: here it is three weight layers, of the width that
has the number of parameters in the table. The arithmetic of a frame follows from that number alone.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from nervbench.model import fields
from nervbench.model.family import Family
from nervbench.model.spec import Output

if TYPE_CHECKING:
    from nervbench.model.network import Network

Kind = Literal["siren", "ffn"]
COORDINATES = 3


@dataclass(frozen=True, slots=True)
class PixelwiseSpec:
    """A perceptron from coordinates to a colour; ``hidden`` are the widths between its weight layers.

    ``omega`` is what SIREN multiplies the argument of its sines with; FFN embeds in ``embed_levels`` frequencies
    ``embed_base`` ^ i · π.
    """

    kind: Kind
    width: int
    height: int
    hidden: tuple[int, ...]
    omega: float = 30.0
    embed_base: float = 2.0
    embed_levels: int = 10
    output: Output = "tanh"

    @property
    def family(self) -> str:
        """The family's name, as in ``nervbench models``."""
        return "pixelwise"

    @property
    def frames(self) -> None:
        """Any number: nothing is stored for a frame."""
        return

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """The linear layers as (inputs, outputs)."""
        inputs = COORDINATES * (1 if self.kind == "siren" else 2 * self.embed_levels)
        return tuple(itertools.pairwise((inputs, *self.hidden, 3)))

    def to_json(self) -> str:
        """The spec as one line of JSON with sorted keys (stable: it is hashed)."""
        return json.dumps({"family": self.family} | dataclasses.asdict(self), sort_keys=True)


_FIELDS: Mapping[str, fields.Checker] = {
    "kind": fields.choice(get_args(Kind)),
    "width": fields.count,
    "height": fields.count,
    "hidden": fields.counts(1),
    "omega": fields.number(0.01, 10_000),
    "embed_base": fields.number(1, 1000),
    "embed_levels": fields.count,
    "output": fields.choice(get_args(Output)),
}


def _parse(raw: dict[str, Any]) -> PixelwiseSpec:
    spec: PixelwiseSpec = fields.parse(PixelwiseSpec, raw, _FIELDS)
    fields.bound_frame(spec.width, spec.height)
    fields.bound_frequencies(spec.embed_base, spec.embed_levels)
    fields.bound_parameters(sum((inputs + 1) * outputs for inputs, outputs in spec.layers))
    return spec


def _network(spec: PixelwiseSpec) -> Network:
    from nervbench.model.pixelwise import Pixelwise  # noqa: PLC0415 (PyTorch: not for who only reads a spec)

    return Pixelwise(spec)


def _deviation(name: str, shape: tuple[int, ...]) -> float:
    """Arguments of unit power at every layer; of the last, a half, so that tanh uses most of its range."""
    inputs = COORDINATES if name.startswith(("place", "time")) else shape[1]
    return (1.0 if inputs == COORDINATES else 0.7) / math.sqrt(0.5 * inputs)


def _sizes(kind: Kind, widths: Mapping[str, int]) -> dict[str, PixelwiseSpec]:
    return {f"{kind}-{size}": PixelwiseSpec(kind, 1280, 720, (width, width)) for size, width in widths.items()}


FAMILY = Family(
    name="pixelwise",
    models={
        # Ours, 320×180: with these widths two cores train and decode them.
        "siren-xs": PixelwiseSpec("siren", 320, 180, (256, 256)),
        "ffn-xs": PixelwiseSpec("ffn", 320, 180, (256, 256)),
        # Ours, 320×180, with as many parameters as nerv-xs.
        "siren-1m": PixelwiseSpec("siren", 320, 180, (980, 980)),
        "ffn-1m": PixelwiseSpec("ffn", 320, 180, (952, 952)),
        # Table 2 of NeRV's paper, 1280×720, by their millions of parameters.
        **_sizes("siren", {"3.2m": 1784, "6.4m": 2528, "12.7m": 3560}),
        **_sizes("ffn", {"3.2m": 1760, "6.4m": 2496, "12.7m": 3536}),
    },
    parse=_parse,
    network=_network,
    deviation=_deviation,
    remarks={
        f"{kind}-{size}": "the paper gives the number of parameters, not the widths: two hidden layers are assumed"
        for kind in get_args(Kind)
        for size in ("3.2m", "6.4m", "12.7m")
    },
)
