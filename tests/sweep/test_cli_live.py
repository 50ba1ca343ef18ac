"""``compare --live`` and ``doctor --noise`` from the command line, with runtimes that keep a pace."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from nervbench.cli import _live, compare, doctor
from nervbench.config import Bench
from nervbench.errors import ConfigError

from .conftest import FAKES, SEEDED, Studio

pytestmark = pytest.mark.alone

PACED, SLOWER = "nerv-xs/fp32/paced/b1", "nerv-xs/fp32/slower/b1"
Call = Callable[..., Result]


@pytest.fixture
def call(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Call:
    """A verb with these words, where the runtimes are installed and the cache is that of all sweeps here."""
    monkeypatch.syspath_prepend(FAKES)
    monkeypatch.setenv("XDG_CACHE_HOME", str(studio.root))

    def run(verb: click.Command, *words: str) -> Result:
        return CliRunner().invoke(verb, words, standalone_mode=False)

    return run


@pytest.fixture
def bench(studio: Studio) -> Path:
    """A bench.toml of the small clip."""
    path = studio.root / "live.toml"
    path.write_text(f"""
clip = {{ source = "{studio.clip}" }}
models = [{{ name = "nerv-xs", weights = "{SEEDED}" }}]
matrix = [{{ models = ["nerv-xs"], runtimes = ["paced"] }}]
verify = {{ frames = 2 }}
""")
    return path


def test_compare(call: Call, bench: Path) -> None:
    """The verdict in words and as JSON with all turns; with --fail-on the exit code says it too."""
    words = ("--live", PACED, SLOWER, "--bench", str(bench), "--for", "1s")
    said = call(compare.command, *words)
    told = call(compare.command, *words, "--json", "--fail-on", "3%")
    found = json.loads(told.stdout)

    assert (said.return_value, told.return_value) == (0, compare.SLOWER), (said.exception, told.exception)
    assert f"{SLOWER} is slower than {PACED}: time of the second / the first " in said.stdout
    assert "turns in 4 pairs of processes" in said.stdout
    assert "pair 4 of 4 …" in said.stderr
    assert (found["a"], found["b"], found["verdict"]["word"]) == (PACED, SLOWER, "slower")
    assert found["verdict"]["low"] > 1.5
    assert {turn["side"] for turn in found["turns"]} == {"a", "b"}


@pytest.mark.parametrize(
    ("budget", "advice"), [("1s", "4 pairs of processes do instead of 4"), ("10s", "take four times as long")]
)
def test_noise(call: Call, bench: Path, monkeypatch: pytest.MonkeyPatch, budget: str, advice: str) -> None:
    """A case against itself: by how much equals differ, what could be seen, and what would help."""
    found: Bench = _live.bench_of(bench)
    monkeypatch.setattr(_live, "bench_of", lambda _path: found)
    outcome = call(doctor.command, "--noise", "--case", PACED, "--for", budget)

    assert f"{PACED} against itself for " in outcome.stdout, outcome.exception
    assert "would not be seen in this time" in outcome.stdout
    assert advice in outcome.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--for", "nan"), "'nan' is no time; possible: seconds, or minutes or hours such as 8m, 1.5h"),
        (("--for", "0"), "'0' is no time"),
        (("--device", "tpu"), "'tpu' is not one of 'cpu', 'cuda'"),
    ],
)
def test_bad_words(call: Call, words: tuple[str, ...], says: str) -> None:
    """Both verbs refuse a time that is none and a device that is none, with what is possible."""
    for outcome in (call(compare.command, "--live", PACED, SLOWER, *words), call(doctor.command, "--noise", *words)):
        assert isinstance(outcome.exception, click.BadParameter)
        assert says in outcome.exception.message


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nerv-xs/fp32/paced", "is no name of a case; such as nerv-xs/fp32/ov/b1"),
        (f"{PACED}/offline", f"no scenario or protocol is compared live, so write {PACED}"),
        (f"{PACED}/nerv", f"so write {PACED}"),
        ("nerv-xs/fp32/pacde/b1", "did you mean 'paced'?"),
        ("nerv-q/fp33/paced/b1", "'fp33'"),
    ],
)
def test_bad_names(call: Call, bench: Path, name: str, says: str) -> None:
    """What is no name of a case, asks for what live cannot do, or names what is not there."""
    error = call(compare.command, "--live", PACED, name, "--bench", str(bench)).exception
    assert isinstance(error, ConfigError)
    assert says in str(error)
