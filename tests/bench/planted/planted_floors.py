"""The least time that direct convolution could take: a decode is as many matrix products as a frame has arithmetic.

The products are those of the probe that measures a processor's ceilings: square, of random numbers, in the precision
of the case. Its frames are OpenVINO's, decoded when they are asked for, since what decodes wrongly is not compared.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import torch

from nervbench.device.products import CPU, product
from nervbench.model.cost import cost_of
from nervbench.model.family import from_json
from nervbench.records import DeviceCard
from nervbench.runtime import ov
from nervbench.runtime.base import Frames, Opening, Session

MULTIPLE = 8
"""What PyTorch's integer product wants its sides to be a multiple of."""


class FloorSession:
    """A session that only multiplies matrices."""

    def __init__(self, session: Session, opening: Opening) -> None:
        self.session, self.index = session, 0
        if opening.device.threads:
            torch.set_num_threads(opening.device.threads)
        flop = cost_of(from_json(opening.artifact.spec), opening.precision).flop_per_frame * opening.batch
        self.whole, rest = divmod(flop, 2 * CPU.side**3)
        self.product = product(opening.precision, CPU.side)
        columns = max(1, rest // (2 * CPU.side**2 * MULTIPLE)) * MULTIPLE
        self.rest = product(opening.precision, CPU.side, columns=columns)

    def decode(self, index: int) -> None:
        self.index = index
        with torch.inference_mode():
            for _ in range(self.whole):
                self.product()
            self.rest()

    def fetch(self) -> Frames:
        self.session.decode(self.index)
        return self.session.fetch()

    def __enter__(self) -> Self:
        self.session.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.__exit__(kind, error, trace)


class Floor:
    """The ``floor`` runtime."""

    name = "floor"
    packages = ("torch", *ov.RUNTIME.packages)

    def wants(self, precision: str) -> tuple[str, str]:
        return ov.RUNTIME.wants(precision)

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        return ov.RUNTIME.refusal(device, precision)

    def open(self, opening: Opening) -> Session:
        return FloorSession(ov.RUNTIME.open(opening), opening)


floor = Floor()
