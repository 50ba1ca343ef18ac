"""The player, with a made-up clock. Times are multiples of 1/128 s, so that they can be compared exactly."""

from __future__ import annotations

from itertools import pairwise

import pytest

from nervbench.measure.playback import play
from nervbench.records import Playback

from .test_server import Sleeper

RATE_HZ = 64.0
FRAME_S = 1 / RATE_HZ


class Player(Sleeper):
    """A fake that notes when each decode began, without the time that was spent looking."""

    def __init__(self, *costs_s: float, lag_s: float = 0.0) -> None:
        super().__init__(*costs_s, lag_s=lag_s)
        self.began: list[tuple[int, float]] = []
        self._looked_s = 0.0

    def decode(self, index: int) -> None:
        self.began.append((index, self._now - 100.0 - self._looked_s))
        super().decode(index)

    def observe(self, start: int) -> None:
        self._looked_s += 1.0
        super().observe(start)


def played(
    fake: Player,
    ticks: int = 90,
    frames: int = 1000,
    batch: int = 1,
    rate_hz: float = RATE_HZ,
    ahead: int = 2,
    seek_every_s: float | None = None,
    seed: int = 1,
) -> Playback:
    """Play so many ticks."""
    return play(
        fake, fake, frames, batch, rate_hz, ticks / rate_hz, seed, fake.sleep, fake.observe, ahead, seek_every_s
    )


def test_fast_decoder() -> None:
    """At half the frame time nothing is late, two frames are ready ahead, and the player sleeps in between."""
    fake = Player(FRAME_S / 2)
    playback = played(fake)

    assert (len(playback.late_s), playback.misses, playback.dropped) == (90, 0, 0)
    assert playback.ticks == tuple(range(90))
    assert playback.late_s[:4] == (0.0, -FRAME_S / 2, -FRAME_S, -1.5 * FRAME_S)
    assert set(playback.late_s[3:]) == {-1.5 * FRAME_S}
    assert playback.first_frame_s == FRAME_S / 2
    assert playback.jitter_s == 0
    assert playback.trend == (0, 0)
    assert playback.wall_s == 90.5 * FRAME_S
    assert fake.calls.count(f"sleep {FRAME_S / 2:g}") == 89  # before frames 4 to 91, and until the end


@pytest.mark.parametrize("rate_hz", [25.0, 30.0, 60.0])
def test_rates(rate_hz: float) -> None:
    """At the rates of real displays a decoder with a tenth to spare is never late and plays for the time asked for."""
    playback = played(Player(0.9 / rate_hz), ticks=300, rate_hz=rate_hz)

    assert (len(playback.late_s), playback.misses, playback.dropped) == (300, 0, 0)
    assert playback.jitter_s == pytest.approx(0, abs=1e-12)
    assert playback.wall_s == pytest.approx(300.9 / rate_hz)


def test_slow_decoder() -> None:
    """At 1.5 times the frame time every shown frame is late, in turn by a half and a whole, and a third is dropped."""
    fake = Player(1.5 * FRAME_S)
    playback = played(fake)

    assert (len(playback.late_s), playback.dropped) == (60, 30)
    assert playback.ticks[:7] == (0, 1, 2, 4, 5, 7, 8)
    assert playback.late_s[:5] == (0.0, FRAME_S / 2, FRAME_S, FRAME_S / 2, FRAME_S)
    assert playback.misses == 59
    assert playback.jitter_s == 0  # late, but at even intervals
    assert not any(call.startswith("sleep") for call in fake.calls)


def test_stall() -> None:
    """One decode of 10 frames' time, begun two before it is due: 1 miss, 8 dropped, then in time and ahead again."""
    playback = played(Player(*[FRAME_S / 2] * 40, 10 * FRAME_S, FRAME_S / 2))

    assert (playback.misses, playback.dropped, len(playback.late_s)) == (1, 8, 82)
    assert playback.ticks[39:43] == (39, 40, 49, 50)
    assert [late / FRAME_S for late in playback.late_s[39:45]] == [-1.5, 8, -0.5, -1, -1.5, -1.5]
    assert playback.trend == (0, 0)  # it is in the middle third
    gaps = [1.0] * 79 + [9.0, 1.0]
    mean = sum(gaps) / 81
    assert playback.jitter_s == pytest.approx(FRAME_S * (sum((gap - mean) ** 2 for gap in gaps) / 81) ** 0.5)


def test_trend() -> None:
    """A decoder that gets slower misses more in the last third."""
    assert played(Player(*[FRAME_S / 2] * 45, 2 * FRAME_S), ticks=120).trend == (0, 1)
    assert played(Player(FRAME_S / 2), ticks=29).trend is None


@pytest.mark.parametrize(("ahead", "batch", "lead"), [(1, 1, 1), (2, 1, 2), (5, 1, 5), (2, 4, 4)])
def test_look_ahead(ahead: int, batch: int, lead: int) -> None:
    """A decode begins no sooner than the look-ahead, or a batch, before its first frame is due; a fast one then."""
    fake = Player(FRAME_S / 8)
    playback = played(fake, ahead=ahead, batch=batch)
    leads = [index - (began - playback.first_frame_s) / FRAME_S for index, began in fake.began[1:]]

    assert max(leads) == lead
    assert set(leads[lead:]) == {lead}
    assert (len(playback.late_s), playback.misses) == (90, 0)


def test_batch() -> None:
    """A batch readies several frames at once, and one decode in the time of a batch keeps up."""
    fake = Player(3 * FRAME_S)
    playback = played(fake, batch=4)

    assert [index for index, _ in fake.began] == list(range(0, 93, 4))
    assert playback.late_s[:8] == (0, -FRAME_S, -2 * FRAME_S, -3 * FRAME_S, *(-FRAME_S * n for n in range(1, 5)))
    assert (len(playback.late_s), playback.misses, playback.dropped) == (90, 0, 0)


def test_late_batch() -> None:
    """The first frame of a late batch is shown, those overtaken meanwhile are dropped, the others are in time."""
    playback = played(Player(6.5 * FRAME_S), ticks=22, batch=4)

    assert playback.ticks == (0, 1, 2, 3, 4, 7, 8, 14)  # ready at 0, 6.5, 13, 19.5
    assert [late / FRAME_S for late in playback.late_s[4:]] == [2.5, -0.5, 5, 5.5]


def test_round_the_clip() -> None:
    """A clip shorter than the playback goes on at its start, also after a seek."""
    fake = Player(FRAME_S / 2)
    played(fake, ticks=20, frames=7)
    assert [index for index, _ in fake.began] == [tick % 7 for tick in range(22)]


def test_seeks() -> None:
    """A seek throws away what is ready ahead, counts from its tick, and starts the display clock at its target."""
    fake = Player(FRAME_S / 2)
    playback = played(fake, ticks=640, seek_every_s=2.0)
    lengths = [a + 1 for a, b in pairwise((*playback.ticks, 0)) if b == 0]
    jumps = [index for (before, _), (index, _) in pairwise(fake.began) if index != (before + 1) % 1000]

    assert len(jumps) == len(playback.seeks_s) == len(lengths) - 1 > 1
    assert set(playback.seeks_s) == {FRAME_S / 2}
    assert sum(lengths) == len(playback.late_s) == 640
    assert (playback.misses, playback.dropped, playback.jitter_s) == (0, 0, 0)
    assert playback.late_s[lengths[0]] == 0
    assert len(fake.began) == 640 + 2 * len(lengths)  # two thrown away at each end
    assert playback.wall_s == (640 + len(lengths) / 2) * FRAME_S


def test_seek_waits_for_the_decode_in_flight() -> None:
    """A seek in the middle of a decode takes the rest of it and one more; ticks that went by are dropped."""
    playback = played(Player(1.5 * FRAME_S), ticks=640, seek_every_s=0.5)

    assert set(playback.seeks_s) == {1.5 * FRAME_S, 2 * FRAME_S, 2.5 * FRAME_S}
    assert len(playback.late_s) + playback.dropped == 640


def test_hopeless_decoder() -> None:
    """A decoder slower than the whole playback shows its first frame, and drops the rest."""
    playback = played(Player(100.0))
    assert (len(playback.late_s), playback.dropped, playback.first_frame_s) == (1, 89, 100.0)
    assert (playback.jitter_s, playback.trend, playback.misses) == (None, None, 0)


def test_seeks_are_random() -> None:
    """Seeks are so far apart in the mean as asked for, spread over the clip, and the same for the same seed."""
    fakes = [Player(FRAME_S / 8) for _ in range(3)]
    first, again, other = (
        played(fake, ticks=32_000, seek_every_s=2.0, seed=seed) for fake, seed in zip(fakes, (1, 1, 2), strict=True)
    )

    assert fakes[0].began == fakes[1].began
    assert first == again != other
    assert len(first.seeks_s) == pytest.approx(250, rel=0.15)
    targets = [index for (before, _), (index, _) in pairwise(fakes[0].began) if index != (before + 1) % 1000]
    assert sum(targets) / len(targets) == pytest.approx(500, rel=0.1)


def test_looking_makes_nothing_late() -> None:
    """Frames are looked at at the start, before a sleep and before a seek; the second it takes is in no number."""
    fake = Player(FRAME_S / 2)
    playback = played(fake, ticks=4)

    assert fake.calls == [
        "synchronize", *("decode 0", "synchronize", "observe 0"),
        *("decode 1", "synchronize"), *("decode 2", "synchronize"),
        *("decode 3", "synchronize", "observe 3", f"sleep {FRAME_S / 2:g}"),
        *("decode 4", "synchronize", "observe 4", f"sleep {FRAME_S / 2:g}"),
        *("decode 5", "synchronize", f"sleep {FRAME_S / 2:g}", "observe 5"),
    ]  # fmt: skip
    assert (playback.misses, playback.wall_s) == (0, 4.5 * FRAME_S)


def test_a_slow_player_is_looked_at() -> None:
    """Where there is never time to look, every other seek goes to a checked frame, and that is looked at."""
    fake = Player(3 * FRAME_S)
    play(fake, fake, 1000, 1, RATE_HZ, 20.0, 1, fake.sleep, fake.observe, 2, 1.0, (5, 66, 131))
    looked = [call for call in fake.calls if call.startswith("observe")]

    assert {f"observe {start}" for start in (0, 5, 66, 131)} <= set(looked)
    assert len(set(looked)) > 12  # most targets are random


def test_late_wake_up_counts() -> None:
    """A sleep that ends three frames late makes the frame that it was for late."""
    playback = played(Player(FRAME_S / 2, lag_s=3 * FRAME_S))
    assert playback.misses > 0
    assert max(playback.late_s) == 1.5 * FRAME_S
