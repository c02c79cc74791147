"""The messages of the studio's socket: a page's commands as JSON, and answers as JSON or with packed arrays.

    page -> server   {"id": 7, "do": "model.trace", "with": {"sample": 3}}          or {"ack": 12}
    server -> page   {"id": 7, "answer": {...}}   {"id": 7, "error": "..."}   {"event": "train.epoch", "data": {...}}

A message with arrays is binary: the length of a header as a little-endian uint32, the header as JSON padded with
spaces so that the arrays start at a multiple of 8, and the arrays' memory, each padded likewise. The header is
{"message": ..., "arrays": [[dtype, shape, offset], ...]}, with {"$array": number} for an array in the message.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.files import to_json
from chainrule.errors import DataError

MAX_TEXT = 1 << 20
MAX_ID = 1 << 53
DTYPES = {np.dtype(name): name for name in ("float64", "float32", "float16", "int32", "uint8")}


class Call(NamedTuple):
    """A command that a page calls."""

    id: int
    name: str
    arguments: dict[str, Any]


class Ack(NamedTuple):
    """The acknowledgment of all frames up to a number."""

    number: int


def parse(text: str) -> Call | Ack:
    """Parse a page's message. Raises DataError for an invalid one."""
    if len(text) > MAX_TEXT:
        raise DataError(f"a message must have at most {MAX_TEXT} characters, not {len(text)}.")
    try:
        message = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DataError("a message must be JSON, without NaN and infinity.") from error
    if not isinstance(message, dict):
        raise DataError("a message must be a JSON object.")
    if "ack" in message:
        return Ack(_count(message["ack"], "ack"))
    name, arguments = message.get("do"), message.get("with", {})
    if not isinstance(name, str) or len(name) > 64 or not isinstance(arguments, dict):
        raise DataError('a message must have the name of a command in "do" and an object in "with".')
    return Call(_count(message.get("id"), "id"), name, arguments)


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _count(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_ID:
        raise DataError(f'"{name}" of a message must be an integer of at least 0.')
    return value


def pack(message: dict[str, Any]) -> str | bytes:
    """Write a message, as text if it has no arrays. NaN and infinity outside arrays become null."""
    arrays: list[NDArray[Any]] = []
    plain = _without_arrays(message, arrays)
    if not arrays:
        return to_json(plain)
    places, offset = [], 0
    for array in arrays:
        places.append([DTYPES[array.dtype], list(array.shape), offset])
        offset += _padded(array.nbytes)
    head = to_json({"message": plain, "arrays": places}).encode()
    head += b" " * (-(4 + len(head)) % 8)
    parts = [len(head).to_bytes(4, "little"), head]
    for array in arrays:
        parts += [array.tobytes(), b"\0" * (_padded(array.nbytes) - array.nbytes)]
    return b"".join(parts)


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def _without_arrays(value: object, arrays: list[NDArray[Any]]) -> Any:
    """Return the value with a number for each array; the arrays are appended to the list, readable for a page."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        arrays.append(_readable(value))
        return {"$array": len(arrays) - 1}
    if isinstance(value, dict):
        return {str(key): _without_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_arrays(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _readable(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype == np.bool_:
        return array.astype(np.uint8)
    if array.dtype not in DTYPES:
        return array.astype(np.int32 if array.dtype.kind in "iu" and _fits_int32(array) else np.float64)
    return np.asarray(array, order="C")


def _fits_int32(array: NDArray[Any]) -> bool:
    limits = np.iinfo(np.int32)
    return array.size == 0 or (int(array.min()) >= limits.min and int(array.max()) <= limits.max)
