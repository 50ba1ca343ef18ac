"""What is decoded: the exported file, and what a frame of it takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Artifact:
    """An exported model file and how it came to be. ``sha256`` is of the file; ``key`` is where the cache keeps it."""

    format: str
    precision: str
    key: str
    sha256: str
    size_bytes: int
    spec: str
    versions: dict[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One layer's arithmetic and memory traffic for one frame. FLOP counts 2 per multiply-add."""

    name: str
    flop: int
    weight_bytes: int
    read_bytes: int
    write_bytes: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What one frame takes, counted from the model at the precision of the case.

    ``bytes_per_frame`` counts every layer's input, output and weights once: what moves when nothing is fused.
    """

    params: int
    flop_per_frame: int
    bytes_per_frame: int
    width: int
    height: int
    layers: tuple[LayerCost, ...] = ()
