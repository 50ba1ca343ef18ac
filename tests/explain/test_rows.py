"""Two measured rows: what is planted in a made-up device is found, what is not is not, and everything adds up."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nervbench.errors import ResultsError
from nervbench.explain.frame_model import Found, suspects
from nervbench.explain.gap import Gap
from nervbench.explain.row_figures import frame_time
from nervbench.explain.rows import condition, explain, usual
from nervbench.records import MEAN, Status
from tests.explain.rows_made import Machine

HERE = Machine()
PLANTED: dict[str, dict[str, Any]] = {
    "cores": {"threads": 1, "product": 70e9, "efficiency": 0.45, "copies": 18e9},
    "kernel efficiency": {"efficiency": 0.2, "settings": (("ONEDNN_MAX_CPU_ISA", "SSE41"),)},
    "launch overhead": {"launch_s": 1e-3},
    "page faults": {"faults": 15_000},
    "contention": {"slowed": 1.7, "others": 0.3},
    "clock held": {"slowed": 1.3},
    "memory bandwidth": {"copies": 1e9},
    "arithmetic peak": {"product": 50e9},
    "precision": {"precision": "int8", "faster": 1.7},
    "runtime": {"runtime": "ov", "faster": 2.1, "launches": None},
    "protocol": {"protocol": "nerv", "faster": 1.1},
}


def logs(found: Gap) -> dict[str, float]:
    """Every cause with the logarithm of its factor."""
    return {part.cause: math.log(part.factor) for part in found.parts}


def product(found: Gap) -> float:
    """All parts and the residual."""
    return math.prod(part.factor for part in (*found.parts, found.residual))


@pytest.mark.parametrize("cause", PLANTED)
def test_alone(cause: str) -> None:
    """A cause that is alone gets the ratio, and nothing else gets any of it."""
    other = HERE.but(**PLANTED[cause])
    found = explain(HERE.row(), other.row())
    truth = math.log(HERE.time_s / other.time_s)

    assert list(logs(found)) == [cause]
    assert logs(found)[cause] == pytest.approx(truth, rel=0.1)
    assert product(found) == pytest.approx(found.whole.factor)
    assert found.parts[0].low < math.exp(truth) < found.parts[0].high


@pytest.mark.parametrize(
    "same",
    [{"slowed_first": 1.3}, {"yardstick_s": 0.8e-3}],
    ids=["one half of the yardstick", "a probe that agrees in its product"],
)
def test_nothing_by_chance(same: dict[str, Any]) -> None:
    """What differs from one moment of a shared machine to the next is no cause."""
    assert explain(HERE.row(), HERE.but(**same).row()).parts == ()


def test_no_more_than_they_had() -> None:
    """Nobody is slowed by more than by what others had of the processors, by that itself."""
    (found,) = explain(HERE.row(), HERE.but(others=0.1, slowed=1.6).row()).parts

    assert found.cause == "contention"
    assert "by itself × 0.89" in found.evidence


def middles(there: Machine, here: Machine = HERE) -> dict[str, float]:
    """What is known of every cause without the ratio of the times."""
    return {each.cause: each.middle for each in suspects(here.row(), there.row(), ())[0]}


@pytest.mark.parametrize(("faster", "power"), [(1e4, 2.0), (1.0, 1.07), (1e-2, 1.0)])
def test_threads_wait_for_each_other(faster: float, power: float) -> None:
    """Half of both processors costs a thread twice its time, two threads four times where layers are short."""
    here = HERE.but(launches=None, product=HERE.product * faster, copies=HERE.copies * faster)
    half = {"others": 0.5, "slowed": 2.0**power}

    assert middles(here.but(**half), here) == {"contention": pytest.approx(-power * math.log(2), abs=0.02)}
    one = here.but(threads=1)
    assert middles(one.but(**half | {"slowed": 2.0}), one) == {"contention": pytest.approx(-math.log(2))}


def test_fewer_threads_wait_less() -> None:
    """With one thread less the rest is shared for less: either cause has the mean over both orders."""
    here = HERE.but(launches=None, product=1e15, copies=1e15)
    one = here.but(threads=1, product=0.5e15)
    both = middles(one.but(others=0.5, slowed=2.0), here)

    assert both["contention"] == pytest.approx(-1.5 * math.log(2), rel=0.01)
    assert both["cores"] == pytest.approx(middles(one, here)["cores"] + 0.5 * math.log(2), rel=0.02)


def test_launches_wait_for_nobody() -> None:
    """One thread launches: beside others it takes as many times as long as any other."""
    here = HERE.but(launch_s=1e-3, product=1e15, copies=1e15)

    assert middles(here.but(others=0.5, slowed=2.0), here)["contention"] == pytest.approx(-math.log(2), rel=0.05)


@pytest.mark.parametrize(("had", "waited"), [(0.5, 0.5), (0.7, 0.3), (0.5, None)])
def test_wanted(had: float, waited: float | None) -> None:
    """Who wants a processor all the time shares it with one other, whatever he has of it while that one sleeps."""
    here = HERE.but(threads=1)

    assert middles(here.but(others=had, waiting=waited), here)["contention"] == pytest.approx(-math.log(2))


def test_others_on_both_sides() -> None:
    """What others have of the processors is why one side is slower where they had more beside it."""
    busy = HERE.but(others=0.2, slowed=1.3)

    assert explain(busy.row(), busy.row()).parts == ()
    assert list(logs(explain(busy.row(), busy.but(others=0.4, slowed=2.0).row()))) == ["contention"]
    assert list(logs(explain(busy.row(), busy.but(others=0.21, slowed=2.0).row()))) == ["clock held"]


@pytest.mark.parametrize("off", [0.98, 1.0, 1.2])
def test_nothing(off: float) -> None:
    """Where nothing is known to differ nothing is claimed, however far the times are apart."""
    found = explain(HERE.row(), HERE.row(off))

    assert found.parts == ()
    assert found.residual.factor == pytest.approx(1 / off)
    assert found.error_explains == (abs(off - 1) < 0.05)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("cores", "launch overhead"),
        ("cores", "contention"),
        ("cores", "kernel efficiency"),
        ("launch overhead", "contention"),
        ("launch overhead", "page faults"),
        ("kernel efficiency", "contention"),
        ("launch overhead", "protocol"),
        ("cores", "runtime"),
    ],
)
def test_two(one: str, two: str) -> None:
    """Of two causes each gets about what it does alone."""
    both = HERE.but(**(PLANTED[one] | PLANTED[two]))
    found = logs(explain(HERE.row(), both.row()))
    alone = {cause: math.log(HERE.time_s / HERE.but(**PLANTED[cause]).time_s) for cause in (one, two)}
    whole = sum(map(abs, alone.values()))

    assert set(found) == {one, two}
    for cause, truth in alone.items():
        assert abs(found[cause] - truth) < 0.15 * whole


OLDER: dict[str, Any] = {"efficiency": 0.4, "settings": (("ONEDNN_MAX_CPU_ISA", "SSE41"),)}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_library_that_changes_the_product(threads: int) -> None:
    """On one device a matrix product of another speed a thread is the library's doing, not the device's."""
    both = HERE.but(threads=threads, product=22.5e9 * threads, **OLDER)
    found = explain(HERE.row(), both.row())
    alone = math.log(HERE.time_s / HERE.but(product=45e9, **OLDER).time_s)

    assert set(logs(found)) == {"kernel efficiency", *(["cores"] if threads == 1 else [])}
    assert abs(logs(found)["kernel efficiency"] - alone) < 0.15 * abs(math.log(found.whole.factor))
    assert "25.0 GFLOP/s → 9.00 GFLOP/s a thread" in " ".join(part.evidence for part in found.parts)


@pytest.mark.parametrize("beside", [{}, PLANTED["page faults"], PLANTED["launch overhead"]])
def test_what_is_no_convolution(beside: dict[str, Any]) -> None:
    """Other kernels do not change what a frame takes beyond its ceilings, whatever changes beside them."""
    here = HERE.but(beyond_s=HERE.time_s)
    older = PLANTED["kernel efficiency"]
    there = here.but(**(older | beside))
    found = {each.cause: each.middle for each in suspects(here.row(), there.row(), ["ONEDNN_MAX_CPU_ISA"])[0]}
    truth = [math.log(each.time_s / each.but(**older).time_s) for each in (here, here.but(**beside))]

    assert found["kernel efficiency"] == pytest.approx(sum(truth) / 2, rel=0.03)
    assert math.fsum(found.values()) == pytest.approx(math.log(here.time_s / there.time_s), rel=0.03)


def test_a_first_call_that_a_protocol_counts() -> None:
    """It is in every mean of a protocol without a warm-up, so it makes nothing uncertain."""
    row = HERE.but(protocol="nerv").row()
    assert row.telemetry
    first = 20 * row.samples_s[0]
    counted = dataclasses.replace(
        row,
        samples_s=(first, *row.samples_s[1:]),
        telemetry=dataclasses.replace(row.telemetry, averaged=MEAN),
    )
    found = explain(HERE.row(), counted)

    assert logs(found)["protocol"] == pytest.approx(math.log(30 / 49), rel=0.01)
    assert found.b.low_s < frame_time(counted) < found.b.high_s < 1.01 * found.b.low_s
    only = dataclasses.replace(counted, samples_s=(first,))
    assert explain(HERE.row(), only).b.low_s == pytest.approx(first)


def test_transfer() -> None:
    """A slower bus explains frames that come later to the host, and says nothing where they stay."""
    here, there = (HERE.but(to_host=rate, on_host=True) for rate in (100e6, 5e6))

    assert logs(explain(here.row(), there.row())) == {
        "transfer": pytest.approx(math.log(here.time_s / there.time_s), rel=0.05)
    }
    assert explain(here.but(on_host=False).row(), there.but(on_host=False).row()).parts == ()


def test_controls() -> None:
    """What a choice changes is measured by rows that differ in nothing else, and the other cause keeps the rest."""
    slow = HERE.but(runtime="ov", faster=2.0, launches=None)
    other = slow.but(precision="int8", faster=3.0)
    found = explain(HERE.row(), other.row(), [HERE.row(), slow.row()], [slow.row(), other.row()])
    parts = logs(found)

    assert parts["runtime"] == pytest.approx(math.log(HERE.time_s / slow.time_s), rel=0.05)
    assert parts["precision"] == pytest.approx(math.log(slow.time_s / other.time_s), rel=0.05)
    assert "by two rows that differ in nothing else" in found.parts[0].evidence
    alone = explain(HERE.row(), other.row())
    assert "no two rows differ in nothing else" in next(p.evidence for p in alone.parts if p.cause == "runtime")
    assert alone.parts[0].high / alone.parts[0].low > 5 * found.parts[0].high / found.parts[0].low


def test_of_other_devices_no_control() -> None:
    """Rows of one file that were measured on two devices say nothing of a choice."""
    other = HERE.but(precision="int8", faster=3.0)
    elsewhere = other.but(name="another CPU", faster=9.0)
    found = explain(HERE.row(), other.row(), [HERE.row(), elsewhere.row()])

    assert "by the matrix products of the device" in found.parts[0].evidence


def test_another_device() -> None:
    """Between two devices every figure counts, and the residual is as uncertain as the model."""
    there = HERE.but(name="another CPU", product=150e9, copies=40e9, launch_s=2e-6)
    found = explain(HERE.row(), there.row())

    assert {"arithmetic peak", "memory bandwidth"} < set(logs(found))
    assert (found.a.name, found.b.name) == ("a CPU", "another CPU")
    assert found.residual.high / found.residual.low > 1.2
    assert product(found) == pytest.approx(HERE.time_s / there.time_s, rel=1e-3)


def test_turned_round() -> None:
    """From B to A every factor is inverted."""
    there = HERE.but(**(PLANTED["cores"] | PLANTED["contention"]))
    onward, back = explain(HERE.row(), there.row()), explain(there.row(), HERE.row())

    for one, other in zip(onward.parts, back.parts, strict=True):
        assert one.cause == other.cause
        assert one.factor == pytest.approx(1 / other.factor)


def test_left_out() -> None:
    """What no figure tells is named, with the side that lacks it."""
    row = HERE.row()
    assert row.device is not None
    bare = dataclasses.replace(row, device=dataclasses.replace(row.device, ceilings=None), telemetry=None)
    found = explain(bare, row)
    said = " ".join(found.left_out)

    assert "launch overhead: how many operators eager launches is not known" in said
    assert "A lacks its probe of the device" in said
    assert "contention: A lacks a yardstick beside its samples" in said
    assert explain(HERE.row(), HERE.but(runtime="ov", launches=None).row()).left_out[0].startswith("launch overhead")


def test_refused() -> None:
    """Rows of two models, and rows without samples, are refused with the reason."""
    row = HERE.row()
    other = dataclasses.replace(row, case=dataclasses.replace(row.case, model="nerv-s", name="nerv-s/fp32/eager/b1"))
    with pytest.raises(ResultsError, match="are of two models"):
        explain(row, other)
    with pytest.raises(ResultsError, match=r"no samples \(it ended CRASHED\)"):
        explain(row, dataclasses.replace(row, status=Status.CRASHED, samples_s=()))
    with pytest.raises(ResultsError, match="does not say on which device"):
        explain(dataclasses.replace(row, device=None), row)


def test_mean_or_median() -> None:
    """A protocol that averages has its mean compared, as it is what would be quoted."""
    row = HERE.row()
    assert row.telemetry is not None
    late = (*row.samples_s[1:], 30 * row.samples_s[0])
    averaged = dataclasses.replace(row, samples_s=late, telemetry=dataclasses.replace(row.telemetry, averaged="mean"))
    usual = dataclasses.replace(row, samples_s=late)

    assert explain(row, averaged).whole.factor < 0.6
    assert explain(row, usual).whole.factor == pytest.approx(1, rel=0.01)


def test_usual() -> None:
    """Of several processes the one in the middle counts, and the more they are, the less their scatter."""
    failed = dataclasses.replace(HERE.row(), status=Status.CRASHED, samples_s=())
    three = [HERE.row(off) for off in (1.3, 1.0, 1.1)]
    found, spread = usual([*three, failed])

    assert found is three[2]
    assert spread == pytest.approx(0.131 / math.sqrt(3), rel=0.02)
    assert usual([*three, *three])[1] < spread
    assert usual([failed])[0] is failed
    alone, several = (explain(three[1], three[2], between=(each, each)).whole for each in (0.005, spread))
    assert several.high / several.low > alone.high / alone.low


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-2, 2),
    st.lists(st.tuples(st.floats(-1, 1), st.floats(0.01, 1)), max_size=5),
    st.floats(0.005, 0.3),
)
def test_adds_up(whole: float, priors: list[tuple[float, float]], rest: float) -> None:
    """Whatever was known before, the parts and the residual are the whole, and lie in their intervals."""
    parts, residual = condition(whole, [Found(str(i), *each, "") for i, each in enumerate(priors)], rest)

    assert math.fsum(math.log(part.factor) for part in (*parts, residual)) == pytest.approx(whole, abs=1e-9)
    assert all(part.low <= part.factor <= part.high for part in (*parts, residual))


def test_intervals_are_honest() -> None:
    """Causes drawn as they are said to scatter lie in their 80 % intervals 80 % of the time."""
    random = np.random.default_rng(1)
    sds, rest = np.array([0.1, 0.3, 0.05]), 0.03
    inside = []
    for _ in range(600):
        truth = random.normal(0, sds)
        found, _ = condition(float(truth.sum() + random.normal(0, rest)), [Found("", 0, sd, "") for sd in sds], rest)
        inside += [math.log(p.low) < t < math.log(p.high) for p, t in zip(found, truth, strict=True)]

    assert 0.77 < np.mean(inside) < 0.83
