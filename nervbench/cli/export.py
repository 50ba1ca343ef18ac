"""``nervbench export``: a model as a file for another program."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from nervbench.cli._said import as_json_option, say

FORMATS = ("onnx", "onnx_17", "onnx_20", "onnx_rewritten", "onnx_qdq", "torchscript")


@click.command()
@click.argument("model")
@click.option("--to", "form", type=click.Choice(FORMATS), required=True, help="The format of the file.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@click.option(
    "--precision", default="fp32", show_default=True, help="Of the arithmetic inside: fp32, fp16, bf16, int8."
)
@click.option("--weights", help="bundled, seeded:N or a checkpoint.  [default: bundled where shipped, else seeded:0]")
@as_json_option
def command(model: str, form: str, out: Path, precision: str, weights: str | None, as_json: bool) -> None:
    """Export MODEL (a name, or a checkpoint's path), with a description beside it (OUT.json).

    The file takes time positions t / T, float32 (batch,), and gives frames, uint8 (batch, height, width, 3).
    onnx_rewritten is the graph that the runtimes ort and ov are given: faster, with what was rewritten in OUT.json.
    onnx_qdq has convolutions in int8 as TensorRT wants them, fp16 around; onnx_17 and onnx_20 are of older opsets.

    \b
    Example:  nervbench export nerv-s --to onnx -o nerv-s.onnx
    """  # noqa: D301 (click wants the character)
    from nervbench.cli._checkpoint import chosen
    from nervbench.export.base import describe, write
    from nervbench.files import write_atomically

    checkpoint = chosen(model, weights)
    content, artifact = write(checkpoint, form, precision)
    write_atomically(out, content)
    write_atomically(out.with_name(f"{out.name}.json"), describe(artifact, checkpoint.frames))
    made = checkpoint.notes.get("weights", "trained")
    words = f"{out}: {form} in {precision}, {artifact.size_bytes:,} bytes, SHA-256 {artifact.sha256[:12]}…"
    found = {"file": out, "weights": made, "frames": checkpoint.frames, **dataclasses.asdict(artifact)}
    say(as_json, found, f"{words}, weights: {made}")
