"""Every command that the README, CONTRIBUTING and the help of the verbs show is run, as it stands there.

What would take long is cut short by options after it: of an option that is given twice the last one counts. Of a
synopsis a command is run that has all its options, but for those that need a cluster or a GPU.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import click
import pytest

from nervbench.cli import VERBS, cli
from nervbench.model import checkpoint
from nervbench.model.zoo import MODELS
from nervbench.report import pages
from nervbench.sweep import local, training
from tests.cli.conftest import TINY, Run
from tests.cli.test_explain import results
from tests.cli.test_predict import ROWS
from tests.cli.test_run import written
from tests.cli.test_tune import ramp_in
from tests.explain.rows_made import Machine
from tests.here import HERE
from tests.report.factory import made, scaled
from tests.report.test_pages import stored

ROOT = Path(__file__).parents[2]
FRAMES = 132
Found = TypeVar("Found")
SYNOPSIS = re.compile(r"[\[…]|(?<![\w/.-])[A-Z]+(?![\w/.-])")
SHORT = {
    "compare --live": "--for 5s",
    "compress nerv-xs -o bunny.nerv --bits": "--finetune-epochs 1",
    "doctor --noise": "--for 5s",
    "rate": "--codecs x264:ultrafast --threads 1 --repeats 2 --frames 2",
    "train": "--epochs 1 --clip ramp.mp4",
    "tune": "--epochs 1 --clip ramp.mp4 --batch 1 --learning-rate 1e-3",
}
WHOLE = {
    "check": "check runs/now --baseline baseline.jsonl --fail-on 3% --json",
    "compare A": "compare runs/before runs/after --only nerv-xs/* --fail-on 3% --json",
    "compare --live": "compare --live nerv-xs/fp32/ort/b1 nerv-xs/fp32/ov/b1 --for 5s",
    "compress": "compress tiny.safetensors -o video.nerv --bits 8 --prune 0.4 --clip film.mp4 --finetune-epochs 1",
    "decode": "decode tiny.safetensors -o out.mp4",
    "doctor": "doctor --json --probe",
    "eval": "eval tiny.safetensors --clip film.mp4 --json",
    "explain": "explain p100 rtx-2080-ti --model nerv-s --publish pages",
    "export": "export nerv-xs --to onnx -o model.onnx --precision fp32",
    "models": "models --json",
    "predict": "predict nerv-s --on p100,rtx-2080-ti --from runs/v100",
    "rate": "rate tiny.safetensors --clip film.mp4 --codecs x264,x265,svt-av1 -o rates --threads 1 --repeats 2",
    "report": "report runs/first --publish pages",
    "run [": "run bench.toml --out runs/second --only nerv-xs/*/eager/* --resume --budget 8m --profile",
    "train": "train nerv-xs --clip ramp.mp4 -o trained --epochs 1",
    "tune": "tune nerv-xs --batch 1,2 --loss l1,fusion6 --clip ramp.mp4 --epochs 1",
}
"""Of each synopsis, by how it begins."""
ELSEWHERE = {
    "run suite:": ("tests/sweep/test_suite.py", '"suite:'),
    "run --on ray": ("tests/sweep/test_on_ray_cluster.py", '"--on"'),
    "run --device cuda": ("tests/bench/gpu.py", '"--device", "cuda"'),
    "tune nerv-xs --search asha": ("tests/cli/test_tune.py", '"--search", "asha"'),
}
"""What needs a cluster, a GPU, minutes of training, or half a minute of Ray's start: what runs it, by which words."""
NOT_HERE = {"--on", "--device", "--noise", "--check", "--resume"}
"""Options of a synopsis that need such things, or that do not go with the others of theirs and are run in the help."""


def shown() -> list[str]:
    """Every command that is shown, without ``nervbench``, once."""
    texts = [(ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md")]
    found = [words for text in texts for words in re.findall(r"`nervbench ([^`]+)`", text)]
    blocks = [block for text in texts for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)]
    found += [words.strip() for block in blocks for words in re.findall(r"^nervbench ([^#\n]+)", block, re.MULTILINE)]
    for verb in VERBS:
        command = cli.get_command(click.Context(cli), verb)
        assert command
        found += re.findall(r"^ *(?:Examples?:)? *nervbench (.+)$", command.help or "", re.MULTILINE)
    return list(dict.fromkeys(found))


def begun(table: Mapping[str, Found], words: str) -> Found | None:
    """What a table has for how a command begins, the longest beginning first."""
    return next((table[key] for key in sorted(table, key=len, reverse=True) if words.startswith(key)), None)


def run_here() -> list[str]:
    """The commands to run: those that are shown, cut short, and one of each synopsis."""
    here = [words for words in shown() if not begun(ELSEWHERE, words)]
    whole = [begun(WHOLE, words) or words for words in here if SYNOPSIS.search(words)]
    short = [f"{words} {begun(SHORT, words) or ''}".strip() for words in here if not SYNOPSIS.search(words)]
    return list(dict.fromkeys(whole + short))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with as many frames as the shipped model has."""
    return ramp_in(tmp_path_factory.mktemp("film"), FRAMES)


@pytest.fixture
def place(tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has whatever the commands name, and a small model where this process opens the shipped one."""
    tiny = replace(checkpoint.seeded(TINY, 3), frames=FRAMES)
    ours = [made("nerv-xs", runtime, "fp32", scaled(0.06, 70)) for runtime in ("eager", "ov")]
    planted = [Machine().row(), *(Machine(runtime="ov", precision=precision).row() for precision in ("fp32", "int8"))]
    runs = dict.fromkeys(("first", "now", "before", "after", "a"), ours) | dict.fromkeys(("here", "there"), planted)
    for name, card in (("v100", "Tesla V100-PCIE-16GB"), ("a100", "NVIDIA A100-SXM4-40GB")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        results(tmp_path / "runs" / name, card, *scaled(0.02, 60))
    for name, rows in runs.items():
        stored(tmp_path / "runs" / name / "results.jsonl", rows)
    stored(tmp_path / "reports" / "results" / "a-cpu.jsonl", ours)
    pages.write(tmp_path / "reports")
    written(tmp_path)
    ramp_in(tmp_path)
    for name in ("film.mp4", "bunny.mp4"):
        shutil.copyfile(film, tmp_path / name)
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "runs" / "bunny").mkdir()
    for name in ("tiny", "nerv-s", "runs/bunny/nerv-xs"):
        checkpoint.save(tmp_path / f"{name}.safetensors", tiny)
    monkeypatch.setattr(checkpoint, "bundled", lambda _: tiny)
    monkeypatch.setitem(MODELS, "nerv-xs", TINY)
    monkeypatch.setattr("nervbench.codec.points.MIN_WALL_S", 0.0)
    monkeypatch.setattr(local, "PROBE_S", 0.0)
    monkeypatch.setattr(training, "process", HERE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", run_here())
def test_command(run: Run, place: Path, words: str) -> None:
    """It does what it is shown for."""
    if words.startswith("run"):  # makes its folder
        shutil.rmtree(place / "runs" / "first")
    outcome = run(*shlex.split(words))

    assert outcome.code == 0, outcome.err


def test_options() -> None:
    """What is run of a synopsis has its options."""
    for words in (words for words in shown() if SYNOPSIS.search(words) and not begun(ELSEWHERE, words)):
        whole = begun(WHOLE, words)
        assert whole, words
        assert set(re.findall(r"--[a-z-]+", words)) - NOT_HERE <= set(re.findall(r"--[a-z-]+", whole)), words


def test_elsewhere() -> None:
    """What is not run here is run where the table says, and is still shown."""
    for begins, (where, by) in ELSEWHERE.items():
        assert by in (ROOT / where).read_text()
        assert any(words.startswith(begins) for words in shown())
