"""What the cases of one model share, made once before they are measured: frames, pictures, artifacts.

The reference is fp32 eager, decoded one frame at a time. It is kept in the cache under the hash of the weights, so a
second run starts at once.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from nervbench import plugins, quality
from nervbench.data import clip as clips
from nervbench.device.base import Device
from nervbench.errors import ConfigError, ExportError
from nervbench.export.base import produce
from nervbench.files import atomic_path, source_hash
from nervbench.measure.scenario import aligned
from nervbench.model import checkpoint as checkpoints
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.cost import cost_of
from nervbench.model.network import FrameDecoder, positions
from nervbench.model.source import weights_of
from nervbench.sweep import reference
from nervbench.sweep.jobs import Exported, ExportJob, Exports, ModelJob, Prepared
from nervbench.sweep.pictures import write_pictures

PICTURES = 3
VERSIONS = f"{source_hash('nervbench.model')}-torch{torch.__version__}"


def prepare(job: ModelJob) -> Prepared:
    """Make the shared parts of a model. Raises InputError or ConfigError for weights or a clip that do not fit."""
    checkpoint = weights_of(job.model, job.weights)
    trained = not job.weights.startswith("seeded:")
    clip = clips.open_clip(job.clip.source, job.clip.max_pixels, job.clip.max_frames)
    if checkpoint.frames not in (None, clip.frames):
        msg = (
            f"{job.model}: its weights ({job.weights}) were trained on {checkpoint.frames} frames, the clip "
            f"{clip.name} has {clip.frames}; give the clip that it was trained on, or other weights"
        )
        raise ConfigError([msg])
    if checkpoint.notes.get("clip_sha256", clip.sha256) != clip.sha256:
        msg = f"{job.model}: its weights ({job.weights}) were trained on another clip than {clip.name}; give that one"
        raise ConfigError([msg])
    starts = clips.spread(clip.frames, job.checked)
    wanted = _wanted(clip.frames, starts, job.batches) if not trained else set(range(clip.frames))
    folder = job.cache / "reference" / f"{checkpoint.sha256()[:32]}-{clip.frames}-{VERSIONS}"
    _decode_reference(checkpoint, clip.frames, wanted, folder)
    size = (checkpoint.spec.width, checkpoint.spec.height)
    resample = clips.trained_filter(checkpoint.notes, job.clip.resample)
    source = _source(job.cache, clip, size, resample) if trained else None
    path = job.cache / "checkpoints" / f"{checkpoint.sha256()[:32]}.safetensors"
    checkpoints.save(path, checkpoint)  # each time: the exports read it, and a kept one may be damaged
    prepared = Prepared(
        model=job.model,
        weights=job.weights,
        checkpoint=path,
        checkpoint_bytes=checkpoint.size_bytes,
        frames=clip.frames,
        starts=starts,
        costs={precision: cost_of(checkpoint.spec, precision) for precision in job.precisions},
        reference=folder,
        source=source,
        reference_psnr_db=_reference_psnr(folder, source) if source else None,
        clip=clip.name,
        clip_sha256=clip.sha256,
        resample=resample if clip.size != size else clips.AS_IT_IS,
        unpack_s=_unpack_s(job) if trained else None,
    )
    if source:
        chosen = clips.spread(clip.frames, PICTURES)
        write_pictures(job.pictures, job.model, chosen, np.load(source, mmap_mode="r"), reference.read(folder, chosen))
    return prepared


def export(job: ExportJob) -> Exports:
    """Artifacts of a prepared model, from the cache or made now; one that fails does not stop the others."""
    checkpoint = checkpoints.load(job.checkpoint)
    exports: Exports = {}
    for key in job.keys:
        try:
            exports[key] = Exported(*produce(checkpoint, *key, job.cache))
        except ExportError as error:
            exports[key] = str(error)
    return exports


def _unpack_s(job: ModelJob) -> float:
    """Seconds to read the weights again: the file is in memory now, and what reads it is imported."""
    clock: Device = plugins.load(plugins.DEVICES, "cpu")()
    clock.start()
    weights_of(job.model, job.weights)
    return clock.stop()


def _wanted(frames: int, starts: tuple[int, ...], batches: tuple[int, ...]) -> set[int]:
    """The frames that will be compared: the batches that begin at the checked starts, and those that hold them."""
    held = {(start, batch) for batch in batches for start in (*starts, *aligned(starts, frames, batch))}
    return {(start + offset) % frames for start, batch in held for offset in range(batch)}


def _decode_reference(checkpoint: Checkpoint, frames: int, wanted: set[int], folder: Path) -> None:
    shape = (checkpoint.spec.height, checkpoint.spec.width, 3)
    missing = sorted(index for index in wanted if not reference.whole(reference.path_of(folder, index), shape))
    if not missing:
        return
    decoder = FrameDecoder(checkpoint.model()).eval()
    with torch.inference_mode():
        for index in missing:
            frame = decoder(positions(torch.tensor([index]), frames))[0].numpy()
            reference.save_array(reference.path_of(folder, index), frame)


def _source(cache: Path, clip: clips.Clip, size: clips.Size, resample: str) -> Path:
    """The clip at the model's size as one array on disk, kept by content, size and filter."""
    av, pillow = metadata.version("av"), metadata.version("pillow")
    key = hashlib.sha256(f"{clip.sha256} {size} {resample} av{av} pillow{pillow}".encode()).hexdigest()[:32]
    path = cache / "source" / f"{key}.npy"
    shape = (clip.frames, size[1], size[0], 3)
    if not reference.whole(path, shape):
        with atomic_path(path) as temporary:
            array = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
            start = 0
            for piece in clips.read(clip, size, resample):
                array[start : start + len(piece)] = piece
                start += len(piece)
            array.flush()
        reference.vouch(path)
    return path


def _reference_psnr(folder: Path, source: Path) -> float:
    """Mean PSNR of fp32 eager against the source, in dB."""
    frames = np.load(source, mmap_mode="r")
    each = (quality.psnr_per_frame(reference.read(folder, [i]), frames[i : i + 1])[0] for i in range(len(frames)))
    return float(np.mean(list(each)))
