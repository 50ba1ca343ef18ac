"""Decode benchmarks of this repository: ``pytest tests/benchmarks --nervbench-fail-on 3%``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nervbench.records import Result

pytestmark = pytest.mark.alone


@pytest.mark.parametrize("case", ["nerv-xs/fp32/eager/b1", "nerv-xs/fp32/ort/b1", "nerv-xs/fp32/ov/b1"])
def test_decode(case: str, decode_case: Callable[..., Result]) -> None:
    """The shipped model by the runtimes that every machine has."""
    assert decode_case(case).quality is not None
