"""What runs on a node of a Ray cluster: it measures cases there as the local executor does, with the driver's package.

The class goes to the node by value, what it is given and what it says are bytes, and nothing of ours is imported here
before the driver's package is unpacked: which nervbench the node has, if any, does not matter. What nervbench needs
must be installed there.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nervbench.records import Result
    from nervbench.sweep.local import Plan, Ready

Files = dict[str, bytes]
"""Contents by relative paths."""
OURS = ("nervbench", "nervbench_kernels")


class Node:
    """One device of one node. Ray makes no second one there, for it holds the device, or all processors."""

    def __init__(self, package: bytes, name: str) -> None:
        """Unpack the driver's package, and use it: here, and in every process that is started from here."""
        import platformdirs

        folder = Path(platformdirs.user_cache_path("nervbench")) / "packages" / name
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            beside = tempfile.mkdtemp(dir=folder.parent)
            zipfile.ZipFile(io.BytesIO(package)).extractall(beside)
            try:
                Path(beside).rename(folder)
            except OSError:  # another process of this node was first
                shutil.rmtree(beside, ignore_errors=True)
        for module in [module for module in sys.modules if module.partition(".")[0] in OURS]:
            del sys.modules[module]
        sys.path.insert(0, str(folder))
        inherited = os.environ  # noqa: TID251 (by the processes that measure)
        before = inherited.get("PYTHONPATH")
        inherited["PYTHONPATH"] = f"{folder}{os.pathsep}{before}" if before else str(folder)
        inherited.pop("OMP_NUM_THREADS", None)  # Ray's, one thread a processor that it gave; ours asks the device

    def begun(self) -> None:
        """Answered as soon as the node has room."""

    def prepare(self, plan: bytes, files: dict[str, Files], cache: str | None, budget_s: float) -> bytes:
        """Make ready for every case of the plan; the answer are the pictures that were made, by name.

        ``files`` are what the cases read, by the path that the plan gives to them; ``cache`` is a folder of the node,
        None its user's. Measures the ceilings of the device.
        """
        return _said(lambda: self._prepared(pickle.loads(plan), files, cache, budget_s))

    def measure(self, case: bytes) -> bytes:
        """One case, from its beginning to its end, in a process of its own; the answer is its Result."""
        return _said(lambda: self._measured(pickle.loads(case)))

    def _prepared(self, plan: Plan, files: dict[str, Files], cache: str | None, budget_s: float) -> Files:
        import dataclasses

        import platformdirs

        from nervbench.sweep.local import preparation, probe_device, told

        kept = Path(cache) if cache else Path(platformdirs.user_cache_path("nervbench"))
        paths = {path: kept_here(kept, content) for path, content in files.items()}
        cases = tuple(dataclasses.replace(case, weights=paths.get(case.weights, case.weights)) for case in plan.cases)
        bench, source = plan.bench, plan.bench.clip.source
        where, colon, first = source.rpartition(":")
        moved = paths.get(source) or (f"{paths[where]}{colon}{first}" if where in paths else source)
        bench = dataclasses.replace(bench, clip=dataclasses.replace(bench.clip, source=moved))
        with tempfile.TemporaryDirectory(prefix="nervbench-") as out:
            here = dataclasses.replace(plan, bench=bench, cases=cases, out=Path(out), cache=kept)
            self._ready: Ready = told(preparation(here), lambda _: None)
            pictures = {path.name: path.read_bytes() for path in (Path(out) / "frames").glob("*.png")}
        self._card = probe_device(plan.device, budget_s)
        return pictures

    def _measured(self, case: Any) -> Result:
        from nervbench.records import Result
        from nervbench.sweep.local import end

        job = self._ready.job(case, self._card)
        return job if isinstance(job, Result) else end(job, self._ready.plan.bench.limits.case_timeout_s)


def kept_here(cache: Path, files: Files) -> str:
    """Where a file of the driver, or a folder, lies in the cache of this node."""
    from nervbench.files import within, write_atomically

    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    folder = cache / "from-driver" / digest.hexdigest()[:16]
    for name, content in files.items():
        if not (folder / name).is_file():
            write_atomically(within(folder, name), content)
    return str(folder / next(iter(files)).partition("/")[0]) if files else str(folder)


def _said(do: Callable[[], Any]) -> bytes:
    """The answer, or an error of ours, as bytes: whoever carries it need not know what it is."""
    from nervbench.errors import NervbenchError
    from nervbench.sweep.child import failed

    try:
        return pickle.dumps(do())
    except NervbenchError as error:
        return pickle.dumps(failed(error))
