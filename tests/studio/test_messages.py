"""What goes over the studio's socket: messages of a page, and answers with arrays."""

from __future__ import annotations

import contextlib
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chainrule import DataError
from chainrule.studio.session.messages import Ack, Call, pack, parse
from studio_messages import unpacked


def test_a_command():
    assert parse('{"id": 7, "do": "model.get", "with": {"a": [1, 2.5]}}') == Call(
        7, "model.get", {"a": [1, 2.5]}
    )
    assert parse('{"id": 0, "do": "x"}') == Call(0, "x", {})
    assert parse('{"ack": 3}') == Ack(3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        "null",
        "3",
        "{}",
        '{"id": 1}',
        '{"do": "x"}',
        '{"id": true, "do": "x"}',
        '{"id": -1, "do": "x"}',
        '{"id": 1.5, "do": "x"}',
        '{"id": 1e400, "do": "x"}',
        '{"id": 99999999999999999999, "do": "x"}',
        '{"id": 1, "do": 3}',
        '{"id": 1, "do": "' + "x" * 65 + '"}',
        '{"id": 1, "do": "x", "with": []}',
        '{"id": 1, "do": "x", "with": {"a": NaN}}',
        '{"id": 1, "do": "x", "with": {"a": Infinity}}',
        '{"ack": "1"}',
        "[" * 100_000,
        '{"id": 1, "do": "x", "with": {"a": ' + "9" * 5000 + "}}",
        " " * (2**20 + 1),
    ],
    ids=lambda text: text[:40],
)
def test_what_is_no_message(text):
    with pytest.raises(DataError):
        parse(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(DataError):
        parse(text)


def test_without_arrays_it_is_text():
    assert json.loads(pack({"id": 1, "answer": {"a": math.nan, "b": np.float32(0.5), "c": (1, "x")}})) == {
        "id": 1,
        "answer": {"a": None, "b": 0.5, "c": [1, "x"]},
    }


def test_arrays_by_hand():
    """A head padded to a multiple of 8 with its length before it, and each array padded to 8."""
    message = pack({"x": np.arange(3, dtype=np.uint8), "y": np.array([[1.5]], np.float32)})
    length = int.from_bytes(message[:4], "little")
    assert (4 + length) % 8 == 0
    assert message[4 + length :] == b"\0\1\2\0\0\0\0\0" + b"\0\0\xc0\x3f" + b"\0" * 4


@given(
    arrays.arrays(
        st.sampled_from([np.float64, np.float32, np.float16, np.int32, np.uint8]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0),
    )
)
def test_arrays_come_back_as_they_are(array):
    found = unpacked(pack({"event": "e", "data": {"deep": [array, {"again": array}]}}))
    for copy in (found["data"]["deep"][0], found["data"]["deep"][1]["again"]):
        assert copy.dtype == array.dtype and copy.shape == array.shape
        assert np.array_equal(copy, array, equal_nan=array.dtype.kind == "f")


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.array([True, False]), np.uint8),
        (np.array([1, 2**31 - 1], np.int64), np.int32),
        (np.array([2**40], np.int64), np.float64),
        (np.arange(6.0, dtype=np.float32).reshape(2, 3).T, np.float32),
    ],
    ids=["bool", "int64 that fits", "int64 that does not", "transposed"],
)
def test_arrays_in_a_form_that_a_page_can_read(array, dtype):
    found = unpacked(pack({"x": array}))["x"]
    assert found.dtype == dtype
    assert np.array_equal(found, array)
