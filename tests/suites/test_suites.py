"""The packaged suites: what they name exists, and their published numbers are those of their sources."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nervbench import suites
from nervbench.codec.conventional import parse_codecs
from nervbench.config import CLIP_NAMES
from nervbench.data.clip import beginning
from nervbench.errors import ConfigError
from nervbench.model.zoo import MODELS
from nervbench.records import SCALES, Scale
from nervbench.suites import Quantity, Suite
from nervbench.train.losses import LOSSES
from nervbench.train.whole import recipe_of

FACTS = Path(__file__).parents[3] / "shared" / "facts" / "published.md"
NAMES = ("ablation", "hyperparameters", "new-dataset", "rate-distortion", "table2")


@pytest.fixture(params=NAMES)
def suite(request: pytest.FixtureRequest) -> Suite:
    """Each suite."""
    return suites.load(request.param)


def test_names() -> None:
    """The suites that there are; another name is refused with the nearest."""
    assert suites.names() == sorted(NAMES)
    with pytest.raises(ConfigError, match=r"unknown suite 'tabel2'; known: .*; did you mean 'table2'\?"):
        suites.load("tabel2")


@pytest.mark.parametrize("scale", SCALES)
def test_what_is_named_exists(suite: Suite, scale: Scale) -> None:
    """Models, clips, losses, other arms and sources that a suite names are there, and keys are unique."""
    keys = {arm.key for arm in suite.arms}
    assert len(keys) == len(suite.arms)
    for arm in suite.arms:
        assert arm.models.get(scale, "nerv-s") in MODELS
        assert {each.source for each in arm.published} <= suite.sources.keys()
        assert arm.compress is None or arm.compress.of in keys
    for each in suites.trainings(suite, scale):
        assert recipe_of(each.recipe | {"epochs": each.epochs, "seed": 1}).loss in LOSSES
        assert beginning(each.clip)[0] in CLIP_NAMES
    for claim in (claim for conclusion in suite.conclusions for claim in conclusion.claims):
        assert {claim.of, claim.against} <= keys
        assert claim.ratios.keys() <= suite.sources.keys()
        assert claim.quantity in suite.quantities
    if suite.rates:
        assert parse_codecs(suite.rates.codecs, "psnr")


@pytest.mark.parametrize("scale", SCALES)
def test_folders_are_apart(suite: Suite, scale: Scale) -> None:
    """No two trainings have the same folder."""
    runs = [each.run(seed) for each in suites.trainings(suite, scale) for seed in each.seeds]
    assert len(set(runs)) == len(runs)


def test_parameters_of_the_ablation() -> None:
    """At full scale the five architectures are those with the published numbers of parameters, as printed."""
    expected = [3_201_905, 3_804_785, 3_540_175, 1_543_025, 3_464_561]
    counts = []
    for arm in suites.load("ablation").arms:
        from nervbench.model.cost import cost_of  # noqa: PLC0415 (counting needs PyTorch)

        counts.append(cost_of(MODELS[arm.models["full"]], "fp32").params)
    assert counts == expected


def test_the_user_gives_a_clip() -> None:
    """It replaces that of the arm which asks for one; where none asks, that of all."""
    new = {each.arm.key: each.clip for each in suites.trainings(suites.load("new-dataset"), "small", "film.mp4")}
    assert new == {"bunny": "bigbuckbunny:32", "other": "film.mp4"}
    assert {each.clip for each in suites.trainings(suites.load("ablation"), "small", "film.mp4")} == {"film.mp4"}


def test_seconds_an_epoch_follow() -> None:
    """From the seconds of a whole training and its epochs."""
    suite = suites.load("ablation")
    found = suites.published(suite, suite.arms[0])
    assert found["study, 300 epochs"]["epoch_s"] == pytest.approx(4603 / 300)
    assert found["study, 1200 epochs"]["epoch_s"] == pytest.approx(18635 / 1200)


def _numbers(name: str, quantity: Quantity) -> list[float]:
    suite = suites.load(name)
    return [each.numbers[quantity] for arm in suite.arms for each in arm.published if quantity in each.numbers]


def _seconds(clock: str) -> int:
    parts = [int(part) for part in clock.split(":")]
    return (parts[0] * 60 + parts[1]) * 60 + parts[2]


@pytest.mark.skipif(not FACTS.exists(), reason="the folder of facts is not here")
class TestPublished:
    """Against the collected facts, whose tables are read."""

    def test_table2(self) -> None:
        """PSNR and decoding FPS of nine networks."""
        rows = re.findall(r"^\| (?:SIREN|NeRF|NeRV-).*\| ([0-9.]+) \| ([0-9.]+) \|$", FACTS.read_text(), re.MULTILINE)
        assert len(rows) == 9
        paper = [dict(each.numbers) for arm in suites.load("table2").arms for each in arm.published[:1]]
        assert [(each["psnr_db"], each["decode_fps"]) for each in paper] == [(float(a), float(b)) for a, b in rows]

    @pytest.mark.parametrize(("head", "quantity"), [("PSNR", "psnr_db"), ("MS-SSIM", "ms_ssim")])
    def test_quality_of_the_ablation(self, head: str, quantity: Quantity) -> None:
        """The study's table, 300 and 1200 epochs."""
        row = re.search(rf"^\| {head} \|(.*)\|$", FACTS.read_text(), re.MULTILINE)
        assert row
        assert _numbers("ablation", quantity) == [float(each) for each in re.findall(r"[0-9.]+", row[1])]

    def test_times_of_the_ablation(self) -> None:
        """The study's training times."""
        row = re.search(r"^\| training time \|(.*)\|$", FACTS.read_text(), re.MULTILINE)
        assert row
        times = re.findall(r"\d+:\d\d:\d\d", row[1])
        assert _numbers("ablation", "train_s") == [_seconds(clock) for clock in times]

    def test_hyperparameters(self) -> None:
        """The study's MS-SSIM by batch, rate, loss and warm-up, whose 0.2 is the run with batch 1."""
        text = " ".join(FACTS.read_text().split())
        grid = text[text.index("Hyperparameters (MS-SSIM") : text.index("Ray Tune with ASHA")]
        listed = [float(each) for each in re.findall(r"(?<![0-9])\.[0-9]{4}", grid)]
        assert len(listed) == 16
        listed.remove(0.9590)
        assert sorted(_numbers("hyperparameters", "ms_ssim")) == sorted(listed)

    def test_new_data_set(self) -> None:
        """PSNR, MS-SSIM and time of the study's other video."""
        text = " ".join(FACTS.read_text().split())
        found = re.search(r"PSNR ([0-9.]+), MS-SSIM ([0-9.]+), (\d+:\d\d:\d\d)\.", text)
        assert found
        other = suites.load("new-dataset").arms[1].published[0].numbers
        assert other == {"psnr_db": float(found[1]), "ms_ssim": float(found[2]), "train_s": _seconds(found[3])}
