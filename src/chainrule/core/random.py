r"""Randomness without hidden state: every draw is a function of (seed, purpose, time).

Two generators, both counter-based, so that a run can resume at any step and no result depends on threads:

- `generator`: NumPy's Philox for draws outside the passes (initial weights, shuffles, splits, directions).
- `uniform_bits`: Threefry-2x32 for draws inside them (dropout masks). It needs only 32-bit addition, xor and
 rotation, so NumPy, JAX and C++ draw the same bits.

A seed is an integer in [0, 2^32).
"""

from __future__ import annotations

from types import ModuleType
from typing import Literal

import numpy as np

from chainrule.core.arrays import Array

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA

Purpose = Literal[
    "weights", "shuffle", "split", "method", "judging", "member", "start", "window", "augmentation"
]
PURPOSES: dict[Purpose, int] = {
    "weights": 1,
    "shuffle": 2,
    "split": 3,
    "method": 4,
    "judging": 5,
    "member": 6,
    "start": 7,
    "window": 8,
    "augmentation": 9,
}


def generator(seed: int, purpose: Purpose, index: int) -> np.random.Generator:
    """Return NumPy's generator for one purpose; index: the number of the parameter, epoch or step."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, PURPOSES[purpose], index])))


def member_seed(seed: int, member: int) -> int:
    """Return the seed of an ensemble member, an integer in [0, 2^32), for its weights, shuffles and masks."""
    return int(generator(seed, "member", member).integers(1 << 32))


def threefry2x32(
    key: tuple[Array, Array], counter: tuple[Array, Array], xp: ModuleType
) -> tuple[Array, Array]:
    """Compute Threefry-2x32 with 20 rounds: two random words from two key words and two counter words.

    key, counter: pairs of uint32 arrays that broadcast.  Returns two uint32 arrays of the broadcast shape.
    Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    k0, k1 = key
    keys = (k0, k1, k0 ^ k1 ^ xp.uint32(PARITY))
    x0, x1 = counter[0] + k0, counter[1] + k1
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = (x1 << xp.uint32(rotation)) | (x1 >> xp.uint32(32 - rotation))
            x1 = x1 ^ x0
        x0 = x0 + keys[(group + 1) % 3]
        x1 = x1 + keys[(group + 2) % 3] + xp.uint32(group + 1)
    return x0, x1


def uniform_bits(
    seed: Array, stream: Array, step: Array, shape: tuple[int, int], xp: ModuleType, row: Array = 0
) -> Array:
    """Draw uniform 32-bit words for an array of a pass, or for some of its rows.

    key = (seed, stream), counter = (element // 2, step): elements in row-major order, two per counter.
    seed, stream (the link's number): integers in [0, 2^32).  step: an integer, modulo 2^32.  All may be traced.
    row: the index of the first row in the whole array.  Returns uint32 of `shape`.
    """
    n = shape[0] * shape[1]
    # One-element arrays, not scalars: wrapping around is intended, and NumPy warns about it for scalars.
    key = (xp.asarray([seed], dtype=xp.uint32), xp.asarray([stream], dtype=xp.uint32))
    step = step % 2**32 if isinstance(step, (int, np.integer)) else step
    is_whole = isinstance(row, int) and row == 0
    first = 0 if is_whole else row * shape[1]
    blocks = xp.arange((n + 1) // 2 + (not is_whole), dtype=xp.uint32)
    blocks = blocks if is_whole else blocks + xp.asarray([first // 2], dtype=xp.uint32)
    words = xp.stack(threefry2x32(key, (blocks, xp.asarray([step], dtype=xp.uint32)), xp), axis=1)
    words = xp.reshape(words, (-1,))  # two per counter
    drawn = words[:n] if is_whole else xp.where(first % 2 == 1, words[1 : n + 1], words[:n])
    return drawn.reshape(shape)
