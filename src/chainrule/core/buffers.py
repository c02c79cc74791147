"""Arrays that reuse memory: a process pays a page fault for every few kilobytes of new memory."""

from __future__ import annotations

import sys
from math import prod
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

UNSHARED_REFERENCES = 2
"""The reference count of an array that only a list holds: the list's, and that of the counting call."""


class Buffers:
    """Empty arrays, in the memory of earlier arrays that have no references left, nor views with references.

    most: the maximum number of buffers kept. A copy starts with none.
    """

    def __init__(self, most: int = 4) -> None:
        """Start without buffers."""
        self.most, self.kept, self.lock = most, list[NDArray[np.uint8]](), Lock()

    def __reduce__(self) -> Any:
        """Copy and pickle the settings only."""
        return Buffers, (self.most,)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array as `numpy.empty` does; two threads never share memory."""
        with self.lock:
            return self._empty(prod(shape) * np.dtype(dtype).itemsize, shape, dtype)

    def _empty(self, size: int, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        for k in range(len(self.kept)):
            if self.kept[k].nbytes >= size and sys.getrefcount(self.kept[k]) == UNSHARED_REFERENCES:
                return self._as(self.kept[k], size, shape, dtype)
        free = [k for k in range(len(self.kept)) if sys.getrefcount(self.kept[k]) == UNSHARED_REFERENCES]
        if free:  # too small
            del self.kept[free[0]]
        made = np.empty(size, np.uint8)
        if len(self.kept) < self.most:
            self.kept.append(made)
        return self._as(made, size, shape, dtype)

    @staticmethod
    def _as(buffer: NDArray[np.uint8], size: int, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        view: NDArray[Any] = buffer[:size].view(dtype)
        return view.reshape(shape)
