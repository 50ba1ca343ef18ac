"""Entropy coding of integers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nervbench.bitstream import entropy
from nervbench.bitstream.entropy import EIGHTHS, Model, decode, encode, entropy_bytes, model_of

Symbols = npt.NDArray[np.int32]
SYMBOLS = st.integers(-255, 0).flatmap(
    lambda low: arrays.arrays(np.int32, st.integers(1, 40), elements=st.integers(low, low + 255))
)


@settings(deadline=None)
@given(tensors=st.lists(SYMBOLS, min_size=1, max_size=5))
def test_round_trip(tensors: list[Symbols]) -> None:
    """Symbols come back from the stream that they make."""
    models = [model_of(each) for each in tensors]
    stream = encode(list(zip(tensors, models, strict=True)))
    found = decode(stream, [(each.size, model) for each, model in zip(tensors, models, strict=True)])

    for symbols, each in zip(tensors, found, strict=True):
        np.testing.assert_array_equal(each, symbols)


@settings(deadline=None)
@given(
    stream=st.binary(max_size=40).map(lambda data: data[: len(data) // 4 * 4]),
    table=st.none() | st.binary(min_size=3, max_size=3),
    number=st.integers(0, 300),
)
def test_hostile_stream(stream: bytes, table: bytes | None, number: int) -> None:
    """Whatever the words and the table, symbols are within their bounds, or the stream is refused."""
    try:
        (found,) = decode(stream, [(number, Model(-1, 3, table))])
    except ValueError:
        return
    assert len(found) == number
    assert np.isin(found, (-1, 0, 1)).all()


def test_a_panic_is_an_error_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A panic in the library's Rust, which is no Exception in Python, becomes a refusal; an interrupt goes through."""

    class PanicException(BaseException):
        pass

    def stop(words: object, tensors: object) -> None:
        raise raised

    monkeypatch.setattr(entropy, "_decode", stop)
    raised: BaseException = PanicException("index out of bounds")
    with pytest.raises(ValueError, match="gave up"):
        decode(b"", [])
    raised = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        decode(b"", [])


def test_entropy() -> None:
    """A fair coin has a bit a throw, a certain one none."""
    assert entropy_bytes(np.array([3, -5] * 400, np.int32)) == pytest.approx(100)
    assert entropy_bytes(np.full(800, 7, np.int32)) == 0


def test_flat_where_a_table_does_not_pay() -> None:
    """Few symbols are coded without a table, many with one; a table costs a byte a level."""
    draw = np.random.default_rng(0)

    assert model_of(draw.integers(0, 100, 50).astype(np.int32)).table is None
    assert len(model_of(np.rint(draw.normal(0, 10, 10_000)).astype(np.int32)).table or b"") > 50


def test_frequencies() -> None:
    """The powers of two that tables count in are right to half a unit."""
    assert pytest.approx([256 * 2 ** (n / 8) for n in range(8)], abs=0.5) == list(EIGHTHS)


def test_zero_as_a_symbol_costs_less_than_a_mask() -> None:
    """With 40 % zeros, one alphabet with zero in it takes fewer bytes than a bit a weight and one without."""
    draw = np.random.default_rng(0)
    symbols = np.rint(draw.normal(0, 25, 50_000)).astype(np.int32)
    symbols[draw.random(50_000) < 0.4] = 0
    model = model_of(symbols)
    one_alphabet = len(encode([(symbols, model)]))

    assert model.table
    assert one_alphabet < symbols.size / 8 + entropy_bytes(symbols[symbols != 0])
