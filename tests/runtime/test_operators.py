"""What runtimes tell of their operators: the arithmetic of the model, times, bytes, and the layer they are in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nervbench import plugins
from nervbench.device.cpu import CpuDevice
from nervbench.errors import UnsupportedError
from nervbench.export.base import produce
from nervbench.model import checkpoint
from nervbench.model.cost import cost_of
from nervbench.model.spec import NervSpec
from nervbench.runtime import ort
from nervbench.runtime.base import OneByOne, Opening, WithProfile

SPEC = NervSpec(fc_dim=16, strides=(2, 2), stem_widths=(64,), lower_width=16, fc_height=6, fc_width=8)
BATCH, STARTS = 2, (0, 4, 2)
TELLING = ("eager", "eager_nhwc", "ort", "ort_plain", "ov", "ov_plain")


def opening(name: str, cache: Path) -> Opening:
    """What a runtime opens: a model of 32×24 pixels."""
    form, precision = plugins.load(plugins.RUNTIMES, name).wants("fp32")
    path, artifact = produce(checkpoint.seeded(SPEC, 0), form, precision, cache)
    return Opening(path, artifact, "fp32", BATCH, 8, CpuDevice().card())


@pytest.mark.parametrize("name", TELLING)
def test_arithmetic(name: str, tmp_path: Path) -> None:
    """The operators do what the model costs, not much more (blocks of channels are filled up), in finite times."""
    runtime = plugins.load(plugins.RUNTIMES, name)
    found = runtime.profile(opening(name, tmp_path), STARTS)
    cost = cost_of(SPEC, "fp32")

    assert isinstance(runtime, WithProfile)
    assert 0.98 < sum(each.flop or 0 for each in found) / (BATCH * cost.flop_per_frame) < 2.5
    assert all(each.seconds >= 0 for each in found)
    assert 0 < sum(each.seconds for each in found) < 1
    assert max(each.bytes or 0 for each in found) > 4 * BATCH * cost.width * cost.height


def test_layers(tmp_path: Path) -> None:
    """PyTorch's operators know the layer that called them; there are as many as a session says that it launches."""
    given = opening("eager", tmp_path)
    runtime = plugins.load(plugins.RUNTIMES, "eager")
    found = runtime.profile(given, STARTS)
    layers = {layer.name for layer in cost_of(SPEC, "fp32").layers if layer.flop}

    assert layers <= {each.inside for each in found if each.flop}
    with runtime.open(given) as session:
        assert isinstance(session, OneByOne)
        assert session.launches(3) == len(found)


def test_refused(tmp_path: Path) -> None:
    """Of requests that run at the same time, and of what only starts work, there are no times."""
    given = opening("ov", tmp_path)
    for name, why in (("ov_throughput", "at the same time"), ("ort_cuda", "not when it is done")):
        with pytest.raises(UnsupportedError, match=why):
            plugins.load(plugins.RUNTIMES, name).profile(given, STARTS)


def test_first_decode_is_not_counted() -> None:
    """The mean is of the later ones; weights and their layouts made at loading are no nodes of a decode."""

    def event(name: str, dur: int, **also: Any) -> dict[str, Any]:
        shapes = {"input_type_shape": [{"float": [1, 8, 4, 4]}, {"float": [16, 8, 3, 3]}], "output_type_shape": [
            {"float": [1, 16, 4, 4]}]}  # fmt: skip
        return {"cat": "Node", "name": name, "dur": dur, "args": {"op_name": "Conv", **shapes}, **also}

    events = [
        {"cat": "Session", "name": "model_loading_uri", "dur": 99},
        event("conv_kernel_time", 900),
        event("conv_fence_before", 5),
        event("conv_kernel_time", 100),
        event("conv_kernel_time", 300),
    ]
    (found,) = ort.operators(events, 3)

    assert (found.name, found.kind) == ("conv", "Conv")
    assert found.seconds == pytest.approx(200e-6)
    assert found.flop == 2 * 16 * 4 * 4 * 8 * 9
    assert found.bytes == 4 * (8 * 16 + 16 * 72 + 16 * 16)
