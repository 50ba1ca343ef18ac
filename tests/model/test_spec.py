"""Widths, sizes and parameters of a spec, and what a spec from a file may not be."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nervbench.model.family import Spec, from_json, network_of
from nervbench.model.spec import BlockSpec, NervSpec
from nervbench.model.zoo import MODELS

SMALL = NervSpec(fc_dim=26, strides=(5, 2, 2, 2, 2))


def parameters(spec: Spec) -> int:
    """Parameters of the network of a spec, without allocating them."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in network_of(spec).parameters())


def changed(**values: object) -> str:
    """The JSON of NeRV-S with some values replaced."""
    return json.dumps(json.loads(SMALL.to_json()) | values)


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (SMALL, 3_201_905),
        (dataclasses.replace(SMALL, strides=(5, 4, 4)), 3_804_785),
        (dataclasses.replace(SMALL, blocks_per_stage=2), 3_540_175),
        (dataclasses.replace(SMALL, stem_widths=()), 1_543_025),
        (dataclasses.replace(SMALL, stem_widths=(512, 512)), 3_464_561),
    ],
    ids=["original", "-2 NeRV", "+4 NeRV", "-1 FC", "+1 FC"],
)
def test_the_five_architectures_of_the_study(spec: NervSpec, count: int) -> None:
    """The study's five networks have the parameters of their printed layers, all at 1280×720."""
    assert parameters(spec) == count
    assert (spec.width, spec.height) == (1280, 720)


@pytest.mark.parametrize(("name", "millions"), [("nerv-s", 3.20), ("nerv-m", 6.28), ("nerv-l", 12.52)])
def test_published_sizes(name: str, millions: float) -> None:
    """S, M and L have the parameters of the paper's table, to its two decimals."""
    assert round(parameters(MODELS[name]) / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("fc_dim", "expansion", "blocks", "millions"),
    [(64, 8, 1, 24), (128, 4, 1, 36), (128, 6, 1, 59), (128, 8, 1, 88), (192, 8, 1, 190)],
)
def test_uvg_sizes(fc_dim: int, expansion: int, blocks: int, millions: int) -> None:
    """The published 1920×1080 models have their parameters, to within 3 %."""
    spec = NervSpec(fc_dim, (5, 3, 2, 2, 2), expansion=expansion, lower_width=32, blocks_per_stage=blocks)
    assert (spec.width, spec.height) == (1920, 1080)
    assert parameters(spec) / 1e6 == pytest.approx(millions, rel=0.03)


def test_widths_of_nerv_s() -> None:
    """The first stage keeps fc_dim, the later ones have the lower bound of 96."""
    assert SMALL.blocks == (BlockSpec(26, 26, 5), BlockSpec(26, 96, 2), *[BlockSpec(96, 96, 2)] * 3)


def test_widths_are_halved_down_to_the_bound() -> None:
    """After an expansion each stage has half the channels, and never fewer than the bound."""
    spec = NervSpec(64, (5, 3, 2, 2, 2), expansion=8, lower_width=100)
    assert [block.out_channels for block in spec.blocks] == [512, 256, 128, 100, 100]


def test_stride_1_keeps_the_width() -> None:
    """A stage of stride 1 does not halve, but the lower bound holds for it too."""
    spec = NervSpec(64, (2, 1, 2, 1), lower_width=40)
    assert [block.out_channels for block in spec.blocks] == [64, 64, 40, 40]
    assert [block.out_channels for block in NervSpec(26, (2, 1), lower_width=96).blocks] == [26, 96]


def test_further_blocks_of_a_stage_have_stride_1() -> None:
    """With two blocks a stage, the second has the width of the first and stride 1; the frame is no larger."""
    spec = dataclasses.replace(SMALL, blocks_per_stage=2)
    assert [block.stride for block in spec.blocks] == [5, 1, 2, 1, 2, 1, 2, 1, 2, 1]
    assert [block.out_channels for block in spec.blocks] == [26, 26, *[96] * 8]
    assert (spec.width, spec.height) == (SMALL.width, SMALL.height)


@pytest.mark.parametrize(
    "spec",
    [*MODELS.values(), NervSpec(4, (1, 2), (), 3, 5, 4, 3, 2, 2, 1.5, 7, "gelu", "sigmoid", "bn", "bilinear")],
)
def test_json_round_trip(spec: Spec) -> None:
    """A spec comes back from its JSON as it was."""
    assert from_json(spec.to_json()) == spec


def test_json_of_older_files() -> None:
    """A key that came later is left out at its default: the hash of a spec that older files have does not change."""
    assert "norm" not in SMALL.to_json()
    assert json.loads(dataclasses.replace(SMALL, norm="bn").to_json())["norm"] == "bn"


def test_json_is_stable() -> None:
    """The line is hashed, so its order is that of the names, whatever the order of the fields."""
    line = SMALL.to_json()
    assert list(json.loads(line)) == sorted(json.loads(line))
    assert json.loads(line)["family"] == "nerv"
    assert "\n" not in line


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "Expecting value"),
        ("[1]", "a JSON object, found list"),
        ("[" * 100_000, "nested too deep"),
        ('{"fc_dim": 26, "strides": [5]}', "family is None"),
        (changed(family="vae"), "family is 'vae'; known: hnerv, nerv, pixelwise"),
        (changed(family=["nerv"]), "family is"),
        (changed(norm="layer"), "norm must be one of none, bn, in, found 'layer'"),
        (changed(upscale="conv"), "upscale must be one of shuffle,"),
        ('{"family": "nerv", "fc_dim": 26}', "lacks strides"),
        ('{"family": "nerv"}', "lacks fc_dim, strides"),
        (changed(depth=3), "unknown keys 'depth'"),
        (changed(**{"\x1b[2J\n\ud800": 3}), r"unknown keys '\\x1b\[2J\\n\\ud800'"),
        (changed(fc_dim="26"), "fc_dim .* found '26'"),
        (changed(fc_dim=26.0), "fc_dim .* found 26.0"),
        (changed(fc_dim=True), "fc_dim .* found True"),
        (changed(fc_dim=[26]), r"fc_dim .* found \[26\]"),
        (changed(fc_dim=0), "fc_dim .* found 0"),
        (changed(fc_dim=-1), "fc_dim .* found -1"),
        (changed(fc_dim=None), "fc_dim .* found None"),
        (changed(strides=5), "strides must be a list .* found 5"),
        (changed(strides=[]), r"strides must be a list of 1 to 64 positive integers, found \[\]"),
        (changed(strides=[5, [2]]), "strides must be a list"),
        (changed(strides=[1] * 65), "strides must be a list"),
        (changed(stem_widths=512), "stem_widths must be a list"),
        (changed(stem_widths=[512, 0]), "stem_widths must be a list"),
        (changed(embed_base="1.25"), "embed_base .* found '1.25'"),
        (changed(embed_base=float("nan")), "embed_base .* found nan"),
        (changed(embed_base=0.5), "embed_base .* found 0.5"),
        (changed(activation="tanh"), "activation must be one of relu, .* found 'tanh'"),
        (changed(activation=["relu"]), "activation must be one of"),
        (changed(output=None), "output must be one of tanh, sigmoid, found None"),
    ],
)
def test_malformed_specs_are_refused(text: str, named: str) -> None:
    """A spec that is malformed raises ValueError with the key and what was found, safe to print on one line."""
    with pytest.raises(ValueError, match=named) as raised:
        from_json(text)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"fc_dim": 1 << 30}, "fc_dim must be a positive integer up to"),
        ({"strides": [1 << 20]}, "frames of .* pixels; the bounds are"),
        ({"strides": [100, 9]}, "frames of 14400x8100 pixels; the bounds are"),
        ({"fc_dim": 1 << 20, "expansion": 1 << 20}, "parameters; the bound is"),
        ({"lower_width": 1 << 20}, "parameters; the bound is"),
        ({"stem_widths": [1 << 20, 1 << 20]}, "parameters; the bound is"),
        ({"blocks_per_stage": 1 << 20}, "5242880 blocks; the bound is"),
        ({"embed_levels": 1 << 20}, "has frequencies over 1e\\+30"),
        ({"embed_base": 1000}, "has frequencies over 1e\\+30"),
    ],
)
def test_huge_specs_are_refused(values: dict[str, Any], named: str) -> None:
    """A spec that is well formed and asks for more than any model has is refused before anything is built."""
    with pytest.raises(ValueError, match=named):
        from_json(changed(**values))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from([field.name for field in dataclasses.fields(NervSpec)])
COUNTS = st.integers(-1, 40)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_spec_or_a_value_error(text: str) -> None:
    """Text that is no spec raises ValueError and nothing else."""
    with pytest.raises(ValueError, match=r".*"):
        from_json(text)


@settings(deadline=None)
@given(st.dictionaries(FIELDS, JSON | COUNTS | st.lists(COUNTS, max_size=4)))
def test_what_is_accepted_can_be_built(values: dict[str, Any]) -> None:
    """Whatever values a file gives the fields: the spec is refused with ValueError, or its network can be built."""
    base = {"family": "nerv", "fc_dim": 2, "strides": [2]}
    try:
        spec = from_json(json.dumps(base | values))
    except ValueError:
        return
    assert parameters(spec) > 0
    assert from_json(spec.to_json()) == spec
