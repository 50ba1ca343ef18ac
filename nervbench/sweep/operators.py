"""The operators of a case, timed after its samples in a session of their own."""

from __future__ import annotations

from itertools import cycle, islice

from nervbench.errors import NervbenchError, first_line
from nervbench.records import Profile
from nervbench.runtime.base import Runtime, WithProfile
from nervbench.sweep.jobs import CaseJob

SECONDS = 2.0
FEWEST, MOST = 3, 20
"""Decodes, of which the first is not counted."""


def profile(job: CaseJob, runtime: Runtime, decode_s: float) -> Profile:
    """As many decodes as fit into two seconds. What cannot be timed has a reason and costs no row."""
    if not isinstance(runtime, WithProfile):
        return Profile("", 0, reason=f"{runtime.name} does not tell the times of its operators")
    decodes = min(MOST, max(FEWEST, round(SECONDS / decode_s)))
    try:
        found = runtime.profile(job.opening, tuple(islice(cycle(job.prepared.starts), decodes)))
    except NervbenchError as error:
        return Profile(runtime.profiler, 0, reason=str(error))
    except Exception as error:  # noqa: BLE001 (a runtime may raise anything, and the samples are taken already)
        return Profile(runtime.profiler, 0, reason=f"{type(error).__name__}: {first_line(error)}")
    return Profile(runtime.profiler, decodes - 1, found)
