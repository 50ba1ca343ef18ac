"""The sections of the server and of the player: what was held, who came late, or why there is nothing to say."""

from __future__ import annotations

from dataclasses import replace

from nervbench.records import Load, Playback, Result, Served, Status, Telemetry
from nervbench.report.asked import player, server
from nervbench.report.compose import Surroundings, page
from nervbench.report.rows import groups_of

from .factory import made


def with_telemetry(scenario: str, served: Served | None = None, playback: Playback | None = None) -> Result:
    """A row of a scenario with what it recorded."""
    return replace(made(scenario=scenario), telemetry=Telemetry(served=served, playback=playback))


def test_server() -> None:
    """The rate held, its share of what fits, and the tail of each load as far as its requests support one."""
    loads = (
        Load(5.0, (0.15,) * 700, 140.0, 0, held=True),
        Load(7.0, (0.4,) * 64, 9.0, 0, held=True),
        Load(9.0, (3.0,) * 20, 5.0, 4, held=False),
    )
    results = [with_telemetry("server", served=Served(0.1, 0.5, loads))]
    text = server(groups_of(results))

    assert (
        "| nerv-s/fp32/eager/b1/server | 100 ms | 500 ms | 7.00 /s | 70 % | "
        "5.00 /s: p99 150 ms; 7.00 /s: p90 400 ms; 9.00 /s: 20 requests, 4 left waiting |"
    ) in text
    assert "## Server" in page(results, groups_of(results), Surroundings("x", {}, {}))
    none = server(groups_of([with_telemetry("server", served=Served(0.1, 0.05, loads[2:]))]))
    assert "| none | – |" in none


def test_player() -> None:
    """Late and dropped frames with their shares, the worst, seeks, and whether it becomes worse."""
    late = (0.0, *[-0.01] * 39, *[0.02] * 19, 0.05)
    found = Playback(25.0, 0.3, tuple(range(60)), late, 15, (0.1, 0.2, 0.6), 3.0)
    row = with_telemetry("playback_25", playback=found)
    assert row.telemetry
    results = [replace(row, telemetry=replace(row.telemetry, load_s=2.5, warm_up_s=(1.0,)))]
    text = player(groups_of(results))

    assert "| nerv-s/fp32/eager/b1/playback_25 | 3.50 s | 300 ms | 60 | 20 (33 %) | 15 (20 %) | 50.0 ms | " in text
    assert "| 200 ms / 600 ms | 0 % to 100 % | 1.06 s to 1.08 s |" in text
    assert "## Playback" in page(results, groups_of(results), Surroundings("x", {}, {}))


def test_little_to_say() -> None:
    """A player that showed one frame and never jumped has dashes; a case that died its reason; none, no section."""
    short = player(groups_of([with_telemetry("playback_60", playback=Playback(60.0, 9.0, (0,), (0.0,), 0, (), 9.0))]))
    assert "| 9.00 s | 1 | 0 (0 %) | 0 (0 %) | 0 s | – | – / – | – |" in short
    for scenario, section in (("server", server), ("playback_30", player)):
        dead = section(groups_of([Result(made(scenario=scenario).case, Status.CRASHED, "the worker died")]))
        assert "| CRASHED |" in dead
        assert "the worker died" in dead
        assert section(groups_of([made()])) == ""
