"""What it is measured on: the hardware and the stack."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Best product by precision (int8: operations), copies (read plus written), smallest operation; None: unknown.

    ``convolution_flop_per_s`` is what PyTorch's library attains on a large one in fp32, counted as a direct one.
    ``fault_s`` is what a page of memory takes that a process touches for the first time.
    ``yardstick_s`` is the median time of a short piece of arithmetic while nothing else was asked of it.
    """

    flop_per_s: dict[str, float]
    copy_bytes_per_s: float | None
    probe_s: float
    cache_bytes_per_s: float | None = None
    launch_s: float | None = None
    to_device_bytes_per_s: float | None = None
    to_host_bytes_per_s: float | None = None
    convolution_flop_per_s: float | None = None
    yardstick_s: float | None = None
    fault_s: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceCard:
    """One piece of hardware. ``features`` are the instruction sets that decide what runs (AVX-512, VNNI, bf16 …)."""

    kind: str
    name: str
    cores: int | None
    threads: int | None
    memory_bytes: int | None
    cache_bytes: dict[str, int] = field(default_factory=dict)
    clock_hz: float | None = None
    features: tuple[str, ...] = ()
    ceilings: Ceilings | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """The stack a case ran on: versions by package name, and settings that change numbers."""

    python: str
    system: str
    versions: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)
