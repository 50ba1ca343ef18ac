"""``nervbench compress``: a checkpoint as a small file that decodes."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nervbench.errors import ConfigError

if TYPE_CHECKING:
    from nervbench.codec.compress import Account
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
@click.option("--json", "as_json", is_flag=True, help="One object on stdout instead of lines.")
def command(checkpoint: str, out: Path, bits: int, share: float, source: str | None, as_json: bool) -> None:
    """Prune, quantise and entropy code CHECKPOINT (a file, or the name of a shipped model).

    The file is used wherever a checkpoint is: eval, decode, export.

    \b
    Example:  nervbench compress nerv-xs -o bunny.nerv --clip bigbuckbunny
              nervbench compress nerv-xs -o bunny.nerv --bits 6 --prune 0.4
    """  # noqa: D301 (click wants the character)
    _check(out, share)
    from nervbench.cli._checkpoint import opened
    from nervbench.cli.eval import scored
    from nervbench.codec.compress import compress
    from nervbench.codec.prune import kept, pruned
    from nervbench.data.clip import open_clip
    from nervbench.files import write_atomically
    from nervbench.model import checkpoint as checkpoints

    loaded = opened(checkpoint)
    clip = open_clip(source) if source else None
    before = scored(checkpoint, loaded, clip).psnr_db if clip else None
    tensors = pruned(loaded.tensors, kept(loaded.tensors, share)) if share else loaded.tensors
    data, account = compress(dataclasses.replace(loaded, tensors=tensors), bits, {"pruned": share})
    write_atomically(out, data)
    after = scored(str(out), checkpoints.load(out), clip).psnr_db if clip else None
    frames = loaded.frames or (clip.frames if clip else None)
    found = _found(account, loaded, frames, share) | {"psnr_before_db": before, "psnr_after_db": after}
    if before is not None and after is not None:
        found["loss_db"] = before - after
    found = {"checkpoint": checkpoint, "out": str(out)} | found
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_lines(found)))


def _check(out: Path, share: float) -> None:
    """Refuse at once what could not be written at the end, or would not be found to be a .nerv file again."""
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
