"""Weights on disk: our safetensors files (spec in the metadata), our ``.nerv`` files, and the authors' ``.pth`` files.

A ``.nerv`` file holds entropy-coded weights (:mod:`nervbench.bitstream`).
Nothing in a file is ever executed. A ``.pth`` file does not hold its architecture; its family infers it from the
shapes, and what shapes cannot say (activation, embedding base, output) is taken from the published recipe and said in
``assumed``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from nervbench.bitstream import container
from nervbench.errors import CheckpointError, first_line, names, printable
from nervbench.files import write_atomically
from nervbench.model import authors
from nervbench.model.family import Foreign, Spec, families, from_json, network_of
from nervbench.model.network import Constants, Network, weights
from nervbench.model.plain import plain_data

METADATA = "nervbench"
MAX_FRAMES = 1 << 24  # float32 positions t / T cannot tell more apart
FORMAT = "nervbench-checkpoint-1"
CODED_SUFFIX = ".nerv"
TRAINED_S = "trained_s"
"""The note that says how many seconds the training took."""
MAX_HEADER_BYTES = 1 << 20  # of a safetensors file, which has names and shapes there, and our metadata
MAX_NOTE = 10_000
MAX_PATH = 1000  # letters of one in a message


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights with the spec they belong to.

    ``frames`` is the T of t / T (None where the file does not say); ``notes`` is free text about its making;
    ``assumed`` says what was not in the file. ``coded_bytes`` is the size of the file that it came from, where that
    holds the weights in fewer bits than they have here and nothing else.
    """

    spec: Spec
    tensors: dict[str, Tensor]
    frames: int | None = None
    notes: dict[str, str] = field(default_factory=dict)
    assumed: str | None = None
    coded_bytes: int | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of the file that decodes: the coded one, or a safetensors file of the weights."""
        return self.coded_bytes or len(to_bytes(self))

    def model(self) -> Network:
        """The network with these weights in float32, in evaluation mode."""
        with torch.device("meta"):
            model = network_of(self.spec)
        tensors = {name: tensor.to(torch.float32) for name, tensor in self.tensors.items()}
        model.load_state_dict(tensors, assign=True)
        for module in model.modules():
            if isinstance(module, Constants):
                module.fill()  # what is not a weight is still on the meta device
        return model.eval()

    def sha256(self) -> str:
        """A hash of spec and weights, independent of the file format."""
        digest = hashlib.sha256(self.spec.to_json().encode())
        for name, tensor in sorted(self.tensors.items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            # Flat first: a 1×1 convolution in channels_last counts as contiguous with a last stride other than 1.
            digest.update(tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a safetensors file atomically, with spec, frame count and notes in its metadata."""
    write_atomically(path, to_bytes(checkpoint))


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """The content of the file that :func:`save` writes."""
    metadata = {
        "format": FORMAT,
        "spec": checkpoint.spec.to_json(),
        "notes": json.dumps(checkpoint.notes, sort_keys=True),
    }
    if checkpoint.frames is not None:
        metadata["frames"] = str(checkpoint.frames)
    tensors = {name: tensor.detach().contiguous() for name, tensor in checkpoint.tensors.items()}
    # One key: safetensors writes several in an order that differs between processes, and the bytes are hashed.
    return safetensors.torch.save(tensors, {METADATA: json.dumps(metadata, sort_keys=True)})


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint, ours or the authors'.

    Raises CheckpointError for a file that is missing, truncated, not plain weights, of another model, or not finite.
    """
    path = Path(path)
    try:
        what = "a folder" if path.is_dir() else "a device or a pipe"
        found = "a file" if path.is_file() else f"{what}, expected a file" if path.exists() else "no such file"
    except OSError as error:  # a name that is too long
        found = error.strerror or "cannot be read"
    if found != "a file":
        msg = f"checkpoint {str(path)[:MAX_PATH]}: {found}"
        raise CheckpointError(msg)
    if path.suffix == ".safetensors":
        checkpoint = _load_safetensors(path)
    elif path.suffix == CODED_SUFFIX:
        checkpoint = _load_coded(path)
    else:
        found_in = _foreign(path)
        frames = found_in.spec.frames
        coded = path.stat().st_size if found_in.coded else None
        checkpoint = Checkpoint(found_in.spec, found_in.tensors, frames, found_in.notes, found_in.assumed, coded)
    _check(path, checkpoint)
    return checkpoint


def _foreign(path: Path) -> Foreign:
    """What a file of a family's authors holds; who says what is wrong with a file of no family is NeRV's reader."""
    content = plain_data(path)
    for family in families().values():
        if family.read and family.claims(content):
            return family.read(path, content)
    return authors.read(path, content)


def bundled(name: str) -> Checkpoint:
    """The trained checkpoint that is shipped for a named model; raises CheckpointError where there is none."""
    file = resources.files("nervbench.model") / "weights" / f"{name}.safetensors"
    if not file.is_file():
        msg = (
            f'no trained checkpoint of {name} is shipped; train one (nervbench train {name}) or use weights "seeded:0"'
        )
        raise CheckpointError(msg)
    with resources.as_file(file) as path:
        return load(path)


def seeded(spec: Spec, seed: int) -> Checkpoint:
    """Weights drawn from a seed, scaled so that activations keep their variance and frames use the whole range.

    With PyTorch's own initialisation the frames of a deep NeRV are almost uniform grey, and a wrong decode would look
    right. Here each layer is normal, with the deviation that the family gives.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        network = network_of(spec)
    shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
    deviation = families()[spec.family].deviation
    tensors: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        if name.endswith("bias"):
            tensors[name] = torch.zeros(shape)
            continue
        tensors[name] = torch.empty(shape).normal_(0, deviation(name, tuple(shape)), generator=generator)
    # Statistics of a normalisation are no parameters: nothing seen, so mean 0 and variance 1.
    for name, buffer in weights(network.state_dict()).items():
        tensors.setdefault(name, torch.full(buffer.shape, float(name.endswith("var"))))
    return Checkpoint(spec, tensors, spec.frames, {"weights": f"random, seed {seed}"})


def _load_safetensors(path: Path) -> Checkpoint:
    try:
        with path.open("rb") as raw:
            header = int.from_bytes(raw.read(8), "little")
        if MAX_HEADER_BYTES < header < path.stat().st_size:  # one beyond the file is for the library to refuse
            msg = f"checkpoint {path}: a header of {header} bytes; the bound is {MAX_HEADER_BYTES}"
            raise CheckpointError(msg)
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(METADATA, "{}"))
            if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
                msg = f"checkpoint {path}: a safetensors file without a nervbench spec in its metadata; known: {FORMAT}"
                raise CheckpointError(msg)
            spec = from_json(metadata["spec"])
            frames = _frames(metadata["frames"]) if "frames" in metadata else None
            notes = _notes(json.loads(metadata.get("notes", "{}")))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (safetensors.SafetensorError, OSError) as error:
        msg = f"checkpoint {path}: not a whole safetensors file ({first_line(error)}); it is truncated or damaged"
        raise CheckpointError(msg) from None
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        msg = f"checkpoint {path}: its metadata cannot be read ({first_line(error)})"
        raise CheckpointError(msg) from None
    return Checkpoint(spec, tensors, frames, notes)


def _load_coded(path: Path) -> Checkpoint:
    try:
        with path.open("rb") as file:
            header = container.opened(file)
            spec = from_json(json.dumps(header.spec))
            frames = None if header.frames is None else _frames(header.frames)
            size_bytes = path.stat().st_size
            values = container.decoded(header, shapes_of(spec), size_bytes)
    except OSError as error:
        msg = f"checkpoint {path}: cannot be read ({error.strerror or error})"
        raise CheckpointError(msg) from None
    except ValueError as error:
        msg = f"checkpoint {path}: {printable(str(error), MAX_NOTE)}"
        raise CheckpointError(msg) from None
    tensors = {name: torch.from_numpy(array) for name, array in values.items()}
    return Checkpoint(spec, tensors, frames, _notes(header.notes), coded_bytes=size_bytes)


def shapes_of(spec: Spec) -> dict[str, tuple[int, ...]]:
    """The shape of every weight that a checkpoint of this spec has."""
    with torch.device("meta"):
        network = network_of(spec)
    return {name: tuple(tensor.shape) for name, tensor in weights(network.state_dict()).items()}


def _notes(written: dict[str, Any]) -> dict[str, str]:
    return {printable(key): printable(str(value), MAX_NOTE) for key, value in written.items()}


def _frames(text: object) -> int:
    frames = int(str(text))  # str: int(Infinity) of JSON is an OverflowError, and int(1.5) is 1
    if not 1 <= frames <= MAX_FRAMES:
        msg = f"{frames} frames; possible: 1 to {MAX_FRAMES}"
        raise ValueError(msg)
    return frames


def _check(path: Path, checkpoint: Checkpoint) -> None:
    """Names, shapes and finite values, against the spec."""
    expected: dict[str, Any] = dict(shapes_of(checkpoint.spec))
    found = {name: tuple(tensor.shape) for name, tensor in checkpoint.tensors.items()}
    if found != expected:
        wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        name = wrong[0]
        msg = (
            f"checkpoint {path}: does not fit its spec: {names([name])} is {found.get(name, 'missing')}, "
            f"expected {expected.get(name, 'nothing of that name')} ({len(wrong)} such)"
        )
        raise CheckpointError(msg)
    for name, tensor in checkpoint.tensors.items():
        if tensor.dtype not in authors.FLOATS:
            msg = f"checkpoint {path}: {name} holds {tensor.dtype}, expected floating-point weights"
            raise CheckpointError(msg)
        if bad := int((~torch.isfinite(tensor)).sum()):
            msg = (
                f"checkpoint {path}: {name} has {bad} values that are NaN or infinite; "
                f"it was saved from a run that had diverged"
            )
            raise CheckpointError(msg)
