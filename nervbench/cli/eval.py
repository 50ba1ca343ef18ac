"""``nervbench eval``: how good a checkpoint's frames are against its source."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import click

from nervbench.cli._progress import progress

if TYPE_CHECKING:
    from nervbench.data.clip import Clip
    from nervbench.model.checkpoint import Checkpoint
    from nervbench.records import Quality


@click.command()
@click.argument("checkpoint")
@click.option(
    "--clip",
    "source",
    default="bigbuckbunny",
    show_default=True,
    help="The source: a video, a folder of images, or 'bigbuckbunny'.",
)
@click.option("--max-pixels", type=click.IntRange(1, 1 << 27), help="Of a frame of the clip.  [default: 8192×8192]")
@click.option("--max-frames", type=click.IntRange(1, 1 << 24), help="Of the clip.  [default: 100,000]")
@click.option("--json", "as_json", is_flag=True, help="One object on stdout instead of lines.")
def command(checkpoint: str, source: str, max_pixels: int | None, max_frames: int | None, as_json: bool) -> None:
    """Decode every frame of CHECKPOINT (a file, or the name of a shipped model) in fp32 and score it against the clip.

    \b
    Example:  nervbench eval nerv-xs
              nervbench eval runs/bunny/nerv-xs.safetensors --clip bunny.mp4 --json
    """  # noqa: D301 (click wants the character)
    from nervbench.cli._checkpoint import opened
    from nervbench.data.clip import open_clip
    from nervbench.scoring import check_same_length

    loaded = opened(checkpoint)
    clip = open_clip(source, max_pixels, max_frames)
    check_same_length(checkpoint, loaded, clip)
    if loaded.notes.get("clip_sha256", clip.sha256) != clip.sha256:
        click.echo(f"note: {checkpoint} was trained on another file ({loaded.notes.get('clip')})", err=True)
    quality = _score(loaded, clip)
    params = sum(tensor.numel() for tensor in loaded.tensors.values())
    model: dict[str, int | str] = {
        "checkpoint": checkpoint,
        "family": loaded.spec.family,
        "params": params,
        "width": loaded.spec.width,
        "height": loaded.spec.height,
        "size_bytes": loaded.size_bytes,
    }
    if as_json:
        scores = dataclasses.asdict(quality)
        del scores["reference_psnr_db"]  # what is scored is the reference
        click.echo(json.dumps(model | scores, indent=2))
    else:
        click.echo("\n".join(_lines(model, quality, clip)))


def _score(loaded: Checkpoint, clip: Clip) -> Quality:
    from nervbench.scoring import score

    with progress("eval", clip.frames) as advance:
        return score(loaded, clip, lambda done, psnr_db: advance(done, f"PSNR {psnr_db:.2f} dB"))


def _lines(model: dict[str, int | str], quality: Quality, clip: Clip) -> list[str]:
    from nervbench.data.clip import AS_IT_IS
    from nervbench.units import fixed, prefixed

    resized = (
        "as it is" if quality.resample == AS_IT_IS else f"resized from {clip.width}×{clip.height}, {quality.resample}"
    )
    similarity = (
        "too small a frame for its five scales"
        if quality.ms_ssim is None
        else f"{fixed(quality.ms_ssim, 4)} mean, {fixed(quality.ms_ssim_worst, 4)} worst"
    )
    size = prefixed(float(model["size_bytes"]), "B")
    worst = f"{quality.psnr_worst_db:.2f} dB worst (frame {quality.psnr_worst_frame})"
    return [
        f"{model['checkpoint']}: {model['family']}, {model['params']:,} parameters, {size}",
        f"source    {quality.frames} frames of {quality.clip} at {model['width']}×{model['height']} ({resized})",
        f"PSNR      {quality.psnr_db:.2f} dB mean, {worst}",
        f"MS-SSIM   {similarity}",
        f"rate      {quality.bits_per_pixel:.4f} bits per pixel (whole file)",
    ]
