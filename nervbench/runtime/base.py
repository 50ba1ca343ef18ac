"""The door that every runtime uses, ours and anyone else's.

A runtime is an object of :class:`Runtime` behind an entry point of the group ``nervbench.runtimes``. It says which
artifact it opens for a precision, refuses with the reason what it cannot run, and opens sessions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

from nervbench.records import Artifact, DeviceCard, Operator

Capability = tuple[int, int]
"""(major, minor) compute capability of a GPU: a P100 is (6, 0), an RTX 2080 Ti (7, 5)."""

Frames = npt.NDArray[np.uint8]
"""(B, H, W, 3) uint8 RGB."""

NOTHING_YET = "fetch before the first decode"
"""What a session says that is asked for frames before it has any."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a session is opened with: the artifact's file and description, and how it will be called.

    ``frames`` is T of t / T; every decode computes ``batch`` consecutive frames, wrapping round at T.
    """

    path: Path
    artifact: Artifact
    precision: str
    batch: int
    frames: int
    device: DeviceCard


class Session(Protocol):
    """An artifact, loaded and ready. Decodes; never times. Holds memory until closed (a context manager)."""

    def decode(self, index: int) -> None:
        """Enqueue the batch of frames index, index + 1, … (modulo T); need not wait for it."""
        ...

    def fetch(self) -> Frames:
        """The frames of the last decode, on the host: (B, H, W, 3) uint8, contiguous, untouched by later decodes.

        Raises RuntimeError before the first decode.
        """
        ...

    def __enter__(self) -> Self:
        """Return itself."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release what it holds."""
        ...


@runtime_checkable
class OtherArithmetic(Protocol):
    """What a session has beside, that computes the network otherwise than by direct convolution.

    ``flop_per_frame`` counts the matrix products that it executes, 2 FLOP a multiply-add: its roof follows from it.
    """

    algorithm: str
    flop_per_frame: int


@runtime_checkable
class ForwardOnly(Protocol):
    """What a session has beside, that can call the network without the last step of a decoder.

    ``forward(index)`` enqueues the batch as floats, as published code times it; ``fetch`` then returns its frames.
    """

    def forward(self, index: int) -> None:
        """Enqueue the network for the batch of frames index, index + 1, … (modulo T)."""
        ...


@runtime_checkable
class InParts(Protocol):
    """What a session has beside, that computes a decode in parts, one after the other.

    ``decode_in_parts(index, ended)`` does what ``decode`` does and calls ``ended(name)`` when the work of a part has
    been enqueued: ``embed``, ``network``, ``to uint8``.
    """

    def decode_in_parts(self, index: int, ended: Callable[[str], None]) -> None:
        """Enqueue the batch of frames index, index + 1, … (modulo T)."""
        ...


@runtime_checkable
class OneByOne(Protocol):
    """What a session has beside, that starts the operators of a decode one by one and can count them."""

    def launches(self, index: int) -> int:
        """Operators that compute something when frame ``index`` is decoded: no views."""
        ...


@runtime_checkable
class WithNotes(Protocol):
    """What a session has beside, of which something was unusual on the way to it: ``notes`` say what."""

    notes: tuple[str, ...]


@runtime_checkable
class WithProfile(Protocol):
    """What a runtime has beside, that can tell how long each operator takes.

    ``profile`` opens a session of its own, decodes the batch at each of ``starts`` and returns the means of all but the
    first. ``profiler`` says in words how they are timed. Raises UnsupportedError with the reason where it cannot.
    """

    profiler: str

    def profile(self, opening: Opening, starts: Sequence[int]) -> tuple[Operator, ...]:
        """The operators of a decode, in the order of execution."""
        ...


class Runtime(Protocol):
    """What executes an artifact."""

    @property
    def name(self) -> str:
        """Its name in cases and on the command line."""
        ...

    @property
    def packages(self) -> tuple[str, ...]:
        """Packages whose versions belong to a result."""
        ...

    def wants(self, precision: str) -> tuple[str, str]:
        """(format, precision) of the artifact that it opens to run in ``precision``."""
        ...

    def refusal(self, device: DeviceCard, precision: str) -> str | None:
        """Why it cannot run in ``precision`` on this device, and what would make it run; None if it can."""
        ...

    def open(self, opening: Opening) -> Session:
        """A ready session. Raises LoadError, UnsupportedError or FellBackError with the runtime's own words."""
        ...


def time_positions(index: int, batch: int, frames: int) -> npt.NDArray[np.float32]:
    """Positions t / T of a batch that starts at frame ``index``: (B,) float32."""
    return ((index + np.arange(batch)) % frames).astype(np.float32) / np.float32(frames)


def capability_of(card: DeviceCard) -> Capability | None:
    """The compute capability among a card's features; None if there is none."""
    return next(iter(capabilities(card.features)), None)


def capabilities(words: Iterable[str]) -> tuple[Capability, ...]:
    """The compute capabilities among words: ``sm_75`` is (7, 5), ``sm_120`` and ``sm_120a`` are (12, 0)."""
    found = (re.fullmatch(r"sm_(\d+)(\d)[a-z]?", word) for word in words)
    return tuple((int(match[1]), int(match[2])) for match in found if match)
