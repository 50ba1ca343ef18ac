"""What passes between the stages: frozen data of plain types, nothing live.

``Result`` is the centre: one line of ``results.jsonl``. Unknown is None, never 0. Raw samples are kept; statistics
are computed when read. Quantities are in base SI units and say so in their name.
"""

from __future__ import annotations

from nervbench.records.artifact import Artifact, Cost, LayerCost
from nervbench.records.case import (
    COLD,
    FAILED,
    MEAN,
    MEDIAN,
    OFFLINE,
    PLACES,
    PLAYBACK_HZ,
    PRECISIONS,
    PROTOCOLS,
    SCALES,
    SCENARIOS,
    SCHEMA,
    SERVER,
    SINGLE_STREAM,
    STRICT,
    TO_FILE,
    TO_HOST,
    Case,
    Scale,
    Status,
    case_of,
)
from nervbench.records.device import Ceilings, DeviceCard, Environment
from nervbench.records.profile import Operator, Profile
from nervbench.records.result import DISTURBED, Doubt, Fidelity, Quality, Result
from nervbench.records.telemetry import TREND_NEEDS, Load, Meanwhile, Playback, Served, Stages, Telemetry

__all__ = [
    "COLD",
    "DISTURBED",
    "FAILED",
    "MEAN",
    "MEDIAN",
    "OFFLINE",
    "PLACES",
    "PLAYBACK_HZ",
    "PRECISIONS",
    "PROTOCOLS",
    "SCALES",
    "SCENARIOS",
    "SCHEMA",
    "SERVER",
    "SINGLE_STREAM",
    "STRICT",
    "TO_FILE",
    "TO_HOST",
    "TREND_NEEDS",
    "Artifact",
    "Case",
    "Ceilings",
    "Cost",
    "DeviceCard",
    "Doubt",
    "Environment",
    "Fidelity",
    "LayerCost",
    "Load",
    "Meanwhile",
    "Operator",
    "Playback",
    "Profile",
    "Quality",
    "Result",
    "Scale",
    "Served",
    "Stages",
    "Status",
    "Telemetry",
    "case_of",
]
