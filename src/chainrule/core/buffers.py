"""Arrays whose memory is used again: memory that is new to a process costs a page fault for every few kilobytes."""

from __future__ import annotations

import sys
from math import prod
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALONE = 2
"""The references to an array in a list that nobody else has: the list's, and that of the call that counts them."""


class Buffers:
    """Empty arrays, in the memory of earlier ones that nobody refers to any more, neither to them nor to views of them.

    most: the buffers that are kept. A copy has none of them.
    """

    def __init__(self, most: int = 4) -> None:
        """Keep nothing yet."""
        self.most, self.kept, self.lock = most, list[NDArray[np.uint8]](), Lock()

    def __reduce__(self) -> Any:
        """Copy and pickle the settings alone."""
        return Buffers, (self.most,)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return an array as `numpy.empty` does; two threads never get the same memory."""
        with self.lock:
            return self._empty(prod(shape) * np.dtype(dtype).itemsize, shape, dtype)

    def _empty(self, size: int, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        for k in range(len(self.kept)):
            if self.kept[k].nbytes >= size and sys.getrefcount(self.kept[k]) == ALONE:
                return self._as(self.kept[k], size, shape, dtype)
        free = [k for k in range(len(self.kept)) if sys.getrefcount(self.kept[k]) == ALONE]
        if free:  # too small
            del self.kept[free[0]]
        made = np.empty(size, np.uint8)
        if len(self.kept) < self.most:
            self.kept.append(made)
        return self._as(made, size, shape, dtype)

    @staticmethod
    def _as(buffer: NDArray[np.uint8], size: int, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        view: NDArray[Any] = buffer[:size].view(dtype)
        return view.reshape(shape)
