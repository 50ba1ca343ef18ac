"""``nervbench compress``: a checkpoint as a small file that decodes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nervbench.sweep.compress_order import CompressOrder
    from nervbench.sweep.compressing import Compressed


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
    from nervbench.sweep.compress_order import CompressOrder, check

    order = CompressOrder(checkpoint, out, bits, share, source, epochs)
    check(order)  # before PyTorch is imported
    from nervbench.cli._checkpoint import note
    from nervbench.cli._progress import progress
    from nervbench.sweep.compressing import compress_whole

    found = _found(order, compress_whole(order, progress, note))
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_lines(found)))


def _found(order: CompressOrder, made: Compressed) -> dict[str, Any]:
    """All that is known of the file; the rate is of its bytes as they lie on the disk."""
    account = made.account
    found = {
        "checkpoint": order.checkpoint,
        "out": str(order.out),
        **dataclasses.asdict(account),
        "pruned_share": order.share,
        "coded_over_entropy": account.coded_bytes / account.entropy_bytes if account.entropy_bytes else None,
        "bits_per_pixel": made.bits_per_pixel,
        "times_smaller": account.float16_bytes / account.file_bytes,
        "finetune_epochs": order.epochs,
        "psnr_before_db": made.before and made.before.psnr_db,
        "psnr_after_db": made.after and made.after.psnr_db,
    }
    if made.before and made.after:
        found["loss_db"] = made.before.psnr_db - made.after.psnr_db
    return found


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
