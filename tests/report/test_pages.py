"""Pages on disk: both layouts, the same bytes each time, and a check that sees one byte."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nervbench import store
from nervbench.errors import OutputError, ResultsError
from nervbench.files import slug
from nervbench.records import Result
from nervbench.report.pages import check, device_slug, publish, write
from tests.report.factory import CARD, a_run, made, scaled


def stored(path: Path, results: Sequence[Result]) -> Path:
    """A results file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{store.to_line(result)}\n" for result in results))
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run with results and pictures."""
    folder = tmp_path / "run"
    stored(folder / "results.jsonl", a_run())
    (folder / "frames").mkdir()
    for index in (0, 65, 131):
        for kind in ("source", "decoded", "difference"):
            (folder / "frames" / f"nerv-xs-{index:04d}-{kind}.png").write_bytes(b"a picture")
    (folder / "frames" / "notes.png").write_bytes(b"something else")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_run_layout(run: Path) -> None:
    """A run's folder gets report.md and a figure a model; every link of the page leads to a file."""
    assert write(run) == run / "report.md"
    text = (run / "report.md").read_text()
    links = [part.split(")")[0] for part in text.split("](")[1:]]
    assert len(links) == 6 + 9
    assert all((run / path).is_file() for path in links)
    assert "notes.png" not in text


def test_committed_layout(run: Path, tmp_path: Path) -> None:
    """The committed folder gets an index and a page for each device, whose links lead to files of that device."""
    reports = tmp_path / "reports"
    page = publish(run, reports)
    assert page == reports / "xeon-2.5ghz-2-threads.md"
    other = replace(made(), device=replace(CARD, name="NVIDIA H200", threads=None, kind="cuda"))
    stored(reports / "results" / "nvidia-h200.jsonl", [other])
    assert write(reports) == reports / "index.md"
    index = (reports / "index.md").read_text()
    assert "(xeon-2.5ghz-2-threads.md)" in index
    assert "(nvidia-h200.md)" in index
    for text in (page.read_text(), index):
        assert all((reports / part.split(")")[0]).is_file() for part in text.split("](")[1:])
    assert "frames/xeon-2.5ghz-2-threads/nerv-xs-0065-source.png" in page.read_text()
    assert "`nervbench report reports`" in page.read_text()
    assert check(reports) == []


def test_same_results_same_bytes(run: Path, tmp_path: Path) -> None:
    """Two writes in different folders give the same bytes."""
    twin = tmp_path / "elsewhere" / "twin"
    shutil.copytree(run, twin)
    write(run)
    write(twin)
    write(twin)
    assert contents(run) == contents(twin)
    assert "run" not in (run / "report.md").read_text().split("nervbench report")[0]


@pytest.mark.parametrize("name", ["report.md", "figures/1-nerv-s.svg"])
def test_check_sees_one_byte(run: Path, name: str) -> None:
    """A page or figure with one changed byte is named, and writing again mends it."""
    write(run)
    assert check(run) == []
    content = (run / name).read_bytes()
    (run / name).write_bytes(content[:-2] + b"\x00" + content[-1:])
    assert check(run) == [name]
    write(run)
    assert check(run) == []


def test_check_sees_what_is_missing_and_left_over(run: Path) -> None:
    """A missing page and a figure that comes from no data are named; writing again makes one and removes the other."""
    write(run)
    (run / "report.md").unlink()
    (run / "figures" / "9-old.svg").write_text("<svg/>")
    assert check(run) == ["figures/9-old.svg", "report.md"]
    write(run)
    assert check(run) == []
    assert not (run / "figures" / "9-old.svg").exists()


def test_check_writes_nothing(run: Path) -> None:
    """Checking leaves the folder as it was."""
    before = contents(run)
    assert len(check(run)) == 7
    assert contents(run) == before


def test_check_sees_new_data(run: Path) -> None:
    """A result more makes the pages differ."""
    write(run)
    store.append(run / "results.jsonl", made(runtime="torchscript"))
    assert check(run) == ["figures/1-nerv-s.svg", "report.md"]


def test_empty_results(tmp_path: Path) -> None:
    """An empty results file gives a page that says so."""
    stored(tmp_path / "results.jsonl", [])
    assert "No case has ended yet" in write(tmp_path).read_text()


def test_torn_results(tmp_path: Path) -> None:
    """Results whose last line was torn by a kill give the page of those before it."""
    path = stored(tmp_path / "results.jsonl", [made()])
    with path.open("a") as file:
        file.write(store.to_line(made(runtime="ov"))[:200])
    assert "1 case ended: 1 OK." in write(tmp_path).read_text()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [('"schema": 2', '"schema": 3', "schema 3"), ("1.06", "NaN", "finite"), ("{", "", "not JSON")],
)
def test_unreadable_results(tmp_path: Path, before: str, after: str, message: str) -> None:
    """A newer schema, a NaN or a broken line is refused, and the page that was there stays."""
    path = stored(tmp_path / "results.jsonl", [made()])
    write(tmp_path)
    page = (tmp_path / "report.md").read_bytes()
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(ResultsError, match=f"line 1: .*{message}"):
        write(tmp_path)
    assert (tmp_path / "report.md").read_bytes() == page


def test_nothing_there(tmp_path: Path) -> None:
    """A folder without results is refused with what was found and what to do."""
    with pytest.raises(ResultsError, match=r"the folder is empty.*nervbench run"):
        write(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ResultsError, match=r"found notes\.txt; expected results\.jsonl"):
        write(tmp_path)
    with pytest.raises(ResultsError, match="there is no such folder"):
        publish(tmp_path / "gone", tmp_path)
    with pytest.raises(ResultsError, match="it is not a folder"):
        check(tmp_path / "notes.txt")


def test_publish_replaces(run: Path, tmp_path: Path) -> None:
    """Publishing again under a name replaces that device's results and pictures and nothing else."""
    reports = tmp_path / "reports"
    publish(run, reports, "Mine!")
    publish(run, reports, "other")
    (run / "frames" / "nerv-xs-0000-source.png").unlink()
    stored(run / "results.jsonl", a_run()[:5])
    assert publish(run, reports, "Mine!") == reports / "mine.md"
    assert len(store.read(reports / "results" / "mine.jsonl")) == 5
    assert len(store.read(reports / "results" / "other.jsonl")) == 10
    assert not (reports / "frames" / "mine" / "nerv-xs-0000-source.png").exists()
    assert (reports / "frames" / "other" / "nerv-xs-0000-source.png").exists()
    assert check(reports) == []


def test_publish_follows_no_link(run: Path, tmp_path: Path) -> None:
    """A link among the pictures of a run leads nowhere: what it points to is not published."""
    (tmp_path / "secret").write_text("mine")
    (run / "frames" / "nerv-xs-0001-source.png").symlink_to(tmp_path / "secret")
    publish(run, tmp_path / "reports", "box")
    published = {path.name for path in (tmp_path / "reports" / "frames" / "box").iterdir()}
    assert published
    assert "nerv-xs-0001-source.png" not in published


def test_publish_to_a_file(run: Path, tmp_path: Path) -> None:
    """A target that is no folder is an OutputError."""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        publish(run, tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "threads", "expected"),
    [
        ("Intel(R) Xeon(R) Processor @ 2.50GHz", 2, "xeon-2.5ghz-2-threads"),
        ("Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz", 12, "i7-8700-3.2ghz-12-threads"),
        ("AMD EPYC 7B13", 4, "epyc-7b13-4-threads"),
        ("NVIDIA H200", None, "nvidia-h200"),
        ("../../etc", None, "etc"),
        ("日本", None, "device"),
    ],
)
def test_device_slug(name: str, threads: int | None, expected: str) -> None:
    """The file name of a device is short, safe, and says what it is."""
    assert device_slug([replace(made(), device=replace(CARD, name=name, threads=threads))]) == expected


def test_slug_stays_in_its_folder() -> None:
    """No name leads out of the folder or to a hidden file."""
    assert [slug(name) for name in ("..", "/", ".a", "a/../b", "")] == ["device", "device", "a", "a-..-b", "device"]


def test_two_thousand_rows(tmp_path: Path) -> None:
    """Two thousand rows become a page in reasonable time (about 4 s on two idle cores)."""
    results = [
        made(f"nerv-{number % 4}", f"runtime-{number}", samples_s=scaled(0.1 + number / 1000, 100))
        for number in range(2000)
    ]
    stored(tmp_path / "results.jsonl", results)
    started = time.perf_counter()
    text = write(tmp_path).read_text()
    assert time.perf_counter() - started < 30
    assert all(f" {result.case.name} |" in text for result in results)


@pytest.mark.parametrize("link", ["figures", "figures/x"])
def test_nothing_is_written_or_deleted_through_a_link(run: Path, tmp_path: Path, link: str) -> None:
    """A folder that leads elsewhere is refused, and what lies there stays as it was."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "x").mkdir(parents=True)
    (elsewhere / "mine.svg").write_text("mine")
    reports = tmp_path / "reports"
    publish(run, reports, "x")
    shutil.rmtree(reports / link)
    (reports / link).symlink_to(elsewhere)
    with pytest.raises(OutputError, match=rf"{link} is a link, which may lead out of"):
        write(reports)
    assert contents(elsewhere) == {"mine.svg": b"mine"}


def test_publish_replaces_nothing_by_what_cannot_be_read(run: Path, tmp_path: Path) -> None:
    """Results that are none are refused before good ones of that name are touched, whatever the name is from."""
    reports = tmp_path / "reports"
    publish(run, reports, "x")
    before = contents(reports)
    with (run / "results.jsonl").open("a") as file:
        file.write("{nope}\n{}\n")
    with pytest.raises(ResultsError, match="line 11"):
        publish(run, reports, "x")
    assert contents(reports) == before


def test_publish_leaves_folders_named_like_pictures(run: Path, tmp_path: Path) -> None:
    """A folder among the pictures is none of them."""
    (run / "frames" / "nerv-xs-0001-source.png").mkdir()
    publish(run, tmp_path / "reports", "x")
    assert len(list((tmp_path / "reports" / "frames" / "x").iterdir())) == 10


def test_long_names(tmp_path: Path) -> None:
    """A model may have a name that no file can have."""
    stored(tmp_path / "results.jsonl", [made("m" * 3000)])
    write(tmp_path)
    assert len(list((tmp_path / "figures").iterdir())) == 1
