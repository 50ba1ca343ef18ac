"""The same targets led by coverage, where ``atheris`` is installed (``pip install atheris``; nothing here needs it).

``python -m tests.fuzz.guided bench -runs=100000`` (what follows the name is libFuzzer's own).
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Run one target; libFuzzer prints, keeps what crashes in the folder that it names, and ends the process."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["nervbench", "tomllib", "json", "pickletools", "zipfile"]):
        targets = importlib.import_module("tests.fuzz.targets").TARGETS
    target = targets[sys.argv[1]]
    corpus = Path(tempfile.mkdtemp(prefix="nervbench-corpus-"))
    for number, seed in enumerate(target.seeds()):
        (corpus / str(number)).write_bytes(seed)
    options = ["-timeout=10", "-rss_limit_mb=4096", f"-artifact_prefix={corpus}-"]
    atheris.Setup([sys.argv[0], *options, *sys.argv[2:], str(corpus)], target.parse)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
