"""Types of the arithmetic between embedding and head."""

from __future__ import annotations

import torch

from nervbench.model.network import Network, weights

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def cast(model: Network, precision: str) -> Network:
    """The model with its weights in ``precision``, in place. What is no weight (an embedding's frequencies) stays."""
    for tensor in weights(model.state_dict(keep_vars=True)).values():
        tensor.data = tensor.data.to(DTYPES[precision])
    return model
