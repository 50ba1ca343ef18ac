"""Whether a sweep that is killed loses anything: ``make bench-kills [N=100]``.

Sweeps of fake runtimes end by SIGKILL at a random moment, alone or with their workers, and are resumed until one is
let to its end. Nothing may be lost, changed, doubled or left behind. Four sweeps of five take their preparation from
one before, or most kills would fall into the import of PyTorch; the fifth prepares as any sweep does.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from nervbench import store
from nervbench.errors import NervbenchError
from nervbench.records import Status
from nervbench.sweep.local import RESULTS

FAKES = Path(__file__).parents[1] / "sweep" / "fakes"
ENDS = {
    "works": Status.OK,
    "refuses": Status.UNSUPPORTED,
    "prints": Status.OK,
    "segfaults": Status.CRASHED,
    "paced": Status.OK,
    "raises": Status.CRASHED,
}
"""How the case of each runtime ends, in the order of the plan."""
SOME_CASE_FAILED = 4
PATIENCE_S = 120.0
GONE_S = 15.0
PROGRAM = """
import pickle, sys
from pathlib import Path
from types import SimpleNamespace
from nervbench.cli import main
from nervbench.files import write_atomically
from nervbench.sweep import child, local, process

def run(job, timeout_s):
    if not isinstance(job, tuple):
        return process.run(job, timeout_s)
    kept = Path(sys.argv[1], type(job[0]).__name__)
    if not kept.exists():
        write_atomically(kept, pickle.dumps(child.answer(job)))
    return pickle.loads(kept.read_bytes())

local.PROBE_S = 0.0
if sys.argv[1]:
    local.process = SimpleNamespace(run=run, Died=process.Died)
main(sys.argv[2:])
"""


class LostError(Exception):
    """What a kill must not do."""


@dataclass(frozen=True)
class Stage:
    """Where the sweeps take place."""

    root: Path
    clip: Path
    cache: Path

    @property
    def bench(self) -> Path:
        return self.root / "bench.toml"

    @property
    def kept(self) -> Path:
        """Preparation that was done once."""
        return self.root / "kept"

    @property
    def scratch(self) -> Path:
        """The folder for temporary files of the sweeps and their workers, by which they are known."""
        return self.root / "tmp"


@dataclass(frozen=True)
class Kill:
    """SIGKILL so long after so many rows are there; ``group``: to the workers too, at once."""

    after_s: float
    group: bool
    rows: int = 0


@contextlib.contextmanager
def started(stage: Stage, out: Path, prepares: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """``nervbench run --resume`` in a session of its own; what it says is added to a file beside the folder."""
    words = ("run", stage.bench, "--out", out, "--cache", stage.cache, "--resume")
    paths = os.pathsep.join(filter(None, (str(FAKES), os.environ.get("PYTHONPATH"))))
    with out.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "" if prepares else str(stage.kept), *map(str, words)],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": paths, "TMPDIR": str(stage.scratch)},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def sweep(stage: Stage, out: Path, kill: Kill | None = None, prepares: bool = False) -> int:
    """Go on with a sweep to its end or to the kill: the exit code."""
    with started(stage, out, prepares) as process:
        if kill:
            wait_for_rows(process, out, kill.rows)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(kill.after_s)
            if process.returncode is None:
                workers = psutil.Process(process.pid).children(recursive=True) if kill.group else []
                for member in (psutil.Process(process.pid), *workers):  # a worker has a group of its own
                    with contextlib.suppress(psutil.NoSuchProcess):
                        member.kill()
        return process.wait(PATIENCE_S)


def wait_for_rows(process: subprocess.Popen[bytes], out: Path, rows: int) -> None:
    """Wait until so many rows are there, or the sweep has ended."""
    while content(out).count(b"\n") < rows and process.poll() is None:
        time.sleep(0.01)


def content(out: Path) -> bytes:
    """The results file, or nothing where there is none yet."""
    results = out / RESULTS
    return results.read_bytes() if results.exists() else b""


def killed(stage: Stage, out: Path, kills: Iterable[Kill], prepares: bool = False) -> tuple[int, int]:
    """One sweep with these kills, then to its end: kills that met it alive, and rows that had to outlive them.

    Raises LostError where anything was lost, changed, doubled or left behind.
    """
    met, rows, before, code = 0, 0, b"", -signal.SIGKILL
    for kill in kills:
        code = sweep(stage, out, kill, prepares)
        before = survived(stage, out, before)
        if code != -signal.SIGKILL:
            break
        met, rows = met + 1, rows + before.count(b"\n")
    if code == -signal.SIGKILL:
        code = sweep(stage, out, prepares=prepares)
        survived(stage, out, before)
    check_end(out, code)
    return met, rows


def survived(stage: Stage, out: Path, before: bytes) -> bytes:
    """The rows now, of which those of before must be the first; no half line, and no process, is left."""
    now = content(out)
    if not now.startswith(before):
        msg = "a row was lost or changed"
        raise LostError(msg)
    if now and not now.endswith(b"\n"):
        msg = "half a line"
        raise LostError(msg)
    if now:
        store.read(out / RESULTS)
    until = time.monotonic() + GONE_S
    while left := [process.pid for process in psutil.process_iter() if _belongs(process, stage)]:
        if time.monotonic() > until:
            msg = f"processes {left} are left"
            raise LostError(msg)
        time.sleep(0.05)
    return now


def check_end(out: Path, code: int) -> None:
    """Exactly the cases of the plan, once, in order, ended as if undisturbed; and nothing that is half-written."""
    ended = [(result.case.name, result.status) for result in store.read(out / RESULTS)]
    expected = [(f"nerv-xs/fp32/{runtime}/b1", status) for runtime, status in ENDS.items()]
    left = [str(path) for path in out.rglob(".*") if path.name != ".lock"]
    for what, found, wanted in (
        ("exit code", code, SOME_CASE_FAILED),
        ("rows", ended, expected),
        ("temporary files", left, []),
        ("a report", (out / "report.md").exists(), True),
    ):
        if found != wanted:
            msg = f"{what}: {found} instead of {wanted}"
            raise LostError(msg)


def _belongs(process: psutil.Process, stage: Stage) -> bool:
    """Whether a process is a sweep or was started by one; not where it has ended and nobody has asked for its code."""
    try:
        return process.environ().get("TMPDIR") == str(stage.scratch)
    except psutil.Error:
        return False


def staged(root: Path, clip: Path, cache: Path) -> Stage:
    """A stage whose sweeps have a case of each fake runtime."""
    stage = Stage(root, clip, cache)
    for folder in (stage.kept, stage.scratch):
        folder.mkdir(parents=True)
    stage.bench.write_text(f"""
clip = {{ source = "{clip}" }}
models = [{{ name = "nerv-xs", weights = "seeded:3" }}]
matrix = [{{ models = ["nerv-xs"], runtimes = {list(ENDS)} }}]
stopping = {{ min_samples = 1, max_samples = 3 }}
verify = {{ frames = 2 }}
""")
    return stage


def noise(folder: Path) -> Path:
    """A clip of four frames of noise: the fake runtimes give back the reference, whatever it is."""
    folder.mkdir()
    for index in range(4):
        frame = np.random.default_rng(index).integers(0, 256, (180, 320, 3), dtype=np.uint8)
        Image.fromarray(frame).save(folder / f"{index}.png")
    return folder


def undisturbed_s(stage: Stage, name: str, prepares: bool) -> float:
    """How long a sweep takes that nobody kills."""
    began = time.monotonic()
    check_end(stage.root / name, sweep(stage, stage.root / name, prepares=prepares))
    return time.monotonic() - began


def main() -> None:
    """Kill N times, in rounds of one to three kills."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    root, chance, seconds = Path(tempfile.mkdtemp(prefix="bench-kills-")), random.Random(given.seed), {}
    stage = staged(root, noise(root / "clip"), root / "cache")
    for prepares, name in ((True, "prepares"), (False, "keeps"), (False, "kept")):  # the last has the time of the kept
        seconds[prepares] = undisturbed_s(stage, name, prepares)
    print(f"undisturbed: {seconds[False]:.1f} s, with its preparation {seconds[True]:.1f} s", flush=True)
    met = rows = number = 0
    while met < given.n:
        out, prepares = root / f"round-{number}", number % 5 == 4
        kills = [
            Kill(chance.uniform(0, seconds[prepares]), chance.random() < 0.5)
            for _ in range(min(chance.randint(1, 3), given.n - met))
        ]
        try:
            more, checked = killed(stage, out, kills, prepares)
        except (LostError, NervbenchError, subprocess.TimeoutExpired) as error:
            print(f"round {number}, {kills}: {error}; see {out} and {out}.log", flush=True)
            sys.exit(1)
        if (met + more) // 10 > met // 10:
            print(f"{met + more} of {given.n} kills, {rows + checked} rows checked", flush=True)
        met, rows, number = met + more, rows + checked, number + 1
    print(f"{met} kills, {rows} rows checked, 0 lost")
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
