"""The registry of model families: each is one object behind an entry point of the group ``nervbench.families``.

A family says which models of it have names, reads a spec from JSON, and builds the network of a spec. Nothing else
here or in other rooms knows a family: checkpoints, export, runtimes, measuring and reports go through this door. To
list families and to read specs imports no framework; the network of a family is imported when it is built.
"""

from __future__ import annotations

import functools
import json
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nervbench import plugins
from nervbench.errors import NervbenchError

if TYPE_CHECKING:
    from torch import Tensor

    from nervbench.model.network import Network


class Spec(Protocol):
    """What a network is made of, as frozen plain data."""

    @property
    def family(self) -> str:
        """The name of its family."""
        ...

    @property
    def width(self) -> int:
        """Width of a frame, in pixels."""
        ...

    @property
    def height(self) -> int:
        """Height of a frame, in pixels."""
        ...

    @property
    def frames(self) -> int | None:
        """How many frames it holds, where the architecture says it."""
        ...

    def to_json(self) -> str:
        """One line of JSON with sorted keys (stable: it is hashed); ``family`` is one of the keys."""
        ...


@dataclass(frozen=True, slots=True)
class Foreign:
    """Weights that a file of a family's authors holds; ``assumed`` says what was not in it.

    ``coded`` where it holds them in fewer bits and nothing beside them: then its size is the size of the video.
    """

    spec: Spec
    tensors: dict[str, Tensor]
    assumed: str | None = None
    notes: dict[str, str] = field(default_factory=dict)
    coded: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """A family of models; ``remarks`` are on those models of which a reader may have seen other numbers.

    ``parse`` makes a spec of an untrusted JSON object and raises ValueError, and nothing else, with what is wrong.
    ``network`` builds the network of a spec, on the device that is PyTorch's default. ``deviation`` gives the standard
    deviation of a random weight (name, shape) with which frames use the whole range. ``claims`` says whether the
    content of a PyTorch file is one of the family's authors, and ``read`` makes weights of it; it raises
    CheckpointError.
    """

    name: str
    models: Mapping[str, Spec]
    parse: Callable[[dict[str, Any]], Spec]
    network: Callable[[Any], Network]
    deviation: Callable[[str, tuple[int, ...]], float]
    remarks: Mapping[str, str] = field(default_factory=dict)
    claims: Callable[[object], bool] = lambda _: False
    read: Callable[[Path, Any], Foreign] | None = None


@functools.cache
def families() -> dict[str, Family]:
    """All that are installed, by name. Raises UnsupportedError or ConfigError where one cannot be imported."""
    return {name: plugins.load(plugins.FAMILIES, name) for name in plugins.names(plugins.FAMILIES)}


def from_json(text: str) -> Spec:
    """The spec of a line of JSON.

    Raises ``ValueError``, and nothing else, with the key that is unknown, missing, of another type or out of bounds.
    """
    try:
        raw: Any = json.loads(text)
    except RecursionError:
        msg = "a model spec is a JSON object, found lists or objects nested too deep to read"
        raise ValueError(msg) from None
    if not isinstance(raw, dict):
        msg = f"a model spec is a JSON object, found {type(raw).__name__}"
        raise ValueError(msg)  # noqa: TRY004 (one kind of error for every malformed spec)
    name = raw.pop("family", None)
    try:
        known = families()
    except NervbenchError as error:
        raise ValueError(str(error)) from error
    if not isinstance(name, str) or name not in known:
        msg = f"model family is {reprlib.repr(name)}; known: {', '.join(known)}"
        raise ValueError(msg)
    return known[name].parse(raw)


def network_of(spec: Spec) -> Network:
    """The network of a spec, with PyTorch's own random weights."""
    return families()[spec.family].network(spec)
