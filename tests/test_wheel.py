"""The wheel by itself: it carries all that a run, a report and a prediction need, outside the repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_run import written

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but what the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("nervbench-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], check=True)
    return folder / "site"


def test_run(site: Path, tmp_path: Path) -> None:
    """A case is measured and reported, a device predicted, the suites listed, with the code of the wheel."""
    bench = written(tmp_path)
    bench.write_text(
        bench.read_text().replace("seeded:0", "bundled").replace('source = "clip"', 'source = "bigbuckbunny:132"')
    )

    def called(*words: str) -> str:
        command = [sys.executable, "-P", *words]
        around = os.environ | {"PYTHONPATH": str(site)}
        done = subprocess.run(command, cwd=tmp_path, env=around, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    places = called(
        "-c", "import nervbench, nervbench_kernels as ours; print(nervbench.__file__, ours.__file__)"
    ).split()
    assert all(place.startswith(str(site)) for place in places), places
    out = called("-m", "nervbench", "run", "bench.toml", "--only", "nerv-xs/fp32/*", "--out", "out", "--cache", "cache")
    assert "OK" in out
    assert (tmp_path / "out" / "report.html").is_file()
    assert "Tesla P100" in called("-m", "nervbench", "predict", "nerv-s", "--on", "p100")
    assert "suite:ablation" in called("-m", "nervbench", "suites")
