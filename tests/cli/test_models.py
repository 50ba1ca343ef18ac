"""``nervbench models``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from nervbench.model.zoo import MODELS


def test_json(run: Callable[..., Any]) -> None:
    """The JSON has one object a model, with its cost and the published numbers."""
    outcome = run("models", "--json")
    rows = {row["name"]: row for row in json.loads(outcome.out)}

    assert outcome.code == 0
    assert list(rows) == list(MODELS)
    assert "says 5,200,975 parameters" in rows["nerv-s-10blocks"].pop("remark")
    assert rows["nerv-s"].pop("remark") is None
    assert rows["nerv-s"] == {
        "name": "nerv-s", "family": "nerv", "params": 3_201_905, "flop_per_frame": 201_883_650_176,
        "width": 1280, "height": 720,
    }  # fmt: skip


def test_table(run: Callable[..., Any]) -> None:
    """The table shows name, parameters, arithmetic and frame of each model."""
    outcome = run("models")
    line = next(line for line in outcome.out.splitlines() if line.startswith("nerv-s"))

    assert outcome.code == 0
    assert line.split() == ["nerv-s", "nerv", "3,201,905", "202", "GFLOP", "1280×720"]
