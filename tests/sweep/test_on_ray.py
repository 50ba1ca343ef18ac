"""Cases on the nodes of a Ray cluster: who may do what, what becomes of a node that is lost, and the real thing."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nervbench import store
from nervbench.config import Bench, MatrixEntry, ModelEntry
from nervbench.errors import ConfigError, LoadError, NervbenchError
from nervbench.records import SINGLE_STREAM, Case, Result, Status, case_of
from nervbench.sweep import on_ray
from nervbench.sweep.child import failed
from nervbench.sweep.local import RESULTS, Event, Plan
from nervbench.sweep.on_node import kept_here
from nervbench.sweep.on_ray import execute
from nervbench.sweep.places import Place, place_of, plan_of
from nervbench.sweep.shipping import named_files, package
from tests.sweep.ray_fake import Lost, Ray, Told, node

RAY = importlib.util.find_spec("ray") is not None
CASES = tuple(case_of("nerv-xs", "fp32", runtime, 1, SINGLE_STREAM, "seeded:0") for runtime in ("eager", "ort"))


def plan(out: Path, cases: Sequence[Case] = CASES) -> Plan:
    """A plan of these cases."""
    bench = Bench((ModelEntry("nerv-xs", "seeded:0"),), (MatrixEntry(("nerv-xs",), ("eager", "ort")),))
    return Plan(bench, tuple(cases), len(cases), out, out / "cache")


@pytest.mark.parametrize(
    ("text", "where", "seats"),
    [
        ("cpu", node("a"), 1),
        ("cpu", node("a", CPU=0), 0),
        ("cpu:red", node("a"), 0),
        ("cpu:red", node("a", red=1), 1),
        ("cpu:red", node("a", red=1, alive=False), 0),
        ("cpu:red", node("a", labels={"colour": "red"}), 1),
        ("cuda", node("a"), 0),
        ("cuda", node("a", GPU=2), 2),
        ("cuda:T4", node("a", GPU=2, **{"accelerator_type:T4": 1}), 2),
        ("cuda:T4", node("a", GPU=1, labels={"ray.io/accelerator-type": "T4"}), 1),
        ("cuda:T4", node("a", GPU=1, **{"accelerator_type:A100": 1}), 0),
        ("cpu:CPU", node("a"), 0),
    ],
)
def test_seats(text: str, where: dict[str, Any], seats: int) -> None:
    """A node has as many seats as devices of what is asked for; one with all processors for the CPU."""
    assert place_of(text).seats(where) == seats
    assert str(place_of(text)) == text


def test_unknown_device() -> None:
    """A device that is none is named, with those that are."""
    with pytest.raises(ConfigError, match="unknown device 'gpu'"):
        place_of("gpu:T4")


def test_rows_belong_to_a_place(tmp_path: Path) -> None:
    """What has a row of another place, or of this machine, is still to be done."""
    for place in (None, "cpu:red"):
        store.append(tmp_path / RESULTS, Result(CASES[0], Status.UNSUPPORTED, "no", place=place))

    assert plan_of(plan(tmp_path), Place("cpu", "red")).cases == CASES[1:]
    assert plan_of(plan(tmp_path), Place("cpu", "green")).cases == CASES
    assert plan_of(plan(tmp_path), Place("cuda")).device == "cuda"


def test_package(tmp_path: Path) -> None:
    """What goes to a node is this tree: an interpreter that finds it first runs it, with its entry points."""
    content, name = package()
    assert package() == (content, name)
    zipfile.ZipFile(io.BytesIO(content)).extractall(tmp_path)
    code = (
        "import nervbench.sweep.child, nervbench_kernels, nervbench.plugins as p;"
        "print(nervbench.__file__, 'eager' in p.names(p.RUNTIMES))"
    )
    command = [sys.executable, "-P", "-c", code]
    answer = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == [str(tmp_path / "nervbench" / "__init__.py"), "True"]


def test_files_travel(tmp_path: Path) -> None:
    """A checkpoint, and a folder of pictures that is the clip, are read here and lie in the node's cache there."""
    weights, clip = tmp_path / "a.safetensors", tmp_path / "frames"
    weights.write_bytes(b"weights")
    clip.mkdir()
    (clip / "0.png").write_bytes(b"picture")
    case = dataclasses.replace(CASES[0], weights=str(weights))
    whole = plan(tmp_path, [case])
    source = dataclasses.replace(whole.bench.clip, source=f"{clip}:8")
    read = named_files(dataclasses.replace(whole, bench=dataclasses.replace(whole.bench, clip=source)))

    assert read == {str(weights): {"a.safetensors": b"weights"}, str(clip): {"frames/0.png": b"picture"}}
    kept = kept_here(tmp_path / "cache", read[str(clip)])
    assert (Path(kept) / "0.png").read_bytes() == b"picture"
    assert Path(kept).name == "frames"


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> list[Ray]:
    """Where a test puts its Ray; nothing is waited for."""
    pytest.importorskip("ray", reason="Ray is not installed (the extra ray)")
    held: list[Ray] = []

    class Connected:
        def __init__(self, _: object) -> None: ...
        def __enter__(self) -> Ray:
            return held[0]

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(on_ray, "_connected", Connected)
    monkeypatch.setattr(on_ray, "LOOK_S", 0.0)
    monkeypatch.setattr(on_ray, "WAIT_S", 0.3)
    return held


def done(out: Path, places: Sequence[str]) -> list[Event]:
    """Everything that happens."""
    return list(execute({place_of(text): plan_of(plan(out), place_of(text)) for text in places}, None))


def rows(out: Path) -> list[tuple[str | None, str, str]]:
    """What is in the file."""
    found = store.read(out / RESULTS) if (out / RESULTS).exists() else []
    return sorted((row.place, row.case.runtime, row.status.value) for row in found)


def test_every_place(ray: list[Ray], tmp_path: Path) -> None:
    """Every case has a row of every place, and the pictures are here."""
    ray.append(Ray(lambda *_: None, node("a", red=1), node("b", GPU=1)))
    events = done(tmp_path, ["cpu:red", "cuda"])

    assert rows(tmp_path) == [(place, runtime, "OK") for place in ("cpu:red", "cuda") for runtime in ("eager", "ort")]
    assert (tmp_path / "frames" / "nerv-xs-0000-source.png").read_bytes() == b"x"
    assert [event.done for event in events if event.result] == [1, 2, 3, 4]
    assert ray[0].killed == 2


def test_lost_node(ray: list[Ray], tmp_path: Path) -> None:
    """What a node was measuring when it was lost is measured by another; nothing finished is lost."""

    def says(where: str, case: Case | None) -> None:
        if where == "a" and case == CASES[1]:
            ray[0].listed = [node("b", red=1)]
            raise Lost

    ray.append(Ray(says, node("a", red=1)))
    events = done(tmp_path, ["cpu:red"])

    assert rows(tmp_path) == [("cpu:red", "eager", "OK"), ("cpu:red", "ort", "OK")]
    assert "a was lost while it measured nerv-xs/fp32/ort/b1: the node is gone" in "\n".join(e.text for e in events)


def test_lost_every_time(ray: list[Ray], tmp_path: Path) -> None:
    """A case that takes every node with it is recorded, and the others are done."""

    def says(_: str, case: Case | None) -> None:
        if case == CASES[0]:
            raise Lost

    ray.append(Ray(says, node("a"), node("b")))
    done(tmp_path, ["cpu"])

    assert rows(tmp_path) == [("cpu", "eager", "CRASHED"), ("cpu", "ort", "OK")]
    assert "3 times" in (next(row for row in store.read(tmp_path / RESULTS) if row.status.value != "OK").reason or "")


def test_no_node_is_left(ray: list[Ray], tmp_path: Path) -> None:
    """Where the only node of a place is gone for good, what it had not begun is left for another time."""

    def says(where: str, case: Case | None) -> None:
        if where == "a" and case:
            ray[0].listed = [node("b")]
            raise Lost

    ray.append(Ray(says, node("a", red=1), node("b")))
    done(tmp_path, ["cpu:red"])

    assert rows(tmp_path) == []


def test_errors_of_the_other_side(ray: list[Ray], tmp_path: Path) -> None:
    """What is wrong with the input is said as here, with the node's name."""

    ray.append(Ray(lambda *_: failed(LoadError("no such model")), node("a")))
    with pytest.raises(LoadError, match=r"on a \(cpu\): no such model"):
        done(tmp_path, ["cpu"])


def test_errors_that_are_not_ours(ray: list[Ray], tmp_path: Path) -> None:
    """A package that a node lacks is named."""

    def says(where: str, case: Case | None) -> None:
        raise Told(ImportError("Traceback\n  ...\nNo module named 'torch'"))

    ray.append(Ray(says, node("a")))
    with pytest.raises(NervbenchError, match=r"on a \(cpu\): No module named 'torch'"):
        done(tmp_path, ["cpu"])
    assert ray[0].killed == 1


def test_a_node_that_cannot_get_ready(ray: list[Ray], tmp_path: Path) -> None:
    """It is asked three times, not for ever; what it was to do is left, or done by another."""

    def says(where: str, case: Case | None) -> None:
        if where == "a":
            raise Lost

    ray.append(Ray(says, node("a")))
    events = done(tmp_path, ["cpu"])
    assert sum("was lost" in event.text for event in events) == on_ray.TRIES
    assert rows(tmp_path) == []

    ray[0].listed.append(node("b"))
    done(tmp_path, ["cpu"])
    assert [row[2] for row in rows(tmp_path)] == ["OK", "OK"]


def test_a_node_whose_processors_others_have(ray: list[Ray], tmp_path: Path) -> None:
    """It is not waited for while another node is there."""
    ray.append(Ray(lambda *_: None, node("full"), node("idle")))
    done(tmp_path, ["cpu"])
    assert [row[2] for row in rows(tmp_path)] == ["OK", "OK"]


def test_gone_on(ray: list[Ray], tmp_path: Path) -> None:
    """What has its row already counts as done, of every place."""
    for case in CASES:
        store.append(tmp_path / RESULTS, Result(case, Status.UNSUPPORTED, "no", place="cpu:green"))
    ray.append(Ray(lambda *_: None, node("a", red=1), node("b", green=1)))
    events = done(tmp_path, ["cpu:green", "cpu:red"])
    assert [(event.done, event.total) for event in events if event.result] == [(3, 4), (4, 4)]


def test_time_is_over(ray: list[Ray], tmp_path: Path) -> None:
    """After the moment no case begins."""
    ray.append(Ray(lambda *_: None, node("a")))
    assert list(execute({Place("cpu"): plan(tmp_path)}, None, until=0.0)) == []


@pytest.mark.parametrize("places", [["cpu", "cuda"], ["cuda", "cpu"]])
def test_one_kind_of_device_at_a_time(ray: list[Ray], tmp_path: Path, places: list[str]) -> None:
    """On a node nothing is measured on a processor while something is on a GPU, and nothing is prepared meanwhile."""
    ray.append(Ray(lambda *_: None, node("a", GPU=2)))
    held: list[str] = []
    for event in execute({place_of(text): plan_of(plan(tmp_path), place_of(text)) for text in places}, None):
        place = event.text.partition(":")[0]
        if event.result:
            held.remove(place)
        elif " on a" in event.text and "getting ready" not in event.text:
            held.append(place)
            assert len(set(held)) == 1
        else:
            assert not held
    assert len(rows(tmp_path)) == 4


def test_nowhere(ray: list[Ray], tmp_path: Path) -> None:
    """A place that no node has is refused before anything is begun, with what the nodes have."""
    ray.append(Ray(lambda *_: None, node("a", red=1, GPU=2, **{"accelerator_type:T4": 1})))
    with pytest.raises(
        ConfigError, match=r"no node of the cluster has cpu:blue; there are: a \(4 CPU, 2 GPU, T4, red\)"
    ):
        done(tmp_path, ["cpu:blue"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--on", "rya"], "is no cluster"),
        (["--on", "ray:"], "is no cluster"),
        (["--on", "ray:127.0.0.1:1"], "no Ray cluster at 127.0.0.1:1"),
        (["--on", "ray:nowhere"], "an address is HOST:PORT"),
        (["--on", "ray", "--device", "tpu"], "unknown device 'tpu'"),
        (["--device", "cpu:red"], "go with --on ray"),
    ],
)
@pytest.mark.skipif(not RAY, reason="Ray is not installed (the extra ray)")
def test_bad_input(words: list[str], said: str, tmp_path: Path) -> None:
    """What cannot be meant ends with 1 and what was possible."""
    command = [sys.executable, "-m", "nervbench", "run", str(bench_in(tmp_path)), "--out", str(tmp_path / "out")]
    ended = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert (ended.returncode, said in ended.stderr) == (1, True), ended.stderr


def bench_in(folder: Path) -> Path:
    """A bench.toml of two cases that take some seconds each."""
    path = folder / "bench.toml"
    path.write_text(
        '[[models]]\nname = "nerv-xs"\nweights = "seeded:0"\n'
        '[[matrix]]\nmodels = ["nerv-xs"]\nruntimes = ["eager", "ort"]\n'
        "[stopping]\nbudget_s = 4.0\nnoise = 1e-6\nmax_samples = 100000\n"
    )
    return path
