"""The studio's messages, read as its page reads them."""

from __future__ import annotations

import json
import math

import numpy as np


def unpacked(message):
    """What pack.js reads, in Python."""
    if isinstance(message, str):
        return json.loads(message)
    length = int.from_bytes(message[:4], "little")
    head = json.loads(message[4 : 4 + length])
    start = 4 + length
    found = []
    for dtype, shape, offset in head["arrays"]:
        assert (start + offset) % 8 == 0
        size = math.prod(shape)
        found.append(np.frombuffer(message, dtype, size, start + offset).reshape(shape))

    def filled(value):
        if isinstance(value, dict):
            return found[value["$array"]] if "$array" in value else {k: filled(v) for k, v in value.items()}
        return [filled(v) for v in value] if isinstance(value, list) else value

    return filled(head["message"])
