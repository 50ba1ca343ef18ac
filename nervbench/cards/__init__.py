"""Device cards: what is on record of GPUs that need not be here, every figure with its source.

Keys are exact (``p100`` is the PCIe card, ``p100-sxm2`` the other one). Peaks are the vendor's: dense, at boost clock.
What has no source is None: a factor that needs such a figure is left out where it is asked for, and said.
Packaged data only, so what is wrong in it is an error of ours.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass, field, fields
from importlib import resources

from nervbench.errors import ConfigError, unknown


@dataclass(frozen=True, slots=True)
class Peaks:
    """One GPU. ``sources`` has an entry for every figure that is not None, by the name of its field.

    ``held_hz`` is the clock that it was seen to hold under load, where that is known to differ from the boost clock, at
    which the peaks are. ``copy_bytes_per_s`` is what large copies or element-wise kernels were measured to attain.
    """

    key: str
    name: str
    sms: int | None = None
    base_hz: float | None = None
    boost_hz: float | None = None
    held_hz: float | None = None
    fp32_flop_per_s: float | None = None
    fp16_flop_per_s: float | None = None
    fp16_tensor_flop_per_s: float | None = None
    int8_op_per_s: float | None = None
    memory_bytes_per_s: float | None = None
    copy_bytes_per_s: float | None = None
    l2_bytes: float | None = None
    memory_bytes: float | None = None
    power_w: float | None = None
    capability: str | None = None
    sources: dict[str, str] = field(default_factory=dict)

    def lacks(self, *figures: str) -> tuple[str, ...]:
        """Those of the figures that the card does not have."""
        return tuple(figure for figure in figures if getattr(self, figure) is None)


FIGURES = tuple(each.name for each in fields(Peaks) if each.name not in ("key", "name", "sources"))


@functools.cache
def cards() -> dict[str, Peaks]:
    """All cards, by key."""
    raw = tomllib.loads(resources.files(__name__).joinpath("peaks.toml").read_text(encoding="utf-8"))
    found = {}
    for key, card in raw.items():
        default, own = card.pop("source"), card.pop("sources", {})
        found[key] = Peaks(key, sources={each: own.get(each, default) for each in card if each != "name"}, **card)
    return found


def card(key: str) -> Peaks:
    """A card by its key, whatever the case of its letters. Raises ConfigError with the known and the nearest."""
    known = cards()
    if (low := key.strip().lower()) not in known:
        raise ConfigError([unknown("device", key, known)])
    return known[low]
