"""The cases of a plan on the nodes of a Ray cluster: each on one that has the device it asks for, a row as each ends.

The plan, the worker and the rows are those of the local executor; Ray finds the nodes and carries what is said. A node
prepares what it needs, once, in its own cache. One case at a time runs on a device: who measures holds the GPU, or all
processors of the node that Ray gives away. What a node was measuring when it was lost is tried again, on another if
need be, and recorded as lost if that fails too; what had not begun is left for ``--resume``.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import hashlib
import importlib.util
import io
import logging
import os
import socket
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

from nervbench import store
from nervbench.data.clip import beginning
from nervbench.data.packaged import PACKAGED
from nervbench.errors import ConfigError, NervbenchError, UnsupportedError, unknown
from nervbench.files import within, write_atomically
from nervbench.records import PLACES, Case, Result, Status
from nervbench.sweep import on_node
from nervbench.sweep.local import PROBE_S, RESULTS, Event, Plan

INSTALL = "Ray is not installed: pip install 'nervbench[ray]'; without --on the cases run here"
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Nothing is sent anywhere."""
TRIES = 3
"""How often a case is begun at most, if its node is lost each time."""
LOOK_S = 2.0
ANSWER_S = 10.0
WAIT_S = 60.0
"""For so long a device that no node has any more is waited for."""


@dataclass(frozen=True, slots=True)
class Place:
    """What cases ask for: a device, of a node with this label (empty: of any)."""

    device: str
    label: str = ""

    def __str__(self) -> str:
        """As it is written: ``cuda:T4``."""
        return f"{self.device}:{self.label}" if self.label else self.device

    def seats(self, node: dict[str, Any]) -> int:
        """How many devices for this a node of Ray's list has; one that is dead has none."""
        resources = node["Resources"]
        labels = {*resources, *node.get("Labels", {}).values()}
        if not node["Alive"] or (self.label and not {self.label, f"accelerator_type:{self.label}"} & labels):
            return 0
        return int(resources.get("GPU", 0)) if self.device == "cuda" else int(resources.get("CPU", 0) >= 1)


def place_of(text: str) -> Place:
    """The place of ``cpu``, ``cuda:T4`` and so on; raises ConfigError where the device is not known."""
    device, _, label = text.partition(":")
    if device not in PLACES:
        msg = f"{unknown('device', device, PLACES)}; on Ray with a label of the node, such as cuda:T4"
        raise ConfigError([msg])
    return Place(device, label)


def plan_of(plan: Plan, place: Place) -> Plan:
    """A plan with the cases that have no row of a place yet."""
    results = plan.out / RESULTS
    ended = {row.case for row in store.read(results) if row.place == str(place)} if results.exists() else set()
    left = tuple(case for case in plan.cases if case not in ended)
    return dataclasses.replace(plan, device=place.device, cases=left)


@dataclass
class _Seat:
    """A process of ours on a node, by its device, and what it is doing: a case, or getting ready."""

    place: Place
    node_id: str
    host: str
    actor: Any
    case: Case | None = None
    ready: bool = False


@dataclass
class _Left:
    """The cases of a place that nobody is measuring, how often each was begun, and since when there is no node."""

    cases: collections.deque[Case]
    tries: collections.Counter[Case] = field(default_factory=collections.Counter)
    alone_since: float | None = None


def execute(plans: dict[Place, Plan], address: str | None) -> Iterator[Event]:
    """Do the plans, each with the cases that its place has left; yields as :func:`nervbench.sweep.local.execute` does.

    ``address`` is of the cluster as Ray takes it; None is the one that this machine belongs to, or a new one of this
    machine alone. Raises UnsupportedError where Ray is not there, ConfigError where a place is nowhere in the cluster,
    and what is wrong with the input.
    """
    if not any(plan.cases for plan in plans.values()):
        return
    with _connected(address) as ray:
        sweep = _Sweep(ray, {place: plan for place, plan in plans.items() if plan.cases})
        try:
            yield from sweep.events()
        finally:
            sweep.end()


class _Sweep:
    """The loop of the driver: seats for those who wait, cases for seats that are free, rows of cases that ended."""

    def __init__(self, ray: Any, plans: dict[Place, Plan]) -> None:
        self._ray, self._plans = ray, plans
        self._left = {place: _Left(collections.deque(plan.cases)) for place, plan in plans.items()}
        self._busy: dict[Any, _Seat] = {}
        self._total = sum(plan.total for plan in plans.values())
        self._done = self._total - sum(len(plan.cases) for plan in plans.values())
        ray.cloudpickle.register_pickle_by_value(on_node)
        try:
            self._actor = ray.remote(max_restarts=0, max_task_retries=0)(on_node.Node)
            package, name = _package()
            self._package, self._name = ray.put(package), name
            self._files = {place: ray.put(_read(plan)) for place, plan in plans.items()}
        finally:
            ray.cloudpickle.unregister_pickle_by_value(on_node)
        self._known = _nodes(ray)
        missing = [place for place in plans if not any(map(place.seats, self._known))]
        if missing:
            raise ConfigError([_nowhere(place, self._known) for place in missing])

    def events(self) -> Iterator[Event]:
        """Until nothing is left that could be done."""
        while self._busy or any(left.cases for left in self._left.values()):
            yield from self._seat()
            ended, _ = self._ray.wait(list(self._busy), timeout=LOOK_S) if self._busy else ((), ())
            for answer in ended:
                yield from self._answered(self._busy.pop(answer), answer)
            if not self._busy:
                if self._given_up():
                    return
                time.sleep(LOOK_S)

    def end(self) -> None:
        """End what runs on the nodes."""
        for seat in self._busy.values():
            with contextlib.suppress(Exception):  # a node that is gone, a connection that is
                self._ray.kill(seat.actor)

    def _seat(self) -> Iterator[Event]:
        """Seats on the nodes for the places that have more cases than seats."""
        self._known = _nodes(self._ray)
        for place, left in self._left.items():
            for node in self._known:
                mine = [seat for seat in self._busy.values() if seat.place == place]
                here = sum(seat.node_id == node["NodeID"] for seat in self._busy.values())
                waiting = len(left.cases) - sum(seat.case is None for seat in mine)
                for _ in range(min(place.seats(node) - here, waiting)):
                    yield self._event(place, f"getting ready on {node['NodeManagerHostname']}")
                    self._begin(place, node)

    def _begin(self, place: Place, node: dict[str, Any]) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415 (an extra)

        needs = {"num_gpus": 1, "num_cpus": 0} if place.device == "cuda" else {"num_cpus": node["Resources"]["CPU"]}
        only_there = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
        actor = self._actor.options(scheduling_strategy=only_there, **needs).remote(self._package, self._name)
        seat = _Seat(place, node["NodeID"], node["NodeManagerHostname"], actor)
        self._busy[actor.prepare.remote(self._plans[place], self._files[place], PROBE_S)] = seat

    def _answered(self, seat: _Seat, answer: Any) -> Iterator[Event]:
        """What a seat had to say; it gets the next case, or is given up."""
        left = self._left[seat.place]
        try:
            said = self._ray.get(answer)
        except self._ray.exceptions.RayTaskError as error:
            self._ray.kill(seat.actor)
            raise _ours(error, seat) from error
        except self._ray.exceptions.RayError as error:
            yield from self._lost(seat, str(error).strip().partition("\n")[0])
            return
        if isinstance(said, Result):
            result = dataclasses.replace(said, place=str(seat.place))
            yield self._row(result)
        else:
            _, pictures = said
            for name, content in pictures.items():
                write_atomically(within(self._plans[seat.place].out, f"frames/{Path(name).name}"), content)
        if not left.cases:
            self._ray.kill(seat.actor)
            return
        seat.case = left.cases.popleft()
        left.tries[seat.case] += 1
        yield self._event(seat.place, f"{seat.case.name} on {seat.host}")
        self._busy[seat.actor.measure.remote(seat.case)] = seat

    def _lost(self, seat: _Seat, why: str) -> Iterator[Event]:
        """What becomes of the case of a node that is gone."""
        left, case = self._left[seat.place], seat.case
        yield self._event(seat.place, f"{seat.host} was lost{f' while it measured {case.name}' if case else ''}: {why}")
        if case is None:
            return
        if left.tries[case] < TRIES:
            left.cases.appendleft(case)
        else:
            yield self._row(_gone(case, seat.place, left.tries[case]))

    def _row(self, result: Result) -> Event:
        place = place_of(result.place or "")
        store.append(self._plans[place].out / RESULTS, result)
        self._done += 1
        return self._event(place, result.case.name, result)

    def _event(self, place: Place, text: str, result: Result | None = None) -> Event:
        return Event(f"{place}: {text}", self._done, self._total, result)

    def _given_up(self) -> bool:
        """Whether nobody can do what is left: each of its places has had no node for a while."""
        now = time.monotonic()
        for place, left in self._left.items():
            gone = bool(left.cases) and not any(map(place.seats, self._known))
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
    try:
        yield ray
    finally:
        ray.shutdown()


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


def _nowhere(place: Place, nodes: Sequence[dict[str, Any]]) -> str:
    kinds = ("CPU", "GPU")
    found = [
        f"{node['NodeManagerHostname']} ("
        + ", ".join(
            [f"{node['Resources'][kind]:g} {kind}" for kind in kinds if kind in node["Resources"]]
            + sorted(name for name in node["Resources"] if _is_label(name))
            + sorted(value for name, value in node.get("Labels", {}).items() if name != "ray.io/node-id")
        )
        + ")"
        for node in nodes
    ]
    return f"no node of the cluster has {place}; there are: {', '.join(found) or 'none'}"


def _is_label(resource: str) -> bool:
    return resource not in {"CPU", "GPU", "memory", "object_store_memory"} and not resource.startswith("node:")


def _gone(case: Case, place: Place, tries: int) -> Result:
    """The row of a case whose node was lost every time."""
    reason = f"the node that measured it was lost, {tries} times"
    return Result(case, Status.CRASHED, reason, place=str(place))


def _ours(error: Any, seat: _Seat) -> NervbenchError:
    """An error of the other side as one of ours: as it was if it was ours, with the node's name."""
    cause = error.cause
    words = f"on {seat.host} ({seat.place}): {cause}"
    if isinstance(cause, ConfigError):
        return ConfigError([f"on {seat.host} ({seat.place}): {problem}" for problem in cause.problems])
    return type(cause)(words) if isinstance(cause, NervbenchError) else NervbenchError(words)


def _package() -> tuple[bytes, str]:
    """The packages of this tree and what they are registered for, zipped; and a name that follows from the content."""
    content = io.BytesIO()
    digest = hashlib.sha256()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("nervbench", "nervbench_kernels"):
            root = Path(str(files(name)))
            for path in sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
                inside = f"{name}/{path.relative_to(root).as_posix()}"
                archive.writestr(inside, path.read_bytes())
                digest.update(inside.encode() + path.read_bytes())
        installed = metadata.distribution("nervbench")
        for name in ("METADATA", "entry_points.txt"):
            text = installed.read_text(name) or ""
            archive.writestr(f"nervbench-{installed.version}.dist-info/{name}", text)
            digest.update(text.encode())
    return content.getvalue(), digest.hexdigest()[:16]


def _read(plan: Plan) -> dict[str, on_node.Files]:
    """The files that a plan names, by the paths that it gives to them: checkpoints, and a clip that nobody packs."""
    where, _ = beginning(plan.bench.clip.source)
    paths = {
        case.weights for case in plan.cases if case.weights != "bundled" and not case.weights.startswith("seeded:")
    }
    paths |= {where} - PACKAGED.keys()
    return {path: _contents(Path(path)) for path in sorted(paths)}


def _contents(path: Path) -> on_node.Files:
    if path.is_dir():
        return {f"{path.name}/{each.name}": each.read_bytes() for each in sorted(path.iterdir()) if each.is_file()}
    return {path.name: path.read_bytes()}
