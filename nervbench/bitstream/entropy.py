"""Entropy coding of integers: a table of frequencies a tensor, all tensors in one ANS stream (constriction).

A table has a byte for each level: 0 where it does not occur, else 1 + 8 · log2(count), rounded. A frequency is thus
wrong by at most 5 %, which costs well under 0.001 bits a symbol; exact counts would cost three more bytes a level.
At 8 bits the tables of nerv-xs are 0.2 % of what is coded; of a network of 25,000 weights they are 4 % and more.
Frequencies are computed with integers, so every machine has the same.

ANS works like a stack: the last symbol in is the first out, so tensors are pushed from the last to the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import constriction
import numpy as np
import numpy.typing as npt

from nervbench.errors import first_line

WORD = np.dtype("<u4")
MAX_LEVELS = 512
"""Of a tensor: 2^8 in a channel, and channels may lie on either side of zero."""
EIGHTHS = np.array([256, 279, 304, 332, 362, 395, 431, 470], np.int64)  # 256 · 2^(n / 8)


@dataclass(frozen=True, slots=True)
class Model:
    """What symbols of one tensor may be: ``levels`` integers from ``low`` on, as frequent as ``table`` says."""

    low: int
    levels: int
    table: bytes | None
    """One byte a level; None where all are equally frequent."""


def model_of(symbols: npt.NDArray[np.int32]) -> Model:
    """The model with which symbols and table together take the fewest bytes."""
    low = int(symbols.min())
    counts = np.bincount((symbols - low).ravel())
    levels = len(counts)
    table = np.zeros(levels, np.uint8)
    table[counts > 0] = 1 + np.rint(8 * np.log2(counts[counts > 0]))
    flat_bytes = symbols.size * np.log2(levels) / 8
    return Model(low, levels, None if flat_bytes <= entropy_bytes(symbols) + levels else table.tobytes())


def entropy_bytes(symbols: npt.NDArray[np.int32]) -> float:
    """The empirical entropy of all symbols together: the least that a code of their frequencies alone can take."""
    counts = np.bincount((symbols - symbols.min()).ravel())
    counts = counts[counts > 0]
    return float((counts * np.log2(symbols.size / counts)).sum() / 8)


def encode(tensors: Sequence[tuple[npt.NDArray[np.int32], Model]]) -> bytes:
    """The stream of all symbols."""
    coder = constriction.stream.stack.AnsCoder()
    for symbols, model in reversed(tensors):
        if model.levels > 1:
            coder.encode_reverse((symbols - model.low).ravel().astype(np.int32), _categorical(model))
    return bytes(coder.get_compressed().astype(WORD).tobytes())


def decode(stream: bytes, tensors: Sequence[tuple[int, Model]]) -> list[npt.NDArray[np.int32]]:
    """The symbols of each tensor, of which the number is given; they are bounded by the models.

    Raises ValueError, and nothing else, where the stream is not one of so many symbols.
    """
    try:
        return _decode(np.frombuffer(stream, WORD).astype(np.uint32), tensors)
    except (ValueError, KeyError) as error:
        msg = f"the stream of symbols is damaged ({first_line(error)})"
        raise ValueError(msg) from None
    except BaseException as error:
        # A panic of the library, which is in Rust, is no Exception, and its class has no name that can be imported.
        if type(error).__name__ != "PanicException":
            raise
        msg = "the stream of symbols is damaged (the coder gave up)"
        raise ValueError(msg) from None


def _decode(words: npt.NDArray[np.uint32], tensors: Sequence[tuple[int, Model]]) -> list[npt.NDArray[np.int32]]:
    coder = constriction.stream.stack.AnsCoder(words)
    found: list[npt.NDArray[np.int32]] = []
    for number, model in tensors:
        if model.levels > 1:
            symbols = coder.decode(_categorical(model), number)
            symbols += model.low
        else:
            symbols = np.full(number, model.low, np.int32)
        found.append(symbols)
    if not coder.is_empty():  # beyond its end a stream gives symbols too; those of a whole one end with it
        msg = "it does not end with the last symbol"
        raise ValueError(msg)
    return found


def _categorical(model: Model) -> Any:
    if model.table is None:
        frequencies = np.ones(model.levels, np.int64)
    else:
        eighths = np.frombuffer(model.table, np.uint8).astype(np.int64) - 1
        frequencies = np.where(eighths < 0, 0, EIGHTHS[eighths % 8] << np.maximum(eighths, 0) // 8)
    return constriction.stream.model.Categorical(frequencies.astype(np.float32), perfect=False)
