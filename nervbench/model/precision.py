"""Types of the arithmetic between embedding and head."""

from __future__ import annotations

import torch

from nervbench.model.nerv import Nerv

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def cast(model: Nerv, precision: str) -> Nerv:
    """The model with its parameters in ``precision``, in place. Buffers (the embedding's frequencies) stay float32."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(DTYPES[precision])
    return model
