"""Valid examples of every kind of input, made in code, for the fuzzer to damage."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import safetensors.torch as library
import torch
from PIL import Image

from nervbench import rates, store, trials
from nervbench.bitstream.container import FIXED
from nervbench.codec.compress import compress
from nervbench.data.video import write_video
from nervbench.explain.gap import Gap, Part, Side
from nervbench.export.base import describe
from nervbench.model import checkpoint
from nervbench.model.checkpoint import Checkpoint
from nervbench.model.hnerv_spec import HnervSpec
from nervbench.model.spec import NervSpec
from nervbench.model.zoo import MODELS
from nervbench.records import Artifact, Status
from nervbench.report import gap_page, proof
from nervbench.suites.chosen import Chosen, Joined
from nervbench.train import state
from nervbench.train.history import EPOCHS, note
from nervbench.train.loop import Epoch
from nervbench.trials import Trial
from tests.report import test_proof
from tests.report.factory import a_run

TINY = NervSpec(fc_dim=2, strides=(2, 1), stem_widths=(3,), fc_height=9, fc_width=16, lower_width=2, embed_levels=2)
BENCH = (Path(__file__).parents[2] / "bench.toml").read_bytes()


@functools.cache
def tiny() -> Checkpoint:
    """A checkpoint of a few hundred weights."""
    return Checkpoint(TINY, checkpoint.seeded(TINY, 0).tensors, 7, {"clip": "a", "resized_with": "box"})


def specs() -> list[bytes]:
    """Model specs as JSON."""
    return [spec.to_json().encode() for spec in (TINY, *MODELS.values())]


def safetensors() -> list[bytes]:
    """Whole safetensors files, one of another program."""
    return [checkpoint.to_bytes(tiny()), library.save({"a": torch.zeros(2)}, {"format": "pt"})]


def metadata() -> list[bytes]:
    """What stands under our key in a safetensors header."""
    content = checkpoint.to_bytes(tiny())
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return [str(header["__metadata__"][checkpoint.METADATA]).encode()]


def with_metadata(text: bytes) -> bytes:
    """A safetensors file with the tiny weights and this under our key."""
    content = checkpoint.to_bytes(tiny())
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"][checkpoint.METADATA] = text.decode(errors="replace")
    written = json.dumps(header).encode()
    return len(written).to_bytes(8, "little") + written + content[8 + length :]


@functools.cache
def coded() -> list[bytes]:
    """.nerv files of the tiny weights: in many levels, and in few."""
    return [compress(tiny(), bits)[0] for bits in (8, 4)]


def with_checksums(content: bytes) -> bytes:
    """The same with the checksums of what it now holds: a mere change of bytes would fail by them."""
    if len(content) < FIXED.size:
        return content
    magic, version, length, _, _, weights_crc = FIXED.unpack(content[: FIXED.size])
    header, body = content[FIXED.size : FIXED.size + length], content[FIXED.size + length :]
    return FIXED.pack(magic, version, length, zlib.crc32(header), zlib.crc32(body), weights_crc) + header + body


def _saved(content: Any, *, zipped: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


@functools.cache
def authors() -> list[bytes]:
    """The authors' files in both of PyTorch's formats; a pruned one; one with an optimiser's leavings."""
    weights = tiny().tensors
    pruned = {f"module.{name}_orig": tensor for name, tensor in weights.items()}
    pruned |= {f"module.{name}_mask": torch.ones_like(tensor) for name, tensor in weights.items()}
    contents = ({"state_dict": weights, "epoch": 3, "betas": (0.5, 0.9)}, weights, {"state_dict": pruned})
    return [_saved(content, zipped=zipped) for content in contents for zipped in (True, False)]


@functools.cache
def hnerv() -> list[bytes]:
    """HNeRV's quantised files in both of PyTorch's formats."""
    spec = HnervSpec(2, 3, (2,), 2, 1, 2, lower_width=2, max_kernel=1)
    parts = {name: _coded(tensor) for name, tensor in checkpoint.seeded(spec, 0).tensors.items()}
    content = {"embed": parts.pop("embed"), "model": parts}
    return [_saved(content, zipped=zipped) for zipped in (True, False)]


def _coded(tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    codes = (tensor.clamp(-2, 2) * 60 + 128).to(torch.uint8)
    one = torch.ones([1] * tensor.dim(), dtype=torch.float16)
    return {"quant": codes, "min": -2 * one, "scale": one / 64}


def pickles() -> list[bytes]:
    """The pickle inside a zipped file."""
    archives = (zipfile.ZipFile(io.BytesIO(content)) for content in (*authors(), *hnerv()) if content[:2] == b"PK")
    return [archive.read(_pickle_of(archive)) for archive in archives]


def with_pickle(content: bytes) -> bytes:
    """A whole zipped file with another pickle in it: a mere change of bytes would fail by its checksum."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(authors()[0])) as whole, zipfile.ZipFile(buffer, "w") as made:
        for name in whole.namelist():
            made.writestr(name, content if name == _pickle_of(whole) else whole.read(name))
    return buffer.getvalue()


def _pickle_of(archive: zipfile.ZipFile) -> str:
    return next(name for name in archive.namelist() if name.endswith("data.pkl"))


def results() -> list[bytes]:
    """Lines of results."""
    return [store.to_line(result).encode() for result in a_run()]


def trial() -> list[bytes]:
    """Lines of trainings."""
    whole = Trial("a", "nerv-xs", {"epochs": 2, "loss": "l1"}, "c", epochs=2, epoch_s=(1.5,), curve_db=(20.0, 21.0))
    failed = Trial("b", "nerv-xs", {"epochs": 2}, "c", Status.CRASHED, "its process ended")
    return [trials.to_line(each).encode() for each in (whole, failed)]


def gaps() -> list[bytes]:
    """Lines of gaps between two GPUs."""
    a = Side("p100", "Tesla P100", "predicted", 0.03, 0.02, 0.04, "s")
    b = Side("v100", "Tesla V100", "measured", 0.02, 0.02, 0.02, "t")
    part = Part("clock held", 1.2, 1.1, 1.3, "1 → 2")
    return [gap_page.to_line(Gap("nerv-s", a, b, part, (part,), part, ("a: b",), ("c: d",))).encode()]


def points() -> list[bytes]:
    """Lines of rate and distortion."""
    scene = rates.Source("c", "ab", 32, 18, 5, "none")
    timed = rates.Timed(5, (0.1, 0.2), (0.1, 0.2), (0.3,))
    point = rates.RatePoint("x264", rates.CODEC, {"crf": "23"}, 1, "a CPU", scene, {"av": "18"}, decode=timed)
    missing = rates.RatePoint("vp9", rates.CODEC, {}, 1, "a CPU", scene, {}, Status.UNSUPPORTED, "no encoder")
    return [rates.to_line(each).encode() for each in (point, missing)]


def chosen() -> list[bytes]:
    """What was chosen of a suite."""
    mine = Chosen("ablation", "small", "c.mp4", (Joined("mine", "nerv-xs", "ab"),))
    return [json.dumps(dataclasses.asdict(mine)).encode()]


def history() -> list[bytes]:
    """The epochs of a training."""
    with tempfile.TemporaryDirectory() as folder:
        for number in (1, 2, 3):
            note(Path(folder), Epoch(number, 3, 0.1, 20.0 + number, 1e-3), 1.5)
        return [(Path(folder) / EPOCHS).read_bytes()]


@functools.cache
def states() -> list[bytes]:
    """The saved state of a training."""
    model = tiny().model()
    optimiser = torch.optim.Adam(model.parameters())
    with tempfile.TemporaryDirectory() as folder:
        state.save(Path(folder) / "state.pt", "{}", model, optimiser, 3)
        return [(Path(folder) / "state.pt").read_bytes()]


def arrays() -> list[bytes]:
    """A kept array of frames."""
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((2, 4, 4, 3), np.uint8))
    return [buffer.getvalue()]


def descriptions() -> list[bytes]:
    """The descriptions beside an artifact and an engine."""
    artifact = Artifact("onnx", "fp32", "key", "ab", 7, "{}", {"torch": "2.13.0"}, ("a note",))
    return [describe(artifact).encode(), json.dumps({"gpu": "sm_60", "sha256": "ab"}).encode()]


def machines() -> list[bytes]:
    """Files of a machine, each behind the byte that says which it is."""
    stat = b"70 (a) b) S 1 1 1 0 -1 0 0 900 0 900 100 100 100 100 20 0\n"
    status = b"Name:\tx\nCpus_allowed_list:\t1,2-2\nvoluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t2\n"
    processors = b"cpu  9 9 9 9 9 9 9 9\ncpu1 1 2 3 4 5 6 7 8 9 1\ncpu2 1 2 3 4 5 6 7 8 9 1\nintr 5\n"
    contents = [processors, b"MemAvailable: 5 kB\n", b"pswpin 3\npswpout 4\n", stat, status, status, b"800000\n"]
    contents += [b"coretemp\n", b"61500\n", b"package-0\n", b"9000000\n", b"10000000\n"]
    return [bytes([place]) + content for place, content in enumerate(contents)]


def inspected() -> list[bytes]:
    """What TensorRT's inspector says of a convolution."""
    tensor = {"Name": "x", "Dimensions": [1, 3, 8, 8], "Format/Datatype": "Row major Linear FP16 format"}
    weights = {"Type": "Half", "Count": 81}
    layer = {"Name": "a", "LayerType": "Convolution", "ParameterType": "Convolution", "OutMaps": 3, "Weights": weights}
    return [json.dumps({"Layers": [layer | {"Inputs": [tensor], "Outputs": [tensor]}]}).encode()]


def planted() -> list[bytes]:
    """A pair with a planted cause, and one without."""
    return [proof.to_line(line).encode() for line in (test_proof.GOOD, test_proof.NOTHING)]


def images() -> list[bytes]:
    """A small image in every format that is read."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (6, 8, 3)).astype(np.uint8))
    made = []
    for form in ("PNG", "JPEG", "BMP", "WEBP", "TIFF"):
        buffer = io.BytesIO()
        picture.save(buffer, form)
        made.append(buffer.getvalue())
    return made


def videos() -> list[bytes]:
    """A few frames of 32×32 in four containers."""
    frames = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3)).astype(np.uint8)
    made = []
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "a.mp4"
        write_video(whole, [frames], 25)
        made.append(whole.read_bytes())
        for name, codec in (("a.mkv", "mpeg4"), ("a.avi", "mpeg4"), ("a.webm", "libvpx")):
            path = Path(folder) / name
            with av.open(str(path), "w") as container:
                stream: Any = container.add_stream(codec, rate=25)
                stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
                for frame in (*(av.VideoFrame.from_ndarray(frame, format="rgb24") for frame in frames), None):
                    container.mux(stream.encode(frame))
            made.append(path.read_bytes())
    return made
