"""Made-up results of a plausible run, shared by the tests of the report."""

from __future__ import annotations

from dataclasses import replace

from nervbench.records import (
    MEAN,
    MEDIAN,
    SINGLE_STREAM,
    STRICT,
    Artifact,
    Ceilings,
    Cost,
    DeviceCard,
    Doubt,
    Environment,
    Fidelity,
    LayerCost,
    Quality,
    Result,
    Status,
    Telemetry,
    case_of,
)

CARD = DeviceCard(
    kind="cpu",
    name="Intel(R) Xeon(R) Processor @ 2.50GHz",
    cores=2,
    threads=2,
    memory_bytes=8 << 30,
    cache_bytes={"l1": 32 << 10, "l2": 1 << 20, "l3": 36 << 20},
    clock_hz=2.5e9,
    features=("avx2", "avx512f", "avx512_vnni"),
    ceilings=Ceilings({"fp32": 184e9, "bf16": 419e9}, 12e9, 9.5),
)
STACK = Environment("3.11.2", "Linux 6.1", {"torch": "2.13.0", "openvino": "2025.3"}, {"OMP_NUM_THREADS": "2"})
COSTS = {
    "nerv-s": Cost(3_200_000, 201_900_000_000, 900_000_000, 1280, 720, (LayerCost("head", 10, 1, 2, 3),)),
    "nerv-xs": Cost(1_000_000, 8_000_000_000, 90_000_000, 320, 180),
}
QUALITY = Quality(132, 33.12, 29.5, 87, 0.9512, 0.91, 0.21, "bigbuckbunny", "ab" * 32, "bicubic")
FIDELITY = Fidelity((0, 44, 88, 131), (0, 65), 58.3, 2, 50.5, "0.1 dB")
SAMPLES = (1.06, 1.05, 1.07, 1.06, 1.08)
WEIGHTS = {"nerv-s": "seeded:0", "nerv-xs": "bundled"}


def made(
    model: str = "nerv-s",
    runtime: str = "eager",
    precision: str = "fp32",
    samples_s: tuple[float, ...] = SAMPLES,
    batch: int = 1,
    scenario: str = SINGLE_STREAM,
    doubts: tuple[Doubt, ...] = (),
    weights: str | None = None,
    protocol: str = STRICT,
) -> Result:
    """A case that ended OK."""
    chosen = weights or WEIGHTS.get(model, "bundled")
    return Result(
        case=case_of(model, precision, runtime, batch, scenario, chosen, protocol),
        status=Status.OK,
        device=CARD,
        environment=STACK,
        artifact=Artifact("onnx", precision, "k" * 8, "cd" * 32, 12_800_000, model, {"onnx": "1.19"}),
        cost=COSTS.get(model, COSTS["nerv-xs"]),
        samples_s=samples_s,
        telemetry=Telemetry(
            (1.5,), "noise", 1 if scenario == SINGLE_STREAM else 4, MEDIAN if protocol == STRICT else MEAN, "host"
        ),
        quality=None if chosen.startswith("seeded:") else QUALITY,
        fidelity=replace(FIDELITY, worst_psnr_db=None) if (runtime, precision) == ("eager", "fp32") else FIDELITY,
        doubts=doubts,
    )


def failed(status: Status, reason: str | None, model: str = "nerv-s", runtime: str = "ort") -> Result:
    """A case that ended without a number; its samples are there to be ignored."""
    whole = made(model, runtime, "fp32", (0.777, 0.777, 0.777, 0.777))
    return replace(whole, status=status, reason=reason, quality=None, fidelity=None)


def scaled(seconds: float, count: int = 30) -> tuple[float, ...]:
    """Samples around so many seconds."""
    return tuple(seconds * (1 + 0.01 * (number % 5 - 2)) for number in range(count))


def a_run() -> list[Result]:
    """Two models on four runtimes, with one case of every kind of ending that matters."""
    unsupported = "this CPU has no bf16 arithmetic (it takes avx512_bf16, amx_bf16 or Arm's bf16); possible here: fp32"
    return [
        made("nerv-s", "eager", "fp32", scaled(2.18, 9), doubts=(Doubt("few_samples", {"samples": 9}),)),
        made("nerv-s", "ov", "fp32", scaled(1.06, 20)),
        made("nerv-s", "ov", "bf16", scaled(0.55, 30)),
        failed(Status.CRASHED, "the worker died of signal 9", runtime="ort"),
        made("nerv-xs", "eager", "fp32", scaled(0.11, 70)),
        made("nerv-xs", "torchscript", "fp32", scaled(0.09, 700), doubts=(Doubt("drift", {"share": 0.051}),)),
        made("nerv-xs", "ov", "fp32", scaled(0.06, 100), doubts=(Doubt("noisy", {"noise": 0.08, "bound": 0.02}),)),
        made("nerv-xs", "ov", "fp32", scaled(0.2, 100), batch=4, scenario="offline"),
        failed(Status.UNSUPPORTED, unsupported, "nerv-xs", "compiled"),
        failed(Status.WRONG_OUTPUT, "31.2 dB against fp32 eager; at least 49.5 dB is asked", "nerv-xs", "ort"),
    ]
