"""One point of rate and distortion, measured: a file of a conventional codec, or a network in fp32 eager.

Only the device tells time. The first pass of each kind is warm-up; the others are samples. Encoding is timed from RGB
frames in memory to a file in memory, decoding from that file to frames in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

import av
import numpy as np
import numpy.typing as npt

from nervbench.codec.conventional import Encoded, Setup, decoded, encode, to_rgb, to_yuv
from nervbench.data.clip import Frames, spread
from nervbench.device.base import Device
from nervbench.errors import UnsupportedError
from nervbench.quality import ms_ssim_per_frame, psnr_per_frame, summary
from nervbench.rates import CODEC, RatePoint, Source, Timed
from nervbench.records import Quality, Status

Made = TypeVar("Made")
AT_ONCE = 16
"""Frames scored together."""
CONVERTED = 8
"""Frames, spread over the clip, that tell what a conversion of pixel formats costs."""
MIN_WALL_S, MOST_SAMPLES = 0.5, 50
"""Short passes are repeated more often than asked: for so long, or so many times."""


def codec_point(setup: Setup, source: Source, threads: int, device: Device) -> RatePoint:
    """What is known of a point before it is made."""
    ffmpeg = str(getattr(av, "ffmpeg_version_info", "unknown"))
    versions = {"av": av.__version__, "ffmpeg": ffmpeg}
    return RatePoint(setup.codec, CODEC, setup.settings(), threads, words(device), source, versions)


def measured(
    point: RatePoint, setup: Setup, frames_NHW3: Frames, fps: float | None, device: Device, repeats: int
) -> RatePoint:
    """The point with its file made, timed and scored; UNSUPPORTED with the reason where that cannot be."""
    threads = point.threads
    try:
        made, encoding = timed(lambda: encode(frames_NHW3, setup, threads, fps), device, len(frames_NHW3), repeats)
        _, decoding = timed(lambda: _through(decoded(made.data, threads)), device, len(frames_NHW3), repeats)
        _, to_memory = timed(
            lambda: _through(map(to_rgb, decoded(made.data, threads))), device, len(frames_NHW3), repeats
        )
        rate = bits_per_pixel(len(made.data), point.source, len(frames_NHW3))
        quality = scored(map(to_rgb, decoded(made.data, threads)), frames_NHW3, rate, point.source)
    except UnsupportedError as error:
        return replace(point, status=Status.UNSUPPORTED, reason=str(error))
    return _complete(point, made, quality, encoding, decoding, to_memory)


def conversion_psnr_db(frames_NHW3: Frames, pixel_format: str) -> float:
    """PSNR of frames brought to a pixel format and back with no codec between: more than that no codec can reach."""
    some = frames_NHW3[list(spread(len(frames_NHW3), CONVERTED))]
    return float(np.mean(psnr_per_frame(np.stack([to_rgb(to_yuv(frame, pixel_format)) for frame in some]), some)))


def timed(work: Callable[[], Made], device: Device, frames: int, repeats: int) -> tuple[Made, Timed]:
    """What ``work`` makes and how long it takes, ``repeats`` times or more after one warm-up."""
    samples: list[float] = []
    cpu: list[float] = []
    while len(samples) <= repeats or (sum(samples[1:]) < MIN_WALL_S and len(samples) <= MOST_SAMPLES):
        before = device.counters().process_cpu_s
        device.start()
        made = work()
        samples.append(device.stop())
        after = device.counters().process_cpu_s
        if before is not None and after is not None:
            cpu.append(after - before)
    return made, Timed(frames, tuple(samples[1:]), tuple(cpu[1:]), tuple(samples[:1]))


def scored(decoding: Iterable[npt.NDArray[np.uint8]], frames_NHW3: Frames, rate: float, source: Source) -> Quality:
    """The quality of frames in order, a few at a time; raises UnsupportedError where they are fewer or more."""
    psnr_db: list[float] = []
    ms_ssim: list[float] = []
    frames = iter(decoding)
    while some := list(islice(frames, AT_ONCE)):
        expected_NHW3 = frames_NHW3[len(psnr_db) : len(psnr_db) + len(some)]
        if len(expected_NHW3) < len(some):
            break
        psnr_db += psnr_per_frame(np.stack(some), expected_NHW3)
        ms_ssim += ms_ssim_per_frame(np.stack(some), expected_NHW3) or []
    if some or len(psnr_db) != len(frames_NHW3):
        msg = f"{len(frames_NHW3)} frames went in, {len(psnr_db)}{' and more' if some else ''} came out"
        raise UnsupportedError(msg)
    return summary(
        psnr_db,
        ms_ssim,
        bits_per_pixel=rate,
        clip=source.clip,
        clip_sha256=source.clip_sha256,
        resample=source.resample,
        reference_psnr_db=None,
    )


def bits_per_pixel(size_bytes: int, source: Source, frames: int) -> float:
    """The bits of a file over the pixels of the ``frames`` that it holds."""
    return 8 * size_bytes / (frames * source.width * source.height)


def words(device: Device) -> str:
    """What work runs on."""
    card = device.card()
    return f"{card.kind.upper()}: {card.name}"


def _through(frames: Iterator[Any]) -> None:
    """Decode to the end."""
    for _ in frames:
        pass


def _complete(
    point: RatePoint, made: Encoded, quality: Quality, encode: Timed, decode: Timed, decode_rgb: Timed
) -> RatePoint:
    return replace(
        point,
        encoder=made.encoder,
        size_bytes=len(made.data),
        payload_bytes=made.payload_bytes,
        quality=quality,
        encode=encode,
        decode=decode,
        decode_rgb=decode_rgb,
    )
