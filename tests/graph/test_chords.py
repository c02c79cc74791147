"""The chords of operations by hand and against each other: what multipliers are, beyond what they add up to."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chainrule.graph.answers import GroupSoftmax, SimilarRows, SortedColumns
from chainrule.graph.numbers import Elementwise
from chainrule.graph.operation import constant, log_mean

Z = st.floats(-30, 30)


@given(st.floats(1e-8, 1e8), st.floats(1e-8, 1e8))
def test_logarithmic_mean(a: float, b: float):
    found = float(log_mean(np.array(a), np.array(b), np.array(math.log(a / b))))
    assert math.sqrt(a * b) * (1 - 1e-9) <= found <= (a + b) / 2 * (1 + 1e-9)  # between both other means
    assert abs(found * math.log(a / b) - (a - b)) < 1e-6 * max(a, b)


def test_logarithmic_mean_by_hand():
    one = log_mean(np.array([2.0, 3.0]), np.array([1.0, 3.0]), np.log([2.0, 1.0]))
    np.testing.assert_allclose(one, [1 / math.log(2), 3.0])


@given(st.lists(Z, min_size=2, max_size=5), st.data())
def test_softmax_is_exact(z: list[float], data: st.DataObject):
    other = data.draw(st.lists(Z, min_size=len(z), max_size=len(z)))
    both, softmax = np.array([z, other]), GroupSoftmax()
    p = softmax.compute(both)
    for k in range(len(z)):
        [m] = softmax.chord(np.eye(len(z))[[k]], p, both)
        assert abs(m[0] @ (both[0] - both[1]) - (p[0, k] - p[1, k])) < 1e-13 * (1 + np.abs(both).max())
        assert abs(m.sum()) < 1e-14  # a constant added to every z changes nothing


@given(st.lists(st.tuples(Z, Z), min_size=2, max_size=5))
def test_sorting_is_exact(pairs: list[tuple[float, float]]):
    y = np.array(pairs).T
    count = y.shape[1]
    by_rank = [
        SortedColumns(tuple(range(count))).chord(np.eye(count)[[k]], np.sort(y), y)[0][0]
        for k in range(count)
    ]
    np.testing.assert_allclose(np.array(by_rank) @ (y[0] - y[1]), np.sort(y[0]) - np.sort(y[1]), atol=1e-11)
    np.testing.assert_allclose(np.sum(by_rank, 0), 1.0)
    np.testing.assert_allclose(np.sum(by_rank, 1), 1.0)


@given(Z, Z)
def test_the_sigmoid_is_a_softmax_of_two_classes(z: float, other: float):
    both, one = np.array([[z], [other]]), np.array([[1.0]])
    sigmoid, softmax = Elementwise("sigmoid"), GroupSoftmax()
    of_two = np.hstack([both, np.zeros((2, 1))])
    p, q = sigmoid.compute(both), softmax.compute(of_two)
    np.testing.assert_allclose(p[:, 0], q[:, 0], rtol=1e-12)
    [slope] = sigmoid.chord(one, p, both)
    np.testing.assert_allclose(
        slope[0, 0], softmax.chord(np.array([[1.0, 0.0]]), q, of_two)[0][0, 0], rtol=1e-7, atol=1e-15
    )
    assert abs(slope[0, 0] * (z - other) - (p[0, 0] - p[1, 0])) < 1e-14


def test_a_similarity_by_hand():
    """exp(-2 x^2 - [c != 0] / 2) from (1, other) to (1/2, 0): the exponent changes by 1.5 of x and 0.5 of c."""
    similar = SimilarRows(
        constant([[0.0]]),
        constant([[0.0]]),
        constant([2.0]),
        constant([]),
        constant([0.5]),
        constant([[3.0]]),
    )
    x = np.array([[0.5, 0.0], [1.0, 7.0]])
    out = similar.compute(x)
    np.testing.assert_allclose(out, 3 * np.exp([[-0.5], [-2.5]]))
    [m] = similar.chord(np.array([[1.0]]), out, x)
    change = out[0, 0] - out[1, 0]
    np.testing.assert_allclose(m[0] * (x[0] - x[1]), [0.75 * change, 0.25 * change])
