"""Every doubt reads as a sentence that ends with what to do next."""

from __future__ import annotations

import inspect
import re

import pytest

from nervbench.measure import checks
from nervbench.records import Doubt
from nervbench.report.doubts import WORDINGS, by_code, sentence, values
from nervbench.sweep import local

SEEN: dict[str, tuple[dict[str, float], str]] = {
    "unchecked": ({}, "none was decoded"),
    "noisy": ({"noise": 0.072, "bound": 0.02}, "noise 7.2 %, bound 2.0 %"),
    "few_samples": ({"samples": 5.0}, "5 samples"),
    "drift": ({"share": -0.05}, "-5.0 %"),
    "bimodal": ({"share": 0.97}, "97 % of the variance"),
    "others_busy": ({"share": 0.3}, "30 %"),
    "stolen": ({"share": 0.034}, "3.4 % of the processor"),
    "swapping": ({"bytes": 2097152.0, "faults_per_s": 12.0}, "2,097,152 bytes swapped, 12 pages"),
    "low_memory": ({"bytes": 104857600.0}, "104,857,600 bytes were left"),
    "clock_moved": ({"share": 0.25, "low_hz": 2e9, "high_hz": 2.5e9}, "25 % above"),
    "throttled": ({"hw_slowdown": 0.4, "sw_power_cap": 0.1}, "hw_slowdown 0.400, sw_power_cap 0.100"),
    "shared_gpu": ({"processes": 2.0}, "2 others"),
    "suspended": ({"gap_s": 61.2}, "61 s"),
    "cut_off": ({"samples": 5.0}, "5 samples until then"),
    "unobserved": ({}, "no readings"),
}


def test_complete() -> None:
    """Every doubt that a check can raise has words, and there are no words for a doubt that none raises."""
    raised = re.findall(r'\bDoubt\(\s*"(\w+)"', inspect.getsource(checks) + inspect.getsource(local))

    assert sorted(raised) == sorted(WORDINGS)


@pytest.mark.parametrize("code", WORDINGS)
def test_wording(code: str) -> None:
    """Each code shows its values and says what to do next."""
    seen, shown = SEEN[code]
    words = sentence(Doubt(code, seen))
    assert shown in words
    assert ". Next: " in words


def test_unknown_code() -> None:
    """A code without words is shown with its values."""
    words = sentence(Doubt("full_moon", {"phase": 0.5}))
    assert "full_moon: phase 0.500" in words
    assert "Next: " in words


@pytest.mark.parametrize("seen", [{}, {"else": 1.0}])
def test_missing_values(seen: dict[str, float]) -> None:
    """A known code without the values of its wording still reads."""
    assert values(Doubt("noisy", seen)) in {"noisy", "else 1.00"}


def test_order() -> None:
    """Doubts are gathered by code, known codes first, in a fixed order."""
    found = [("a", Doubt("zebra")), ("b", Doubt("drift")), ("c", Doubt("noisy")), ("d", Doubt("drift"))]
    assert [(code, [name for name, _ in members]) for code, members in by_code(found).items()] == [
        ("noisy", ["c"]),
        ("drift", ["b", "d"]),
        ("zebra", ["a"]),
    ]
