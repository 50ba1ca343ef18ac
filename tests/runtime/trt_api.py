"""Write trt_api.json: what TensorRT's binding packages say of everything that nervbench calls.

The packages are one compiled module each, whose docstrings hold the signatures. It is imported here against empty
libraries, made of nothing but the names that it looks for, so neither TensorRT nor a GPU is needed::

    pip download --no-deps -d wheels tensorrt-bindings==8.6.1      (and tensorrt-cu12-bindings, tensorrt-cu13-bindings)
    unzip -d 8.6.1 wheels/tensorrt_bindings-8.6.1-*.whl
    python tests/runtime/trt_api.py 8.6.1 10.0.1 11.4.0.106        (folders; the Python of the wheels; cc and nm)
"""

from __future__ import annotations

import ctypes
import importlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent / "trt_api.json"
CALLED = {
    "ILogger": ("__init__", "log"),
    "Builder": (
        "__init__", "create_network", "create_builder_config", "create_optimization_profile",
        "build_serialized_network",
    ),
    "INetworkDefinition": ("num_inputs", "num_outputs", "num_layers", "get_input", "get_layer"),
    "ILayer": ("type", "num_outputs", "get_output", "precision", "set_output_type"),
    "ITensor": ("name", "dtype"),
    "OnnxParser": ("__init__", "parse", "num_errors", "get_error"),
    "ParserError": ("desc",),
    "IOptimizationProfile": ("set_shape",),
    "IBuilderConfig": (
        "set_memory_pool_limit", "set_flag", "clear_flag", "add_optimization_profile", "profiling_verbosity",
        "create_timing_cache", "set_timing_cache", "get_timing_cache",
    ),
    "ITimingCache": ("serialize",),
    "Runtime": ("__init__", "deserialize_cuda_engine"),
    "ICudaEngine": (
        "create_execution_context", "create_engine_inspector", "num_io_tensors", "get_tensor_name",
        "get_tensor_mode", "get_tensor_dtype",
    ),
    "EngineInspector": ("get_engine_information", "execution_context"),
    "IExecutionContext": (
        "set_input_shape", "get_tensor_shape", "set_tensor_address", "execute_async_v3", "profiler",
    ),
    "IProfiler": ("__init__", "report_layer_time"),
}  # fmt: skip
ENUMS = (
    "BuilderFlag", "DataType", "LayerInformationFormat", "LayerType", "MemoryPoolType",
    "NetworkDefinitionCreationFlag", "ProfilingVerbosity", "TensorIOMode",
)  # fmt: skip


def parameters(doc: str, name: str) -> list[list[list[str]]]:
    """Of each signature in a docstring: [name, default or ""] of every parameter but self.

    >>> parameters("create_network(self: x.Builder, flags: int = 0) -> x.INetworkDefinition", "create_network")
    [[['flags', '0']]]
    """
    found = re.findall(rf"^(?:\d+\. )?{name}\(self: ([^\n]*)\) -> ", doc, re.MULTILINE)
    # No type and no default of these signatures has a comma of its own.
    split = [signature.split(", ")[1:] for signature in found]
    return [[[part.partition(":")[0], part.partition(" = ")[2]] for part in parts] for parts in split]


def described(module: Any) -> dict[str, Any]:
    """What a bindings module has of all that is called; what it has not is left out."""
    classes: dict[str, dict[str, Any]] = {}
    for name, members in CALLED.items():
        kind = getattr(module, name)
        has = {member: getattr(kind, member) for member in members if hasattr(kind, member)}
        classes[name] = {
            member: "property" if isinstance(value, property) else parameters(value.__doc__, member)
            for member, value in has.items()
        }
    enums = {name: {key: int(value) for key, value in getattr(module, name).__members__.items()} for name in ENUMS}
    return {
        "classes": classes,
        "enums": enums,
        "severities": {key: int(value) for key, value in module.ILogger.Severity.__members__.items()},
    }


def import_from(folder: Path, libraries: Path) -> Any:
    """Import the bindings that were unpacked in a folder, against empty libraries written into another one."""
    (shared,) = folder.glob("tensorrt_bindings/tensorrt.so")
    needed = subprocess.run(["readelf", "-d", str(shared)], capture_output=True, text=True, check=True).stdout
    wanted = subprocess.run(["nm", "-D", "--undefined-only", str(shared)], capture_output=True, text=True, check=True)
    symbols = re.findall(r" U (\w*(?:_INTERNAL|PluginRegistry|ParserVersion|NvInferPlugins|nvuff\w*|nvcaffe\w*))$",
                         wanted.stdout, re.MULTILINE)  # fmt: skip
    source = libraries / "empty.c"
    source.write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in symbols))
    for name in re.findall(r"\[(libnv\S+)\]", needed):
        path = libraries / name
        subprocess.run(["cc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(path), str(source)], check=True)
        ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    sys.path.insert(0, str(folder))
    return importlib.import_module("tensorrt_bindings")


def main(folders: list[str]) -> None:
    """Describe each folder in a process of its own: two of these modules do not fit into one."""
    if folders[0] == "--one":
        with tempfile.TemporaryDirectory() as libraries:
            module = import_from(Path(folders[1]), Path(libraries))
            sys.stdout.write(json.dumps({module.__version__: described(module)}))
        return
    table: dict[str, Any] = {}
    for folder in folders:
        command = [sys.executable, __file__, "--one", folder]
        table |= json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    TABLE.write_text(json.dumps(table, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
