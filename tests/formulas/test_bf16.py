"""Products of bfloat16 numbers in blocks of 32 terms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as c
from chainrule.formulas import bf16
from chainrule.formulas.layers import LAYERS, Context
from chainrule.network import backprop
from layer_examples import examples

TINY = np.finfo(np.float32).tiny


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (1 + 2**-7, 1 + 2**-7),
        (1 + 2**-8, 1),  # a tie, to even
        (1 + 3 * 2**-8, 1 + 2**-6),  # the other one
        (1 + 2**-8 + 2**-20, 1 + 2**-7),
        (-257, -256),
        (3.4e38, np.inf),
        (-np.inf, -np.inf),
        (np.nan, np.nan),
        (TINY, TINY),
        (-TINY / 4, 0),
    ],
)
def test_rounding_by_hand(x: float, expected: float):
    assert np.array_equal(bf16.rounded(f32(x)), f32(expected), equal_nan=True)


def test_a_product_of_three_terms_by_hand():
    """257 is rounded to 256, 1/3 to 171/512, and the sum is that of (256 + 0.25) and -171/512, plus 10."""
    a, b = f32(257, 1 / 3, 0.5)[None], f32(1, -1, 0.5)[:, None]
    assert bf16.multiply(a, b) == f32(256 + 0.25 - 171 / 512)
    assert bf16.multiply(a, b, f32(10)) == f32(266 + 0.25 - 171 / 512)
    assert bf16.multiply(a, b) != a @ b


def test_the_order_of_a_sum_by_hand():
    """2^24 + 1 is no float32: ones are lost behind it, and none that stand in another chain or block."""
    terms = np.zeros((1, 64), np.float32)
    ones = np.ones((64, 1), np.float32)
    terms[0, [0, 2, 4]] = 2**24, 1, 1
    assert bf16.multiply(terms, ones) == 2**24  # one after the other
    terms[0, [2, 4, 1, 3]] = 0, 0, 1, 1
    assert bf16.multiply(terms, ones) == 2**24 + 2  # the other chain
    terms[0, [1, 3, 32, 34]] = 0, 0, 1, 1
    assert bf16.multiply(terms, ones) == 2**24 + 2  # the next block
    terms[0, [34, 33]] = 0, 1
    assert bf16.multiply(terms, ones) == 2**24 + 2
    terms[0, 33] = 0
    assert bf16.multiply(terms, ones) == 2**24


def test_results_below_the_normal_numbers_are_zero():
    a, b = f32(1.5 * TINY, -TINY)[None], f32(1, 1)[:, None]
    assert bf16.multiply(a, b) == 0
    assert bf16.multiply(a, b, f32(TINY)) == f32(TINY)


def scalar(a: np.ndarray, b: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The definition, number by number."""

    def flushed(x: np.float32) -> np.float32:
        return np.float32(0) if abs(x) < TINY else x

    out = np.empty((len(a), b.shape[1]), np.float32)
    for i in range(len(a)):
        for j in range(b.shape[1]):
            total = start[j]
            for block in range(0, a.shape[1], 32):
                chains = [np.float32(0), np.float32(0)]
                for k in range(block, min(block + 32, a.shape[1])):
                    chains[k % 2] = flushed(np.float32(chains[k % 2] + np.float32(a[i, k] * b[k, j])))
                total = flushed(np.float32(total + flushed(np.float32(chains[0] + chains[1]))))
            out[i, j] = total
    return out


@given(
    rows=st.integers(1, 3),
    terms=st.sampled_from([1, 2, 3, 31, 32, 33, 64, 70]),
    columns=st.integers(1, 3),
    spread=st.sampled_from([0, 3, 30]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=50, deadline=None)
def test_products_equal_a_loop_over_numbers(rows: int, terms: int, columns: int, spread: int, seed: int):
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) * 2.0 ** rng.integers(-spread, spread + 1, shape)).astype(np.float32)

    a, b, start = drawn(rows, terms), drawn(terms, columns), drawn(columns)
    expected = scalar(bf16.rounded(a), bf16.rounded(b), start)
    assert bf16.multiply(a, b, start).tobytes() == expected.tobytes()
    stacked = bf16.multiply(np.stack([a, 2 * a]), b, start)  # groups of columns
    assert stacked[0].tobytes() == expected.tobytes()
    assert np.array_equal(bf16.multiply(a.T.copy().T, np.asfortranarray(b), start), expected)


def test_a_number_that_a_product_reads_is_rounded_for_all_that_read_it():
    """1.01 is rounded to 1.0078125 in the sum of the block too, and tanh' = 1 - a^2 takes the rounded a."""
    links = c.Network(1, [c.Residual([c.Dense(1)])], c.MeanSquaredError()).links
    ctx = Context(training=True, precision="bf16")
    params = with_weights_of_one(links)
    out, _ = backprop.forward(links, params, f32(1.01)[None], ctx)
    assert out == f32(2 * 1.0078125)
    links = c.Network(1, [c.Tanh(), c.Dense(1)], c.MeanSquaredError()).links
    params = with_weights_of_one(links)
    out, caches = backprop.forward(links, params, f32(4)[None], ctx)
    assert out == 1 and np.tanh(np.float32(4)) < 1
    _, delta = backprop.backward(links, params, caches, f32(1)[None], ctx)
    assert delta == 0


def with_weights_of_one(links):
    """Parameters of a chain in which each W is 1 and each b 0."""
    network = c.Network(1, [link.layer for link in links], c.MeanSquaredError())
    theta = np.zeros(network.size, np.float32)
    for slot in network.slots:
        theta[slot.start : slot.stop] = slot.field == "W"
    return network.unflatten(theta)


@pytest.mark.parametrize("kind", sorted({*LAYERS, "residual", "skip"}))
def test_every_layer_has_nearly_the_gradient_of_float32(kind: str):
    """Between two dense layers, or before one if it reads the input: within 2 % in norm."""
    rng = np.random.default_rng(3)
    for layer in examples(kind):
        first = kind in {"embedding", "standardize", "piecewise_linear_embedding"}
        X = rng.normal(size=(40, 6)).astype(np.float32)
        if kind == "embedding":
            X = rng.integers(0, 3, X.shape).astype(np.float32)
        layers = [layer, c.Dense(8), c.Dense(2)] if first else [c.Dense(6), layer, c.Dense(2)]
        found = []
        for precision in (None, "bf16"):
            model = c.Model(c.Network(6, layers, c.MeanSquaredError()), seed=1)
            before = model.theta.copy()
            how = {"batch_size": 40, "optimizer": c.GradientDescent(1.0), "epochs": 1, "shuffle": False}
            y = X[:, :2] * 1.5 + 1
            model.fit(X, y, engine=c.Compute("reference", precision=precision), **how)
            found.append(model.theta - before)
        exact, rounded = found
        assert not np.array_equal(exact, rounded)
        assert np.linalg.norm(rounded - exact) < 0.02 * np.linalg.norm(exact), layer
