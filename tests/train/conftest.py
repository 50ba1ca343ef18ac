"""What the tests of training share."""

from __future__ import annotations

import numpy as np
import pytest

from nervbench.data.clip import Frames


@pytest.fixture
def frames() -> Frames:
    """Five frames of 16×12: a gradient that brightens."""
    ramp = np.linspace(20, 120, 16)[None, None, :, None] + 20 * np.arange(5)[:, None, None, None]
    return np.broadcast_to(ramp, (5, 12, 16, 3)).astype(np.uint8)
