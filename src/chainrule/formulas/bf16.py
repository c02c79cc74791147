"""Products of bfloat16 numbers with sums in float32, in blocks of 32 terms: the definition of `precision="bf16"`.

    sum_0 = start or 0        sum_{b+1} = sum_b + (even_b + odd_b)

even_b is the sum of the terms at even places of block b, one after the other from 0, and odd_b that of the others. Each
addition is rounded to float32, and a result below 2^-126, the smallest normal number of float32, is 0.

bfloat16 is the upper half of float32: its range, and 8 of its 24 bits. A product of two such numbers is exact in
float32, so a multiplication and an addition are one fused operation, as processors have them for bfloat16 (VDPBF16PS
and the tiles of AMX). Only a product below 2^-126, or beyond the largest float32, may be rounded here before it is
added, and a fused one not.

The factors are a, W and delta of dense layers (`Context.multiply`): dL/db is the sum of the rounded delta, and whatever
else reads an a that a product reads has it rounded (`network.backprop`). Parameters, sums, the loss, the update and all
other layers are in float32.
Source: Intel, "BFLOAT16 - hardware numerics definition", 2018.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import subnormal_as_zero

BLOCK = 32
"""The number of terms in a block."""


def rounded(x: NDArray[Any]) -> NDArray[Any]:
    """Round numbers of float32 to bfloat16, to nearest and ties to even. NaN stays NaN, and a subnormal number is 0."""
    bits = x.view(np.uint32)
    nearest = (bits + (np.uint32(0x7FFF) + (bits >> 16 & 1))) & np.uint32(0xFFFF0000)
    return subnormal_as_zero(np.where(np.isnan(x), x, nearest.view(np.float32)))


def multiply(a: NDArray[Any], b: NDArray[Any], start: NDArray[Any] | None = None) -> NDArray[Any]:
    """Compute start + a b (..., rows, columns) with both factors rounded to bfloat16.

    a: (..., rows, terms).  b: (..., terms, columns).  start: of the result's shape, or of one that is broadcast to it.
    """
    a, b = rounded(a), rounded(b)
    total = np.zeros((), np.float32) if start is None else start
    for first in range(0, a.shape[-1], BLOCK):
        even, odd = (
            chain(a[..., first + place : first + BLOCK : 2], b[..., first + place : first + BLOCK : 2, :])
            for place in (0, 1)
        )
        total = subnormal_as_zero(total + subnormal_as_zero(even + odd))
    return total


def chain(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Compute a b by adding the terms one after the other to 0."""
    total: NDArray[Any] = np.zeros((), np.float32)
    for k in range(a.shape[-1]):
        total = subnormal_as_zero(total + a[..., k, None] * b[..., None, k, :])
    return total
