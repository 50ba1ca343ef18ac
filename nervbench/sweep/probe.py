"""What the device is and what the runtimes can do on it, found out in a process of its own before any case."""

from __future__ import annotations

import dataclasses

from nervbench import plugins
from nervbench.device.base import Device
from nervbench.errors import UnsupportedError
from nervbench.records import DeviceCard
from nervbench.runtime.base import Runtime
from nervbench.sweep.jobs import Asked, AskJob, ProbeJob


def run_probe(job: ProbeJob) -> DeviceCard:
    """The device's card, with measured ceilings if there is time for them."""
    device: Device = plugins.load(plugins.DEVICES, job.device)()
    ceilings = device.ceilings(job.budget_s) if job.budget_s > 0 else None
    return dataclasses.replace(device.card(), ceilings=ceilings)


def ask(job: AskJob) -> dict[tuple[str, str], Asked]:
    """For each (runtime, precision) pair the artifact that it opens, or why it cannot run here."""
    device: Device = plugins.load(plugins.DEVICES, job.device)()
    return {pair: _ask(device, *pair) for pair in job.pairs}


def _ask(device: Device, name: str, precision: str) -> Asked:
    try:
        runtime: Runtime = plugins.load(plugins.RUNTIMES, name)
    except UnsupportedError as error:
        return Asked(refusal=str(error))
    refusal = runtime.refusal(device.card(), precision) or device.lacks(precision)
    return Asked(refusal=refusal) if refusal else Asked(runtime.wants(precision), None, runtime.packages)
