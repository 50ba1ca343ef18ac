"""The stages to a file: medians a frame, the FPS of both ways, or why there are none."""

from __future__ import annotations

from dataclasses import replace

from nervbench.records import TO_FILE, Result, Stages, Status
from nervbench.report.compose import Surroundings, page
from nervbench.report.rows import groups_of
from nervbench.report.stages import section

from .factory import made


def with_stages(batch: int = 1) -> Result:
    """Three batches: 0.5 s to decode, 0.01 s to fetch, 0.09 s to write each, 1.2 s when these overlap."""
    result = made(scenario=TO_FILE, batch=batch)
    assert result.telemetry
    parts: dict[str, tuple[float, ...]] = {"embed": (0.001,) * 3, "network": (0.4,) * 3} if batch == 1 else {}
    found = Stages((0.5,) * 3, (0.01,) * 3, (0.09,) * 3, 1.2, parts, unpack_s=0.02 if batch == 1 else None)
    return replace(result, samples_s=found.decode_s, telemetry=replace(result.telemetry, load_s=2.0, stages=found))


def test_line() -> None:
    """Times are a frame, FPS of all frames; the row has no rank and is on the page once."""
    results = [made(), with_stages(), with_stages(batch=2)]
    (group,) = groups_of(results)
    text = section([group])

    one = "20.0 ms | 2.00 s | 1.00 ms | 400 ms | – | 500 ms | 10.0 ms | 90.0 ms | 1.67 | 2.50 | 1.50 | 3 |"
    two = "– | 2.00 s | – | – | – | 250 ms | 5.00 ms | 45.0 ms | 3.33 | 5.00 | 1.50 | 6 |"
    assert f"| nerv-s/fp32/eager/b1/to_file | {one}" in text
    assert f"| nerv-s/fp32/eager/b2/to_file | {two}" in text
    assert [row.rank for row in group.rows] == [1]
    whole = page(results, [group], Surroundings("nervbench report x", {}, {}))
    assert whole.count("nerv-s/fp32/eager/b1/to_file") == 1
    assert "## To a file" in whole


def test_without_a_number() -> None:
    """A case that failed says why; without any case there is no section."""
    alone = groups_of([with_stages()])
    assert "its numbers stand in a section of their own." in page([with_stages()], alone, Surroundings("x", {}, {}))
    text = section(groups_of([Result(with_stages().case, Status.CRASHED, "no space left")]))
    assert "CRASHED" in text
    assert "no space left" in text
    assert section(groups_of([made()])) == ""
