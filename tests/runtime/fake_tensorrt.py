"""A TensorRT that records what it is asked, for any release of trt_api.json: what that release lacks, this lacks.

An "engine" is the JSON of its network. Executing one reads the positions at the input's address and writes frames to
the output's, so that a session's memory is put to the test as well: a frame's value is 250 · t, plus the column.
"""

from __future__ import annotations

import ctypes
import enum
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

TABLE: dict[str, Any] = json.loads((Path(__file__).parent / "trt_api.json").read_text())
# Release → the row of trt_api.json that stands for it. 8.5's own bindings are in a wheel of 549 MB for older Pythons;
# its source (pyCore.cpp of NVIDIA/TensorRT, read, not copied) has all that is called here as 8.6.1 has it.
RELEASES = {
    "8.5.3.1": "8.6.1",
    "8.6.1": "8.6.1",
    "10.0.1": "10.0.1",
    "10.16.1.11": "10.16.1.11",
    "11.0.0.114": "11.0.0.114",
    "11.4.0.106": "11.4.0.106",
}
HEIGHT, WIDTH = 4, 6
GRAPH = (
    ("SHUFFLE", "FLOAT"), ("SHAPE", "INT32"), ("UNARY", "FLOAT"), ("CONSTANT", "FLOAT"), ("MATRIX_MULTIPLY", "FLOAT"),
    ("ACTIVATION", "FLOAT"), ("CONVOLUTION", "FLOAT"), ("ACTIVATION", "FLOAT"), ("CONVOLUTION", "FLOAT"),
    ("ACTIVATION", "FLOAT"), ("UNARY", "FLOAT"), ("CAST", "UINT8"),
)  # fmt: skip
"""Layers as the parser would add them: (type, type of the output)."""


@dataclass
class Behaviour:
    """What this TensorRT does, changed by a test, and what was asked of it."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    parse_errors: tuple[str, ...] = ()
    cannot_start: str | None = None
    cannot_build: str | None = None
    no_context: str | None = None
    cannot_execute: str | None = None
    inputs: int = 1
    output_type: str = "UINT8"
    graph: tuple[tuple[str, str], ...] = GRAPH
    inspected: str | None = None
    times: list[list[tuple[str, float]]] = field(default_factory=list)

    def called(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of each call of that name."""
        return [call[1:] for call in self.calls if call[0] == name]


def make(version: str, table_of: str) -> Any:
    """A module that is TensorRT of this version, with the interface of a release in the table."""
    behaviour, table = Behaviour(), TABLE[table_of]
    module: Any = ModuleType("tensorrt")
    module.__version__, module.behaviour = version, behaviour
    for name, members in table["enums"].items():
        setattr(module, name, _enum(name, members))
    for name, kind in _classes(module, behaviour).items():
        for member in [member for member in vars(kind) if not member.startswith("_") and member != "Severity"]:
            if member not in table["classes"][name]:
                delattr(kind, member)
        setattr(module, name, kind)
    module.ILogger.Severity = _enum("Severity", table["severities"])
    return module


def _enum(name: str, members: dict[str, int]) -> Any:
    return enum.IntEnum(name, members)


WORDS = {"fp32": ("FP32", "Float"), "fp16": ("FP16", "Half"), "bf16": ("BFloat16", "BFloat16"), "int8": ("Int8",) * 2}


def typed(one: str, two: str, *, split: bool = False) -> str:
    """What the inspector says of two convolutions in these precisions, in the form of 10 or, split, of 11."""
    layers = []
    for name, (written, datatype) in (("one", WORDS[one]), ("two", WORDS[two])):
        sentence = f"Row major linear {written} format (kLINEAR)"
        tensor = {"Format": sentence, "DataType": datatype} if split else {"Format/Datatype": sentence}
        layers.append({"Name": name, "LayerType": "CaskConvolution", "Inputs": [tensor]})
    other = {"Name": "to uint8", "LayerType": "Convert", "Inputs": [{"Format/Datatype": "Row major linear FP32"}]}
    return json.dumps({"Layers": [*layers, other]})


def _classes(module: Any, it: Behaviour) -> dict[str, type]:
    """The classes, bound to one module and its behaviour."""

    class ILogger:
        def __init__(self) -> None:
            it.calls.append(("listen",))

        def log(self, severity: Any, msg: str) -> None:
            raise NotImplementedError

    class Spoken:
        def __init__(self, logger: Any) -> None:
            self._logger = logger

    def say(logger: Any, words: str) -> None:
        logger.log(module.ILogger.Severity.INFO, "chatter")
        logger.log(module.ILogger.Severity.ERROR, words)

    def start(logger: Any) -> None:
        if it.cannot_start is not None:
            say(logger, it.cannot_start)
            msg = "pybind11::init(): factory function returned nullptr"
            raise TypeError(msg)

    class ITensor:
        __slots__ = ("_dtype", "_name")

        def __init__(self, name: str, dtype: Any) -> None:
            self._name, self._dtype = name, dtype

        @property
        def name(self) -> str:
            return self._name

        @property
        def dtype(self) -> Any:
            return self._dtype

    class ILayer:
        __slots__ = ("_kind", "_output", "_precision")

        def __init__(self, kind: str, dtype: str) -> None:
            self._kind, self._output = module.LayerType[kind], ITensor(kind, module.DataType[dtype])

        @property
        def type(self) -> Any:
            return self._kind

        @property
        def num_outputs(self) -> int:
            return 1

        def get_output(self, index: int) -> Any:
            assert index == 0
            return self._output

        @property
        def precision(self) -> Any:
            return self._precision

        @precision.setter
        def precision(self, dtype: Any) -> None:
            self._precision = dtype

        def set_output_type(self, index: int, dtype: Any) -> None:
            it.calls.append(("set_output_type", self._kind.name, index, dtype.name))

    class INetworkDefinition:
        __slots__ = ("_layers",)

        def __init__(self) -> None:
            self._layers: list[Any] = []

        @property
        def num_inputs(self) -> int:
            return it.inputs

        @property
        def num_outputs(self) -> int:
            return 1

        @property
        def num_layers(self) -> int:
            return len(self._layers)

        def get_input(self, index: int) -> Any:
            assert index == 0
            return ITensor("t", module.DataType.FLOAT)

        def get_layer(self, index: int) -> Any:
            return self._layers[index]

    class ParserError:
        def __init__(self, words: str) -> None:
            self._words = words

        def desc(self) -> str:
            return self._words

    class OnnxParser:
        def __init__(self, network: Any, logger: Any) -> None:
            self._network, self._logger = network, logger

        def parse(self, model: Any, path: str | None = None) -> bool:
            it.calls.append(("parse", bytes(model)))
            self._network._layers += [ILayer(kind, dtype) for kind, dtype in it.graph]
            return not it.parse_errors

        @property
        def num_errors(self) -> int:
            return len(it.parse_errors)

        def get_error(self, index: int) -> Any:
            return ParserError(it.parse_errors[index])

    class IOptimizationProfile:
        __slots__ = ("_shapes",)

        def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
            self._shapes = (input, min, opt, max)

    class ITimingCache:
        def __init__(self, content: bytes) -> None:
            self._content = content

        def serialize(self) -> bytes:
            return self._content + b"+"

    class IBuilderConfig:
        __slots__ = ("_cache", "_flags", "_shapes", "_verbosity")

        def __init__(self) -> None:
            self._flags, self._shapes, self._cache = {"TF32"}, (), None

        def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
            it.calls.append(("limit", pool.name, pool_size))

        def set_flag(self, flag: Any) -> None:
            self._flags.add(flag.name)

        def clear_flag(self, flag: Any) -> None:
            self._flags.remove(flag.name)

        def add_optimization_profile(self, profile: Any) -> int:
            self._shapes = profile._shapes
            return 0 if profile._shapes[1][0] > 0 else -1

        @property
        def profiling_verbosity(self) -> Any:
            return self._verbosity

        @profiling_verbosity.setter
        def profiling_verbosity(self, verbosity: Any) -> None:
            self._verbosity = verbosity

        def create_timing_cache(self, serialized_timing_cache: Any) -> Any:
            it.calls.append(("timings", bytes(serialized_timing_cache)))
            return ITimingCache(bytes(serialized_timing_cache))

        def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
            assert not ignore_mismatch
            self._cache = cache
            return True

        def get_timing_cache(self) -> Any:
            return self._cache

    class Builder(Spoken):
        def __init__(self, logger: Any) -> None:
            super().__init__(logger)
            start(logger)

        def create_network(self, flags: int = 0) -> Any:
            names = [flag.name for flag in module.NetworkDefinitionCreationFlag if flags >> flag & 1]
            it.calls.append(("create_network", names))
            return INetworkDefinition()

        def create_builder_config(self) -> Any:
            return IBuilderConfig()

        def create_optimization_profile(self) -> Any:
            return IOptimizationProfile()

        def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
            orders = [getattr(layer, "_precision", None) for layer in network._layers]
            shown = [order.name if order is not None else None for order in orders]
            it.calls.append(("build", sorted(config._flags), config._shapes, shown, config.profiling_verbosity.name))
            if it.cannot_build is not None:
                say(self._logger, it.cannot_build)
                return None
            return json.dumps({"made by": module.__version__}).encode()

    class IProfiler:
        def __init__(self) -> None:
            it.calls.append(("profile",))

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            raise NotImplementedError

    class EngineInspector:
        __slots__ = ("_context",)

        @property
        def execution_context(self) -> Any:
            return self._context

        @execution_context.setter
        def execution_context(self, context: Any) -> None:
            it.calls.append(("inspect", type(context).__name__))
            self._context = context

        def get_engine_information(self, format: Any) -> str:
            assert format.name == "JSON"
            return it.inspected or json.dumps({"Layers": ["one", "two"]})

    class IExecutionContext:
        __slots__ = ("_addresses", "_batch", "_logger", "_profiler")

        def __init__(self, logger: Any) -> None:
            self._addresses: dict[str, int] = {}
            self._logger, self._profiler = logger, None

        @property
        def profiler(self) -> Any:
            return self._profiler

        @profiler.setter
        def profiler(self, profiler: Any) -> None:
            self._profiler = profiler

        def set_input_shape(self, name: str, shape: Any) -> bool:
            (self._batch,) = shape
            return name == "t"

        def get_tensor_shape(self, name: str) -> Any:
            return (self._batch, HEIGHT, WIDTH, 3) if name == "frames" else (self._batch,)

        def set_tensor_address(self, name: str, memory: int) -> bool:
            self._addresses[name] = memory
            return True

        def execute_async_v3(self, stream_handle: int) -> bool:
            it.calls.append(("execute", stream_handle))
            if it.cannot_execute is not None:
                say(self._logger, it.cannot_execute)
                return False
            times = np.ctypeslib.as_array((ctypes.c_float * self._batch).from_address(self._addresses["t"]))
            size = self._batch * HEIGHT * WIDTH * 3
            frames = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(self._addresses["frames"]))
            values_BW = np.round(times * 250)[:, None] + np.arange(WIDTH)
            frames[:] = np.broadcast_to(values_BW[:, None, :, None], (self._batch, HEIGHT, WIDTH, 3)).ravel()
            if self._profiler is not None:
                for name, milliseconds in it.times.pop(0):
                    self._profiler.report_layer_time(name, milliseconds)
            return True

    class ICudaEngine:
        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def create_execution_context(self) -> Any:
            if it.no_context is not None:
                say(self._logger, it.no_context)
                return None
            return IExecutionContext(self._logger)

        def create_engine_inspector(self) -> Any:
            return EngineInspector()

        @property
        def num_io_tensors(self) -> int:
            return 2

        def get_tensor_name(self, index: int) -> str:
            return ("frames", "t")[index]

        def get_tensor_mode(self, name: str) -> Any:
            return module.TensorIOMode.INPUT if name == "t" else module.TensorIOMode.OUTPUT

        def get_tensor_dtype(self, name: str) -> Any:
            return module.DataType.FLOAT if name == "t" else module.DataType[it.output_type]

    class Runtime(Spoken):
        def __init__(self, logger: Any) -> None:
            super().__init__(logger)
            start(logger)

        def deserialize_cuda_engine(self, serialized_engine: Any) -> Any:
            it.calls.append(("deserialize", bytes(serialized_engine)))
            if json.loads(serialized_engine) != {"made by": module.__version__}:
                say(self._logger, "Serialization assertion stdVersionRead == kSERIALIZATION_VERSION failed.")
                return None
            return ICudaEngine(self._logger)

    kinds = (ILogger, ITensor, ILayer, INetworkDefinition, ParserError, OnnxParser, IOptimizationProfile, ITimingCache)
    more = (IBuilderConfig, Builder, IProfiler, EngineInspector, IExecutionContext, ICudaEngine, Runtime)
    return {kind.__name__: kind for kind in (*kinds, *more)}
