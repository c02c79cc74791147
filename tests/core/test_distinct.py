"""The values that occur: as NumPy finds them, counted or sorted."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chainrule.core.arrays import distinct

KINDS = st.sampled_from(("bool", "uint8", "int64", "uint64", "int16", "float32", "U3"))


@given(st.data())
def test_as_numpy_finds_them(data: st.DataObject):
    values = data.draw(hnp.arrays(data.draw(KINDS), hnp.array_shapes(max_dims=2, min_side=0, max_side=20)))
    found, expected = distinct(values), np.unique(values)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@given(hnp.arrays("int64", st.integers(0, 30), elements=st.integers(-3, 40)))
def test_small_whole_numbers(values: np.ndarray):
    np.testing.assert_array_equal(distinct(values), np.unique(values))
