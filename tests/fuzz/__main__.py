"""``make fuzz``: every target at length, each in a process of its own; exits with 1 where one breaks its promise.

A crash is any exception that is not ours, a hang one input of more than 10 s, growth more than 64 MiB between the end
of the warm-up (the first tenth) and the end. The input that did it stays in the folder whose path is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import mmap
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.fuzz.mutate import MAX_LENGTH, mutated
from tests.fuzz.targets import TARGETS

HANG_S = 10
MAX_GROWTH_BYTES = 64 << 20  # caches of the libraries and what allocators keep; a leak of 1 KB an input shows at 10 %
PAGE = 4096


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one target."""

    inputs: int
    crashes: int
    wall_s: float
    longest_s: float
    start_bytes: int
    warm_bytes: int
    end_bytes: int


def fuzz(name: str, count: int, seed: int, folder: Path) -> Outcome:
    """Give a target so many inputs; those that crash it are saved in the folder, with the traceback."""
    target = TARGETS[name]
    examples = target.seeds()
    draw = random.Random(f"{name} {seed}")
    start_bytes = warm_bytes = _resident_bytes()
    crashes, longest_s, begin = 0, 0.0, time.perf_counter()
    armed = 0.0
    with _last_words(folder / name) as remember:
        for number in range(count):
            data = examples[number] if number < len(examples) else mutated(draw, examples, target.tokens)
            remember(data)
            before = time.perf_counter()
            if before - armed > 1:  # not each time: arming starts a thread
                faulthandler.dump_traceback_later(HANG_S + 1, exit=True)
                armed = before
            try:
                target.parse(data)
            except Exception:  # noqa: BLE001 (whatever it is, it is what is looked for)
                crashes += 1
                saved = folder / f"{name}-{number}"
                saved.write_bytes(data)
                saved.with_suffix(".txt").write_text(traceback.format_exc())
            longest_s = max(longest_s, time.perf_counter() - before)
            if number == count // 10:
                warm_bytes = _resident_bytes()
    faulthandler.cancel_dump_traceback_later()
    return Outcome(count, crashes, time.perf_counter() - begin, longest_s, start_bytes, warm_bytes, _resident_bytes())


@contextlib.contextmanager
def _last_words(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Keep the input at hand in a file that outlives a segmentation fault; it is gone where all went well."""
    with path.open("w+b") as file:
        file.truncate(MAX_LENGTH)
        with mmap.mmap(file.fileno(), MAX_LENGTH) as memory:

            def remember(data: bytes) -> None:
                memory[: len(data)] = data
                memory[len(data) : len(data) + 16] = bytes(16)[: MAX_LENGTH - len(data)]

            yield remember
    path.unlink()


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def _in_a_process(name: str, count: int, seed: int, folder: Path) -> Outcome | None:
    """The outcome, or None where the process died or hung; its last words are shown then."""
    command = [sys.executable, "-m", "tests.fuzz", "--target", name, "-n", str(count), "--seed", str(seed)]
    done = subprocess.run([*command, "--folder", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr[-3000:], file=sys.stderr)
        return None
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


def _verdict(found: Outcome | None) -> str:
    if found is None:
        return "DIED OR HUNG"
    if found.crashes:
        return f"{found.crashes} CRASHES"
    return "GREW" if found.end_bytes - found.warm_bytes > MAX_GROWTH_BYTES else "ok"


def main() -> int:
    """Parse the command line, run, and print a line a target."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("-n", type=int, default=1_000_000, help="inputs in all, shared out by the cost of a target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=TARGETS, help="all inputs to one target")
    parser.add_argument("--target", choices=TARGETS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where inputs that crash a target are kept")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="nervbench-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    if given.target:
        print(json.dumps(asdict(fuzz(given.target, given.n, given.seed, folder))))
        return 0
    shares = {given.only: 1.0} if given.only else {name: target.share for name, target in TARGETS.items()}
    print(f"{'target':12}{'inputs':>9}{'inputs/s':>10}{'longest':>10}{'MiB: start':>12}{'warm':>7}{'end':>7}  verdict")
    done, wall_s, bad = 0, 0.0, []
    for name, share in shares.items():
        found = _in_a_process(name, max(1, round(given.n * share)), given.seed, folder)
        verdict = _verdict(found)
        bad += [name] if verdict != "ok" else []
        if found:
            done, wall_s = done + found.inputs, wall_s + found.wall_s
            sizes = "".join(f"{size >> 20:{w}}" for size, w in (
                (found.start_bytes, 12), (found.warm_bytes, 7), (found.end_bytes, 7)))  # fmt: skip
            rate = found.inputs / found.wall_s
            print(f"{name:12}{found.inputs:9}{rate:10.0f}{found.longest_s:9.2f}s{sizes}  {verdict}", flush=True)
        else:
            print(f"{name:12}{verdict:>20}", flush=True)
    print(f"{done} inputs in {wall_s:.0f} s; {'failed: ' + ', '.join(bad) if bad else 'no crash, hang or growth'}")
    if bad:
        print(f"the inputs are in {folder}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
