"""Activations: numbers worked by hand, extreme inputs, and every derivative against differences and `jax.grad`."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from chainrule.formulas import activations as A

# The registry, and the activations with a parameter at their default and at another value.
ELEMENTWISE = A.FUNCTIONS | {
    "leaky_relu": (A.leaky_relu, A.leaky_relu_prime, A.linear_second),
    "leaky_relu(0.3)": tuple(
        partial(f, slope=0.3) for f in (A.leaky_relu, A.leaky_relu_prime, A.linear_second)
    ),
    "elu": (A.elu, A.elu_prime, A.elu_second),
    "elu(0.5)": tuple(partial(f, alpha=0.5) for f in (A.elu, A.elu_prime, A.elu_second)),
}
every_activation = pytest.mark.parametrize("f, prime, second", ELEMENTWISE.values(), ids=ELEMENTWISE.keys())
both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])

smooth_points = st.floats(0.01, 30) | st.floats(-30, -0.01)  # clear of the kinks, all at 0
rows = st.lists(st.floats(-30, 30), min_size=1, max_size=5)

LN2, E = np.log(2), np.e

# z, a, a', a''. s(1) = 1 / (1 + 1/e) = 0.731058578630; Phi(1) = 0.841344746069; phi(1) = 0.241970724519.
BY_HAND = {
    "identity": [(-2, -2, 1, 0), (0, 0, 1, 0), (3, 3, 1, 0)],
    "relu": [(-2, 0, 0, 0), (0, 0, 0, 0), (3, 3, 1, 0)],
    "leaky_relu": [(-2, -0.02, 0.01, 0), (0, 0, 0.01, 0), (3, 3, 1, 0)],
    "leaky_relu(0.3)": [(-2, -0.6, 0.3, 0), (0, 0, 0.3, 0), (3, 3, 1, 0)],
    # 1/e - 1 = -0.632...
    "elu": [(-1, 1 / E - 1, 1 / E, 1 / E), (0, 0, 1, 1), (3, 3, 1, 0)],
    "elu(0.5)": [(-1, 0.5 / E - 0.5, 0.5 / E, 0.5 / E), (0, 0, 0.5, 0.5), (3, 3, 1, 0)],
    # scale alpha = 1.0507009873554805 * 1.6732632423543772 = 1.758099340847377
    "selu": [
        (-LN2, -0.5 * 1.758099340847377, 0.5 * 1.758099340847377, 0.5 * 1.758099340847377),
        (0, 0, 1.758099340847377, 1.758099340847377),
        (2, 2 * 1.0507009873554805, 1.0507009873554805, 0),
    ],
    # 1 * Phi(1);  Phi(1) + phi(1) = 1.083315470588;  phi(1) (2 - 1).   -1 * (1 - Phi(1));  1 - Phi(1) - phi(1)
    # phi(0) (2 - 0) = 2 / sqrt(2 pi) = 0.797884560803
    "gelu": [
        (1, 0.841344746069, 1.083315470588, 0.241970724519),
        (0, 0, 0.5, 0.797884560803),
        (-1, -0.158655253931, -0.083315470588, 0.241970724519),
    ],
    # u = 0.797884560803 * 1.044715 = 0.833561968939; tanh u = 0.682383981217; a = 1.682383981217 / 2
    # u' = 0.797884560803 * 1.134145 = 0.904916785212; a' = a + (1 - tanh^2 u) u' / 2 = a + 0.241772093238
    # u'' / 2 = 0.797884560803 * 0.134145 = 0.107032224409; tanh u u'^2 = 0.558787556352; 1 - tanh^2 u = 0.534352102178
    # a'' = 0.534352102178 * (0.904916785212 + 0.107032224409 - 0.558787556352)
    "gelu_tanh": [(0, 0, 0.5, 0.797884560803), (1, 0.841191990608, 1.082964083846, 0.242148197983)],
    # s(1) (1 + 1 - s(1)) = 0.731058578630 * 1.268941421370
    # s(1) (1 - s(1)) (2 + 1 - 2 s(1)) = 0.196611933241 * 1.537882842740
    "silu": [(0, 0, 0.5, 0.5), (1, 0.731058578630, 0.927670511871, 0.302366118810)],
    # softplus(0) = ln 2, tanh(ln 2) = (2 - 1/2) / (2 + 1/2) = 3/5;  (1 - 9/25) 1/2 2
    "mish": [(0, 0, 0.6, 0.64)],
    # log(1 + e^(ln 3)) = log 4;  3/4;  3/4 1/4
    "softplus": [(0, LN2, 0.5, 0.25), (np.log(3), np.log(4), 0.75, 0.1875)],
    # 3/16 (1 - 3/2)
    "sigmoid": [
        (0, 0.5, 0.25, 0),
        (np.log(3), 0.75, 0.1875, -0.09375),
        (-np.log(3), 0.25, 0.1875, 0.09375),
    ],
    "log_sigmoid": [(0, -LN2, 0.5, -0.25), (np.log(3), np.log(0.75), 0.25, -0.1875)],
    # tanh(ln 2) = 3/5;  1 - 9/25;  -2 3/5 16/25
    "tanh": [(0, 0, 1, 0), (LN2, 0.6, 0.64, -0.768), (-LN2, -0.6, 0.64, 0.768)],
}


@every_activation
def test_keeps_dtype_and_shape(f, prime, second):
    for dtype in (np.float32, np.float64):
        z = np.linspace(-3, 3, 6, dtype=dtype).reshape(2, 3)
        a = f(z)
        assert a.dtype == prime(z, a).dtype == second(z, a).dtype == dtype
        assert a.shape == prime(z, a).shape == second(z, a).shape == (2, 3)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_numbers_by_hand(name):
    f, prime, second = ELEMENTWISE[name]
    z, a, a_prime, a_second = np.array(BY_HAND[name], float).T
    assert_allclose(f(z), a, rtol=0, atol=1e-11)
    assert_allclose(second(z, f(z)), a_second, rtol=0, atol=2e-11)
    assert_allclose(prime(z, f(z)), a_prime, rtol=0, atol=1e-11)


@every_activation
@both_precisions
def test_extreme_inputs_stay_finite(f, prime, second, dtype):
    z = np.array([-1e4, -745, -104, -89, -88, -30, -1e-30, 0, 1e-30, 30, 88, 89, 104, 710, 1e4], dtype)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        a = f(z)
        d, e = prime(z, a), second(z, a)
    assert np.isfinite(a).all() and np.isfinite(d).all() and np.isfinite(e).all()
    assert (np.abs(d) < 2).all() and (np.abs(e) < 2).all()


@every_activation
def test_nan_stays_nan(f, prime, second):
    assert np.isnan(f(np.array([np.nan]))).all()


@every_activation
@given(z=smooth_points)
def test_derivatives_are_the_central_differences(f, prime, second, z):
    z, h = np.array([z]), 1e-5
    assert_allclose(prime(z, f(z)), (f(z + h) - f(z - h)) / (2 * h), rtol=1e-8, atol=1e-9)
    of_prime = (prime(z + h, f(z + h)) - prime(z - h, f(z - h))) / (2 * h)
    assert_allclose(second(z, f(z)), of_prime, rtol=1e-8, atol=1e-9)


@pytest.mark.slow
@every_activation
@both_precisions
def test_jax_runs_the_same_file_and_agrees(f, prime, second, dtype):
    z = np.concatenate([np.linspace(-20, 20, 200), [-1e4, 1e4]]).astype(dtype)  # clear of 0
    a, d, e = jax.jit(lambda z: (f(z), prime(z, f(z)), second(z, f(z))))(jnp.asarray(z))
    assert a.dtype == d.dtype == e.dtype == dtype
    # Where gelu_tanh has all but died out, the rounding of 1 - tanh^2 is multiplied by z^3: hence the 1e-5.
    tolerance = {"rtol": 1e-12, "atol": 1e-13} if dtype == np.float64 else {"rtol": 2e-5, "atol": 1e-5}
    assert_allclose(a, f(z), **tolerance)
    assert_allclose(d, prime(z, f(z)), **tolerance)
    # The second derivative of gelu_tanh multiplies the same rounding by z^5, that of mish by 2 z, which is 40 here.
    more = {A.gelu_tanh: 100, A.mish: 4}.get(f, 1)
    assert_allclose(e, second(z, f(z)), **tolerance | {"atol": more * tolerance["atol"]})


@pytest.mark.slow
@every_activation
def test_derivatives_are_those_of_jax(f, prime, second):
    z = np.linspace(-20, 20, 200)  # clear of 0, where JAX takes the middle of a kink's two slopes
    assert_allclose(prime(z, f(z)), jax.vmap(jax.grad(f))(jnp.asarray(z)), rtol=1e-10, atol=1e-12)
    twice = jax.vmap(jax.grad(jax.grad(f)))(jnp.asarray(z))
    assert_allclose(second(z, f(z)), twice, rtol=1e-10, atol=1e-11)


def test_gelu_tanh_is_within_its_stated_error_of_gelu():
    z = np.linspace(-10, 10, 10_001)
    assert np.abs(A.gelu_tanh(z) - A.gelu(z)).max() < 5e-4


def test_sigmoid_keeps_the_digits_of_a_tiny_probability():
    # 1 / (1 + e^50) = e^-50 (1 - e^-50 + ...)
    assert_allclose(A.sigmoid(np.array([-50.0])), np.exp(-50), rtol=1e-15)


def test_prelu_has_a_slope_for_each_neuron_and_its_derivative():
    z, slope = np.array([[-2.0, -2.0, 3.0], [0.0, 1.0, -1.0]]), np.array([0.1, 0.5, 0.2])
    a = A.leaky_relu(z, slope)
    assert_allclose(a, [[-0.2, -1.0, 3.0], [0.0, 1.0, -0.2]])
    assert_array_equal(A.leaky_relu_prime(z, a, slope), [[0.1, 0.5, 1.0], [0.1, 1.0, 0.2]])
    assert_array_equal(A.prelu_slope_prime(z, a, slope), [[-2, -2, 0], [0, 0, -1]])
    h = 1e-6
    difference = (A.leaky_relu(z, slope + h) - A.leaky_relu(z, slope - h)) / (2 * h)
    assert_allclose(A.prelu_slope_prime(z, a, slope), difference, atol=1e-9)


def test_prelu_keeps_float32():
    z, slope = np.ones((2, 3), np.float32), np.ones(3, np.float32)
    a = A.leaky_relu(z, slope)
    assert (
        a.dtype
        == A.leaky_relu_prime(z, a, slope).dtype
        == A.prelu_slope_prime(z, a, slope).dtype
        == np.float32
    )


def test_softmax_by_hand():
    # e^0 : e^ln2 : e^ln5 = 1 : 2 : 5, of 8
    a = np.array([[1, 2, 5]]) / 8
    assert_allclose(A.softmax(np.log([[1.0, 2.0, 5.0]])), a, rtol=1e-15)
    assert_allclose(A.log_softmax(np.log([[1.0, 2.0, 5.0]])), np.log(a), rtol=1e-15)
    # delta = (8, 0, 0): sum_k delta_k a_k = 1; a (delta - 1) = (7, -2, -5) / 8
    assert_allclose(A.softmax_pullback(a, np.array([[8.0, 0.0, 0.0]])), [[7 / 8, -2 / 8, -5 / 8]], rtol=1e-15)
    # delta - e^a sum delta = (8, 0, 0) - (1, 2, 5) / 8 * 8
    assert_allclose(A.log_softmax_pullback(np.log(a), np.array([[8.0, 0.0, 0.0]])), [[7, -2, -5]], rtol=1e-15)


ROWWISE = {"softmax": (A.softmax, A.softmax_pullback), "log_softmax": (A.log_softmax, A.log_softmax_pullback)}
every_rowwise = pytest.mark.parametrize("f, pullback", ROWWISE.values(), ids=ROWWISE.keys())


@every_rowwise
@both_precisions
def test_rowwise_extremes_stay_finite_and_keep_dtype(f, pullback, dtype):
    z = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4]], dtype)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        a = f(z)
        back = pullback(a, z)
    assert np.isfinite(a).all() and np.isfinite(back).all()
    assert a.dtype == back.dtype == dtype


@every_rowwise
@given(row=rows, seed=st.integers(0, 99))
def test_pullback_is_the_whole_jacobian(f, pullback, row, seed):
    z = np.array(row)
    delta, h = np.random.default_rng(seed).normal(size=z.shape), 1e-5
    steps = h * np.eye(len(z))  # row j moves z_j
    jacobian = (f(z + steps) - f(z - steps)) / (2 * h)  # [j, k] = da_k / dz_j
    assert_allclose(pullback(f(z), delta), jacobian @ delta, rtol=1e-7, atol=1e-8)


@pytest.mark.slow
@every_rowwise
def test_pullback_is_the_one_of_jax(f, pullback):
    z, delta = np.random.default_rng(0).normal(size=(2, 4, 5))
    a, back = jax.vjp(f, jnp.asarray(z))
    assert_allclose(f(z), a, rtol=1e-13)
    assert_allclose(pullback(f(z), delta), back(jnp.asarray(delta))[0], rtol=1e-11, atol=1e-14)
