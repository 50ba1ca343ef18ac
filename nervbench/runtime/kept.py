"""What a runtime builds for a case, on this hardware and software, kept beside the artifact that it was built from.

Loading such a file runs what is in it, so none is loaded but from there, and only if its bytes have the SHA-256 that
the description beside it says and the description is of exactly this case. That finds damage, leftovers and files of
other programs; whoever may write into the cache folder can write both. What does not match is built again, and said.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from nervbench import __version__
from nervbench.files import source_hash, write_atomically
from nervbench.runtime.base import Opening


def called(opening: Opening) -> dict[str, str]:
    """The model, how it is called, and the code that builds for it."""
    return {
        "artifact": opening.artifact.key,
        "sha256_of_artifact": opening.artifact.sha256,
        "precision": opening.precision,
        "batch": str(opening.batch),
        "nervbench": f"{__version__}+{source_hash('nervbench.runtime')}",
    }


def beside(opening: Opening, facts: dict[str, str], suffix: str) -> Path:
    """Where a file for these facts is kept."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    return opening.path.parent / f"{digest}{suffix}"


def keep(path: Path, content: bytes, facts: dict[str, str]) -> None:
    """Write a file and the description that vouches for it."""
    described = facts | {"sha256": hashlib.sha256(content).hexdigest()}
    write_atomically(path, content)
    write_atomically(_description(path), json.dumps(described, indent=1, sort_keys=True) + "\n")


def kept(path: Path, facts: dict[str, str]) -> tuple[bytes | None, str | None]:
    """A file that :func:`keep` wrote for these facts, unchanged since; else None and, where there was one, why not."""
    if not path.exists():
        return None, None
    try:
        described = json.loads(_description(path).read_text())
        content = path.read_bytes()
    except (OSError, ValueError, RecursionError):
        return None, f"rebuilt: {path.name} had no readable description, so it is not known to be ours"
    if not isinstance(described, dict) or described.pop("sha256", None) != hashlib.sha256(content).hexdigest():
        return None, f"rebuilt: {path.name} did not match its hash"
    return (content, None) if described == facts else (None, f"rebuilt: {path.name} was made for something else")


def _description(path: Path) -> Path:
    return path.with_suffix(path.suffix + ".json")
