"""Decode benchmarks in pytest, on top of pytest-benchmark: the fixture ``decode_case``.

    def test_decode(decode_case):
        decode_case("nerv-xs/fp32/ov/b1")

The case is prepared as ``nervbench run`` does it, its frames are verified before the clock starts and on frames of the
timed run, and the rounds are those of ``benchmark.pedantic``, timed by the device's clock when its work is done. So
storage, comparison and tables of pytest-benchmark work as ever; device, environment, quality and doubts are in
``extra_info``. With ``--nervbench-fail-on 3%`` a test fails where its case is slower than its baseline by more, as
``nervbench check`` would say. Loaded by every pytest of an environment, so it imports nothing until it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from nervbench.device.base import Device
    from nervbench.records import Result
    from nervbench.testing.decoding import Decoding

FIXTURE = "decode_case"
STABLE = ("kind", "name", "cores", "threads", "memory_bytes", "cache_bytes", "features")
"""Of a device card: what is the same in every session on it."""
BASELINES = Path(".benchmarks") / "nervbench"
BUDGET = "2s"
DISABLE = "benchmark_disable"

_DECODING = pytest.StashKey["Decoding"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("nervbench", "decode benchmarks")
    group.addoption("--nervbench-device", default="cpu", metavar="NAME", help="where cases run (default: cpu)")
    group.addoption(
        "--nervbench-budget", default=BUDGET, metavar="TIME", help="of the rounds of a case, such as 500, 2s, 1m"
    )
    group.addoption(
        "--nervbench-fail-on",
        metavar="SHARE",
        help="a case that is slower than its baseline by more fails, such as 3%%; without a baseline it becomes one",
    )
    group.addoption(
        "--nervbench-baselines",
        metavar="DIR",
        default=str(BASELINES),
        help="baselines, a file for each device and stack (default: %(default)s)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say what is wrong with an option before anything runs."""
    if config.getoption("--nervbench-fail-on") or config.getoption("--nervbench-budget") != BUDGET:
        _decoding(config)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Benchmarks of this fixture have the device's clock, unless they say otherwise."""
    if FIXTURE in getattr(item, "fixturenames", ()) and item.config.pluginmanager.hasplugin("benchmark"):
        own = item.get_closest_marker("benchmark")
        options = {"timer": clock_of(item.config.getoption("--nervbench-device")), **(own.kwargs if own else {})}
        item.add_marker(pytest.mark.benchmark(**options), append=False)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """The device that cases ran on, for pytest-benchmark's files."""
    if _DECODING in config.stash and (card := config.stash[_DECODING].card):
        machine_info["nervbench"] = {name: getattr(card, name) for name in STABLE}


@pytest.fixture
def decode_case(request: pytest.FixtureRequest) -> Callable[..., Result]:
    """Call it once in a test with the name of a case, and ``weights`` and ``clip`` where they are not the usual ones.

    It answers with the row. Skips what cannot run here, with the reason; fails where frames are wrong.
    """
    if not request.config.pluginmanager.hasplugin("benchmark"):
        pytest.fail("decode_case needs pytest-benchmark: pip install 'nervbench[pytest]'", pytrace=False)
    if hasattr(request.config, "workerinput") and not request.config.getoption(DISABLE):
        reason = "decode_case measures alone, and pytest-xdist runs others beside it: leave out -n, or only verify, "
        pytest.fail(f"{reason}with --benchmark-disable", pytrace=False)
    benchmark = request.getfixturevalue("benchmark")
    called: list[str] = []

    def decode(case: str, weights: str | None = None, clip: str | None = None) -> Result:
        if called:
            pytest.fail(f"decode_case was called for {called[0]} already: one case a test (parametrize)", pytrace=False)
        called.append(case)
        return _decoding(request.config).decoded(benchmark, request.node, case, weights, clip)

    return decode


def clock_of(place: str) -> Callable[[], float]:
    """A clock for pytest-benchmark: seconds of the device's monotonic clock when all its work is done."""
    opened: list[Device] = []

    def synchronised_clock() -> float:
        from nervbench import plugins  # noqa: PLC0415

        if not opened:
            opened.append(plugins.load(plugins.DEVICES, place)())
        opened[0].synchronize()
        return opened[0].now()

    return synchronised_clock


def _decoding(config: pytest.Config) -> Decoding:
    """What this session decodes with, made when it is first asked for."""
    from nervbench.testing.decoding import decoding  # noqa: PLC0415

    if _DECODING not in config.stash:
        words = {name: config.getoption(f"--nervbench-{name}") for name in ("device", "budget", "baselines", "fail-on")}
        config.stash[_DECODING] = decoding(words)
    return config.stash[_DECODING]
