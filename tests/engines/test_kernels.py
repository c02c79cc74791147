"""The three products of a dense layer against their naive versions, for every instruction set and odd sizes."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chainrule.engines.native import engine as native

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)

SETS = native._native.instruction_sets()
BLOCK = 256
"""Sizes up to beyond a block of native/panels.h, and one more than whole blocks and panels."""


def assert_as_specified(isa: str, rows: int, K: int, N: int, batch: int, seed: int, is_double: bool) -> None:
    """A sum of n products of numbers up to 1 may differ by n roundings of partial sums of about sqrt(n) / 3."""
    eps = np.finfo(np.float64 if is_double else np.float32).eps
    forward, gradient, transpose = native._native.check_kernels(isa, rows, K, N, batch, seed, is_double)
    assert forward <= eps * (K + 2)
    assert gradient <= eps * (batch + 2)
    assert transpose == 0


@pytest.mark.parametrize("is_double", [False, True], ids=["float32", "float64"])
@pytest.mark.parametrize("isa", SETS)
@given(
    rows=st.integers(1, 40),
    K=st.one_of(st.integers(1, 70), st.integers(BLOCK - 2, BLOCK + 20)),
    N=st.integers(1, 70),
    batch=st.one_of(st.integers(1, 40), st.integers(126, 150)),
    seed=st.integers(0, 2**32 - 1),
)
@example(rows=1, K=1, N=1, batch=1, seed=0)
@example(rows=193, K=2 * BLOCK + 1, N=33, batch=257, seed=1)
@example(rows=205, K=BLOCK, N=65, batch=128, seed=2)
@settings(max_examples=60, deadline=None)
def test_kernels_are_as_specified(isa, is_double, rows, K, N, batch, seed):
    assert_as_specified(isa, rows, K, N, batch, seed, is_double)


def test_an_unknown_instruction_set_is_refused():
    with pytest.raises(ValueError, match="no such instruction set: mmx"):
        native._native.check_kernels("mmx", 1, 1, 1, 1, 0, False)
