"""Inputs made from examples: a few small damages to one of them, drawn from a seeded generator."""

from __future__ import annotations

import random
from collections.abc import Sequence

MAX_LENGTH = 1 << 16
INTERESTING = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 62,
    (1 << 64) - 1,
)
NUMBERS = (
    b"0",
    b"-1",
    b"1e999",
    b"NaN",
    b"Infinity",
    b"1.5",
    b"0.0",
    b"1e308",
    b"5e-324",
    b"9" * 18,
    b"9" * 20,
    b"9" * 400,
    b"9" * 5000,
    b"true",
    b"null",
)
TEXTS = (
    b"\x00", b"\n", b"\r\n", b"\x1b[2J", b"\xff", b"\xc3", b"\xed\xa0\x80", "\u202e".encode(), "²".encode(),
    "１".encode(), b"../", b"/", b"\\", b'"', b"'", b"{", b"}", b"[", b"]", b"[" * 2000, b'{"a":' * 2000, b"%s", b"<b>",
)  # fmt: skip


def mutated(draw: random.Random, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """One of the seeds with one to six damages."""
    data = bytearray(draw.choice(seeds))
    for _ in range(draw.choice((1, 1, 1, 2, 3, 6))):
        draw.choice(DAMAGES)(draw, data, seeds, tokens)
    return bytes(data[:MAX_LENGTH])


def _place(draw: random.Random, data: bytearray) -> int:
    return draw.randrange(len(data) + 1)


def _flip(draw: random.Random, data: bytearray, _seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> None:
    if data:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _byte(draw: random.Random, data: bytearray, _seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> None:
    if data:
        data[draw.randrange(len(data))] = draw.randrange(256)


def _integer(draw: random.Random, data: bytearray, _seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> None:
    """A number that is likely to be at the edge of something, over what is there."""
    size = draw.choice((1, 2, 4, 8))
    value = draw.choice(INTERESTING) & ((1 << 8 * size) - 1)
    place = _place(draw, data)
    data[place : place + size] = value.to_bytes(size, draw.choice(("little", "big")))


def _insert(draw: random.Random, data: bytearray, _seeds: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    place = _place(draw, data)
    data[place:place] = draw.choice(draw.choice((tokens or TEXTS, NUMBERS, TEXTS)))


def _number(draw: random.Random, data: bytearray, _seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> None:
    """Another number in the place of one that is written in digits."""
    start = _place(draw, data)
    while start < len(data) and not 48 <= data[start] <= 57:
        start += 1
    end = start
    while end < len(data) and 48 <= data[end] <= 57:
        end += 1
    data[start:end] = draw.choice(NUMBERS)


def _cut(draw: random.Random, data: bytearray, _seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> None:
    place = _place(draw, data)
    del data[place : place + draw.choice((1, 2, 8, 64, MAX_LENGTH))]


def _repeat(draw: random.Random, data: bytearray, _seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> None:
    place = _place(draw, data)
    data[place:place] = data[place : place + draw.choice((1, 4, 32, 256))] * draw.choice((1, 2, 50))


def _splice(draw: random.Random, data: bytearray, seeds: Sequence[bytes], _tokens: Sequence[bytes]) -> None:
    other = draw.choice(seeds)
    place = draw.randrange(len(other) + 1)
    data[_place(draw, data) :] = other[place : place + MAX_LENGTH]


DAMAGES = (_flip, _byte, _integer, _insert, _insert, _number, _number, _cut, _repeat, _splice)
