"""What runs on a node of a Ray cluster: it measures cases there as the local executor does, with the driver's package.

The class goes to the node by value, and nothing of ours is imported here before it is at work: which nervbench the
node has, if any, does not matter. What nervbench needs must be installed there.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nervbench.records import Case, DeviceCard, Result
    from nervbench.sweep.local import Plan

Files = dict[str, bytes]
"""Contents by relative paths."""


class Node:
    """One device of one node. Ray makes no second one there, for it holds the device, or all processors."""

    def __init__(self, package: bytes, name: str) -> None:
        """Unpack the driver's package, and use it: here, and in every process that is started from here."""
        folder = Path(tempfile.gettempdir()) / f"nervbench-package-{os.getuid()}-{name}"
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=tempfile.gettempdir()) as beside:
                zipfile.ZipFile(io.BytesIO(package)).extractall(beside)
                try:
                    Path(beside).rename(folder)
                except OSError:  # another process of this node was first
                    if not folder.is_dir():
                        raise
                else:
                    Path(beside).mkdir()
        sys.path.insert(0, str(folder))
        inherited = os.environ  # noqa: TID251 (by the processes that measure)
        before = inherited.get("PYTHONPATH")
        inherited["PYTHONPATH"] = f"{folder}{os.pathsep}{before}" if before else str(folder)
        inherited.pop("OMP_NUM_THREADS", None)  # Ray's, one thread a processor that it gave; ours asks the device
        self._ready: Any = None

    def prepare(self, plan: Plan, files: dict[str, Files], budget_s: float) -> tuple[DeviceCard, Files]:
        """Make ready for every case of the plan; the device's card with its ceilings, and the pictures that were made.

        ``files`` are what the cases read, by the path that the plan gives to them.
        """
        import dataclasses

        from nervbench.sweep.local import preparation, probe_device, told

        paths = {path: self._kept(plan.cache, path, content) for path, content in files.items()}
        cases = tuple(dataclasses.replace(case, weights=paths.get(case.weights, case.weights)) for case in plan.cases)
        where, colon, first = plan.bench.clip.source.rpartition(":")
        source = paths.get(plan.bench.clip.source) or (f"{paths[where]}{colon}{first}" if where in paths else None)
        clip = dataclasses.replace(plan.bench.clip, source=source) if source else plan.bench.clip
        with tempfile.TemporaryDirectory(prefix="nervbench-") as out:
            here = dataclasses.replace(
                plan, bench=dataclasses.replace(plan.bench, clip=clip), cases=cases, out=Path(out)
            )
            self._ready = told(preparation(here), lambda _: None)
            pictures = {path.name: path.read_bytes() for path in (Path(out) / "frames").glob("*.png")}
        self._card = probe_device(plan.device, budget_s)
        return self._card, pictures

    def measure(self, case: Case) -> Result:
        """One case, from its beginning to its end, in a process of its own."""
        from nervbench.records import Result
        from nervbench.sweep.local import end

        job = self._ready.job(case, self._card)
        return job if isinstance(job, Result) else end(job, self._ready.plan.bench.limits.case_timeout_s)

    @staticmethod
    def _kept(cache: Path, path: str, files: Files) -> str:
        """Where a file of the driver, or a folder, lies in the cache of this node."""
        from nervbench.files import within, write_atomically

        digest = hashlib.sha256()
        for name, content in sorted(files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        folder = cache / "from-driver" / digest.hexdigest()[:16]
        for name, content in files.items():
            if not (folder / name).is_file():
                write_atomically(within(folder, name), content)
        return str(folder / Path(path).name)
