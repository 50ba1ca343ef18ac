"""Rows of made-up devices, timed by a clock that knows what each of its figures does."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from nervbench.records import (
    SINGLE_STREAM,
    Ceilings,
    Cost,
    DeviceCard,
    Environment,
    LayerCost,
    Meanwhile,
    Result,
    Status,
    Telemetry,
    case_of,
)

LAYERS = (
    LayerCost("stem", 1_000_000, 400_000, 1_000, 100_000),
    LayerCost("blocks.0", 2_000_000_000, 500_000, 4_000_000, 16_000_000),
    LayerCost("blocks.1", 3_000_000_000, 300_000, 16_000_000, 32_000_000),
    LayerCost("head", 20_000_000, 10_000, 32_000_000, 700_000),
)
FAULT_S = 2e-6
COST = Cost(1_000_000, 5_021_000_000, 102_000_000, 320, 180, LAYERS)


@dataclass(frozen=True)
class Machine:
    """A device and how a case runs on it; ``faster`` is what runtimes, precisions and protocols do to a time.

    Beyond its ceilings a frame takes ``beyond_s``. The yardstick took ``yardstick_s`` at the probe, and
    ``slowed_first`` times as long before the samples.
    """

    name: str = "a CPU"
    threads: int = 2
    product: float = 100e9
    efficiency: float = 0.5
    copies: float = 20e9
    launch_s: float = 1e-6
    launches: int | None = 40
    to_host: float | None = None
    on_host: bool = False
    others: float = 0.0
    waiting: float | None = None
    faults: int = 0
    slowed: float = 1.0
    slowed_first: float | None = None
    yardstick_s: float = 1e-3
    runtime: str = "eager"
    precision: str = "fp32"
    protocol: str = "strict"
    faster: float = 1.0
    beyond_s: float = 0.0
    settings: tuple[tuple[str, str], ...] = ()

    def but(self, **fields: Any) -> Machine:
        """The same but for these."""
        return dataclasses.replace(self, **fields)

    @property
    def time_s(self) -> float:
        """Seconds of a frame."""
        rate = self.product * self.efficiency
        layers = [
            max(each.flop / rate, (each.weight_bytes + each.read_bytes + each.write_bytes) / self.copies)
            for each in LAYERS
        ]
        fetched = 3 * COST.width * COST.height / self.to_host if self.to_host and self.on_host else 0.0
        launching = (self.launches or 0) * self.launch_s + self.faults * FAULT_S
        return (sum(layers) / self.faster + self.beyond_s + launching) * self.slowed + fetched

    def row(self, off: float = 1.0) -> Result:
        """Its row; ``off`` is what nobody knows of."""
        ceilings = Ceilings(
            {"fp32": self.product, "int8": 3 * self.product},
            self.copies,
            1.0,
            launch_s=self.launch_s,
            to_host_bytes_per_s=self.to_host,
            convolution_flop_per_s=self.product * self.efficiency,
            yardstick_s=self.yardstick_s,
            fault_s=FAULT_S,
        )
        return Result(
            case_of("nerv-xs", self.precision, self.runtime, 1, SINGLE_STREAM, "seeded:0", self.protocol),
            Status.OK,
            device=DeviceCard("cpu", self.name, 2, self.threads, None, {"l2": 1 << 20}, ceilings=ceilings),
            environment=Environment("3.11", "Linux", {"numpy": "2.0"}, {"process": "fresh", **dict(self.settings)}),
            cost=COST,
            samples_s=tuple(self.time_s * off * (1 + 0.002 * (index % 5 - 2)) for index in range(30)),
            telemetry=Telemetry(
                launches=self.launches,
                frames_on="host" if self.on_host else "device",
                yardstick_s=(1e-3 * (self.slowed_first or self.slowed),) * 5 + (1e-3 * self.slowed,) * 5,
                meanwhile=Meanwhile(
                    others_cpu_share=self.others,
                    others_waiting_share=self.waiting,
                    steal_share=0.0,
                    minor_faults=30 * self.faults,
                ),
            ),
        )
