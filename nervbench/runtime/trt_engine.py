"""A TensorRT engine for an ONNX file: built once for a GPU, driver and version, then kept beside the artifact.

Below fp32, TensorRT 8 would also lower the positional embedding, whose angles reach 18,900 radians, and the last step;
so there every layer is ordered its type: half from the first matrix product or convolution to the last, float around.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nervbench.errors import FellBackError, LoadError, first_line, printable
from nervbench.runtime.base import Opening
from nervbench.runtime.kept import beside, called, keep, kept
from nervbench.runtime.trt_gpu import GpuFacts
from nervbench.runtime.trt_versions import Build, Generation

ARITHMETIC = frozenset({"CONVOLUTION", "MATRIX_MULTIPLY", "FULLY_CONNECTED"})
WORKSPACE_BYTES = 1 << 32
"""What a layer may use besides its tensors, at most; on small GPUs a quarter of their memory."""
NO_MEMORY = re.compile(r"out ?of ?memory|insufficient (gpu )?memory|cudaErrorMemoryAllocation", re.IGNORECASE)
# How the inspector words a type, in its own sentence ("Row major linear FP16 format") or as a name of its own ("Half").
TYPES = (("int8", r"int8"), ("bf16", r"bf16|bfloat16"), ("fp16", r"fp16|half|float16"), ("fp32", r"fp32|float"))
WORDS_KEPT = 4


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that is loaded, and what must live as long as it. ``notes`` say what was unusual on the way."""

    engine: Any
    runtime: Any
    heard: Any
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides an engine: the opening, how its precision is built, the GPU, TensorRT's version."""

    opening: Opening
    generation: Generation
    gpu: GpuFacts
    version: str

    @property
    def build(self) -> Build:
        """How the precision of the case is built."""
        return self.generation.builds[self.opening.precision]

    def stack(self) -> dict[str, str]:
        """What timings depend on: GPU and software."""
        capability = f"{self.gpu.capability[0]}.{self.gpu.capability[1]}"
        return {
            "gpu": self.gpu.name,
            "compute_capability": capability,
            "driver": self.gpu.driver,
            "tensorrt": self.version,
        }

    def engine(self) -> dict[str, str]:
        """What an engine depends on: the stack, the model, how it is called, and the code that builds it."""
        return self.stack() | called(self.opening)


def listener(trt: Any) -> Any:
    """A logger of TensorRT's that prints nothing and keeps the last warnings and errors in ``words``."""

    class Listener(trt.ILogger):  # type: ignore[misc]  # its base is only there once TensorRT is imported
        """Keeps what was said last."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.words: deque[str] = deque(maxlen=WORDS_KEPT)

        def log(self, severity: Any, msg: str) -> None:
            """TensorRT calls this."""
            if severity.name in ("INTERNAL_ERROR", "ERROR", "WARNING"):
                self.words.append(msg)

    return Listener()


def failure(words: Iterable[str], doing: str) -> Exception:
    """The error for what TensorRT answered with nothing: MemoryError where it said so, else LoadError. One line."""
    said = "; ".join(printable(" ".join(text.split()), 240) for text in words) or "it did not say why"
    if NO_MEMORY.search(said):
        return MemoryError(f"TensorRT ran out of memory {doing}: {said}")
    return LoadError(f"TensorRT failed {doing}: {said}")


def start(kind: Any, heard: Any) -> Any:
    """A Builder or a Runtime. Where CUDA cannot start, the bindings raise TypeError and the logger knows why."""
    try:
        return kind(heard)
    except TypeError as error:
        raise failure(heard.words or [first_line(error)], f"starting its {kind.__name__}") from error


def load(trt: Any, plan: Plan) -> Engine:
    """The kept engine of this plan, or one built now and kept.

    Raises LoadError with the parser's or the builder's own words, MemoryError, FellBackError.
    """
    heard = listener(trt)
    runtime = start(trt.Runtime, heard)
    facts = plan.engine()
    path = beside(plan.opening, facts, ".engine")
    content, note = kept(path, facts)
    engine = runtime.deserialize_cuda_engine(content) if content else None
    if content and engine is None:
        note = f"rebuilt: TensorRT did not take the kept engine ({'; '.join(heard.words)})"
    if engine is None:
        content = build(trt, plan, heard)
        engine = runtime.deserialize_cuda_engine(content)
        if engine is None:
            raise failure(heard.words, "loading the engine that it had built")
        keep(path, content, facts)
    unseen = check_types(trt, engine, plan.opening)
    return Engine(engine, runtime, heard, tuple(text for text in (note, unseen) if text))


def build(trt: Any, plan: Plan, heard: Any) -> bytes:
    """The serialized engine of the plan's ONNX file, for exactly its batch."""
    builder = start(trt.Builder, heard)
    flags = sum(1 << int(getattr(trt.NetworkDefinitionCreationFlag, name)) for name in plan.generation.network_flags)
    network = builder.create_network(flags)
    parse(trt, network, plan, heard)
    if plan.build.flags:
        order_types(trt, network)
    config = configure(trt, builder, network, plan)
    timing_facts = plan.stack()
    timing_path = beside(plan.opening, timing_facts, ".timing")
    timings, _ = kept(timing_path, timing_facts)  # lost timings cost time, nothing else
    config.set_timing_cache(config.create_timing_cache(timings or b""), False)
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise failure(heard.words, "building the engine")
    if cache := config.get_timing_cache():
        keep(timing_path, bytes(memoryview(cache.serialize())), timing_facts)
    return bytes(memoryview(serialized))


def parse(trt: Any, network: Any, plan: Plan, heard: Any) -> None:
    """Read the ONNX file into the network. Raises LoadError with the parser's errors."""
    content = plan.opening.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != plan.opening.artifact.sha256:
        msg = f"{plan.opening.path.name} does not match its description"
        raise LoadError(msg)
    parser = trt.OnnxParser(network, heard)
    if not parser.parse(content):
        errors = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        raise failure(errors or heard.words, f"reading the ONNX file (documented: up to opset {plan.generation.opset})")
    if (network.num_inputs, network.num_outputs) != (1, 1):
        msg = f"expected one input and one output, found {network.num_inputs} and {network.num_outputs}"
        raise LoadError(msg)


def order_types(trt: Any, network: Any) -> None:
    """Half for float layers from the first matrix product or convolution to the last, float for those around them.

    Raises LoadError where the network has neither.
    """
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    arithmetic = [index for index, layer in enumerate(layers) if layer.type.name in ARITHMETIC]
    if not arithmetic:
        msg = "the network has no convolution or matrix product to lower the precision of"
        raise LoadError(msg)
    for index, layer in enumerate(layers):
        outputs = range(layer.num_outputs)
        computes = all(layer.get_output(output).dtype == trt.DataType.FLOAT for output in outputs)
        if not computes or layer.type.name == "CONSTANT":  # shapes and casts have types of their own
            continue
        inside = arithmetic[0] <= index <= arithmetic[-1]
        layer.precision = trt.DataType.HALF if inside else trt.DataType.FLOAT
        for output in outputs:
            layer.set_output_type(output, layer.precision)


def configure(trt: Any, builder: Any, network: Any, plan: Plan) -> Any:
    """A builder configuration. fp32 is fp32: TF32, on by default, would keep 10 of 23 bits of the mantissa."""
    config = builder.create_builder_config()
    workspace = min(WORKSPACE_BYTES, plan.gpu.memory_bytes // 4)
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # or the inspector has no types to tell
    config.clear_flag(trt.BuilderFlag.TF32)
    for name in plan.build.flags:
        config.set_flag(getattr(trt.BuilderFlag, name))
    profile = builder.create_optimization_profile()
    shape = (plan.opening.batch,)
    profile.set_shape(network.get_input(0).name, shape, shape, shape)  # an engine a batch: nothing is left to guess
    if config.add_optimization_profile(profile) < 0:
        msg = f"TensorRT did not take an optimization profile for batches of {plan.opening.batch}"
        raise LoadError(msg)
    return config


def check_types(trt: Any, engine: Any, opening: Opening) -> str | None:
    """Raise FellBackError if a convolution reads another type than asked for; a note where none can be seen."""
    inspector = engine.create_engine_inspector()
    said = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    seen = convolution_types(said)
    if not seen:
        return "the inspector showed no convolution's type, so a fall-back could not be seen"
    others = {name: found for name, found in seen.items() if found != opening.precision}
    allowed = max(0, len(seen) - quantised(opening.path)) if opening.precision == "int8" else 0
    if len(others) > allowed:
        name, found = next(iter(others.items()))
        msg = (
            f"asked TensorRT for {opening.precision}, but {len(others)} of {len(seen)} convolutions compute in another "
            f"type{f', which {allowed} may' if allowed else ''}: {printable(name, 60)} in {found}"
        )
        raise FellBackError(msg)
    return None


def quantised(path: Path) -> int:
    """How many convolutions of an ONNX file are given integers to multiply: what they read is scaled right before."""
    import onnx  # noqa: PLC0415 (slow to import)

    nodes = onnx.load(path).graph.node
    scaled = {name for node in nodes if node.op_type == "DequantizeLinear" for name in node.output}
    return sum(node.op_type == "Conv" and node.input[0] in scaled for node in nodes)


def convolution_types(said: str) -> dict[str, str]:
    """Of each convolution that the inspector describes, by name, the type of its first input; {} if it says none.

    To release 10 a tensor has ``Format/Datatype``; from 11 on ``Format`` and ``DataType``.
    """
    try:
        layers = json.loads(said)["Layers"]
        convolutions = [layer for layer in layers if re.search(r"conv(?!ert)", layer["LayerType"], re.IGNORECASE)]
        worded = {
            layer["Name"]: layer["Inputs"][0].get("DataType") or layer["Inputs"][0].get("Format/Datatype") or ""
            for layer in convolutions
        }
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):  # only names, or a form we do not know
        return {}
    kinds = {name: [kind for kind, words in TYPES if re.search(words, text, re.I)] for name, text in worded.items()}
    return {name: found[0] for name, found in kinds.items() if found}
