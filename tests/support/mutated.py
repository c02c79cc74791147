"""Files as damage and malice make them: bytes of a good one changed, left out, repeated or mixed with another's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Mutation = Callable[[bytes, np.random.Generator, bytes], bytes]
"""(data, its generator, another good file) -> data."""

EXTREMES = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**63,
    2**64 - 1,
)


def place(data: bytes, rng: np.random.Generator) -> int:
    """Half of the time in the first 64 bytes, where headers are."""
    return int(rng.integers(0, min(len(data), 64) if rng.random() < 0.5 else len(data)))


def flip_bits(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        changed[place(data, rng)] ^= 1 << rng.integers(0, 8)
    return bytes(changed)


def truncate(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    return data[: place(data, rng)]


def insert(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    at = place(data, rng)
    return data[:at] + rng.bytes(int(rng.integers(1, 200))) + data[at:]


def delete(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    at = place(data, rng)
    return data[:at] + data[at + int(rng.integers(1, 20)) :]


def edit_number(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    """An extreme value, in either byte order, over 1, 2, 4 or 8 bytes."""
    width = int(rng.choice([1, 2, 4, 8]))
    value = int(EXTREMES[rng.integers(len(EXTREMES))]) % 256**width
    at = place(data, rng)
    return data[:at] + value.to_bytes(width, str(rng.choice(["little", "big"]))) + data[at + width :]


def edit_text(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    """Another number in place of one that is written in digits, or of any byte."""
    numbers = list(re.finditer(rb"\d+", data[:256])) or list(re.finditer(rb".", data[:64], re.DOTALL))
    if not numbers:
        return data
    match = numbers[rng.integers(len(numbers))]
    value = str(
        rng.choice([*map(str, EXTREMES), "-1", "1e9", "0x10", "9" * 50, "(", ",", "True", "O"])
    ).encode()
    changed = data[: match.start()] + value + data[match.end() :]
    return changed if rng.random() < 0.5 else changed[: len(data)]


def splice(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    return data[: place(data, rng)] + other[place(other, rng) :]


def repeat(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    start, end = sorted((place(data, rng), place(data, rng)))
    return data[:end] + data[start:end] * int(rng.integers(1, 5)) + data[end:]


def fill(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    at, width = place(data, rng), int(rng.integers(1, 64))
    return data[:at] + (b"\0" if rng.random() < 0.5 else b"\xff") * width + data[at + width :]


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    truncate,
    insert,
    delete,
    edit_number,
    edit_number,
    edit_text,
    splice,
    repeat,
    fill,
)


JUNK: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        -1,
        0,
        1,
        2,
        0.5,
        -0.5,
        1e308,
        1e-320,
        float("nan"),
        float("inf"),
        2**40,
        2**63,
        10**30,
    ),
    *("", "relu", "1", "\ud800", "\0", "x" * 9999, [], {}, [1, 2], [[]], ["a"], {"kind": "relu"}, {"a": 1}),
)


def edit_json(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    """Another value, none, or one more of the same, in any place of a JSON document."""
    try:
        document = json.loads(data)
    except ValueError:
        return flip_bits(data, rng, other)
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            places.append((value, key))
            if isinstance(part, (dict, list)):
                walk(part)

    walk(document)
    if not places:
        return data
    inside, key = places[rng.integers(len(places))]
    what = rng.random()
    if what < 0.1:
        del inside[key]
    elif what < 0.2 and isinstance(inside, list):
        inside.append(inside[key])
    elif what < 0.3 and isinstance(inside, dict):
        inside[str(JUNK[rng.integers(len(JUNK))])[:20]] = inside.pop(key)
    else:
        inside[key] = JUNK[rng.integers(len(JUNK))]
    return json.dumps(document).encode()


def mutant(goods: Sequence[bytes], rng: np.random.Generator, most: Mutation | None = None) -> bytes:
    """One of some good files with one to three mutations; four of five of them are by `most`, if it is given."""
    data, other = (goods[rng.integers(len(goods))] for _ in range(2))
    for _ in range(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])):
        if data and most is not None and rng.random() < 0.8:
            data = most(data, rng, other)
        elif data:
            data = MUTATIONS[rng.integers(len(MUTATIONS))](data, rng, other)
    return data
