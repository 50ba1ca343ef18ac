"""The models that have a name, of all families that are installed."""

from __future__ import annotations

from nervbench.errors import ConfigError, unknown
from nervbench.model.family import Spec, families

MODELS: dict[str, Spec] = {name: spec for family in families().values() for name, spec in family.models.items()}
REMARKS: dict[str, str] = {name: said for family in families().values() for name, said in family.remarks.items()}


def spec_of(name: str) -> Spec:
    """The spec of a named model. Raises ConfigError with the known names."""
    try:
        return MODELS[name]
    except KeyError:
        raise ConfigError([unknown("model", name, MODELS)]) from None
