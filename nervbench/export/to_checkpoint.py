"""Weights as safetensors in the precision asked for: what PyTorch's own runtimes (eager, compiled) open."""

from __future__ import annotations

import dataclasses

from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.precision import DTYPES


def to_checkpoint(source: Checkpoint, precision: str) -> bytes:
    """The bytes of a safetensors file with the spec in its metadata."""
    tensors = {name: tensor.to(DTYPES[precision]) for name, tensor in source.tensors.items()}
    return checkpoint.to_bytes(dataclasses.replace(source, tensors=tensors))
