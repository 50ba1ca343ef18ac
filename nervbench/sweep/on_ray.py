"""The cases of a plan on the nodes of a Ray cluster: each on one that has the device it asks for, a row as each ends.

The plan, the worker and the rows are those of the local executor; Ray finds the nodes and carries what is said. A node
prepares what it needs, once, in its own cache. One case at a time runs on a device: who measures holds the GPU, or all
processors that Ray has of the node, and nothing is prepared on a node where something is timed. What a node was
measuring when it was lost is tried again, on another if need be, and recorded as lost if that fails too; what had not
begun is left for ``--resume``.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import importlib.util
import logging
import math
import os
import pickle
import signal
import socket
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nervbench import store
from nervbench.errors import ConfigError, NervbenchError, UnsupportedError
from nervbench.files import within, write_atomically
from nervbench.records import Case, Result, Status
from nervbench.sweep import on_node, process
from nervbench.sweep.jobs import Failed
from nervbench.sweep.local import PROBE_S, RESULTS, Event, Plan
from nervbench.sweep.places import Place, nowhere
from nervbench.sweep.shipping import named_files, package

INSTALL = "Ray is not installed: pip install 'nervbench[ray]'; without --on the cases run here"
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Of a Ray that is started here: it sends nothing about itself, and hides no GPU from who asked for none."""
TRIES = 3
"""How often a case is begun at most if its node is lost each time, and how often a node is asked to get ready."""
LOOK_S = 2.0
ANSWER_S = 10.0
WAIT_S = 60.0
"""For so long a device that no node has any more is waited for, and a node whose processors others have."""


@dataclass
class _Seat:
    """A process of ours on a node: ``stage`` is what it was asked last; ``case`` what it measures."""

    place: Place
    node_id: str
    host: str
    actor: Any
    since: float
    stage: str = "begun"
    case: Case | None = None


@dataclass
class _Left:
    """The cases of a place that nobody is measuring, how often each was begun, and since when there is no node."""

    cases: collections.deque[Case]
    tries: collections.Counter[Case] = field(default_factory=collections.Counter)
    alone_since: float | None = None


def execute(
    plans: dict[Place, Plan], address: str | None, cache: Path | None = None, until: float = math.inf
) -> Generator[Event, None, None]:
    """Do the plans, each with the cases that its place has left; yields as :func:`nervbench.sweep.local.execute` does.

    ``address`` is of the cluster as Ray takes it; None is the one that this machine belongs to, or a new one of this
    machine alone. ``cache`` is a folder that every node has; None is that of its user. After the moment ``until`` of
    the monotonic clock no further case begins. Raises UnsupportedError where Ray is not there, ConfigError where a
    place is nowhere in the cluster, and what is wrong with the input.
    """
    if not any(plan.cases for plan in plans.values()):
        return
    with _connected(address) as ray, _by_value(ray):
        sweep = _Sweep(ray, plans, cache, until)
        try:
            yield from sweep.events()
        except ray.exceptions.RayError as error:
            msg = f"the cluster is lost: {_last_line(error)}"
            raise NervbenchError(msg) from error
        finally:
            sweep.end()


class _Sweep:
    """The loop of the driver: seats for those who wait, cases for seats that are free, rows of cases that ended."""

    def __init__(self, ray: Any, plans: dict[Place, Plan], cache: Path | None, until: float) -> None:
        self._ray, self._until, self._cache = ray, until, str(cache) if cache else None
        self._total = sum(plan.total for plan in plans.values())
        self._done = self._total - sum(len(plan.cases) for plan in plans.values())
        self._plans = {place: plan for place, plan in plans.items() if plan.cases}
        self._known = _nodes(ray)
        missing = [place for place in self._plans if not any(map(place.seats, self._known))]
        if missing:
            raise ConfigError([nowhere(place, self._known) for place in missing])
        self._left = {place: _Left(collections.deque(plan.cases)) for place, plan in self._plans.items()}
        self._seats: list[_Seat] = []
        self._asked: dict[Any, _Seat] = {}
        self._failed: collections.Counter[tuple[Place, str]] = collections.Counter()
        self._actor = ray.remote(max_restarts=0, max_task_retries=0)(on_node.Node)
        content, self._name = package()
        self._package = ray.put(content)
        self._files = {place: ray.put(named_files(plan)) for place, plan in self._plans.items()}

    def events(self) -> Iterator[Event]:
        """Until nothing is left that could be done."""
        while self._seats or self._waiting():
            self._known = _nodes(self._ray)
            yield from self._sit()
            ended, _ = self._ray.wait(list(self._asked), timeout=LOOK_S) if self._asked else ((), ())
            for answer in ended:
                yield from self._answered(self._asked[answer], answer)
                self._asked.pop(answer, None)
            yield from self._late()
            yield from self._next()
            if self._given_up() and not self._seats:
                return
            if not self._asked:
                time.sleep(LOOK_S)

    def end(self) -> None:
        """End what runs on the nodes."""
        for seat in [*self._seats]:
            self._leave(seat)

    def _waiting(self) -> bool:
        return time.monotonic() < self._until and any(left.cases for left in self._left.values())

    def _free(self, place: Place, node: dict[str, Any]) -> int:
        """Seats of a node for a place; none while something is timed there, or another kind of device is held."""
        here = [seat for seat in self._seats if seat.node_id == node["NodeID"]]
        alike = all(seat.place.device == place.device and seat.stage != "measure" for seat in here)
        return self._able(place, node) - len(here) if alike else 0

    def _able(self, place: Place, node: dict[str, Any]) -> int:
        """Seats of a node for a place, were nobody there; none where it has failed too often."""
        return 0 if self._failed[place, node["NodeID"]] >= TRIES else place.seats(node)

    def _sit(self) -> Iterator[Event]:
        """Seats on the nodes for the places that have more cases than seats."""
        if time.monotonic() >= self._until:
            return
        for place, left in self._left.items():
            for node in self._known:
                ready = sum(seat.place == place and seat.case is None for seat in self._seats)
                for _ in range(min(self._free(place, node), len(left.cases) - ready)):
                    yield self._event(place, f"getting ready on {node['NodeManagerHostname']}")
                    self._begin(place, node)

    def _begin(self, place: Place, node: dict[str, Any]) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415 (an extra)

        needs = {"num_gpus": 1, "num_cpus": 0} if place.device == "cuda" else {"num_cpus": node["Resources"]["CPU"]}
        only_there = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
        actor = self._actor.options(scheduling_strategy=only_there, **needs).remote(self._package, self._name)
        seat = _Seat(place, node["NodeID"], node["NodeManagerHostname"], actor, time.monotonic())
        self._seats.append(seat)
        self._asked[actor.begun.remote()] = seat

    def _answered(self, seat: _Seat, answer: Any) -> Iterator[Event]:
        """What a seat had to say."""
        try:
            said = self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            if isinstance(error, self._ray.exceptions.RayTaskError) or getattr(error, "actor_init_failed", False):
                msg = f"on {seat.host} ({seat.place}): {_last_line(error)}"
                raise NervbenchError(msg) from error
            yield from self._lost(seat, str(error).strip().partition("\n")[0])
            return
        if seat.stage == "begun":
            seat.stage = "prepare"
            plan = pickle.dumps(self._plans[seat.place])
            self._asked[seat.actor.prepare.remote(plan, self._files[seat.place], self._cache, PROBE_S)] = seat
            return
        found = pickle.loads(said)
        if isinstance(found, Failed):
            found = dataclasses.replace(found, message=f"on {seat.host} ({seat.place}): {found.message}")
        found = process.answered(found)
        if seat.stage == "prepare":
            for name, content in found.items():
                write_atomically(within(self._plans[seat.place].out, f"frames/{Path(name).name}"), content)
        else:
            yield self._row(seat.place, found)
        seat.stage, seat.case = "ready", None

    def _next(self) -> Iterator[Event]:
        """Cases for those who are ready, once all on their node are; those for whom there is none leave."""
        preparing = {seat.node_id for seat in self._seats if seat.stage in ("begun", "prepare")}
        for seat in [seat for seat in self._seats if seat.stage == "ready" and seat.node_id not in preparing]:
            left = self._left[seat.place]
            if not left.cases or time.monotonic() >= self._until:
                self._leave(seat)
                continue
            seat.stage, seat.case = "measure", left.cases.popleft()
            left.tries[seat.case] += 1
            yield self._event(seat.place, f"{seat.case.name} on {seat.host}")
            self._asked[seat.actor.measure.remote(pickle.dumps(seat.case))] = seat

    def _late(self) -> Iterator[Event]:
        """Those whose node has no room for them: others hold its processors."""
        for seat in [seat for seat in self._seats if seat.stage == "begun" and time.monotonic() - seat.since > WAIT_S]:
            yield from self._lost(seat, f"it had no room for {WAIT_S:g} s: others hold what is asked for")

    def _lost(self, seat: _Seat, why: str) -> Iterator[Event]:
        """What becomes of the case of a node that is gone."""
        left, case = self._left[seat.place], seat.case
        self._leave(seat)
        yield self._event(seat.place, f"{seat.host} was lost{f' while it measured {case.name}' if case else ''}: {why}")
        if case is None:
            self._failed[seat.place, seat.node_id] += 1
        elif left.tries[case] < TRIES:
            left.cases.appendleft(case)
        else:
            reason = f"the node that measured it was lost, {left.tries[case]} times; the last time: {why}"
            yield self._row(seat.place, Result(case, Status.CRASHED, reason))

    def _leave(self, seat: _Seat) -> None:
        """End a seat, also one that may still be doing something."""
        self._seats.remove(seat)
        self._asked = {answer: asked for answer, asked in self._asked.items() if asked is not seat}
        with contextlib.suppress(Exception):  # a node that is gone, a connection that is
            self._ray.kill(seat.actor)

    def _row(self, place: Place, result: Result) -> Event:
        result = dataclasses.replace(result, place=str(place))
        store.append(self._plans[place].out / RESULTS, result)
        self._done += 1
        return self._event(place, result.case.name, result)

    def _event(self, place: Place, text: str, result: Result | None = None) -> Event:
        return Event(f"{place}: {text}", self._done, self._total, result)

    def _given_up(self) -> bool:
        """Whether nobody can do what is left: each of its places has had no node for a while."""
        now = time.monotonic()
        for place, left in self._left.items():
            gone = bool(left.cases) and not any(self._able(place, node) for node in self._known)
            left.alone_since = (left.alone_since or now) if gone else None
        waiting = [left for left in self._left.values() if left.cases]
        return all(left.alone_since is not None and now - left.alone_since >= WAIT_S for left in waiting)


@contextlib.contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    if importlib.util.find_spec("ray") is None:
        raise UnsupportedError(INSTALL)
    os.environ.update(SETTINGS)  # noqa: TID251 (Ray reads them when it is imported, and knows no other way)
    import ray  # noqa: PLC0415 (an extra, and slow)
    import ray.cloudpickle  # noqa: PLC0415

    terminated = signal.getsignal(signal.SIGTERM)
    try:
        if address:
            _answers(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ImportError, ValueError, RuntimeError) as error:
        words = str(error).strip().partition("\n")[0]
        msg = (
            f"no Ray cluster at {address or 'this machine'}: {words or type(error).__name__}; start one with "
            "`ray start --head`, or give its address: --on ray://HOST:PORT (Ray Client), or ray:HOST:PORT (from one of "
            "its nodes)"
        )
        raise UnsupportedError(msg) from error
    finally:
        signal.signal(signal.SIGTERM, terminated)  # Ray has put its own in its place
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where Ray tells of nodes that died; ours is for the results
            yield ray
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _by_value(ray: Any) -> Iterator[None]:
    """The class for the nodes goes there as it is, whenever Ray sends it."""
    ray.cloudpickle.register_pickle_by_value(on_node)
    try:
        yield
    finally:
        ray.cloudpickle.unregister_pickle_by_value(on_node)


def _answers(address: str) -> None:
    """Raises OSError or ValueError where nobody listens at an address: Ray would try again for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        msg = "an address is HOST:PORT"
        raise ValueError(msg)
    socket.create_connection((host.strip("[]"), int(port)), ANSWER_S).close()


def _nodes(ray: Any) -> list[dict[str, Any]]:
    """Ray's nodes that live, in an order that stays."""
    return sorted((node for node in ray.nodes() if node["Alive"]), key=lambda node: str(node["NodeID"]))


def _last_line(error: Exception) -> str:
    """Of what Ray says the line that names the cause."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
