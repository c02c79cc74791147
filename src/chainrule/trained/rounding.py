"""Weights as integers of 8 bits with a scale for each output: a quarter of the bytes, for files that are to be small.

    s_j = max_i |W_ij| / 127      q_ij = round(W_ij / s_j)      W_ij is read as s_j q_ij, off by at most s_j / 2

Only matrices of some size are rounded: what they are multiplied by or added to, such as biases, is kept as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALE = ".scale"
"""Ends the name of the scales of a tensor."""
MIN_NUMBERS_TO_ROUND = 512
"""The numbers of a matrix from which on it is rounded."""
LARGEST = 127


def rounded(tensors: Mapping[str, NDArray[Any]], axes: int = 0) -> dict[str, NDArray[Any]]:
    """Return tensors with the larger matrices in 8 bits, and the scales of each by its name with SCALE behind.

    axes: how many axes each tensor has in front of a matrix's own, such as that of an ensemble's members.
    """
    made: dict[str, NDArray[Any]] = {}
    for name, tensor in tensors.items():
        if tensor.ndim < axes + 2 or tensor.size < MIN_NUMBERS_TO_ROUND or tensor.dtype.kind != "f":
            made[name] = tensor
            continue
        scale = np.abs(tensor).max(axis=-2, keepdims=True) / LARGEST  # (..., 1, fan_out)
        scale = np.where(scale >= np.finfo(tensor.dtype).tiny, scale, 1).astype(tensor.dtype)
        made[name] = np.rint(tensor / scale).astype(np.int8)
        made[name + SCALE] = scale
    return made


def scale_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the scales of a matrix, or of one for each of the axes before."""
    return (*shape[:-2], 1, *shape[-1:])


def restored(tensor: NDArray[np.int8], scale: NDArray[Any]) -> NDArray[Any]:
    """Return s_j q_ij in the precision of the scales."""
    made: NDArray[Any] = tensor.astype(scale.dtype) * scale
    return made
