"""A checkpoint as a ``.nerv`` file, and what became of its bits."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nervbench.bitstream import container
from nervbench.bitstream.container import Coded, Content
from nervbench.bitstream.grid import Quantised, quantise
from nervbench.codec.prune import prunable
from nervbench.errors import CheckpointError
from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint

NOTE = "compressed"
"""The note that says how a file was made."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where the bytes of a compressed file go.

    ``zero_share`` is of the weights that pruning looks at; small ones that quantisation rounded to zero count too.
    ``entropy_bytes`` is the empirical entropy of the symbols of each tensor, ``coded_bytes`` what they take with the
    tables of their frequencies, ``header_bytes`` all else (most of it steps and biases). ``float16_bytes`` is the same
    network as safetensors in float16.
    """

    parameters: int
    bits: int
    zero_share: float
    entropy_bytes: float
    coded_bytes: int
    header_bytes: int
    file_bytes: int
    float16_bytes: int


def compress(source: Checkpoint, bits: int, how: Mapping[str, Any] | None = None) -> tuple[bytes, Account]:
    """The bytes of a ``.nerv`` file with weights on grids of 2^bits levels; ``how`` is kept in its notes.

    Weights that are zero stay exactly zero. Raises CheckpointError for weights that cannot be stored.
    """
    notes = source.notes | {NOTE: json.dumps({"bits": bits, **(how or {})}, sort_keys=True)}
    spec = json.loads(source.spec.to_json())
    try:
        tensors = {name: _stored(each, bits) for name, each in source.tensors.items()}
        made = container.encoded(Content(spec, source.frames, notes, tensors))
    except ValueError as error:
        msg = f"cannot be compressed: {error}"
        raise CheckpointError(msg) from None
    return made.data, _account(source, bits, tensors, made)


def _stored(tensor: Tensor, bits: int) -> Quantised | npt.NDArray[Any]:
    """On a grid, if it has an output axis and others; else in float16, or float32 where float16 changes it much."""
    values = tensor.detach().to(torch.float32).contiguous().numpy()
    if values.ndim > 1:
        return quantise(values, bits)
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return half if np.allclose(half.astype(np.float32), values, rtol=2**-10, atol=2**-24) else values


def _account(source: Checkpoint, bits: int, tensors: Mapping[str, Any], made: Coded) -> Account:
    looked_at = [tensors[name].symbols for name in prunable(source.tensors)]
    half = {name: tensor.to(torch.float16) for name, tensor in source.tensors.items()}
    return Account(
        parameters=sum(tensor.numel() for tensor in source.tensors.values()),
        bits=bits,
        zero_share=sum(int((each == 0).sum()) for each in looked_at) / sum(each.size for each in looked_at),
        entropy_bytes=made.entropy_bytes,
        coded_bytes=made.coded_bytes,
        header_bytes=made.header_bytes,
        file_bytes=len(made.data),
        float16_bytes=len(checkpoint.to_bytes(dataclasses.replace(source, tensors=half))),
    )
