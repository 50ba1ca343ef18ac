"""The models that have a name."""

from __future__ import annotations

import pytest
import torch

from nervbench.errors import ConfigError
from nervbench.model.nerv import Nerv
from nervbench.model.zoo import MODELS, spec_of


def test_published_models_are_720p() -> None:
    """S, M and L make frames of 1280×720; the small one makes frames of 320×180."""
    sizes = {name: (spec.width, spec.height) for name, spec in MODELS.items()}
    assert sizes == {"nerv-xs": (320, 180), "nerv-s": (1280, 720), "nerv-m": (1280, 720), "nerv-l": (1280, 720)}


def test_nerv_xs_fits_its_bound() -> None:
    """nerv-xs has about a million parameters, so that it takes at most 2.5 MB in float16."""
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in Nerv(spec_of("nerv-xs")).parameters())
    assert 0.8e6 < count < 1.25e6


def test_unknown_model() -> None:
    """A name that is not known raises ConfigError with the known ones and the nearest."""
    with pytest.raises(ConfigError, match=r"unknown model 'nerv-x'; known: nerv-l, .*; did you mean 'nerv-"):
        spec_of("nerv-x")
