"""What cases ask for on a cluster, and who has it there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nervbench import plugins, store
from nervbench.errors import ConfigError, unknown
from nervbench.sweep.local import RESULTS, Plan

KINDS = ("CPU", "GPU")
ACCELERATOR = "accelerator_type:"


@dataclass(frozen=True, slots=True)
class Place:
    """A device, of a node with this label (empty: of any)."""

    device: str
    label: str = ""

    def __str__(self) -> str:
        """As it is written: ``cuda:T4``."""
        return f"{self.device}:{self.label}" if self.label else self.device

    def seats(self, node: Mapping[str, Any]) -> int:
        """How many devices for this a node of Ray's list has; one that is dead has none."""
        resources = node["Resources"]
        if not node["Alive"] or (self.label and self.label not in _labels(node)):
            return 0
        return int(resources.get("GPU", 0)) if self.device == "cuda" else int(resources.get("CPU", 0) >= 1)


def place_of(text: str) -> Place:
    """The place of ``cpu``, ``cuda:T4`` and so on; raises ConfigError where the device is not known."""
    device, _, label = text.partition(":")
    if device not in (known := plugins.names(plugins.DEVICES)):
        msg = f"{unknown('device', device, known)}; on Ray with a label of the node, such as cuda:T4"
        raise ConfigError([msg])
    return Place(device, label)


def plan_of(plan: Plan, place: Place) -> Plan:
    """A plan with the cases that have no row of a place yet."""
    results = plan.out / RESULTS
    ended = {row.case for row in store.read(results) if row.place == str(place)} if results.exists() else set()
    left = tuple(case for case in plan.cases if case not in ended)
    return dataclasses.replace(plan, device=place.device, cases=left)


def nowhere(place: Place, nodes: Sequence[Mapping[str, Any]]) -> str:
    """That no node has what is asked for, and what they have."""
    found = []
    for node in nodes:
        counts = [f"{node['Resources'][kind]:g} {kind}" for kind in KINDS if kind in node["Resources"]]
        found.append(
            f"{node['NodeManagerHostname']} ({', '.join([*counts, *sorted(_labels(node))]) or 'no processor'})"
        )
    return f"no node of the cluster has {place}; there are: {', '.join(found) or 'none'}"


def _labels(node: Mapping[str, Any]) -> set[str]:
    """The names by which a node can be asked for: resources of its own, kinds of accelerators, values of labels."""
    own = {name.removeprefix(ACCELERATOR) for name in node["Resources"] if not name.startswith("node:")}
    labels = {value for name, value in node.get("Labels", {}).items() if name != "ray.io/node-id"}
    return (own | labels) - {*KINDS, "memory", "object_store_memory"}
