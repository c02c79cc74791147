"""Messages between processes besides gradients: their arguments, and the decisions of process 0."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.distributed.processes import process_count, process_index
from chainrule.errors import DistributedError

BYTES = 504
"""The size of a single message in bytes; a longer one is split in two."""


@contextmanager
def talking() -> Iterator[None]:
    """Report in one sentence that another process is gone, if JAX reports a lost connection."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        if isinstance(error, DistributedError) or process_count() == 1:
            raise
        raise DistributedError(
            f"process {process_index()} of {process_count()} has lost another one ({_first_line(error)}); "
            "find out why it ended, and restart all of them from the last checkpoint, in any number.",
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:160]


def exchange(value: object) -> list[Any]:
    """Return the values of all processes, by process index. value: data for JSON. All processes must call it."""
    if process_count() == 1:
        return [value]
    data = np.frombuffer(json.dumps(value).encode(), np.uint8)
    head = np.zeros(8 + BYTES, np.uint8)
    head[:8] = np.frombuffer(np.int64(len(data)).tobytes(), np.uint8)
    head[8 : 8 + len(data)] = data[:BYTES]
    heads = _gather(head)
    lengths = [int(np.frombuffer(row[:8].tobytes(), np.int64)[0]) for row in heads]
    rows, longest = heads[:, 8:], max(lengths)
    if longest > BYTES:
        whole = np.zeros(1 << (longest - 1).bit_length(), np.uint8)  # few sizes, because each is compiled
        whole[: len(data)] = data
        rows = _gather(whole)
    return [json.loads(row[:length].tobytes()) for row, length in zip(rows, lengths, strict=True)]


def _gather(row: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from jax.experimental.multihost_utils import process_allgather

    with talking(), _standard_output_to_error():
        return np.asarray(process_allgather(row))


@contextmanager
def _standard_output_to_error() -> Iterator[None]:
    """Redirect the first message to standard error: Gloo, beneath Python, writes to standard output on connecting."""
    if _CONNECTED:
        yield
        return
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # a process without standard output
        yield
        return
    try:
        os.dup2(2, 1)
        yield
        _CONNECTED.append(True)
    finally:
        os.dup2(kept, 1)
        os.close(kept)


_CONNECTED: list[bool] = []
