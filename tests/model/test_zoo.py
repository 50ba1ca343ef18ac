"""The models that have a name."""

from __future__ import annotations

import pytest

from nervbench.errors import ConfigError
from nervbench.model.cost import cost_of
from nervbench.model.zoo import MODELS, spec_of


def test_sizes_of_frames() -> None:
    """The paper's models and the study's make frames of 1280×720, those for UVG of 1920×1080, ours of 320×180."""
    for name, spec in MODELS.items():
        known = {"uvg": (1920, 1080), "hnerv": (1280, 640), "xs": (320, 180), "-1m": (320, 180)}
        expected = next((size for part, size in known.items() if part in name), (1280, 720))
        assert (spec.width, spec.height) == expected, name


@pytest.mark.parametrize(
    ("name", "millions", "gflop"),
    [
        ("nerv-m", 6.28, 202.9),
        ("nerv-l", 12.52, 204.8),
        ("nerv-uvg-24m", 24.3, 308),
        ("nerv-uvg-36m", 36.4, 310),
        ("nerv-uvg-59m", 59.0, 695),
        ("nerv-uvg-88m", 87.7, 1232),
        ("nerv-uvg-190m", 190.1, 2772),
        ("hnerv-0.35m", 0.33, 11.7),
        ("hnerv-0.75m", 0.74, 27.8),
        ("hnerv-1.5m", 1.5, 57.7),
        ("hnerv-3m", 3.03, 118.7),
        ("siren-3.2m", 3.2, 5890),
        ("siren-6.4m", 6.4, 11800),
        ("siren-12.7m", 12.7, 23400),
        ("ffn-3.2m", 3.2, 5850),
        ("ffn-6.4m", 6.4, 11680),
        ("ffn-12.7m", 12.7, 23330),
    ],
)
def test_published_cost(name: str, millions: float, gflop: float) -> None:
    """Parameters and arithmetic of a frame are the published ones, or 2 FLOP a pixel and weight."""
    cost = cost_of(MODELS[name], "fp32")
    assert cost.params / 1e6 == pytest.approx(millions, rel=0.006)
    assert cost.flop_per_frame / 1e9 == pytest.approx(gflop, rel=0.006)


def test_nerv_xs_fits_its_bound() -> None:
    """nerv-xs has about a million parameters, so that it takes at most 2.5 MB in float16."""
    assert 0.8e6 < cost_of(spec_of("nerv-xs"), "fp32").params < 1.25e6


def test_unknown_model() -> None:
    """A name that is not known raises ConfigError with the known ones and the nearest."""
    with pytest.raises(ConfigError, match=r"unknown model 'nerv-x'; known: ffn-12.7m, .*; did you mean 'nerv-"):
        spec_of("nerv-x")
