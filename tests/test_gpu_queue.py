"""The queue of a GPU, with steps that need none."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from nervbench import store
from tests.bench import gpu
from tests.bench.gpu import FAILED, OK, PARTIAL, UNSUPPORTED, Step, steps, work_through


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``python -m`` finds the programs here, and they have little time."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(gpu, "LEAST_S", 0.5)
    (tmp_path / "well.py").write_text("print('well')")
    (tmp_path / "badly.py").write_text("import sys; print('no such thing', file=sys.stderr); sys.exit(3)")
    (tmp_path / "endless.py").write_text("import time\nwhile True: time.sleep(0.01)")
    (tmp_path / "a_bit.py").write_text("import sys; open(sys.argv[1], 'a').write('.'); print('one more is left')")


def test_every_ending(tmp_path: Path) -> None:
    """Each way to end is a line with its reason, and the next step begins all the same."""
    kept = tmp_path / "pieces"
    queue = [
        Step("well", ("well",)),
        Step("badly", ("badly",)),
        Step("lacking", ("well",), ("no_such_module",)),
        Step("pieces", ("a_bit", str(kept)), is_done=lambda: len(kept.read_text()) == 2),
        Step("endless", ("endless",)),
        Step("late", ("well",)),
    ]
    found = {each.step: each for each in work_through(queue, tmp_path, 4.0)}

    assert {name: each.status for name, each in found.items()} == {
        "well": OK, "badly": FAILED, "lacking": UNSUPPORTED, "pieces": PARTIAL, "endless": PARTIAL, "late": PARTIAL,
    }  # fmt: skip
    assert "exit code 3; its last words: no such thing" in found["badly"].reason
    assert "no no_such_module here" in found["lacking"].reason
    assert "one more is left" in found["pieces"].reason
    assert "the time was over" in found["endless"].reason
    assert found["late"].reason.startswith("not begun")
    assert [line.step for line in store.read_last(tmp_path / gpu.QUEUE, gpu.from_line)] == list(found)[:-1]

    again = {each.step: each for each in work_through(queue[:4], tmp_path, 4.0)}

    assert again["pieces"].status == OK
    assert again["well"] == found["well"], "what is done is not done again"
    assert kept.read_text() == ".."


def test_beside(tmp_path: Path) -> None:
    """What runs beside a step ends with it."""
    sign = tmp_path / "sign"
    program = f"import time\nwhile True:\n    open({str(sign)!r}, 'w').write(str(time.time()))\n    time.sleep(0.01)"
    (tmp_path / "waits.py").write_text(f"import pathlib\nwhile not pathlib.Path({str(sign)!r}).exists(): pass")

    assert [each.status for each in work_through([Step("both", ("waits",), beside=program)], tmp_path, 20.0)] == [OK]
    before = sign.read_text()
    time.sleep(0.1)
    assert sign.read_text() == before


def test_no_gpu(tmp_path: Path) -> None:
    """Where there is none every step is named, and nothing is run."""
    blind = f"import runpy, sys; sys.argv[1:] = ['--out', {str(tmp_path / 'out')!r}]; " + (
        "import os; os.environ['CUDA_VISIBLE_DEVICES'] = ''; runpy.run_module('tests.bench.gpu', run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", blind], capture_output=True, text=True, check=True)

    assert ended.stdout.count("UNSUPPORTED") == len(steps(tmp_path))
    assert "sees no CUDA device" in ended.stdout
    assert "go on with: python -m tests.bench.gpu --budget 8m" in ended.stdout


@pytest.mark.parametrize(("arguments", "says"), [(["--only", "decod"], "ceilings, decode"), (["--budget", "x"], "8m")])
def test_wrong(arguments: list[str], says: str, tmp_path: Path) -> None:
    """A step that does not exist, and no time."""
    command = [sys.executable, "-m", "tests.bench.gpu", *arguments, "--out", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
