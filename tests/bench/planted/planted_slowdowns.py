"""OpenVINO with a slowdown of known size: after each decode it is busy for a share of what the decode took."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from nervbench.records import DeviceCard
from nervbench.runtime import ov
from nervbench.runtime.base import Frames, Opening, Session


@dataclass
class SlowedSession:
    """A session that takes longer by ``share``."""

    session: Session
    share: float

    def decode(self, index: int) -> None:
        began = time.perf_counter()
        self.session.decode(index)
        ended = time.perf_counter()
        until = ended + self.share * (ended - began)
        while time.perf_counter() < until:
            pass

    def fetch(self) -> Frames:
        return self.session.fetch()

    def __enter__(self) -> Self:
        self.session.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.__exit__(kind, error, trace)


@dataclass
class Slowed:
    """The ``ov`` runtime, slowed."""

    name: str
    share: float
    packages: tuple[str, ...] = ov.RUNTIME.packages

    def wants(self, precision: str) -> tuple[str, str]:
        return ov.RUNTIME.wants(precision)

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        return ov.RUNTIME.refusal(device, precision)

    def open(self, opening: Opening) -> Session:
        return SlowedSession(ov.RUNTIME.open(opening), self.share)


plus_1 = Slowed("ov_plus_1", 0.01)
plus_2 = Slowed("ov_plus_2", 0.02)
