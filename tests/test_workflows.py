"""The workflow for runners: its steps are run here, one after the other, with what a forge would bring made up."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from nervbench import store

pytestmark = pytest.mark.alone

ROOT = Path(__file__).parent.parent
ACTION = ROOT / ".github" / "actions" / "decode" / "action.yml"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
INPUTS = {"device": "cpu", "bench": "bench.toml", "extra": "cpu", "fail-on": "20%", "strict": "false"}
BENCH = """
[[models]]
name = "nerv-xs"
weights = "seeded:0"
[[matrix]]
models = ["nerv-xs"]
runtimes = ["eager"]
[stopping]
budget_s = 1.0
"""


def loaded(path: Path) -> dict[str, Any]:
    """A file as plain data."""
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def steps() -> dict[str, dict[str, Any]]:
    """The steps of the action that run something, by name."""
    every = loaded(ACTION)["runs"]["steps"]
    return {step["name"]: step for step in every if "run" in step}


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A checkout's folder, with a forge's client that knows no earlier run."""
    (tmp_path / "bench.toml").write_text(BENCH)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gh").write_text('#!/bin/sh\n[ "$2" = list ] || exit 1\n')
    (programs / "gh").chmod(0o755)
    (programs / "nervbench").write_text(f'#!/bin/sh\nexec {sys.executable} -m nervbench "$@"\n')
    (programs / "nervbench").chmod(0o755)
    return tmp_path


def ran(name: str, runner: Path) -> subprocess.CompletedProcess[str]:
    """A step, as a runner runs it: bash that ends at the first error, with the step's environment."""
    step = steps()[name]
    given = {
        key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: INPUTS[found[1]], value)
        for key, value in step.get("env", {}).items()
    }
    variables = os.environ | given | {"GITHUB_STEP_SUMMARY": str(runner / "summary.md")}
    variables["PATH"] = f"{runner / 'programs'}{os.pathsep}{variables['PATH']}"
    variables["XDG_CACHE_HOME"] = str(runner / "cache")
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(command, cwd=runner, env=variables, capture_output=True, text=True, check=False)


def steady(path: Path, time_s: float) -> None:
    """Give every row of a results file the samples of a quiet machine: what is measured here is not."""
    samples_s = tuple(time_s * (1 + 0.002 * (index % 5 - 2)) for index in range(100))
    rows = [dataclasses.replace(row, samples_s=samples_s) for row in store.read(path)]
    path.write_text("".join(f"{store.to_line(row)}\n" for row in rows))


def test_steps(runner: Path) -> None:
    """Without a baseline one is made; against itself it passes; against one that was faster it fails, and says so."""
    found = ran("Baseline", runner)
    assert (found.returncode, "no baseline yet for cpu" in found.stdout) == (0, True), found.stderr
    measured = ran("Measure", runner)
    assert measured.returncode == 0, measured.stderr
    steady(runner / "decode" / "results.jsonl", 0.03)

    first = ran("Check", runner)
    assert first.returncode == 0, first.stdout + first.stderr
    assert (runner / "baseline" / "results.jsonl").is_file()
    again = ran("Check", runner)
    assert again.returncode == 0, again.stdout + again.stderr

    steady(runner / "baseline" / "results.jsonl", 0.015)
    worse = ran("Check", runner)
    assert worse.returncode == 2, worse.stdout + worse.stderr
    assert "::error::decoding became slower by more than 20%" in worse.stdout

    baseline = runner / "baseline" / "results.jsonl"
    baseline.write_text(baseline.read_text().replace('"cpu", "name": "', '"cpu", "name": "another '))
    elsewhere = ran("Check", runner)
    assert elsewhere.returncode == 0, elsewhere.stdout + elsewhere.stderr
    assert "::warning::something could not be compared" in elsewhere.stdout

    assert ran("Summary", runner).returncode == 0
    summary = (runner / "summary.md").read_text()
    assert "nerv-xs/fp32/eager/b1" in summary
    assert "## Answer" in summary
    assert "![" not in summary


def test_summary_of_nothing(runner: Path) -> None:
    """Where a step before has failed the summary is empty, and no error of its own hides the other."""
    assert ran("Summary", runner).returncode == 0
    assert (runner / "summary.md").read_text() == ""


def test_whole_matches() -> None:
    """The inputs that the workflow gives are those of the action, and every action of others has its version."""
    inputs = loaded(ACTION)["inputs"]
    required = {name for name, each in inputs.items() if each.get("required")}
    jobs = loaded(ROOT / ".github" / "workflows" / "decode.yml")["jobs"]
    for job in jobs.values():
        (given,) = (step["with"] for step in job["steps"] if step["uses"].startswith("./"))
        assert required <= given.keys() <= inputs.keys()
        assert (ROOT / given["bench"]).is_file()
    used = re.findall(r"uses: (\S+)", "".join(path.read_text() for path in (ACTION, *WORKFLOWS)))
    assert all(name.startswith("./") or re.fullmatch(r"[\w-]+/[\w-]+@v\d+", name) for name in used)


def test_install_step() -> None:
    """What is installed are extras that there are."""
    extras = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2]
    jobs = loaded(ROOT / ".github" / "workflows" / "decode.yml")["jobs"]
    for job in jobs.values():
        (given,) = (step["with"] for step in job["steps"] if step["uses"].startswith("./"))
        assert f"\n{given['extra']} = [" in extras


@pytest.mark.parametrize("path", sorted((ROOT / "docker").glob("*.Dockerfile")), ids=lambda path: path.stem)
def test_dockerfiles(path: Path) -> None:
    """Short and pinned; nothing is fetched beside packages; what is copied is there and not left out; not as root."""
    text = path.read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 25
    (base,) = (line.split()[1] for line in lines if line.startswith("FROM"))
    assert re.fullmatch(r"[\w./-]+:[\w.-]*\d[\w.-]*", base)
    assert not re.search(r"\b(curl|wget|ADD|sudo|latest)\b", text)
    assert "--no-install-recommends" in text
    assert "rm -rf /var/lib/apt/lists/*" in text
    assert text.count("pip install --no-cache-dir -c constraints.txt") == 2
    assert lines[-1] == 'ENTRYPOINT ["nervbench"]'
    assert any(line.startswith("USER ") for line in lines)
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for line in lines if line.startswith("COPY") for name in line.split()[1:-1]}
    assert copied <= kept
    assert all((ROOT / name).exists() for name in copied)
