"""What a recipe may ask for: accumulation, bf16, decoding now and then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nervbench.data.clip import Frames
from nervbench.errors import ConfigError
from nervbench.model.family import network_of
from nervbench.model.network import FrameDecoder, positions
from nervbench.quality import psnr_per_frame
from nervbench.train.start import Start
from tests.train.small import RECIPE, SPEC, run, same, state


@pytest.mark.parametrize(("batch", "accumulate"), [(1, 2), (1, 5), (2, 2)])
def test_accumulation_is_a_larger_batch(tmp_path: Path, frames: Frames, batch: int, accumulate: int) -> None:
    """After some epochs the weights are those of a batch N times as large, to rounding, with a rest as well."""
    recipe = replace(RECIPE, epochs=3)
    parts = run(frames, tmp_path / "parts", recipe=replace(recipe, batch=batch, accumulate=accumulate))
    whole = run(frames, tmp_path / "whole", recipe=replace(recipe, batch=batch * accumulate))
    for a, b in zip(parts, whole, strict=True):
        assert (a.loss, a.psnr_db) == pytest.approx((b.loss, b.psnr_db), rel=1e-4)
    found, expected = (state(tmp_path / name)["model"] for name in ("parts", "whole"))
    moved = max((tensor - first).abs().max() for tensor, first in zip(expected.values(), weights(), strict=True))
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=0.01 * moved.item(), rtol=0)


def weights() -> list[torch.Tensor]:
    """The first weights of the recipe's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RECIPE.seed)
        return [parameter.detach() for parameter in network_of(SPEC).parameters()]


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_all_at_once_resumes(tmp_path: Path, frames: Frames, stop: int) -> None:
    """With accumulation, bf16, given weights and zeros a resumed run is the uninterrupted one to the last bit."""
    recipe = replace(RECIPE, batch=1, accumulate=2, precision="bf16", epochs=4)
    tensors = {name: parameter.detach().half() for name, parameter in network_of(SPEC).named_parameters()}
    start = Start(tensors, {name: tensor > 0 for name, tensor in tensors.items() if tensor.dim() == 4})
    run(frames, tmp_path / "whole", recipe=recipe, start=start)
    run(frames, tmp_path / "parts", stop, recipe, start)
    run(frames, tmp_path / "parts", recipe=recipe, start=start)
    assert same(state(tmp_path / "whole"), state(tmp_path / "parts"))


def test_bf16_learns_with_weights_in_fp32(tmp_path: Path, frames: Frames) -> None:
    """Under autocast the loss falls as well, to other weights than in fp32, and weights and moments are float32."""
    told = run(frames, tmp_path / "bf16", recipe=replace(RECIPE, epochs=20, precision="bf16"))
    run(frames, tmp_path / "fp32", recipe=replace(RECIPE, epochs=20))
    assert told[-1].loss < 0.7 * told[0].loss
    saved = state(tmp_path / "bf16")
    assert {tensor.dtype for tensor in saved["model"].values()} == {torch.float32}
    assert not same(saved["model"], state(tmp_path / "fp32")["model"])


def test_bf16_where_it_cannot_be(tmp_path: Path, frames: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyTorch has no autocast to bf16, it is refused with what is possible, and nothing is written."""

    def none(*_: object, **__: object) -> None:
        msg = "no bfloat16 here"
        raise RuntimeError(msg)

    monkeypatch.setattr(torch, "autocast", none)
    with pytest.raises(ConfigError, match=r"precision bf16: .* cannot \(no bfloat16 here\); possible: fp32"):
        run(frames, tmp_path, recipe=replace(RECIPE, precision="bf16"))
    assert list(tmp_path.iterdir()) == []


def test_decoded_psnr(tmp_path: Path, frames: Frames) -> None:
    """Where it is due, and after the last epoch, it is the PSNR of the saved weights' frames; else unknown."""
    told = run(frames, tmp_path, recipe=replace(RECIPE, epochs=5, evaluate_every=2))
    assert [epoch.decoded_psnr_db is not None for epoch in told] == [False, True, False, True, True]
    model = network_of(SPEC)
    model.load_state_dict(state(tmp_path)["model"])
    with torch.inference_mode():
        decoded = FrameDecoder(model)(positions(torch.arange(5), 5)).numpy()
    assert told[-1].decoded_psnr_db == pytest.approx(sum(psnr_per_frame(decoded, frames)) / 5, abs=0.01)


def test_decoding_changes_nothing(tmp_path: Path, frames: Frames) -> None:
    """A run that decodes its frames now and then ends with the same state."""
    run(frames, tmp_path / "with", recipe=replace(RECIPE, evaluate_every=1))
    run(frames, tmp_path / "without")
    assert same(state(tmp_path / "with"), state(tmp_path / "without"))
