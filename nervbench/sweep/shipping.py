"""What goes to the nodes of a cluster: the packages of this tree, and the files that a plan names."""

from __future__ import annotations

import hashlib
import io
import zipfile
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from nervbench.data.clip import beginning
from nervbench.data.packaged import PACKAGED
from nervbench.sweep.local import Plan
from nervbench.sweep.on_node import Files

PACKAGES = ("nervbench", "nervbench_kernels")
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The least that a zip file can say, so that the same content gives the same bytes."""


def package() -> tuple[bytes, str]:
    """The packages of this tree and what they are registered for, zipped; and a name that follows from the content."""
    contents: Files = {}
    for name in PACKAGES:
        root = Path(str(files(name)))
        for path in sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            contents[f"{name}/{path.relative_to(root).as_posix()}"] = path.read_bytes()
    installed = metadata.distribution("nervbench")
    for name in ("METADATA", "entry_points.txt"):
        contents[f"nervbench-{installed.version}.dist-info/{name}"] = (installed.read_text(name) or "").encode()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)
    return zipped.getvalue(), hashlib.sha256(zipped.getvalue()).hexdigest()[:16]


def named_files(plan: Plan) -> dict[str, Files]:
    """The files that a plan names, by the paths that it gives to them: checkpoints, and a clip that nobody packs."""
    where, _ = beginning(plan.bench.clip.source)
    paths = {
        case.weights for case in plan.cases if case.weights != "bundled" and not case.weights.startswith("seeded:")
    }
    paths |= {where} - PACKAGED.keys()
    return {path: _contents(Path(path).resolve()) for path in sorted(paths)}


def _contents(path: Path) -> Files:
    """A file, or those of a folder, by their paths from the folder above it."""
    if path.is_dir():
        return {f"{path.name}/{each.name}": each.read_bytes() for each in sorted(path.iterdir()) if each.is_file()}
    return {path.name: path.read_bytes()}
