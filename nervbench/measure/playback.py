"""A player: frames have to be there when the display wants them, and the viewer jumps about.

The display clock begins when the first frame is ready; frame k is due k / rate later. The decoder works a few frames
ahead and then sleeps. A frame that is ready after it was due is a miss: it is shown when it is ready, and the frames
that were due by then are dropped, so that the next one can be in time again. A seek throws away what is ready ahead,
waits for the decode in flight, decodes its target, and starts the display clock anew. So each tick of the display is a
frame shown or a frame dropped, and waiting for the first frame or a seek's target is kept apart from both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from nervbench.measure.scenario import Clock, Decoder
from nervbench.measure.server import Wall
from nervbench.records import Playback

PLAYED = "time of play"
"""What ends a playback."""


@dataclass(frozen=True, slots=True)
class _Film:
    """A clip, how much of it a decode readies, and how it is shown."""

    frames: int
    batch: int
    rate_hz: float
    ahead: int


def play(
    session: Decoder,
    clock: Clock,
    frames: int,
    batch: int,
    rate_hz: float,
    duration_s: float,
    seed: int,
    sleep: Callable[[float], None],
    observe: Callable[[int], None],
    ahead: int = 2,
    seek_every_s: float | None = 2.0,
    checked: Sequence[int] = (),
) -> Playback:
    """Play a clip of ``frames`` frames round and round for ``duration_s`` seconds of display, with random seeks.

    A decode readies ``batch`` frames. It begins ``ahead`` frames before its first is due and no sooner, or a batch
    before where that is more: the next batch is decoded while the present one is shown. Seeks come at random ticks,
    ``seek_every_s`` seconds of play apart in the mean (None: never), to a random frame, and every other one to the next
    of ``checked``. ``sleep(seconds)`` passes the time until the decoder may go on; ``observe(start)`` is called before
    such a wait, before a seek and when its target is ready, with the display clock standing still, so that it makes
    nothing late.
    """
    wall, random = Wall(session, clock, sleep, observe), Random(seed)
    film = _Film(frames, batch, rate_hz, max(ahead, batch))
    clock.synchronize()
    called = asked = wall.now()
    left = total = max(1, round(duration_s * rate_hz))
    target = 0
    waits: list[float] = []
    shown: list[tuple[int, float]] = []
    while left:
        ticks = left if seek_every_s is None else min(left, _ticks_until_seek(random, seek_every_s * rate_hz))
        began = wall.decode(target)
        wall.look(target)
        shown += _stretch(wall, film, target, ticks, began)
        waits.append(began - asked)
        asked = began + ticks / rate_hz
        target = random.randrange(frames)
        if checked and len(waits) % 2:
            target = checked[len(waits) // 2 % len(checked)]
        left -= ticks
    late = tuple(late for _, late in shown)
    ticks_shown = tuple(tick for tick, _ in shown)
    return Playback(rate_hz, waits[0], ticks_shown, late, total - len(shown), tuple(waits[1:]), wall.now() - called)


def _ticks_until_seek(random: Random, mean: float) -> int:
    """Ticks until the first at which a coin, tossed at each, says to seek: 1 or more, half a tick over ``mean``."""
    return math.ceil(random.expovariate(1 / mean)) or 1


def _stretch(wall: Wall, film: _Film, first: int, ticks: int, began: float) -> list[tuple[int, float]]:
    """Play so many ticks from frame ``first``, which is ready as the display clock begins; tick, lateness of the shown.

    All times are in seconds since ``began``. The decoder knows nothing of the end, which is the viewer's to choose: it
    may be at work on a frame that will not be shown.
    """
    length_s = ticks / film.rate_hz
    shown: list[tuple[int, float]] = []
    tick, ready_s, start = 0, 0.0, first
    while True:
        current = math.floor(ready_s * film.rate_hz)
        # Of the frames of a batch, those overtaken while its first was decoded are dropped like any others.
        for_display = (tick, *range(max(tick, current) + 1, tick + film.batch))
        due = [(each, each / film.rate_hz) for each in for_display]
        shown += [(each, ready_s - due_s) for each, due_s in due if max(ready_s, due_s) < length_s]
        tick = max(tick + film.batch, current + 1)
        allowed_s = (tick - film.ahead) / film.rate_hz
        if max(ready_s, allowed_s) >= length_s:
            break
        if allowed_s > ready_s:
            wall.look(start)
        wall.wait(began + allowed_s)
        start = (first + tick) % film.frames
        ready_s = wall.decode(start) - began
    wall.wait(began + length_s)
    wall.look(start)
    return shown
