"""Types of the arithmetic between embedding and head."""

from __future__ import annotations

import torch

from nervbench.model.network import Network, weights

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
STORED_AS = {"tf32": "fp32", "fp8": "fp16"}
"""How weights are stored of a precision that is made of another one as they are used."""


def stored(precision: str) -> str:
    """The precision of the weights for arithmetic in ``precision``."""
    return STORED_AS.get(precision, precision)


def cast(model: Network, precision: str) -> Network:
    """The model with its weights in ``precision``, in place. What is no weight (an embedding's frequencies) stays."""
    for tensor in weights(model.state_dict(keep_vars=True)).values():
        tensor.data = tensor.data.to(DTYPES[stored(precision)])
    return model
