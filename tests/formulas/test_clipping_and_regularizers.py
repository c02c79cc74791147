"""Clipping, penalties and max-norm: numbers by hand, float32, jax.jit, and properties."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from chainrule.formulas.clipping import clip_by_norm, clip_by_value
from chainrule.formulas.regularizers import max_norm, penalty, penalty_gradient

numbers = st.floats(-1e6, 1e6)
vectors = arrays(np.float64, st.integers(1, 20), elements=numbers)
matrices = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=numbers)
positive = st.floats(1e-3, 1e6)

G = np.array([3.0, -4.0])  # of norm 5
W = np.array([[3.0, 0.0, 0.1], [-4.0, 0.0, 0.0]])  # columns of norm 5, 0 and 0.1


def test_clip_by_norm_by_hand():
    np.testing.assert_allclose(clip_by_norm(G, 1.0), [0.6, -0.8], rtol=1e-15)
    assert clip_by_norm(G, 5.0).tobytes() == G.tobytes()
    assert clip_by_norm(G, 7.0).tobytes() == G.tobytes()
    np.testing.assert_array_equal(clip_by_norm(np.zeros(3), 1.0), np.zeros(3))


@given(vectors, positive)
def test_clip_by_norm_bounds_the_norm_and_keeps_the_direction(g, limit):
    clipped = clip_by_norm(g, limit)
    norm = np.linalg.norm(g)
    assert np.linalg.norm(clipped) <= limit * (1 + 1e-12)
    np.testing.assert_allclose(clipped * max(norm, limit), g * limit, rtol=1e-12, atol=1e-150)


def test_clip_by_norm_does_not_hide_nan():
    assert np.isnan(clip_by_norm(np.array([1.0, np.nan]), 1.0)).all()


def test_clip_by_value_by_hand():
    np.testing.assert_array_equal(
        clip_by_value(np.array([-9.0, -0.5, 0.0, 2.0, np.nan]), 1.0), [-1, -0.5, 0, 1, np.nan]
    )


def test_penalty_by_hand():
    # 0.1 / 2 * (9 + 16 + 0.01) + 2 * (3 + 4 + 0.1)
    assert penalty(W, 0.1, 2.0) == pytest.approx(0.05 * 25.01 + 14.2, rel=1e-15)
    assert penalty(W, 0.0, 0.0) == 0
    expected = [[0.3 + 2, 0.0, 0.01 + 2], [-0.4 - 2, 0.0, 0.0]]
    np.testing.assert_allclose(penalty_gradient(W, 0.1, 2.0), expected, rtol=1e-15)
    np.testing.assert_allclose(penalty_gradient(W, 0.1, 0.0), 0.1 * W, rtol=1e-15)


@pytest.mark.parametrize("factor", [3.0, np.float64(3), np.array(3.0)], ids=["float", "numpy", "0-d"])
def test_a_factor_of_the_penalty_by_hand(factor):
    W = np.array([[3.0, -4.0], [0.0, 0.5]], np.float32)  # ||W||^2 = 25.25, |W| = 7.5
    found, slope = penalty(W, 0.5, 2.0, factor), penalty_gradient(W, 0.5, 2.0, factor)
    assert found == 3 * (0.25 * 25.25 + 2 * 7.5)
    np.testing.assert_array_equal(slope, 3 * np.array([[1.5 + 2, -2 - 2], [0, 0.25 + 2]]))
    assert found.dtype == slope.dtype == penalty_gradient(W, 0.5, 0.0, factor).dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize(("l2", "l1"), [(0.1, 0.0), (0.0, 0.3), (0.1, 0.3)])
def test_penalty_gradient_agrees_with_jax(l2, l1):
    weights = np.random.default_rng(0).normal(size=(4, 3))
    automatic = jax.jit(jax.grad(lambda V: penalty(V, l2, l1)))(weights)
    np.testing.assert_allclose(penalty_gradient(weights, l2, l1), automatic, rtol=1e-13)


def test_max_norm_by_hand():
    shortened = max_norm(W, 0.5)
    np.testing.assert_allclose(shortened, [[0.3, 0.0, 0.1], [-0.4, 0.0, 0.0]], rtol=1e-15)
    assert shortened[:, 2].tobytes() == W[:, 2].tobytes()


@given(matrices, positive)
def test_max_norm_bounds_every_column(weights, limit):
    norms = np.linalg.norm(max_norm(weights, limit), axis=0)
    assert (norms <= limit * (1 + 1e-12)).all()


@pytest.mark.parametrize(
    "function",
    [
        lambda a: clip_by_norm(a, 1.0),
        lambda a: clip_by_value(a, 1.0),
        lambda a: penalty(a, 0.1, 0.2),
        lambda a: penalty_gradient(a, 0.1, 0.2),
        lambda a: max_norm(a, 0.5),
    ],
    ids=["clip_by_norm", "clip_by_value", "penalty", "penalty_gradient", "max_norm"],
)
def test_float32_is_kept_and_jit_agrees(function):
    a = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    assert function(a).dtype == np.float32
    compiled = jax.jit(function)(a)
    assert compiled.dtype == np.float32
    np.testing.assert_allclose(compiled, function(a), rtol=1e-6)
    np.testing.assert_allclose(function(a), function(a.astype(np.float64)), rtol=1e-5)
