"""A device of your own: here the CPU, of which one processor is used.

Entry point, group ``nervbench.devices``: ``one_processor = "my_device:OneProcessor"``. Hardware with memory and a clock
of its own brings all of :class:`nervbench.device.base.Device`: a card, a stopwatch, a way to wait, ceilings.
"""

import dataclasses
import os

from nervbench.device.cpu import CpuDevice
from nervbench.records import DeviceCard


class OneProcessor(CpuDevice):
    """Every process of a case opens the device, and works on that processor from then on."""

    def __init__(self) -> None:
        super().__init__()
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    def card(self) -> DeviceCard:
        """The name stands in every row and on the page."""
        card = super().card()
        return dataclasses.replace(card, name=f"{card.name}, one processor")
