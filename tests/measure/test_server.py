"""The server, with a made-up clock: who waits for whom, what counts, and when a load ends."""

from __future__ import annotations

from itertools import count
from random import Random
from statistics import fmean

import pytest

from nervbench.measure.server import UTILISATIONS, climb, serve
from nervbench.records import Load, Served

from .test_scenario import Fake


class Sleeper(Fake):
    """A fake whose time passes by sleeping as well, each time by ``lag_s`` more than it was asked to."""

    def __init__(self, *costs_s: float, lag_s: float = 0.0) -> None:
        super().__init__(*costs_s)
        self.lag_s = lag_s

    def sleep(self, seconds: float) -> None:
        self.calls.append(f"sleep {seconds:g}")
        self._now += seconds + self.lag_s


class Even(Random):
    """Arrivals at equal gaps, so that a test can say when."""

    def expovariate(self, lambd: float = 1.0) -> float:
        return 1 / lambd


def served(
    fake: Sleeper,
    rate_per_s: float,
    requests: int,
    random: Random | None = None,
    limit_s: float = 1e9,
    bound_s: float = 1.0,
) -> Load:
    """Serve the batches 0, 1, 2 …"""
    return serve(
        fake, fake, count(), rate_per_s, requests, random or Even(), bound_s, fake.sleep, fake.observe, limit_s
    )


def climbed(fake: Sleeper, bound_s: float | None, budget_s: float, seed: int = 1) -> Served:
    """Climb over the batches 0, 1, 2 …"""
    return climb(fake, fake, count(), bound_s, budget_s, seed, fake.sleep, fake.observe)


def test_order() -> None:
    """The server sleeps until a request is due, decodes at once, and has its frames looked at while nobody waits."""
    fake = Sleeper(0.25)
    load = served(fake, 1.0, 2)

    assert " ".join(fake.calls) == (
        "synchronize sleep 1 decode 0 synchronize observe 0 sleep 0.75 decode 1 synchronize observe 1"
    )
    assert load == Load(1.0, (0.25, 0.25), 2.25, unserved=0, held=False)


def test_stall_counts_for_all_who_wait() -> None:
    """One stall of 3.5 s delays the requests that came meanwhile, and each of them counts from when it was due."""
    load = served(Sleeper(3.5, 0.25), 1.0, 7)
    assert load.latencies_s == (3.5, 2.75, 2.0, 1.25, 0.5, 0.25, 0.25)


def test_looking_lengthens_no_latency() -> None:
    """Nothing is looked at while a request waits, and what looking takes (1 s each time) is in no number."""
    fake = Sleeper(3.5, 0.25)
    load = served(fake, 1.0, 7)

    assert [call for call in fake.calls if call.startswith("observe")] == ["observe 4", "observe 5", "observe 6"]
    assert load.wall_s == 7.25


def test_late_generator_counts() -> None:
    """A sleep that ends late is in the latency of the request that it was for."""
    assert served(Sleeper(0.25, lag_s=0.125), 1.0, 3).latencies_s == (0.375,) * 3


def test_busy_never_sleeps() -> None:
    """Where requests wait, the next decode follows at once."""
    fake = Sleeper(1.5)
    served(fake, 1.0, 4)
    assert fake.calls[1:] == ["sleep 1", *(f"{call}" for i in range(4) for call in (f"decode {i}", "synchronize")),
                              "observe 3"]  # fmt: skip


@pytest.mark.parametrize("utilisation", [0.5, 0.8])
def test_queue(utilisation: float) -> None:
    """With equal decodes, gaps and latencies have the means of a Poisson process and of the M/D/1 queue."""
    load = served(Sleeper(0.25), utilisation / 0.25, 20_000, Random(1))

    assert load.wall_s / 20_000 == pytest.approx(0.25 / utilisation, rel=0.02)
    assert fmean(load.latencies_s) == pytest.approx(0.25 * (1 + utilisation / (2 * (1 - utilisation))), rel=0.04)
    assert min(load.latencies_s) == pytest.approx(0.25)


def test_gaps_are_exponential() -> None:
    """A share of 1/e of the gaps is longer than the mean: a decoder that takes no time sleeps through all of them."""
    fake = Sleeper(0.0)
    served(fake, 2.0, 20_000, Random(1))
    gaps = [float(call.split()[1]) for call in fake.calls if call.startswith("sleep")]

    assert sum(gap > 0.5 for gap in gaps) / 20_000 == pytest.approx(0.368, abs=0.01)


def test_overload_ends() -> None:
    """A decoder that falls behind is cut off; requests that had come and still wait count with their wait so far."""
    load = served(Sleeper(2.0), 1.0, 1000, limit_s=8.0)

    # At 1 + 2 + 2 + 2 + 2 s the fifth to eighth wait.
    assert list(load.latencies_s) == [2.0, 3.0, 4.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    assert (load.unserved, load.wall_s) == (4, 9.0)


def test_unserved_are_no_more_than_asked_for() -> None:
    """Those who wait at the end are counted up to the number of requests."""
    assert served(Sleeper(9.0), 1.0, 3, limit_s=5.0) == Load(1.0, (9.0, 8.0, 7.0), 10.0, unserved=2, held=False)


def test_limit_while_idle() -> None:
    """Nothing is waited for that arrives after the limit, and nobody is left unserved."""
    fake = Sleeper(0.25)
    assert served(fake, 0.25, 5, limit_s=10.0) == Load(0.25, (0.25, 0.25), 8.25, unserved=0, held=False)
    assert fake.calls.count("observe 1") == 1


def test_held() -> None:
    """A load holds whose p90 is known and within the bound; one that was cut off never, however short the waits."""
    assert served(Sleeper(0.5), 1.0, 64, bound_s=0.5).held
    assert not served(Sleeper(0.5), 1.0, 64, bound_s=0.49).held
    assert not served(Sleeper(0.5), 1.0, 63, bound_s=0.5).held  # too few to say
    cut = served(Sleeper(*[0.25] * 100, 9.0), 1.0, 200, limit_s=102.0, bound_s=0.25)
    assert (cut.unserved > 0, cut.held) == (True, False)


def test_climb_ends_at_the_first_miss() -> None:
    """Rates rise by the service time until the p90 exceeds the bound; the last that was within it is held."""
    found = climbed(Sleeper(0.25), 1.25, 10_000.0)  # p90 is 1.0 s at a utilisation of 0.7 and 1.5 s at 0.8

    assert found.service_s == 0.25
    assert [load.rate_per_s for load in found.loads] == pytest.approx([2.0, 2.8, 3.2])
    assert found.held_per_s == pytest.approx(2.8)
    assert [len(load.latencies_s) for load in found.loads] == [2000] * 3


def test_bounds() -> None:
    """No load holds a bound under the service time, all hold a wide one, and the default is five service times."""
    assert climbed(Sleeper(0.25), 0.2, 100.0).held_per_s is None
    assert len(climbed(Sleeper(0.25), 0.2, 100.0).loads) == 1
    assert climbed(Sleeper(0.25), 100.0, 100.0).held_per_s == pytest.approx(UTILISATIONS[-1] / 0.25)
    assert climbed(Sleeper(0.25), None, 100.0).bound_s == 1.25


@pytest.mark.parametrize(("budget_s", "requests"), [(1.0, [64] * 5), (200.0, [80, 112, 128, 144, 152])])
def test_budget(budget_s: float, requests: list[int]) -> None:
    """A load gets the requests of its share of the budget, and at least those that a p90 needs."""
    found = climbed(Sleeper(0.25), 100.0, budget_s)
    assert [len(load.latencies_s) for load in found.loads] == requests


def test_climb_survives_a_decoder_that_slows_down() -> None:
    """A decoder 100 times slower than at first ends at three times the time that the load was meant to take."""
    found = climbed(Sleeper(*[0.25] * 11, 25.0), 1e9, 320.0)  # 64 s a load

    assert [load.wall_s for load in found.loads] == [pytest.approx(3 * 64, abs=25)]
    assert found.loads[0].unserved > 100
    assert found.held_per_s is None


def test_service_time_is_a_median() -> None:
    """A slow first decode does not make the offered rates too low."""
    assert climbed(Sleeper(9.0, 0.25), 0.1, 1.0).service_s == 0.25


def test_seed() -> None:
    """The same seed gives the same arrivals, another one others."""
    first, again, other = (climbed(Sleeper(0.25), None, 100.0, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
