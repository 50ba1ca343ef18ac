"""A Ray of made-up nodes: what they are asked they answer at once, as a test says."""

from __future__ import annotations

import pickle
from typing import Any

from nervbench.records import Result, Status
from nervbench.sweep import on_node


def node(name: str, *, alive: Any = True, labels: Any = None, **resources: Any) -> dict[str, Any]:
    """A node as Ray lists it."""
    return {
        "NodeID": name.encode().hex().ljust(56, "0"),
        "NodeManagerHostname": name,
        "Alive": alive,
        "Resources": {"CPU": 4.0, f"node:{name}": 1.0} | resources,
        "Labels": labels or {},
    }


class Lost(Exception):
    """What Ray raises where a node is gone."""

    def __str__(self) -> str:
        return "the node is gone"


class Told(Lost):
    """What it raises where our own code failed there."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause

    def __str__(self) -> str:
        return str(self.cause)


class Ray:
    """A Ray of made-up nodes; ``says`` is asked for the answer of each node to each case, or raises."""

    class exceptions:
        RayError = Lost
        RayTaskError = Told

    def __init__(self, says: Any, *nodes: dict[str, Any]) -> None:
        self.says, self.listed = says, list(nodes)
        self.cloudpickle = self
        self.killed = 0

    def register_pickle_by_value(self, module: object) -> None:
        self.by_value = module

    def unregister_pickle_by_value(self, module: object) -> None:
        del self.by_value

    def nodes(self) -> list[dict[str, Any]]:
        return self.listed

    def put(self, content: object) -> object:
        return content

    def remote(self, **_: object) -> Any:
        return lambda _: Actors(self)

    def wait(self, asked: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        ready = [call for call in asked if call.answers]
        return ready[:1], ready[1:]

    def get(self, asked: Any) -> Any:
        return asked()

    def kill(self, actor: Any) -> None:
        self.killed += 1


class Actors:
    """The class of an actor, as Ray makes it."""

    def __init__(self, ray: Ray) -> None:
        self.ray = ray

    def options(self, scheduling_strategy: Any, **needs: float) -> Actors:
        self.node = bytes.fromhex(scheduling_strategy.node_id).rstrip(b"\0").decode()
        return self

    def remote(self, *_: object) -> Any:
        assert self.ray.by_value is on_node  # Ray sends the class now
        return Actor(self.ray, self.node)


class Call:
    """A method of an actor; called, what it answers."""

    def __init__(self, answer: Any, answers: bool = True) -> None:
        self.answer, self.given, self.answers = answer, (), answers

    def remote(self, *given: Any) -> Call:
        call = Call(self.answer, self.answers)
        call.given = given
        return call

    def __call__(self) -> Any:
        return self.answer(*self.given)


class Actor:
    """One on a node; on a full one nothing begins."""

    def __init__(self, ray: Ray, where: str) -> None:
        def measured(case: bytes) -> bytes:
            found = pickle.loads(case)
            return pickle.dumps(ray.says(where, found) or Result(found, Status.OK, samples_s=(0.1, 0.1)))

        self.begun = Call(lambda: None, answers=where != "full")
        self.prepare = Call(lambda *_: pickle.dumps(ray.says(where, None) or {"nerv-xs-0000-source.png": b"x"}))
        self.measure = Call(measured)
