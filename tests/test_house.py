"""The house rules that no linter knows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from nervbench.cli import VERBS, cli
from nervbench.report import pages

ROOT = Path(__file__).parent.parent
CAP = 400
HEAVY = (
    "torch",
    "numpy",
    "av",
    "PIL",
    "rich",
    "pydantic",
    "onnx",
    "onnxruntime",
    "openvino",
    "matplotlib",
    "psutil",
    "numba",
)


def sources() -> list[Path]:
    """Every Python file of the project."""
    return [file for part in ("nervbench", "kernels", "tests") for file in sorted((ROOT / part).rglob("*.py"))]


@pytest.mark.parametrize("file", sources(), ids=lambda file: str(file.relative_to(ROOT)))
def test_size(file: Path) -> None:
    """No file is over 400 lines."""
    assert len(file.read_text().splitlines()) <= CAP


@pytest.mark.parametrize("verb", VERBS)
def test_verb(verb: str) -> None:
    """Every verb answers --help with an example or its options, and the README names it."""
    outcome = CliRunner().invoke(cli, [verb, "--help"])

    assert outcome.exit_code == 0, outcome.output
    assert f"Usage: cli {verb}" in outcome.output
    assert f"nervbench {verb}" in (ROOT / "README.md").read_text()
    assert "Example" in outcome.output
    assert "--json" in outcome.output


def test_options_of_the_readme() -> None:
    """Every option that the README gives to a verb is one of the verb's."""
    words = re.findall(r"`nervbench ([a-z]+)([^`]*)`", (ROOT / "README.md").read_text())
    for verb, rest in words:
        known = {name for parameter in command_of(verb).params for name in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, (verb, rest)


def command_of(verb: str) -> click.Command:
    """The command of a verb."""
    found = cli.get_command(click.Context(cli), verb)
    assert found
    return found


def test_help_is_light() -> None:
    """``nervbench --help`` imports nothing heavy."""
    code = "import sys; from nervbench.cli import main\ntry: main(['-h'])\nexcept SystemExit: print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(out.splitlines()[-1].split())

    assert "nervbench.cli" in loaded
    assert not loaded & set(HEAVY)


def test_commands_of_the_readme() -> None:
    """The README gives the two commands, and CI calls the second."""
    readme = (ROOT / "README.md").read_text()

    assert "make bench" in readme
    assert "make test" in readme
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_pictures_of_the_readme() -> None:
    """Every picture and page that the README shows is in the repository."""
    linked = re.findall(r"\]\(((?!http)[^)#]+)\)", (ROOT / "README.md").read_text())

    assert any(target.endswith(".png") for target in linked)
    assert not [target for target in linked if not (ROOT / target).exists()]


def test_committed_pages() -> None:
    """The pages in reports/ are what their data generates."""
    assert pages.check(ROOT / "reports") == []
