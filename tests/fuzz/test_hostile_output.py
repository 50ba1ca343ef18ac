"""What comes from elsewhere and ends in a page, in a file name or in a runtime."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nervbench import store
from nervbench.export import base
from nervbench.export.base import produce
from nervbench.records import (
    PRECISIONS,
    PROTOCOLS,
    SCENARIOS,
    Doubt,
    Load,
    Meanwhile,
    Operator,
    Playback,
    Profile,
    Result,
    Served,
    Stages,
    Status,
    Telemetry,
)
from nervbench.report import pages
from nervbench.report.compose import Surroundings, page
from nervbench.report.rows import groups_of, latest
from nervbench.report.terminal import table
from tests.fuzz import seeds
from tests.report.factory import a_run, made

AROUND = Surroundings("nervbench report DIR", {}, {})
MARKUP = (
    "<script>alert(1)</script>\n\n# head\n[x](javascript:alert(1)) ![p](http://a.b/c.png) |`*_~~ <http://e.f> &amp; {}"
)


def marked(value: Any, keep: tuple[str, ...] = ("status", *PRECISIONS, *SCENARIOS, *PROTOCOLS)) -> Any:
    """The same data with markup in every string, keys of free tables included."""
    if isinstance(value, str):
        return value if value in keep else MARKUP.format(value)
    if isinstance(value, list):
        return [marked(item) for item in value]
    if isinstance(value, dict):
        return {key if key.isidentifier() else MARKUP.format(key): marked(item) for key, item in value.items()}
    return value


def hostile(result: Result) -> Result:
    """A result whose every string is markup."""
    fields = json.loads(store.to_line(result))
    changed = marked(fields) | {"status": fields["status"]}
    return store.from_line(json.dumps(changed))


def links(text: str) -> list[str]:
    """All that a parser makes of a page which could act: links, pictures, raw HTML, code."""
    acting = {"link_open", "image", "html_block", "html_inline", "fence", "code_block", "s_open", "em_open"}
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    children = (child for token in tokens for child in [token, *(token.children or [])])
    return [f"{child.type} {child.attrs} {child.content}" for child in children if child.type in acting]


def of_every_kind() -> Iterator[Result]:
    """A row for every section of a page that the others have none for."""
    told = {
        "to_file": Telemetry(stages=Stages((0.5,), (0.01,), (0.09,), 0.55, {"embed": (0.1,)}, 0.2)),
        "server": Telemetry(served=Served(0.1, 0.5, (Load(5.0, (0.15,) * 70, 14.0, 3, held=True),))),
        "playback_30": Telemetry(playback=Playback(30.0, 0.1, (0, 1, 2), (0.0, 0.1, -0.1), 1, (0.2,), 1.0)),
        "cold": Telemetry(caches="cold", algorithm="an algorithm", flop_per_frame=3, unwatched="nobody"),
        "to_host": Telemetry(
            frames_on="host", meanwhile=Meanwhile(0.25, 9, 2.0, gpu_throttle={"a cap": 0.5}, missing={"gpu": "none"})
        ),
    }
    for scenario, telemetry in told.items():
        yield dataclasses.replace(made(scenario=scenario), telemetry=telemetry)
    yield made(protocol="nerv")
    operators = (Operator("an operator", "a kind", 0.1, 5, 6, "a layer"), Operator("another", "a kind", 0.2))
    yield dataclasses.replace(made("nerv-xs", "ov", "bf16"), profile=Profile("a profiler", 3, operators), wall_s=3.0)
    yield dataclasses.replace(made("nerv-xs", "ort", "bf16"), profile=Profile("another", 0, reason="it does not tell"))
    yield dataclasses.replace(
        made("nerv-xs", "aoti"), status=Status.TIMED_OUT, reason="no end", doubts=(Doubt("cut_off", {"samples": 5.0}),)
    )


def test_markup_in_every_string() -> None:
    """A results file with markup in every string gives a page with no more links, pictures or HTML than another."""
    harmless = [*a_run(), *of_every_kind()]
    results = [hostile(result) for result in harmless]

    assert links(page(results, groups_of(latest(results)), AROUND)) == links(
        page(harmless, groups_of(latest(harmless)), AROUND)
    )
    table(results)


@pytest.mark.parametrize("name", ["../../../etc/x", "/etc/x", "..", "a/b", "x\\\\y", "a\nb", "\u202e", "." * 300])
def test_names_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    """Files made of the names of a results file lie in the folder, whatever these are."""
    (tmp_path / "results.jsonl").write_text(store.to_line(made(name)) + "\n")
    inside = tmp_path.resolve()

    for file in pages.generate(tmp_path):
        assert (tmp_path / file).resolve().is_relative_to(inside)


TIMES = st.sampled_from([store.LEAST_S, store.MOST_S]) | st.floats(store.LEAST_S, store.MOST_S)
NUMBERS = st.sampled_from([0.0, -1.0, -1e30]) | st.floats(1e-30, 1e30)


@settings(max_examples=50, deadline=None)  # figures take long
@given(samples=st.lists(TIMES, max_size=12), rate=NUMBERS, copied=NUMBERS, flop=st.integers(-(10**18), 10**18))
def test_any_numbers_give_a_page(samples: list[float], rate: float, copied: float, flop: int) -> None:
    """Whatever possible times and numbers a results file holds, page, figures and table are made without an error."""
    whole = made("nerv-s", "ov", "fp32", tuple(samples))
    assert whole.device
    assert whole.device.ceilings
    assert whole.cost
    ceilings = dataclasses.replace(whole.device.ceilings, flop_per_s={"fp32": rate}, copy_bytes_per_s=copied)
    device = dataclasses.replace(whole.device, ceilings=ceilings)
    cost = dataclasses.replace(whole.cost, flop_per_frame=flop)
    results = [store.from_line(store.to_line(dataclasses.replace(whole, device=device, cost=cost))), made()]
    pages._device_files(Path(), results, "report", "", "nervbench report DIR")
    table(results)


def pointing(path: Path) -> bytes:
    """An ONNX file whose weights are said to lie in another file."""
    weight = onnx.TensorProto(
        name="w", data_type=onnx.TensorProto.FLOAT, dims=[2], data_location=onnx.TensorProto.EXTERNAL
    )
    for key, value in (("location", str(path)), ("offset", "0"), ("length", "8")):
        weight.external_data.add(key=key, value=value)
    output = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2])
    node = onnx.helper.make_node("Identity", ["w"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [], [output], [weight])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bytes]]:
    """The ONNX file of the tiny model in a cache, and its content; exported once, as each time gives the same."""
    made = base.write(seeds.tiny(), "onnx", "fp32")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "write", lambda *_: made)
        path, _ = produce(seeds.tiny(), "onnx", "fp32", tmp_path_factory.mktemp("cache"))
        yield path, path.read_bytes()


def test_an_onnx_file_dropped_into_the_cache(exported: tuple[Path, bytes], tmp_path: Path) -> None:
    """A file put into the cache that points to data elsewhere fails its hash: it is made anew, and that is said."""
    path, content = exported
    path.write_bytes(pointing(tmp_path / "secret"))
    again, artifact = produce(seeds.tiny(), "onnx", "fp32", path.parent.parent)

    assert again == path
    assert artifact.notes == ("rebuilt: the cached file did not match its hash",)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == artifact.sha256
    assert not any(tensor.external_data for tensor in onnx.load(path, load_external_data=False).graph.initializer)
    base._description(path).unlink()
    path.write_bytes(pointing(tmp_path / "secret"))
    assert produce(seeds.tiny(), "onnx", "fp32", path.parent.parent)[1].notes
    assert len(path.read_bytes()) == pytest.approx(len(content), rel=0.1)


@pytest.mark.parametrize("where", ["../secret", "ABSOLUTE"])
def test_data_outside_the_folder_is_not_read(tmp_path: Path, where: str) -> None:
    """Should both file and hash be forged, ONNX Runtime itself refuses data outside the folder of the file."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "secret").write_bytes(bytes(8))
    path = tmp_path / "cache" / "a.onnx"
    path.write_bytes(pointing(Path(where.replace("ABSOLUTE", str(tmp_path / "secret")))))
    with pytest.raises(Exception, match=r"(?i)external|escape|absolute"):
        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
