"""Cold caches and frames on the host stand beside the single stream of the same case, without a rank."""

from __future__ import annotations

from dataclasses import replace

from nervbench.records import COLD, OFFLINE, TO_HOST, Result, Status
from nervbench.report.compose import Surroundings, page
from nervbench.report.rows import groups_of
from nervbench.report.ways import beside

from .factory import made


def test_beside() -> None:
    """The ratio is of times; each row names what was otherwise; another runtime's row is no rule for it."""
    cold, host = made(samples_s=(1.5,) * 5, scenario=COLD), made(runtime="ov", samples_s=(0.5,) * 5, scenario=TO_HOST)
    assert cold.telemetry
    assert host.telemetry
    cold = replace(cold, telemetry=replace(cold.telemetry, caches="cold", frames_on="device"))
    host = replace(host, telemetry=replace(host.telemetry, frames_on="host"))
    (group,) = groups_of([made(samples_s=(1.0,) * 5), made(scenario=OFFLINE, samples_s=(0.1,) * 5), cold, host])
    text = beside([group])

    assert "| nerv-s/fp32/eager/b1/cold | cold | device | 0.667 | 1.00 | 1.50 | 5 |" in text
    assert "| nerv-s/fp32/ov/b1/to_host | hot | host | 2.00 | – | – | 5 |" in text
    assert [row.rank for row in group.apart] == [None, None]


def test_without() -> None:
    """A case that failed says why; without any case there is no section."""
    text = beside(groups_of([Result(made(scenario=COLD).case, Status.TIMED_OUT, "no end after 9 s")]))
    assert "TIMED_OUT" in text
    assert "no end after 9 s" in text
    assert beside(groups_of([made()])) == ""


def test_page() -> None:
    """The section is on the page."""
    results = [made(), made(scenario=COLD)]
    assert "## What caches and the host change" in page(results, groups_of(results), Surroundings("x", {}, {}))
