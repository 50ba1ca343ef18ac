"""The ``cuda`` device against a made-up PyTorch: what it asks of it, and what it says. It needs no GPU."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nervbench.device import cuda
from nervbench.device.base import WithUpload
from nervbench.device.cpu import CpuDevice
from nervbench.device.cuda import CudaDevice
from nervbench.device.products import GPU, SMALL_SHARE
from nervbench.errors import UnsupportedError
from nervbench.records import Ceilings

P100 = {"name": "Tesla P100", "major": 6, "minor": 0, "multi_processor_count": 56, "total_memory": 16 << 30}
P100 |= {"L2_cache_size": 4 << 20, "uuid": "1234-5678"}


class Event:
    """An event that passes when it is waited for; a second lies between any two."""

    recorded: list[Event]
    waited: list[Event]

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        self.recorded.append(self)

    def synchronize(self) -> None:
        self.waited.append(self)

    def elapsed_time(self, other: Event) -> float:
        assert other in self.waited
        return 1e3 * (self.recorded.index(other) - self.recorded.index(self))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A Tesla P100 that PyTorch can use; change its properties before a device is made."""
    properties: dict[str, Any] = dict(P100)
    Event.recorded, Event.waited = [], []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(**properties))
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 123)
    return properties


def test_card(gpu: dict[str, Any]) -> None:
    """The card has what PyTorch knows of the GPU, its compute capability among the features."""
    card = CudaDevice().card()

    assert (card.kind, card.name, card.cores, card.threads) == ("cuda", "Tesla P100", 56, None)
    assert (card.memory_bytes, card.cache_bytes, card.features) == (16 << 30, {"l2": 4 << 20}, ("sm_60",))
    assert CudaDevice().watched == "GPU-1234-5678"


@pytest.mark.parametrize(
    ("capability", "possible"),
    [
        ((5, 2), "fp32"),
        ((6, 0), "fp32, fp16"),
        ((6, 1), "fp32, fp16, int8"),
        ((8, 0), "fp32, fp16, int8, bf16, tf32"),
        ((9, 0), "fp32, fp16, int8, bf16, tf32, fp8"),
    ],
)
def test_precisions(gpu: dict[str, Any], capability: tuple[int, int], possible: str) -> None:
    """A precision that the generation has no arithmetic for is refused with what it takes and what is possible."""
    gpu["major"], gpu["minor"] = capability
    device = CudaDevice()
    for precision in ("fp32", "fp16", "int8", "bf16", "tf32", "fp8"):
        refusal = device.lacks(precision)
        assert (refusal is None) == (precision in possible.split(", "))
        if refusal:
            assert refusal.endswith(f"this GPU has {capability[0]}.{capability[1]}; possible here: {possible}")
    assert "none that is known here" in str(device.lacks("fp4"))


def test_clock(gpu: dict[str, Any]) -> None:
    """Seconds between two events on the stream, the second of which has been waited for."""
    device = CudaDevice()
    device.start()

    assert device.stop() == 1.0
    assert len(Event.recorded) == 2
    assert Event.waited == Event.recorded[1:]


def test_counters(gpu: dict[str, Any]) -> None:
    """Processor time is of this process, memory is the GPU's; PyTorch knows nothing of what others take there."""
    counters = CudaDevice().counters()

    assert counters.peak_memory_bytes == 123
    assert (counters.process_cpu_s or 0) > 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "max_memory_reserved", lambda: 0)
        assert CudaDevice().counters().peak_memory_bytes is None


def test_settings(gpu: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The versions that decide what a kernel is; what cannot be read is left out."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91200)
    monkeypatch.setattr(CpuDevice, "settings", lambda _self: {"governor": "scaling_governor performance"})
    monkeypatch.setattr(cuda, "driver", lambda: None)
    assert CudaDevice().settings() == {"governor": "scaling_governor performance", "CUDA": "13.0", "cuDNN": "91200"}
    monkeypatch.setattr(cuda, "driver", lambda: "580.95.05")
    assert CudaDevice().settings()["driver"] == "580.95.05"


def test_ceilings(gpu: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits of the precisions that the GPU has are measured on it, by products large enough for one."""
    asked: list[Any] = []

    def probe(*given: Any) -> Ceilings:
        asked.append(given)
        return Ceilings({}, None, 0.1)

    monkeypatch.setattr(cuda, "probe", probe)
    monkeypatch.setattr(CudaDevice, "yardstick", lambda _device, budget_s: (budget_s, 2 * budget_s))

    assert CudaDevice().ceilings(2.0).yardstick_s == pytest.approx(1.5 * SMALL_SHARE * 2.0)

    sizes = dataclasses.replace(GPU, cached_bytes=gpu["L2_cache_size"] // 4)
    assert asked == [(("fp32", "fp16"), 2.0, sizes, "cuda")]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_no_gpu() -> None:
    """Without a GPU the device says what was found and what to do."""
    with pytest.raises(UnsupportedError, match=r"PyTorch .*; "):
        CudaDevice()


@pytest.mark.usefixtures("gpu")
def test_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    """Floats go from pinned memory to the GPU without being waited for, from the same memory each time."""
    sent: list[tuple[int, str, bool]] = []

    class Pinned:
        def __len__(self) -> int:
            return 12

        def to(self, place: str, non_blocking: bool) -> None:
            sent.append((id(self), place, non_blocking))

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: Pinned())
    device = CudaDevice()
    assert isinstance(device, WithUpload)
    assert not isinstance(CpuDevice(), WithUpload)
    device.upload(12)
    device.upload(12)
    assert sent == [(sent[0][0], "cuda", True)] * 2
