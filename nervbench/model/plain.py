"""Reading files that others wrote: plain data only.

A PyTorch file is a pickle, and a pickle is a program. torch's restricted unpickler builds tensors and plain containers
and refuses all else before anything runs.
"""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from nervbench.errors import CheckpointError, first_line, printable
from nervbench.model.pickles import NotPlainError, inspect


def plain_data(path: Path, what: str = "checkpoint") -> Any:
    """What ``torch.save`` wrote, if it is tensors and plain containers: nothing in the file is run.

    Raises CheckpointError, whose message begins with ``what``, where the file holds more than that or is not whole.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # about formats and escapes that end in an error all the same
            inspect(path)
            return torch.load(path, map_location="cpu", weights_only=True)
    except NotPlainError as error:
        msg = f"{what} {path}: refused, {printable(str(error))}; nothing in it was run"
        raise CheckpointError(msg) from None
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))  # torch's own words advise to load it unsafely
        found = f"it asks for {asked[1]}" if asked else "its pickle is not one of tensors and containers"
        msg = f"{what} {path}: refused, it holds more than plain data or is damaged ({found}); nothing in it was run"
        raise CheckpointError(msg) from None
    except (
        ArithmeticError, AssertionError, AttributeError, EOFError, ImportError, LookupError, MemoryError, OSError,
        RuntimeError, TypeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        # All that damaged bytes can make the restricted unpickler raise; it declares none of it.
        msg = f"{what} {path}: no whole PyTorch file ({first_line(error)}); it is truncated, damaged or of another kind"
        raise CheckpointError(msg) from None
