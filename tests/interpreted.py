"""The GPU's kernels in tests: compiled where there is a GPU, else run by Triton's interpreter."""

from __future__ import annotations

from typing import Any

import pytest
import torch

GPU = torch.cuda.is_available()
PLACE = "cuda" if GPU else "cpu"


def fused_block() -> Any:
    """The module of the kernels. Triton decides when they are defined who will run them."""
    triton = pytest.importorskip("triton")
    before = triton.knobs.runtime.interpret
    triton.knobs.runtime.interpret = not GPU
    try:
        from nervbench_kernels.ops import fused_block  # noqa: PLC0415

        return fused_block
    finally:
        triton.knobs.runtime.interpret = before
