"""Runtimes know no family: each decodes the models of all, or says that its kernels are not written for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nervbench import plugins
from nervbench.device.cpu import CpuDevice
from nervbench.errors import UnsupportedError
from nervbench.export.base import produce
from nervbench.model import checkpoint
from nervbench.model.family import Spec, families
from nervbench.model.hnerv_spec import HnervSpec
from nervbench.model.network import FrameDecoder, positions
from nervbench.model.pixelwise_spec import PixelwiseSpec
from nervbench.model.spec import NervSpec
from nervbench.runtime.base import Opening, Runtime

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*")

FRAMES = 60
SPECS: dict[str, Spec] = {
    "nerv-bn": NervSpec(12, (2, 2), (64,), 6, 8, 12, norm="bn"),
    "nerv-in-transpose": NervSpec(12, (2, 2), (64,), 6, 8, 12, norm="in", upscale="transpose"),
    "nerv-bilinear": NervSpec(12, (2, 2), (64,), 6, 8, 12, upscale="bilinear"),
    "hnerv": HnervSpec(FRAMES, 12, (3, 2), 4, 4, 6, lower_width=8),
    "siren": PixelwiseSpec("siren", 32, 24, (16, 16), omega=5.0),
    "ffn": PixelwiseSpec("ffn", 32, 24, (16, 16), embed_levels=4),
}
ONLY_NERV = ("winograd",)
ALIKE = ("ort_plain", "ov_plain", "ov_throughput", "compiled_max", "aoti")
"""Other ways to what is here already: the graphs are the same, and compiling takes long."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where artifacts are kept during these tests: several runtimes open the same file."""
    return tmp_path_factory.mktemp("cache")


def test_every_family_is_here() -> None:
    """A family that is added is added here too."""
    assert {spec.family for spec in SPECS.values()} == set(families())


@pytest.mark.parametrize("runtime_name", [name for name in plugins.names(plugins.RUNTIMES) if name not in ALIKE])
@pytest.mark.parametrize("name", SPECS)
def test_frames(cache: Path, name: str, runtime_name: str) -> None:
    """In fp32 a batch from the middle of the clip is that of eager, but for the rounding of a value in a thousand."""
    runtime: Runtime = plugins.load(plugins.RUNTIMES, runtime_name)
    card = CpuDevice().card()
    if refusal := runtime.refusal(card, "fp32"):
        pytest.skip(refusal)
    weights = checkpoint.seeded(SPECS[name], 0)
    torch._dynamo.reset()
    with torch.inference_mode():
        expected = FrameDecoder(weights.model())(positions(torch.arange(9, 12), FRAMES)).numpy()
    path, artifact = produce(weights, *runtime.wants("fp32"), cache)
    opening = Opening(path, artifact, "fp32", 3, FRAMES, card)
    if runtime_name in ONLY_NERV:
        with pytest.raises(UnsupportedError, match="written for NeRV's blocks"):
            runtime.open(opening)
        return
    with runtime.open(opening) as session:
        session.decode(9)
        found = session.fetch()

    assert expected.std() > 20
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
