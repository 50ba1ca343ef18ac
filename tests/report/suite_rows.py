"""Made-up rows of suites."""

from __future__ import annotations

from dataclasses import replace

from nervbench.rates import NETWORK, RatePoint, Source, Timed
from nervbench.records import Result, Status
from nervbench.trials import Trial
from tests.report.factory import QUALITY, made

RECIPE: dict[str, str | int | float | bool] = {"epochs": 3, "seed": 1}


def trial(
    name: str, psnr_db: float = 30.0, epoch_s: float = 1.0, reason: str | None = None, clip: str = "bigbuckbunny:32"
) -> Trial:
    """A training of three epochs that went well or, with a reason, failed."""
    return Trial(
        name,
        "nerv-xs",
        RECIPE,
        clip,
        status=Status.WRONG_OUTPUT if reason else Status.OK,
        reason=reason,
        epochs=3,
        params=969_431,
        width=320,
        height=180,
        frames=32,
        device="a processor",
        versions={"torch": "2.13.0"},
        epoch_s=(epoch_s,) * 3,
        curve_db=(10.0, 20.0, psnr_db),
        quality=None if reason else replace(QUALITY, psnr_db=psnr_db, ms_ssim=psnr_db / 40, clip=clip),
        checkpoint=f"{name}/nerv-xs.safetensors",
    )


def result(weights: str, sample_s: float) -> Result:
    """A decoding of such weights, 33 dB good."""
    found = made("nerv-xs", weights=weights, samples_s=(sample_s,) * 5)
    return replace(found, quality=replace(QUALITY, psnr_db=33.0))


def point(method: str, threads: int, rate: float, psnr_db: float = 30.0) -> RatePoint:
    """A network's file."""
    return RatePoint(
        method,
        NETWORK,
        {"family": "nerv", "weights_sha256": "cd" * 32},
        threads,
        "CPU: a processor",
        Source("bigbuckbunny", "ab" * 32, 320, 180, 132, "bicubic"),
        {"torch": "2.13.0"},
        size_bytes=9,
        quality=replace(QUALITY, bits_per_pixel=rate, psnr_db=psnr_db, ms_ssim=0.9),
        decode_rgb=Timed(1, (0.04,) * 24),
    )
