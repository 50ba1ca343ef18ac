"""Published protocols, with a made-up clock: how often they call, what counts, and when they end."""

from __future__ import annotations

import pytest

from nervbench.measure.protocol import replay
from nervbench.runtime.base import ForwardOnly

from .test_scenario import Fake


class Forward(Fake):
    """A session that can call the network alone, in half the time."""

    def forward(self, index: int) -> None:
        self.calls.append(f"forward {index}")
        self._now += self._costs_s[0] / 2


def test_order() -> None:
    """Nothing is waited for before the first call, nothing warms up, and each batch is called several times."""
    fake = Fake(0.5)
    timing = replay(fake, fake, 2, range(0, 10, 5), 100.0, fake.observe, [])

    assert fake.calls == ["decode 0", "synchronize"] * 2 + ["observe 0"] + ["decode 5", "synchronize"] * 2 + [
        "observe 5"
    ]
    assert timing.warm_up_s == ()
    assert (timing.stopped_by, timing.calls_per_sample) == ("clip", 1)
    assert timing.samples_s == pytest.approx((0.5,) * 4)
    assert timing.wall_s == pytest.approx(4.0)


def test_first_call_counts() -> None:
    """What the first call loads is in its sample."""
    fake = Fake(9.0, 0.5)
    assert replay(fake, fake, 3, range(1), 100.0, fake.observe, []).samples_s == pytest.approx((9.0, 0.5, 0.5))


@pytest.mark.parametrize(("budget_s", "starts", "ended"), [(0.1, 1, "budget"), (4.0, 2, "budget"), (6.9, 3, "clip")])
def test_budget(budget_s: float, starts: int, ended: str) -> None:
    """A budget ends it after the calls of a start (each takes 0.5 s, observing 1 s); after the last it is over."""
    fake = Fake(0.5)
    timing = replay(fake, fake, 2, range(3), budget_s, fake.observe, [])
    assert (len(timing.samples_s), timing.stopped_by) == (2 * starts, ended)


def test_network_alone() -> None:
    """Where the session can leave out the last step, that is what is timed."""
    fake = Forward(0.5)
    timing = replay(fake, fake, 1, range(2), 100.0, fake.observe, [])

    assert isinstance(fake, ForwardOnly)
    assert not isinstance(Fake(1.0), ForwardOnly)
    assert timing.samples_s == pytest.approx((0.25, 0.25))


def test_copies_count_into_the_first_call() -> None:
    """What is begun before a batch is not waited for: the first call of the batch is."""
    fake = Fake(0.5)

    def begin() -> None:
        fake.calls.append("begin")

    replay(fake, fake, 2, range(2), 100.0, fake.observe, [], begin)
    one = ["begin", "decode {0}", "synchronize", "decode {0}", "synchronize", "observe {0}"]
    assert fake.calls == [call.format(start) for start in range(2) for call in one]
