"""The loop, with a made-up clock: what is timed, what is not, and in which order."""

from __future__ import annotations

from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nervbench.measure.scenario import CALLS, Cold, Timing, ToHost, aligned, measure, rotation
from nervbench.records import COLD, OFFLINE, SCENARIOS, SINGLE_STREAM, TO_HOST
from nervbench.settings import Stopping


class Fake:
    """A session and its clock in one: every decode takes the next of ``costs_s`` (the last for ever), all else 0."""

    def __init__(self, *costs_s: float) -> None:
        self.calls: list[str] = []
        self._costs_s = list(costs_s)
        self._now = 100.0
        self._started = 0.0

    def decode(self, index: int) -> None:
        self.calls.append(f"decode {index}")
        self._now += self._costs_s.pop(0) if len(self._costs_s) > 1 else self._costs_s[0]

    def fetch(self) -> None:
        self.calls.append("fetch")

    def synchronize(self) -> None:
        self.calls.append("synchronize")

    def start(self) -> None:
        self.calls.append("start")
        self._started = self._now

    def stop(self) -> float:
        self.calls.append("stop")
        return self._now - self._started

    def now(self) -> float:
        return self._now

    def observe(self, start: int) -> None:
        """What a sweep does between samples; it takes a second that belongs to no sample."""
        self.calls.append(f"observe {start}")
        self._now += 1.0


def timed(fake: Fake, calls: int = 1, **rule: Any) -> Timing:
    """Measure a clip of ten frames, of which 0 and 5 are checked."""
    stopping = Stopping(**({"warm_up": 0, "min_samples": 1, "max_samples": 1000, "budget_s": 1000.0} | rule))
    return measure(fake, fake, rotation((0, 5), 10, 1, calls), stopping, fake.observe, [])


def test_order() -> None:
    """The clock runs from before the decode until its work is done; looking at frames comes after it was stopped."""
    fake = Fake(0.5)
    timed(fake, warm_up=1, max_samples=2)

    assert " ".join(fake.calls) == (
        "synchronize"
        " start decode 0 synchronize stop"  # warm-up: not observed
        " start decode 5 synchronize stop observe 5"
        " start decode 1 synchronize stop observe 1"
    )


def test_offline() -> None:
    """Offline decodes go back to back, are waited for once, and share the time of their window."""
    fake = Fake(*(0.1 * number for number in range(1, 5)), 0.5)
    timing = timed(fake, calls=4, max_samples=1)

    assert fake.calls == [
        "synchronize", "start", "decode 1", "decode 2", "decode 3", "decode 0", "synchronize", "stop", "observe 0",
    ]  # fmt: skip
    assert timing.samples_s == pytest.approx([(0.1 + 0.2 + 0.3 + 0.4) / 4])
    assert timing.calls_per_sample == 4


def test_warm_up_apart() -> None:
    """Warm-up calls are kept by themselves, one decode each, and neither samples nor budget contain them."""
    timing = timed(Fake(9.0, 8.0, 0.5), warm_up=2, max_samples=3)

    assert timing.warm_up_s == (9.0, 8.0)
    assert timing.samples_s == (0.5, 0.5, 0.5)
    assert timing.wall_s == pytest.approx(3 * (0.5 + 1.0))


@pytest.mark.parametrize(
    ("rule", "fired", "samples"),
    [
        ({"max_samples": 7, "noise": 1e-9}, "samples", 7),
        ({"budget_s": 9.0, "noise": 1e-9}, "budget", 5),  # each takes 0.8 to 1.2 s, and looking at it 1 s
        ({"budget_s": 0.001, "noise": 1e-9, "min_samples": 4}, "budget", 4),
        ({"budget_s": 40.0, "noise": 0.9}, "noise", 5),  # a quarter of the budget is spent first
        ({"budget_s": 40.0, "noise": 0.9, "min_samples": 9}, "noise", 9),
    ],
)
def test_rule_that_fired(rule: dict[str, Any], fired: str, samples: int) -> None:
    """Every rule ends the loop where it says, and the timing names it."""
    timing = timed(Fake(*(1.2, 0.8) * 50), **rule)

    assert (timing.stopped_by, len(timing.samples_s)) == (fired, samples)


def test_calls_of_the_scenarios() -> None:
    """The scenarios of this loop have their number of decodes a sample; offline has several."""
    assert set(CALLS) == {SINGLE_STREAM, OFFLINE, COLD, TO_HOST} < set(SCENARIOS)
    assert CALLS[OFFLINE] > 1


@given(st.integers(1, 60), st.integers(1, 9), st.sampled_from([1, 2, 8]), st.data())
def test_rotation(frames: int, batch: int, calls: int, data: st.DataObject) -> None:
    """The full batches of the clip are decoded again and again, no frame twice in a round, checked ones at once."""
    count = data.draw(st.integers(1, min(3, frames)))
    wanted = tuple(sorted(data.draw(st.sets(st.integers(0, frames - 1), min_size=count, max_size=count))))
    checked = aligned(wanted, frames, batch)
    samples = list(islice(rotation(checked, frames, batch, calls), 2 * frames + 6))
    decoded = [index for sample in samples for index in sample]
    every = set(range(0, max(1, frames - batch + 1), batch))
    seen = [frame for start in every for frame in range(start, start + batch)]

    assert all(len(sample) == calls for sample in samples)
    assert set(decoded) == every
    assert len(set(seen)) == len(seen)
    assert max(seen) < max(frames, batch)
    assert set(checked) <= every
    assert [sample[-1] for sample in samples[: len(checked)]] == list(checked)
    if len(every) - len(checked) > 1:
        assert all(a != b for a, b in pairwise(decoded))


def test_cold() -> None:
    """The caches are emptied, and that is over, before the clock starts: it is in no sample."""
    fake = Fake(0.5)

    def clear_caches() -> None:
        fake.calls.append("clear")
        fake.decode(-1)  # takes as long

    cold: Any = fake
    cold.clear_caches = clear_caches
    rule = Stopping(warm_up=0, min_samples=1, max_samples=2, budget_s=1000.0)
    found = measure(fake, Cold(cold), rotation((0, 5), 10, 1, 1), rule, fake.observe, [])

    one = ["clear", "decode -1", "synchronize", "start", "decode {}", "synchronize", "stop", "observe {}"]
    assert fake.calls == ["synchronize", *(call.format(start) for start in (0, 5) for call in one)]
    assert found.samples_s == (0.5, 0.5)


def test_to_host() -> None:
    """A decode ends when its frames are fetched, which happens once."""
    fake = Fake(0.5)
    session = ToHost(fake)
    session.decode(3)
    session.fetch()

    assert fake.calls == ["decode 3", "fetch"]
