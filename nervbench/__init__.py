"""nervbench: how fast a NeRV decodes on this device, how good the frames are, and how near the limit."""

__version__ = "0.1.0"
