"""Device cards."""

from __future__ import annotations

import pytest

from nervbench.cards import FIGURES, card, cards
from nervbench.errors import ConfigError


def test_every_figure_has_a_source() -> None:
    """What a card says has a source, and what it does not say has none."""
    for each in cards().values():
        said = {figure for figure in FIGURES if getattr(each, figure) is not None}
        assert set(each.sources) == said, each.key
        assert all(each.sources.values())


def test_units() -> None:
    """Figures are in SI units: cores × 2 FLOP × boost clock is the peak, to 3 %."""
    cores = {
        "p100": 3584,
        "p4": 2560,
        "rtx-2080-ti": 4352,
        "v100": 5120,
        "t4": 2560,
        "a100-80": 6912,
        "rtx-4090": 16384,
    }
    for key, count in cores.items():
        found = card(key)
        assert found.boost_hz is not None
        assert found.fp32_flop_per_s == pytest.approx(2 * count * found.boost_hz, rel=0.03), key


def test_unknown_is_absent() -> None:
    """A figure without a source is None and is named where it is asked for."""
    assert card("h200").lacks("l2_bytes", "sms") == ("l2_bytes",)


def test_unknown_device() -> None:
    """An unknown key is refused with the known ones and the nearest."""
    with pytest.raises(ConfigError, match=r"unknown device 'rtx-2080'; known: .*; did you mean 'rtx-2080-ti'\?"):
        card("rtx-2080")
