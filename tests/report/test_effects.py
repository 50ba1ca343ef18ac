"""Effects between arms, their intervals, and what becomes of claims."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import pytest

from nervbench import suites
from nervbench.report.effects import Effect, Judged, Measured, Verdict, effect, judged, measured, pooled, together
from nervbench.suites import Change, Claim, Conclusion, Quantity
from nervbench.suites.chosen import Chosen, Joined
from tests.report.suite_rows import point, result, trial

SUITE = suites.load("ablation")


def found(**arms: tuple[float, ...]) -> dict[str, Measured]:
    """Arms with these values of the PSNR and, as they are, of the seconds an epoch."""
    return {key: Measured({"psnr_db": values, "epoch_s": values}) for key, values in arms.items()}


def claim(change: Change = "more", quantity: Quantity = "psnr_db", within: float = 0.0) -> Claim:
    """A claim on arm a against arm b."""
    return Claim(quantity, "a", "b", change, within)


def test_a_difference_with_its_interval() -> None:
    """The difference of the means; Student's t of the pooled scatter: worked by hand for three runs a side."""
    seen = effect(claim(), found(a=(31.0, 31.2, 31.4), b=(30.0, 30.2, 30.4)))
    assert seen
    reach = 2.7764 * 0.2 * math.sqrt(2 / 3)  # t of 4 degrees of freedom at 95 %
    assert seen.value == pytest.approx(1.0)
    assert [seen.low, seen.high] == pytest.approx([1 - reach, 1 + reach], abs=1e-4)


def test_a_ratio_with_its_interval() -> None:
    """Of times the ratio of geometric means, whose two directions are each other's inverse."""
    rows = found(a=(8.0, 2.0), b=(1.0, 1.0))
    seen = effect(claim(quantity="epoch_s"), rows)
    back = effect(Claim("epoch_s", "b", "a", "less"), rows)
    assert seen
    assert back
    assert seen.value == pytest.approx(4)
    assert [back.low, back.high] == pytest.approx([1 / (seen.high or 0), 1 / (seen.low or 0)])


def test_the_scatter_of_other_arms_counts() -> None:
    """Arms with one run have the scatter of those with several, and it is pooled over all of them."""
    rows = found(a=(31.0,), b=(30.0,), c=(20.0, 22.0), d=(10.0, 12.0))
    assert pooled("psnr_db", rows) == pytest.approx((math.sqrt(2), 2))
    seen = effect(claim(), rows)
    assert seen
    assert seen.high == pytest.approx(1 + 4.3027 * math.sqrt(2) * math.sqrt(2), abs=1e-3)


def test_without_repeats_there_is_no_interval() -> None:
    """One run a side and no other says nothing of the scatter; a side without a value says nothing at all."""
    assert effect(claim(), found(a=(31.0,), b=(30.0,))) == Effect(1.0)
    assert effect(claim(), found(a=(31.0,), b=())) is None
    assert effect(claim(), found(a=(31.0,))) is None


def test_parameters_are_exact() -> None:
    """Another run has as many parameters."""
    rows = {"a": Measured({"params": (2e6,)}), "b": Measured({"params": (1e6,)})}
    seen = effect(claim(quantity="params"), rows)
    assert seen
    assert [seen.value, seen.low, seen.high] == pytest.approx([2, 2, 2])


@pytest.mark.parametrize(
    ("change", "within", "a", "verdict"),
    [
        ("more", 0.0, (31.0, 31.1), Verdict.HOLDS),
        ("more", 0.0, (29.0, 29.1), Verdict.FAILS),
        ("more", 0.0, (29.0, 31.2), Verdict.UNDECIDED),
        ("less", 0.0, (29.0, 29.1), Verdict.HOLDS),
        ("less", 0.0, (31.0, 31.1), Verdict.FAILS),
        ("same", 1.0, (30.0, 30.1), Verdict.HOLDS),
        ("same", 0.1, (30.0, 30.1), Verdict.UNDECIDED),
        ("same", 0.1, (39.0, 39.1), Verdict.FAILS),
        ("more", 0.0, (32.0,), Verdict.HOLDS),
        ("more", 0.0, (), Verdict.NOT_RUN),
    ],
)
def test_verdicts(change: Change, within: float, a: tuple[float, ...], verdict: Verdict) -> None:
    """A claim holds where its whole interval is on its side, fails where all of it is on the other."""
    (seen,) = judged(SUITE, Conclusion("", (Claim("psnr_db", "original", "more-fc", change, within),)), {
        "original": Measured({"psnr_db": a}), "more-fc": Measured({"psnr_db": (30.0, 30.1)}),
    })  # fmt: skip
    assert seen.verdict is verdict


@pytest.mark.parametrize(
    ("change", "verdict"), [("more", Verdict.SEEN), ("less", Verdict.SEEN_NOT), ("same", Verdict.SEEN_NOT)]
)
def test_verdicts_of_one_run(change: Change, verdict: Verdict) -> None:
    """Without repeats a verdict says that it was seen in one run."""
    rows = {"original": Measured({"epoch_s": (2.2,)}), "more-fc": Measured({"epoch_s": (2.0,)})}
    (seen,) = judged(SUITE, Conclusion("", (Claim("epoch_s", "original", "more-fc", change, 0.05),)), rows)
    assert seen.verdict is verdict


def test_a_conclusion_is_as_good_as_its_worst_claim() -> None:
    """Those that were not run do not count, unless none was."""

    def of(*verdicts: Verdict) -> Verdict:
        return together([Judged(claim(), {}, None, verdict) for verdict in verdicts])

    assert of(Verdict.HOLDS, Verdict.NOT_RUN) is Verdict.HOLDS
    assert of(Verdict.HOLDS, Verdict.UNDECIDED) is Verdict.UNDECIDED
    assert of(Verdict.UNDECIDED, Verdict.FAILS, Verdict.HOLDS) is Verdict.FAILS
    assert of(Verdict.NOT_RUN) is Verdict.NOT_RUN


def test_published_effects() -> None:
    """Differences and ratios between numbers of the same source; those given as ratios stay."""
    (fewer,) = judged(SUITE, Conclusion("", (Claim("psnr_db", "fewer-fc", "original", "less"),)), {})
    assert fewer.published == {
        "study, 300 epochs": pytest.approx(31.90 - 32.13), "study, 1200 epochs": pytest.approx(33.55 - 33.98),
    }  # fmt: skip
    (time,) = judged(SUITE, Conclusion("", (Claim("epoch_s", "fewer-fc", "original", "less"),)), {})
    assert time.published["study, 1200 epochs"] == pytest.approx(14376 / 18635)
    table2 = suites.load("table2")
    (epoch,) = judged(table2, Conclusion("", table2.conclusions[0].claims[:1]), {})
    assert epoch.published == {"paper": 25}


def test_false_verdicts_are_as_rare_as_said() -> None:
    """Of arms that are equal, "more" is claimed to hold or to fail in 5 % of cases: here in 2 to 8 % of 1000."""
    draw = random.Random(1)
    normal = NormalDist(30, 0.3)
    wrong = 0
    for _ in range(1000):
        rows = {key: Measured({"psnr_db": tuple(normal.inv_cdf(draw.uniform(1e-9, 1)) for _ in range(3))})
                for key in ("original", "more-fc", "fewer-fc")}  # fmt: skip
        (seen,) = judged(SUITE, Conclusion("", (Claim("psnr_db", "more-fc", "original", "more"),)), rows)
        wrong += seen.verdict is not Verdict.UNDECIDED
    assert 20 <= wrong <= 80


def test_what_rows_say() -> None:
    """Values of an arm are those of its seeds: trainings by their names, decodings by the folder of their weights."""
    chosen = Chosen("ablation", "small")
    trials = [trial("original-1", psnr_db=30.0), trial("original-2", psnr_db=31.0), trial("fewer-fc-1", psnr_db=29.0)]
    results = [result("runs/x/original-1/nerv-xs.safetensors", 0.1), result("runs/x/fewer-fc-1/a.safetensors", 0.2)]
    rows = measured(SUITE, chosen, trials, results, [])
    assert rows["original"].values["psnr_db"] == (30.0, 31.0)
    assert rows["original"].values["decode_fps"] == pytest.approx((10,))
    assert rows["original"].values["train_s"] == pytest.approx((3.0, 3.0))
    assert rows["fewer-fc"].values["psnr_db"] == (29.0,)
    assert rows["more-fc"] == Measured(reason="not trained yet")


def test_failed_and_cut_off_trainings_have_no_values() -> None:
    """Only whole trainings count; the reason of one that failed is kept."""
    rows = measured(SUITE, Chosen("ablation", "small"), [trial("original-1", reason="the loss is NaN")], [], [])
    assert rows["original"] == Measured(reason="the loss is NaN")


def test_what_is_not_of_the_scale() -> None:
    """An arm without a model at the scale says so."""
    rows = measured(suites.load("table2"), Chosen("table2", "small"), [], [], [])
    assert rows["nerv-l"] == Measured(reason="not at scale small")


def test_a_checkpoint_that_joins() -> None:
    """Its numbers are those of its decoding."""
    chosen = Chosen("table2", "small", joined=(Joined("joined-quant", "hnerv-1.5m", "0" * 64),))
    rows = measured(suites.load("table2"), chosen, [], [result("runs/x/joined-quant/quant.pth", 0.5)], [])
    assert rows["joined-quant"].values["decode_fps"] == pytest.approx((2,))
    assert rows["joined-quant"].values["psnr_db"] == (33.0,)


def test_rates() -> None:
    """In a suite with codecs an arm is the network whose file has its key, with the most threads."""
    points = [point("nerv-xs", 1, 0.4), point("nerv-xs", 2, 0.4), point("nerv-8-bits", 2, 0.2)]
    rows = measured(suites.load("rate-distortion"), Chosen("rate-distortion", "small"), [], [], points)
    assert rows["nerv"].values["bits_per_pixel"] == (0.4,)
    assert rows["nerv-8-bits"].values["bits_per_pixel"] == (0.2,)
    assert rows["nerv-4-bits"] == Measured(reason="not measured yet")
