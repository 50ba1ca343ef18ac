"""A live comparison calls equals different as rarely as it claims, in the noise that machines have."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from nervbench.compare.paired import location, paired
from nervbench.compare.verdict import Word

LEVEL, BOUND = 0.01, 0.01
Generator = np.random.Generator
Noise = Callable[[Generator, int], "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"]


def heavy(random: Generator, turns: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Log-normal scatter with Pareto spikes on one turn in ten: a neighbour that comes and goes."""
    spikes = np.where(random.random(turns) < 0.1, random.pareto(1.5, turns), 0)
    return random.normal(0, 0.04, turns) + np.log1p(spikes)


def correlated(random: Generator, turns: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """AR(1) with a memory of twenty turns, 10 % of standard deviation."""
    state, out = 0.0, np.empty(turns)
    for i, step in enumerate(random.normal(0, 0.1 * math.sqrt(1 - 0.95**2), turns)):
        state = 0.95 * state + step
        out[i] = state
    return out


def drifting(random: Generator, turns: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The machine becomes 30 % slower within each pair, unevenly, with scatter."""
    return np.linspace(0, 0.3, turns) ** 1.5 + random.normal(0, 0.05, turns)


NOISES = {"heavy": heavy, "correlated": correlated, "drifting": drifting}


def logs(random: Generator, noise: Noise, slowdown: float, pairs: int, rounds: int = 60) -> list[list[float]]:
    """Ratios of so many pairs: turns A B B A or B A A B under the noise; pairs differ by 0.2 % on their own."""
    made = []
    for _ in range(pairs):
        times = noise(random, 4 * rounds).reshape(rounds, 2, 2)
        order = np.where(random.random(rounds) < 0.5, 1, -1)[:, None] * [1, -1]
        ratio = order * (times[:, :, 1] - times[:, :, 0])
        made.append(list(ratio.reshape(-1) + math.log1p(slowdown) + random.normal(0, 0.002)))
    return made


@pytest.mark.parametrize("name", NOISES)
@pytest.mark.parametrize("pairs", [4, 24])
def test_false_verdicts(name: str, pairs: int) -> None:
    """Of many comparisons of equals no more than the level are called different: 3 standard errors are allowed."""
    random = np.random.default_rng(7)
    runs = 1000 if pairs < 10 else 400
    words = [paired(logs(random, NOISES[name], 0, pairs), LEVEL, BOUND).word for _ in range(runs)]
    false = sum(word in (Word.FASTER, Word.SLOWER) for word in words)

    assert false <= runs * LEVEL + 3 * math.sqrt(runs * LEVEL * (1 - LEVEL))


def test_finds_what_is_there() -> None:
    """2 % is found, with its sign, under heavy-tailed noise."""
    random = np.random.default_rng(8)
    slower = [paired(logs(random, heavy, 0.02, 6, 200), LEVEL, BOUND) for _ in range(100)]
    faster = [paired(logs(random, heavy, -0.02, 6, 200), LEVEL, BOUND) for _ in range(100)]

    assert sum(found.word is Word.SLOWER for found in slower) >= 90
    assert sum(found.word is Word.FASTER for found in faster) >= 90
    assert np.mean([found.ratio for found in slower]) == pytest.approx(1.02, abs=0.003)


def test_pairs_that_differ_are_not_hidden_by_many_rounds() -> None:
    """Where processes of one program differ by 3 %, ten thousand quiet rounds do not make a difference of 1 % sure."""
    random = np.random.default_rng(9)
    rounds = [list(shift + random.normal(0, 0.001, 2000)) for shift in (0.03, -0.02, 0.02, -0.01, 0.03)]

    assert paired(rounds, LEVEL, BOUND).word is Word.UNDECIDED


def test_one_pair_out_of_line() -> None:
    """Of twelve pairs one may lie far off, on either side: the interval hardly widens. Two on one side cannot hide."""
    usual = [0.01 + 0.001 * place for place in range(-5, 6)]
    quiet = paired([[mean] for mean in [*usual, 0.01]], LEVEL, BOUND)
    for odd in (0.5, -0.5):
        found = paired([[mean] for mean in [*usual, odd]], LEVEL, BOUND)
        assert found.word is Word.SLOWER
        assert found.ratio == pytest.approx(math.exp(0.01), abs=0.001)
        assert found.smallest_effect == pytest.approx(quiet.smallest_effect, rel=0.3)
    two = paired([[mean] for mean in [*usual[1:], 0.5, 0.5]], LEVEL, BOUND)
    assert two.smallest_effect > 20 * quiet.smallest_effect


def test_same() -> None:
    """An interval within the bound says that there is no difference of its size."""
    found = paired([[0.0001, -0.0001], [0.0, 0.0002], [-0.0002, 0.0001]], LEVEL, BOUND)

    assert found.word is Word.SAME
    assert 0 < found.smallest_effect < BOUND
    assert found.low < found.ratio < found.high


def test_too_few_pairs() -> None:
    """Two pairs say nothing about how pairs differ."""
    with pytest.raises(ValueError, match="needs 3 pairs of processes or more, found 2"):
        paired([[0.0], [0.0]], LEVEL, BOUND)


def test_noisy_pairs_count_less() -> None:
    """Two of eight pairs met a bad moment: what the six others say is found, and the two are not believed."""
    random = np.random.default_rng(10)
    quiet = [list(random.normal(0.01, 0.01, 200)) for _ in range(6)]
    disturbed = [list(random.normal(shift, 0.4, 30)) for shift in (-0.08, 0.06)]

    found = paired(quiet + disturbed, LEVEL, BOUND)

    assert found.word is Word.SLOWER
    assert found.ratio == pytest.approx(math.exp(0.01), abs=0.003)
    assert found.smallest_effect < 0.01
    alone = paired(quiet, LEVEL, BOUND)
    assert alone.smallest_effect < found.smallest_effect < 3 * alone.smallest_effect


def test_location() -> None:
    """It is that of the peak, whatever lies far from it on one side; more of the same is known better."""
    random = np.random.default_rng(11)
    peak, far = random.normal(0.02, 0.005, 300), random.uniform(0.1, 0.5, 100)
    centre, error = location([*peak, *far])

    assert centre == pytest.approx(0.02, abs=0.002)
    assert error == pytest.approx(0.005 / math.sqrt(300), rel=0.6)
    assert location([*peak[:75], *far[:25]])[1] == pytest.approx(2 * error, rel=0.4)


def test_location_of_few() -> None:
    """Equal numbers have no scatter, and of one or two the middle is left."""
    assert location([0.5]) == (0.5, 0.0)
    assert location([0.5, 0.5, 0.5, 0.9]) == (0.5, 0.0)
    assert location([0.1, 0.2])[0] == pytest.approx(0.15)
