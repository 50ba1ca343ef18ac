"""Artifacts and their cache.

An artifact is kept under a key made of everything that decides its bytes: spec and weights, format, precision, and
the versions of the tools that write it. A changed tool is another key; nothing is ever overwritten with something
else. Beside the file lies its description, with the file's hash: a file that does not match is rebuilt, and the
artifact's notes say so. They also say what a rewritten graph was rewritten by.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

from nervbench import __version__
from nervbench.errors import ExportError, unknown
from nervbench.export.rewrites import quantised, rewritten
from nervbench.export.to_checkpoint import to_checkpoint
from nervbench.export.to_onnx import to_onnx
from nervbench.export.to_torchscript import to_torchscript
from nervbench.files import source_hash, write_atomically
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.precision import DTYPES
from nervbench.records import Artifact


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a model: its file suffix, its writer, the packages whose versions decide the bytes, precisions.

    ``rewrite`` makes another file of one in the format ``of``: (content, checkpoint, precision) → (content, notes).
    int8 is what it makes of a file in the precision ``of_float``.
    """

    suffix: str
    write: Callable[[Checkpoint, str], bytes]
    packages: tuple[str, ...]
    precisions: tuple[str, ...] = tuple(DTYPES)
    rewrite: Callable[[bytes, Checkpoint, str], tuple[bytes, tuple[str, ...]]] | None = None
    of: str = ""
    of_float: str = "fp32"

    def written_in(self, precision: str) -> str:
        """The precision of what the writer writes."""
        return self.of_float if precision == "int8" else precision


ONNX = ("torch", "onnx", "onnxscript")
FORMATS: dict[str, Format] = {
    "checkpoint": Format(".safetensors", to_checkpoint, ("safetensors",)),
    "torchscript": Format(".pt", to_torchscript, ("torch",)),
    "onnx": Format(".onnx", to_onnx, ONNX),
    "onnx_17": Format(".onnx", partial(to_onnx, opset=17), ONNX, ("fp32", "fp16")),
    "onnx_20": Format(".onnx", partial(to_onnx, opset=20), ONNX, ("fp32", "fp16")),
    "onnx_22": Format(".onnx", partial(to_onnx, opset=22), ONNX),
    "onnx_rewritten": Format(".onnx", to_onnx, ONNX, (*DTYPES, "int8"), rewritten, "onnx"),
    "onnx_qdq": Format(".onnx", partial(to_onnx, opset=20), ONNX, ("int8",), quantised, "onnx_20", "fp16"),
}
"""By name. A number is an older opset: 22 is the first in which a convolution may be bf16. ``onnx_qdq`` is quantised by
QuantizeLinear and DequantizeLinear as TensorRT wants it, fp16 around them.
"""


def produce(checkpoint: Checkpoint, form: str, precision: str, cache: Path) -> tuple[Path, Artifact]:
    """The artifact of a checkpoint, from the cache or made now: (file, description).

    Raises ExportError with the exporter's own message where it fails, and for an unknown format or precision.
    """
    versions = _versions(form, precision)
    key = _key(checkpoint, form, precision, versions)
    path = cache / "artifacts" / f"{key}{FORMATS[form].suffix}"
    kept, note = _from_cache(path, key)
    if kept:
        return path, kept
    plain = None
    if of := FORMATS[form].of:
        plain = produce(checkpoint, of, FORMATS[form].written_in(precision), cache)[0].read_bytes()
    content, artifact = write(checkpoint, form, precision, plain)
    artifact = dataclasses.replace(artifact, notes=(*([note] if note else []), *artifact.notes))
    write_atomically(path, content)
    write_atomically(_description(path), describe(artifact))
    return path, artifact


def write(checkpoint: Checkpoint, form: str, precision: str, plain: bytes | None = None) -> tuple[bytes, Artifact]:
    """The file's content and its description, made now; ``plain`` is what a rewrite starts from, if it is there.

    Raises ExportError as :func:`produce` does.
    """
    versions = _versions(form, precision)
    notes: tuple[str, ...] = ()
    content = plain or FORMATS[form].write(checkpoint, FORMATS[form].written_in(precision))
    if rewrite := FORMATS[form].rewrite:
        content, notes = rewrite(content, checkpoint, precision)
    return content, Artifact(
        format=form,
        precision=precision,
        key=_key(checkpoint, form, precision, versions),
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        spec=checkpoint.spec.to_json(),
        versions=versions,
        notes=notes,
    )


def describe(artifact: Artifact, frames: int | None = None) -> str:
    """The description as the JSON that lies beside the file; with ``frames``, the T of the t / T that it takes."""
    facts = dataclasses.asdict(artifact) | ({"frames": frames} if frames else {})
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"


def _versions(form: str, precision: str) -> dict[str, str]:
    """Versions of what writes a format; refuses what is not known."""
    if form not in FORMATS:
        raise ExportError(unknown("format", form, FORMATS))
    if precision not in FORMATS[form].precisions:
        raise ExportError(unknown(f"precision of {form}", precision, FORMATS[form].precisions))
    rewrites = ("nervbench_kernels.rewrites",) if FORMATS[form].rewrite else ()
    ours = f"{__version__}+{source_hash('nervbench.model', 'nervbench.export', *rewrites)}"
    return {name: metadata.version(name) for name in FORMATS[form].packages} | {"nervbench": ours}


def _key(checkpoint: Checkpoint, form: str, precision: str, versions: dict[str, str]) -> str:
    parts = json.dumps([checkpoint.sha256(), form, precision, versions], sort_keys=True)
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def _description(path: Path) -> Path:
    return path.with_suffix(path.suffix + ".json")


def _from_cache(path: Path, key: str) -> tuple[Artifact | None, str | None]:
    """The kept artifact if file, description and key agree; else None and, of what was there, what was wrong."""
    if not path.exists():
        return None, None
    try:
        raw = json.loads(_description(path).read_text())
        artifact = Artifact(**(raw | {"notes": tuple(raw["notes"])}))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None, "rebuilt: the cached file had no readable description"
    if hashlib.sha256(path.read_bytes()).hexdigest() != artifact.sha256:
        return None, "rebuilt: the cached file did not match its hash"
    if artifact.key != key:
        return None, "rebuilt: the cached file was made of something else"
    return artifact, None
