"""What a search chooses from."""

from __future__ import annotations

import math

import pytest

from nervbench.errors import ConfigError
from nervbench.tune.space import Between, Space, draw, grid, name_of, numbers, words

SPACE: Space = {"batch": (1, 2), "loss": ("l1", "l2", "ssim")}


def test_grid() -> None:
    """All combinations, each once."""
    choices = grid(SPACE)
    assert len(choices) == 6
    assert choices[:2] == [{"batch": 1, "loss": "l1"}, {"batch": 1, "loss": "l2"}]
    assert len({name_of(choice) for choice in choices}) == 6


def test_a_range_has_no_grid() -> None:
    """A range is refused, with what to do."""
    with pytest.raises(ConfigError, match=r"learning_rate: a range .* has no grid; .* --search random"):
        grid({"learning_rate": Between(1e-4, 1e-2)})


def test_draw() -> None:
    """A draw is of different combinations, the same for the same seed, and no more than there are."""
    assert draw(SPACE, 4, 1) == draw(SPACE, 4, 1) != draw(SPACE, 4, 2)
    assert len({name_of(choice) for choice in draw(SPACE, 4, 1)}) == 4
    assert sorted(map(name_of, draw(SPACE, 99, 1))) == sorted(map(name_of, grid(SPACE)))


def test_ranges_are_drawn_by_magnitude() -> None:
    """Of a range over two orders of magnitude, half of the draws are in the lower one; all are within."""
    drawn = [float(choice["rate"]) for choice in draw({"rate": Between(1e-4, 1e-2), "batch": (1,)}, 2000, 3)]
    assert all(1e-4 <= value <= 1e-2 for value in drawn)
    assert sum(value < 1e-3 for value in drawn) / 2000 == pytest.approx(0.5, abs=0.05)
    assert all(float(f"{value:.3g}") == value for value in drawn)


def test_name() -> None:
    """A name says the settings as the options have them."""
    assert name_of({"batch": 2, "learning_rate": 0.001}) == "batch=2,learning-rate=0.001"


@pytest.mark.parametrize(
    ("text", "kind", "low", "expected"),
    [
        ("1,2, 4", int, 0, (1, 2, 4)),
        ("2,2", int, 0, (2,)),
        ("1e-4,5e-4", float, 0, (1e-4, 5e-4)),
        ("0,0.2", float, -1e-9, (0.0, 0.2)),
        ("1e-4:1e-2", float, 0, Between(1e-4, 1e-2)),
    ],
)
def test_numbers(text: str, kind: type[int] | type[float], low: float, expected: object) -> None:
    """Numbers with commas are values, with a colon a range."""
    assert numbers("--x", text, kind, low) == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [("", float), ("a", float), ("1,,2", int), ("0", int), ("-1", float), ("nan", float), ("inf", float), ("1:2", int),
     ("2:1", float), ("1:1", float), ("1:2:3", float), ("1.5", int)],
)  # fmt: skip
def test_no_numbers(text: str, kind: type[int] | type[float]) -> None:
    """What is no list of numbers and no range is refused with what is possible."""
    with pytest.raises(ConfigError, match=r"--x: found .*; possible: .*numbers over 0"):
        numbers("--x", text, kind, 0)


def test_words() -> None:
    """Words must be known."""
    assert words("--loss", "l1, l2,l1", ["l1", "l2"]) == ("l1", "l2")
    with pytest.raises(ConfigError, match="--loss: unknown 'l3'; known: l1, l2"):
        words("--loss", "l1,l3", ["l1", "l2"])


def test_logarithms_of_a_range() -> None:
    """The ends of a range are finite, so a draw of it is."""
    assert math.isfinite(float(draw({"rate": Between(1e-300, 1e300)}, 1, 1)[0]["rate"]))
