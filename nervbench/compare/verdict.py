"""What a comparison ends in: one of four words, with the interval that it rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

LEVEL = 0.005
"""Probability of a false verdict unless another is asked for: one in 200 comparisons."""


class Word(StrEnum):
    """The time of B against that of A."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Verdict:
    """B against A. ``ratio`` is the time of a decode by B divided by that by A, ``low`` to ``high`` its interval.

    ``level`` is the probability of a false verdict that the interval was made for; ``smallest_effect`` is the least
    difference (0.01 is 1 %) that these samples would have shown, half the width of the interval on either side of 1.
    """

    word: Word
    ratio: float
    low: float
    high: float
    level: float

    @property
    def smallest_effect(self) -> float:
        """The least relative difference that would have been seen."""
        return math.sqrt(self.high / self.low) - 1


def verdict(ratio: float, low: float, high: float, level: float, bound: float) -> Verdict:
    """Word an interval of the ratio B / A.

    An interval that excludes 1 decides faster or slower. One that includes it and lies within ``1 ± bound`` says that
    no difference of ``bound`` exists: same. A wider one cannot tell: undecided.

    >>> [verdict(*interval, 0.01, 0.02).word.value for interval in
    ...  ((0.95, 0.94, 0.96), (1.0, 0.99, 1.01), (1.0, 0.9, 1.1))]
    ['faster', 'same', 'undecided']
    """
    if high < 1:
        word = Word.FASTER
    elif low > 1:
        word = Word.SLOWER
    else:
        word = Word.SAME if low >= 1 - bound and high <= 1 + bound else Word.UNDECIDED
    return Verdict(word, ratio, low, high, level)


def gate(found: Verdict, bound: float) -> Word:
    """What a check makes of it: slower only where the whole interval is, by more than ``bound``.

    Undecided where the interval only reaches beyond the bound. Faster and same both pass; no improvement fails.

    >>> [gate(verdict(*interval, 0.01, 0.03), 0.03).value for interval in
    ...  ((1.06, 1.04, 1.08), (1.03, 1.01, 1.05), (1.01, 1.005, 1.015), (0.9, 0.88, 0.92))]
    ['slower', 'undecided', 'same', 'faster']
    """
    if found.low > 1 + bound:
        return Word.SLOWER
    if found.high > 1 + bound:
        return Word.UNDECIDED
    return Word.FASTER if found.high < 1 else Word.SAME
