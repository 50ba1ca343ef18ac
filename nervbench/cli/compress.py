"""``nervbench compress``: a checkpoint as a small file that decodes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nervbench.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from nervbench.codec.compress import Account
    from nervbench.data.clip import Clip
    from nervbench.model.checkpoint import Checkpoint

SUFFIX = ".nerv"


@click.command()
@click.argument("checkpoint")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), required=True, help="A .nerv file in a folder that exists."
)
@click.option(
    "--bits",
    type=click.IntRange(4, 8),
    default=8,
    show_default=True,
    help="Levels of a weight are 2 to the power of it. Biases stay in float16.",
)
@click.option(
    "--prune",
    "share",
    type=click.FloatRange(0, 0.99),
    default=0.0,
    show_default=True,
    help="Share of the weights of stem and convolutions that is REMOVED, smallest magnitudes over all of them first "
    "(0.4 keeps 60 %). Biases and head stay.",
)
@click.option("--clip", "source", help="Score before and after against this: a video, a folder, or 'bigbuckbunny'.")
@click.option(
    "--finetune-epochs",
    "epochs",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Train the weights that stay on the clip, so many times over, before they are quantised. Run the same command "
    "again to go on after an interruption.",
)
@click.option("--json", "as_json", is_flag=True, help="One object on stdout instead of lines.")
def command(
    checkpoint: str, out: Path, bits: int, share: float, source: str | None, epochs: int, as_json: bool
) -> None:
    """Prune, quantise and entropy code CHECKPOINT (a file, or the name of a shipped model).

    The file is used wherever a checkpoint is: eval, decode, export.

    \b
    Example:  nervbench compress nerv-xs -o bunny.nerv --clip bigbuckbunny
              nervbench compress nerv-xs -o bunny.nerv --bits 6 --prune 0.4 --clip bigbuckbunny --finetune-epochs 10
    """  # noqa: D301 (click wants the character)
    _check(out, share, epochs if source is None else 0)
    from nervbench.cli._checkpoint import opened
    from nervbench.cli.eval import scored
    from nervbench.codec.compress import compress
    from nervbench.codec.prune import kept
    from nervbench.data.clip import open_clip
    from nervbench.files import write_atomically
    from nervbench.model import checkpoint as checkpoints

    loaded = opened(checkpoint)
    clip = open_clip(source) if source else None
    before = scored(checkpoint, loaded, clip).psnr_db if clip else None
    masks = kept(loaded.tensors, share) if share else {}
    smaller = _finetuned(loaded, masks, clip, epochs, out) if clip and epochs else _pruned(loaded, masks)
    data, account = compress(smaller, bits, {"pruned": share, "finetune_epochs": epochs})
    write_atomically(out, data)
    if epochs:
        _forget_training(out)
    after = scored(str(out), checkpoints.load(out), clip).psnr_db if clip else None
    frames = loaded.frames or (clip.frames if clip else None)
    found = _found(account, loaded, frames, share) | {
        "finetune_epochs": epochs,
        "psnr_before_db": before,
        "psnr_after_db": after,
    }
    if before is not None and after is not None:
        found["loss_db"] = before - after
    found = {"checkpoint": checkpoint, "out": str(out)} | found
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_lines(found)))


def _check(out: Path, share: float, epochs_without_clip: int) -> None:
    """Refuse at once what could not be done or written at the end, or would not be found to be a .nerv file again."""
    if epochs_without_clip:
        msg = "--finetune-epochs: there is nothing to train on; give the clip of the checkpoint with --clip"
        raise ConfigError([msg])
    if math.isnan(share):  # click compares, and NaN is in every range
        msg = "--prune: NaN is no share; give a number from 0 to 0.99"
        raise ConfigError([msg])
    if out.suffix != SUFFIX:
        msg = f"--out: cannot write '{out.suffix}' files ({out.name}); give a name that ends in {SUFFIX}"
        raise ConfigError([msg])
    if out.is_dir():
        msg = f"--out: {out} is a folder; give the name of a file"
        raise ConfigError([msg])
    if not out.parent.is_dir():
        msg = f"--out: there is no folder {out.parent}; make it first, or choose another"
        raise ConfigError([msg])


def _pruned(loaded: Checkpoint, masks: dict[str, Tensor]) -> Checkpoint:
    from nervbench.codec.prune import pruned

    return dataclasses.replace(loaded, tensors=pruned(loaded.tensors, masks))


def _finetuned(loaded: Checkpoint, masks: dict[str, Tensor], clip: Clip, epochs: int, out: Path) -> Checkpoint:
    """Train the weights that stay; the state is beside the file to be, until that is written."""
    from nervbench.cli._progress import progress
    from nervbench.data.clip import load, trained_filter
    from nervbench.files import writable_folder
    from nervbench.train.loop import Recipe, Start, train, trained

    folder = writable_folder(_training(out))
    frames = load(clip, (loaded.spec.width, loaded.spec.height), trained_filter(loaded.notes))
    recipe = Recipe(epochs=epochs, save_every=1)
    with progress("fine-tune", epochs) as advance:
        for epoch in train(loaded.spec, frames, recipe, folder, Start(loaded.tensors, masks)):
            advance(epoch.number, f"loss {epoch.loss:.4f} PSNR {epoch.psnr_db:.2f} dB")
    notes = loaded.notes | {"clip": clip.name, "clip_sha256": clip.sha256}
    return trained(loaded.spec, clip.frames, folder, notes)


def _training(out: Path) -> Path:
    """Where the state of a fine-tuning is until the file is written."""
    return out.with_name(f"{out.name}.training")


def _forget_training(out: Path) -> None:
    from nervbench.train.loop import STATE

    with contextlib.suppress(OSError):  # there was none, or something else is in the folder
        (_training(out) / STATE).unlink()
        _training(out).rmdir()


def _found(account: Account, loaded: Checkpoint, frames: int | None, share: float) -> dict[str, Any]:
    """All that is known of the file; the rate is of its bytes as they lie on the disk."""
    pixels = frames and frames * loaded.spec.width * loaded.spec.height
    return dataclasses.asdict(account) | {
        "pruned_share": share,
        "coded_over_entropy": account.coded_bytes / account.entropy_bytes if account.entropy_bytes else None,
        "bits_per_pixel": 8 * account.file_bytes / pixels if pixels else None,
        "times_smaller": account.float16_bytes / account.file_bytes,
    }


def _lines(found: dict[str, Any]) -> list[str]:
    """The table for people."""
    from nervbench.units import fixed, percent

    ratio = fixed(found["coded_over_entropy"], 4)
    lines = [
        f"{found['out']}: {found['checkpoint']} in {found['bits']} bits",
        f"parameters   {found['parameters']:,}",
        f"pruned       {percent(found['pruned_share'], 1)} ({percent(found['zero_share'], 1)} are zero in the file)",
        f"entropy      {found['entropy_bytes']:,.0f} bytes",
        f"coded        {found['coded_bytes']:,} bytes ({ratio} × entropy)",
        f"header       {found['header_bytes']:,} bytes (with the steps of all channels and the biases)",
        f"file         {found['file_bytes']:,} bytes",
        f"rate         {fixed(found['bits_per_pixel'], 4)} bits per pixel (whole file)",
        f"float16      {found['float16_bytes']:,} bytes, {found['times_smaller']:.2f} times as many",
    ]
    if found["psnr_before_db"] is not None:
        scores = f"{found['psnr_before_db']:.2f} dB before, {found['psnr_after_db']:.2f} dB after"
        lines.append(f"PSNR         {scores}: {found['loss_db']:.3f} dB lost")
    return lines
