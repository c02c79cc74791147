"""Distortions of images in C++: the bits of the formula, on every instruction set and any number of threads."""

from __future__ import annotations

import os

import numpy as np
import pytest

from chainrule import Augment
from chainrule.engines.native import engine as native
from native_runs import FLOATS

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)


@pytest.mark.parametrize("isa", FLOATS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(28, 28), (5, 9), (1, 1), (17, 3, 3)])
def test_the_native_engine_has_the_bits_of_the_formula(shape, dtype, isa, monkeypatch):
    monkeypatch.setenv("CHAINRULE_ISA", isa)
    rng = np.random.default_rng(1)
    X = rng.integers(0, 256, (37, np.prod(shape))).astype(dtype)
    rows = rng.integers(0, 2**40, 37)
    for fill in (0.0, None, 7.0):
        for elastic in (None, (36, 5), (3, 0.3), (400, 1)):
            augment = Augment(
                rotate=20, scale=0.2, shear=10, shift=2, elastic=elastic, shape=shape, fill=fill
            )
            found = augment.images(X, seed=3, epoch=4, rows=rows)
            with monkeypatch.context() as patch:
                patch.setattr(native, "REASON", "for this test")
                expected = augment.images(X, seed=3, epoch=4, rows=rows)
            assert found.dtype == dtype and found.tobytes() == expected.tobytes(), (fill, elastic)


def test_the_same_bits_on_any_number_of_threads(monkeypatch):
    X = np.random.default_rng(2).random((100, 64), np.float32)
    found = set()
    for threads in ("1", "3"):
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", threads)
        found.add(
            Augment(rotate=30, elastic=(8, 2)).images(X, seed=0, epoch=0, rows=np.arange(100)).tobytes()
        )
    assert len(found) == 1
