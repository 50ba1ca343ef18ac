"""The models that have a name."""

from __future__ import annotations

from nervbench.errors import ConfigError, unknown
from nervbench.model.spec import NervSpec

MODELS: dict[str, NervSpec] = {
    # Ours: small enough to train and decode on two cores, at 320×180.
    "nerv-xs": NervSpec(fc_dim=20, strides=(5, 2, 2), stem_widths=(256,), lower_width=48),
    # The paper's three, 1280×720 (Table 2).
    "nerv-s": NervSpec(fc_dim=26, strides=(5, 2, 2, 2, 2)),
    "nerv-m": NervSpec(fc_dim=58, strides=(5, 2, 2, 2, 2)),
    "nerv-l": NervSpec(fc_dim=112, strides=(5, 2, 2, 2, 2)),
}


def spec_of(name: str) -> NervSpec:
    """The spec of a named model. Raises ConfigError with the known names."""
    try:
        return MODELS[name]
    except KeyError:
        raise ConfigError([unknown("model", name, MODELS)]) from None
