"""A network as a point of rate and distortion: its whole file is the rate, fp32 eager its decoder.

Frames come one after the other in batches of one, each timed by the device's clock from its index to RGB of uint8 in
memory; there is no other format that a network decodes to.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from nervbench.codec.points import bits_per_pixel, scored, words
from nervbench.data.clip import Frames
from nervbench.device.base import Device
from nervbench.model.checkpoint import TRAINED_S, Checkpoint
from nervbench.model.network import FrameDecoder, positions
from nervbench.rates import NETWORK, RatePoint, Source, Timed

WARM_UP = 2


def network_point(
    name: str, loaded: Checkpoint, sha256: str, source: Source, threads: int, device: Device
) -> RatePoint:
    """What is known of a point before it is measured; ``sha256`` is of the weights."""
    settings = {"family": loaded.spec.family, "runtime": "eager", "precision": "fp32", "weights_sha256": sha256}
    return RatePoint(name, NETWORK, settings, threads, words(device), source, {"torch": str(torch.__version__)})


def measured(
    point: RatePoint, loaded: Checkpoint, size_bytes: int, frames_NHW3: Frames, held: int, device: Device
) -> RatePoint:
    """The point with its frames decoded, timed and scored; ``held`` frames are in the file, the T of t / T."""
    seconds: list[float] = []
    cpu: list[float] = []
    with _threads(point.threads):
        decoding = _decoded(loaded, held, len(frames_NHW3), device, seconds, cpu)
        rate = bits_per_pixel(size_bytes, point.source, held)
        quality = scored(decoding, frames_NHW3, rate, point.source)
    trained_s = _trained_s(loaded)
    return replace(
        point,
        size_bytes=size_bytes,
        quality=quality,
        encode=Timed(held, (trained_s,)) if trained_s else None,
        decode_rgb=Timed(1, tuple(seconds[WARM_UP:]), tuple(cpu[WARM_UP:]), tuple(seconds[:WARM_UP])),
        remark=None if held == len(frames_NHW3) else f"its file holds {held} frames, over which its bits are spread",
    )


def _decoded(
    loaded: Checkpoint, held: int, frames: int, device: Device, seconds: list[float], cpu: list[float]
) -> Iterator[npt.NDArray[np.uint8]]:
    """The first ``frames`` frames; the seconds of every decode are noted, those of the warm-up first."""
    decoder = FrameDecoder(loaded.model()).eval()
    for index in (*[0] * WARM_UP, *range(frames)):
        before = device.counters().process_cpu_s or 0.0
        device.start()
        with torch.inference_mode():
            frame_HW3 = decoder(positions(torch.tensor([index]), held)).numpy()[0]
        seconds.append(device.stop())
        cpu.append((device.counters().process_cpu_s or 0.0) - before)
        if len(seconds) > WARM_UP:
            yield frame_HW3


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    """PyTorch computes with so many threads meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _trained_s(loaded: Checkpoint) -> float | None:
    """The seconds of the training, where the checkpoint says it."""
    try:
        seconds = float(loaded.notes.get(TRAINED_S, ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None
