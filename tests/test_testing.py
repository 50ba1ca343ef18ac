"""The fixture for pytest-benchmark, in sessions of their own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nervbench import store
from nervbench.records import Result
from nervbench.testing.decoding import hold
from tests.report.factory import STACK, made

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.alone

CASE = "nerv-xs/fp32/ov/b1"
DECODES = """
import pytest
@pytest.mark.benchmark(group="mine")
def test_it(decode_case):
    row = decode_case({case!r}, weights="seeded:0", clip="bigbuckbunny:4")
    assert row.samples_s
"""
QUICK = ("-p", "no:cacheprovider", "--nervbench-budget", "0.3s")


def session(pytester: pytest.Pytester, *words: str, case: str = CASE, text: str = DECODES) -> pytest.RunResult:
    """A test of this case, by pytest."""
    pytester.makepyfile(text.format(case=case))
    return pytester.runpytest_subprocess(*QUICK, *words)


@pytest.fixture
def saved(pytester: pytest.Pytester) -> Callable[[], dict[str, Any]]:
    """What pytest-benchmark kept of a session, as it keeps it."""

    def read() -> dict[str, Any]:
        (path,) = Path(pytester.path).rglob("0001_*.json")
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    return read


@pytest.mark.slow
def test_measures(pytester: pytest.Pytester, saved: Callable[[], dict[str, Any]]) -> None:
    """The rounds are samples, and the file of pytest-benchmark says on what and how well."""
    words = ("--benchmark-autosave", "--nervbench-fail-on", "3%", "--nervbench-baselines", "kept")
    session(pytester, *words).assert_outcomes(passed=1)
    (baseline,) = (pytester.path / "kept").glob("*.jsonl")
    (benchmark,) = saved()["benchmarks"]
    extra = benchmark["extra_info"]["nervbench"]

    assert benchmark["stats"]["rounds"] >= 5
    assert 0.001 < benchmark["stats"]["median"] < 10
    assert benchmark["options"]["timer"].endswith("synchronised_clock")
    assert benchmark["group"] == "mine"
    assert extra["case"] == CASE
    assert [row.case.name for row in store.read(baseline)] == [CASE]
    assert extra["fidelity"]["before_frames"]
    assert extra["fidelity"]["during_frames"]
    assert extra["environment"]["settings"]["process"] == "that of pytest"
    assert saved()["machine_info"]["nervbench"]["name"] == extra["device"]["name"]


def test_baseline(tmp_path: Path) -> None:
    """The first row becomes the baseline; one that is slower by more than was said fails, an undecided one warns."""
    warned: list[Warning] = []
    node: Any = SimpleNamespace(warn=warned.append)
    steady = made(samples_s=tuple(0.1 + 1e-4 * (index % 5) for index in range(60)))

    def row(factor: float, **changes: Any) -> Result:
        samples_s = tuple(factor * each for each in steady.samples_s)
        return dataclasses.replace(steady, samples_s=samples_s, **changes)

    hold(row(1.0), tmp_path, 0.03, node)
    (path,) = tmp_path.glob("*.jsonl")
    hold(row(1.0), tmp_path, 0.03, node)
    hold(row(0.5), tmp_path, 0.03, node)

    assert len(store.read(path)) == 1, "a baseline stays as it is"
    assert not warned
    with pytest.raises(pytest.fail.Exception, match=r"takes 1\.200 times its baseline's time .* by more than 3 %"):
        hold(row(1.2), tmp_path, 0.03, node)
    hold(row(1.03), tmp_path, 0.03, node)
    assert "undecided" in str(warned[0])

    other = dataclasses.replace(steady.environment or STACK, settings={"OMP_NUM_THREADS": "64"})
    with pytest.raises(pytest.fail.Exception, match=r"cannot be compared with .*OMP_NUM_THREADS"):
        hold(row(1.0, environment=other), tmp_path, 0.03, node)

    own = dataclasses.replace(STACK, versions={**STACK.versions, "nervbench": "9.9"})
    with pytest.raises(pytest.fail.Exception, match=r"takes 9\.000 times"):
        hold(row(9.0, environment=own), tmp_path, 0.03, node)

    newer = dataclasses.replace(STACK, versions={**STACK.versions, "torch": "3.0"})
    hold(row(9.0, environment=newer), tmp_path, 0.03, node)
    assert len(list(tmp_path.glob("*.jsonl"))) == 2, "another stack has another baseline"


@pytest.mark.slow
def test_what_cannot_run_is_skipped(pytester: pytest.Pytester) -> None:
    """With the reason."""
    found = session(pytester, "-rs", case="nerv-xs/fp32/ort_cuda/b1")

    found.assert_outcomes(skipped=1)
    found.stdout.fnmatch_lines(["*SKIPPED*nerv-xs/fp32/ort_cuda/b1: UNSUPPORTED,*"])


def test_beside_others(pytester: pytest.Pytester) -> None:
    """Under pytest-xdist nothing is measured, and it says so."""
    pytester.makeconftest("def pytest_configure(config): config.workerinput = {'workerid': 'gw0'}")
    found = session(pytester)

    found.assert_outcomes(errors=1)
    found.stdout.fnmatch_lines(["*decode_case measures alone, and pytest-xdist runs others beside it*"])


@pytest.mark.parametrize(
    ("case", "says"),
    [("nerv-xs", "*is no name of a case; such as*"), ("nerv-xs/fp32/ovv/b1", "*unknown runtime 'ovv'*ov*")],
)
def test_no_such_case(case: str, says: str, pytester: pytest.Pytester) -> None:
    """A name that says nothing."""
    found = session(pytester, case=case)

    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines([says])


@pytest.mark.slow
def test_once(pytester: pytest.Pytester) -> None:
    """pytest-benchmark measures one thing a test; told not to measure, the case is only verified."""
    found = session(
        pytester,
        "--benchmark-disable",
        text="def test_it(decode_case):\n    for _ in range(2):\n"
        "        decode_case({case!r}, weights='seeded:0', clip='bigbuckbunny:4')\n",
    )

    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*was called for nerv-xs/fp32/ov/b1 already: one case a test*"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--nervbench-fail-on", "x"), "*--nervbench-fail-on: 'x' is no number*"),
        (("--nervbench-budget", "soon"), "*--nervbench-budget: 'soon' is no time*"),
    ],
)
def test_options(words: tuple[str, ...], says: str, pytester: pytest.Pytester) -> None:
    """What is wrong with one is said before anything runs."""
    pytester.makepyfile(DECODES.format(case=CASE))
    found = pytester.runpytest_subprocess(*words)

    assert found.ret == pytest.ExitCode.USAGE_ERROR
    found.stderr.fnmatch_lines([says])


def test_without_the_other_plugin(pytester: pytest.Pytester) -> None:
    """Without pytest-benchmark the fixture says what to install."""
    found = session(pytester, "-p", "no:benchmark")

    found.assert_outcomes(failed=0, errors=1)
    found.stdout.fnmatch_lines(["*pip install 'nervbench[[]pytest]'*"])
