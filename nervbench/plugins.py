"""Runtimes, devices and model families, found by their entry points: ours and anyone else's come through the same door.

Listing names imports nothing; an entry point is imported only when a case asks for it.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from nervbench.errors import ConfigError, UnsupportedError, unknown

RUNTIMES = "nervbench.runtimes"
DEVICES = "nervbench.devices"
FAMILIES = "nervbench.families"
KINDS = {RUNTIMES: "runtime", DEVICES: "device", FAMILIES: "model family"}


def names(group: str) -> list[str]:
    """The names of a group that installed packages offer, sorted."""
    return sorted({entry.name for entry in metadata.entry_points(group=group)})


def load(group: str, name: str) -> Any:
    """Import what a name stands for.

    Raises ConfigError for a name that nobody offers or that several packages offer, and UnsupportedError, naming what
    is missing, where the import fails.
    """
    kind = KINDS.get(group, group)
    found = {entry.value: entry for entry in metadata.entry_points(group=group, name=name)}
    if not found:
        raise ConfigError([unknown(kind, name, names(group))])
    if len(found) > 1:
        msg = f"{kind} '{name}' is offered more than once ({', '.join(sorted(found))}); uninstall all but one"
        raise ConfigError([msg])
    (entry,) = found.values()
    try:
        return entry.load()
    except ImportError as error:
        hint = f"; install the package that has {error.name}" if isinstance(error, ModuleNotFoundError) else ""
        msg = f"{kind} '{name}' cannot run here: {entry.module} could not be imported ({error}){hint}"
        raise UnsupportedError(msg) from error
