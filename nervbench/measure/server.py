"""A server: requests come when they come, one decoder serves them in order, and a request waits for those before it.

Requests arrive by a Poisson process at a rate (as in MLPerf LoadGen's server scenario), whether or not the decoder is
ready for them. The latency of a request counts from the moment at which it was due to arrive until its frames are
ready. So waiting in the queue counts, and so does a generator that woke late; a decoder that stalls pays for all who
would have come meanwhile, not for one (no coordinated omission).

Where every decode takes s, the mean latency at a utilisation of r is ``s + r·s / (2 (1 - r))`` (the M/D/1 queue): 1.5 s
at 0.5, 3 s at 0.8, 10.5 s at 0.95. Nobody can use all of a decoder's throughput and have short latencies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from statistics import median

from nervbench import stats
from nervbench.measure.scenario import Clock, Decoder
from nervbench.records import Load, Served

UTILISATIONS = (0.5, 0.7, 0.8, 0.9, 0.95)
"""Offered rates, as shares of the decodes that fit into a second back to back."""
SERVICE_DECODES = 11
BOUND_SHARE = 0.9
"""The percentile that a load must keep within the bound: one that all loads have enough requests for."""
MAX_REQUESTS = 2000
LONGEST = 3
"""A load is cut off after this multiple of the time that it was meant to take."""
BOUND_SERVICES = 5
"""The default bound in service times. Under 1 no load can hold, as a request that never waits takes 1; and a decoder
that always takes the same has its p90 at 2.5 with a utilisation of 0.5, at 4.0 with 0.7 and at 6.0 with 0.8."""

LOADS, MISSED = "last load", "missed load"
"""What ends a climb: all loads were held, or one was not."""


@dataclass(slots=True)
class Wall:
    """A decoder and the wall clock it works by, in seconds, which stands still while someone looks at frames."""

    session: Decoder
    clock: Clock
    sleep: Callable[[float], None]
    observe: Callable[[int], None]
    looked_s: float = 0.0

    def now(self) -> float:
        """Monotonic seconds, without those of :meth:`look`."""
        return self.clock.now() - self.looked_s

    def wait(self, until: float) -> None:
        """Sleep until then, if that is in the future. A late wake-up is left to count."""
        if (left_s := until - self.now()) > 0:
            self.sleep(left_s)

    def decode(self, start: int) -> float:
        """Decode the batch at frame ``start``; the moment at which its frames are ready."""
        self.session.decode(start)
        self.clock.synchronize()
        return self.now()

    def look(self, start: int) -> None:
        """Let the last decode, which began at frame ``start``, be looked at, in no time."""
        before = self.clock.now()
        self.observe(start)
        self.looked_s += self.clock.now() - before


def climb(
    session: Decoder,
    clock: Clock,
    starts: Iterator[int],
    bound_s: float | None,
    budget_s: float,
    seed: int,
    sleep: Callable[[float], None],
    observe: Callable[[int], None],
) -> Served:
    """Offer a warmed-up decoder more and more of what it can serve, until the p90 of the latency exceeds ``bound_s``.

    ``bound_s`` None is ``BOUND_SERVICES`` times the service time, the median of a few decodes back to back. Each load
    gets an equal share of ``budget_s``, but at least the requests that a p90 needs (64), which a slow decoder may
    overrun the budget with, and at most ``MAX_REQUESTS``. For ``sleep`` and ``observe`` see :func:`serve`.
    """
    wall, random = Wall(session, clock, sleep, observe), Random(seed)
    clock.synchronize()
    service_s = median(_service_s(wall, next(starts)) for _ in range(SERVICE_DECODES))
    bound_s = BOUND_SERVICES * service_s if bound_s is None else bound_s
    share_s = budget_s / len(UTILISATIONS)
    loads: list[Load] = []
    for utilisation in UTILISATIONS:
        rate = utilisation / service_s
        requests = min(max(round(rate * share_s), stats.samples_needed(BOUND_SHARE)), MAX_REQUESTS)
        limit_s = LONGEST * max(share_s, requests / rate)
        loads.append(serve(session, clock, starts, rate, requests, random, bound_s, sleep, observe, limit_s))
        if not loads[-1].held:
            break
    return Served(service_s, bound_s, tuple(loads))


def serve(
    session: Decoder,
    clock: Clock,
    starts: Iterator[int],
    rate_per_s: float,
    requests: int,
    random: Random,
    bound_s: float,
    sleep: Callable[[float], None],
    observe: Callable[[int], None],
    limit_s: float = math.inf,
) -> Load:
    """Serve so many requests, one decode each, that arrive with exponential gaps at ``rate_per_s``.

    ``sleep(seconds)`` passes the time until the next arrival; ``observe(start)`` is called after a decode that nobody
    waits behind, and after the last. No decode begins after ``limit_s`` (looking at frames left out): a decoder that
    falls behind ends there, and requests that had arrived and not been served count with the time they have waited.
    """
    wall = Wall(session, clock, sleep, observe)
    clock.synchronize()
    began = wall.now()
    latencies: list[float] = []
    served: int | None = None
    arrival = began + random.expovariate(rate_per_s)
    while len(latencies) < requests and max(arrival, wall.now()) - began < limit_s:
        # Looking with requests in the queue would make them wait longer. With none, the clock and the arrivals can
        # stand still meanwhile, and nobody notices.
        if served is not None and arrival > wall.now():
            wall.look(served)
        wall.wait(arrival)
        served = next(starts)
        latencies.append(wall.decode(served) - arrival)
        arrival += random.expovariate(rate_per_s)
    ended, answered = wall.now(), len(latencies)
    while len(latencies) < requests and arrival < ended:
        latencies.append(ended - arrival)
        arrival += random.expovariate(rate_per_s)
    if served is not None:
        wall.look(served)
    unserved = len(latencies) - answered
    return Load(rate_per_s, tuple(latencies), ended - began, unserved, _holds(latencies, unserved, bound_s))


def _holds(latencies_s: list[float], unserved: int, bound_s: float) -> bool:
    """Whether the p90 is known and at most ``bound_s``; never where requests were left unserved.

    Those would hide in the p90: whoever came just before the end had not waited long yet.
    """
    latency_s = stats.percentile(latencies_s, BOUND_SHARE)
    return latency_s is not None and latency_s <= bound_s and not unserved


def _service_s(wall: Wall, start: int) -> float:
    """Seconds of one decode, which is looked at after it."""
    before = wall.now()
    service_s = wall.decode(start) - before
    wall.look(start)
    return service_s
