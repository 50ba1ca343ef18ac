"""``nervbench runtimes``, ``devices`` and ``suites``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from nervbench import plugins, suites
from nervbench.cards import cards


@pytest.mark.parametrize("verb", ["runtimes", "devices"])
def test_of_another_package(
    verb: str, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours are there, and those of any installed package, whether or not they can be imported."""
    info = tmp_path / "others-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[nervbench.{verb}]\ntheirs = no_such_module:THING\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = json.loads(run(verb, "--json").out)
    rows = {row["name"]: row for row in (found["devices"] if verb == "devices" else found)}

    assert rows["theirs"] == {"name": "theirs", "package": "others 1.5", "where": "no_such_module:THING"}
    assert set(plugins.names(f"nervbench.{verb}")) == set(rows)
    assert rows["cpu" if verb == "devices" else "eager"]["package"].startswith("nervbench ")
    assert "others 1.5" in run(verb).out


def test_cards(run: Callable[..., Any]) -> None:
    """Every card by its key, and what is not known as such."""
    lines = {line.split()[0]: line for line in run("devices").out.splitlines() if line}

    assert set(cards()) <= set(lines)
    assert "Tesla P100 PCIe" in lines["p100"]
    assert lines["p100"].split()[-4:] == ["TFLOP/s", "732", "GB/s", "56"]
    assert json.loads(run("devices", "--json").out)["cards"]["p100"]["sources"]["sms"]


def test_suites(run: Callable[..., Any]) -> None:
    """Every suite as it is asked for, with its scales."""
    found = json.loads(run("suites", "--json").out)

    assert [row["name"] for row in found] == [f"suite:{name}" for name in suites.names()]
    assert all(row["scales"] for row in found)
    assert "suite:ablation" in run("suites").out


def test_imports_nothing() -> None:
    """Listing loads no framework: it is done at once."""
    command = "from nervbench.cli import main\nimport sys\ntry: main(['runtimes'])\nexcept SystemExit: pass\n"
    command += "print(sorted({'torch', 'onnxruntime', 'openvino'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)

    assert ended.stdout.splitlines()[-1] == "[]"
    assert metadata.version("nervbench") in ended.stdout
