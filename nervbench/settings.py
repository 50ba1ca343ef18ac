"""How a case is measured, as plain records: :mod:`nervbench.config` reads them, and every worker carries them.

The bounds stand here for pydantic to see. It is not imported, for a worker reads no file and starts sooner without.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt

FORBID = {"extra": "forbid", "allow_inf_nan": False}
"""Pydantic's settings for these: no other fields, no infinity."""


class Strict:
    """As pydantic's own: no text and no truth value for a number."""

    def __get_pydantic_core_schema__(self, kind: Any, schema_of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The schema of the number, strict."""
        return schema_of(kind) | {"strict": True}


STRICT = Strict()
Count = Annotated[int, STRICT, Ge(1), Le(1_000_000)]
Seconds = Annotated[float, STRICT, Gt(0), Le(86_400)]


@dataclass(frozen=True, slots=True)
class Stopping:
    """When a case has been measured enough: noise (relative IQR) reached or settled, samples taken, or budget spent."""

    __pydantic_config__ = FORBID
    noise: Annotated[float, STRICT, Gt(0), Lt(1)] = 0.05
    min_samples: Count = 5
    max_samples: Count = 1000
    budget_s: Seconds = 4.0
    warm_up: Annotated[int, STRICT, Ge(0), Le(1000)] = 1

    def __post_init__(self) -> None:
        """Refuse an empty range."""
        if self.min_samples > self.max_samples:
            msg = f"min_samples {self.min_samples} is more than max_samples {self.max_samples}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Server:
    """Seconds that a request may take in the scenario ``server``; None: five times a decode that nobody waits for."""

    __pydantic_config__ = FORBID
    latency_bound_s: Seconds | None = None


@dataclass(frozen=True, slots=True)
class Player:
    """How long the scenarios of playback play, and how often they jump (seconds of play, in the mean)."""

    __pydantic_config__ = FORBID
    play_s: Seconds = 20.0
    seek_every_s: Seconds = 2.0
