"""The losses of an order within groups: by hand, beside PyTorch and JAX, by differences under every layer; and NDCG."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from sklearn.metrics import ndcg_score

from chainrule import ConfigError, Dense, Loss, MeanOverMembers, Model, Network, Tanh
from chainrule.formulas import ranking
from chainrule.formulas.layers import LAYERS
from layer_examples import examples
from states import stands_first

KINDS = pytest.mark.parametrize("kind", ranking.GROUP_LOSSES)
log = math.log


def drawn(rows: int, groups: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores (rows, 1) and targets, the groups in no order."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, rows) + rng.integers(0, groups, rows) / ranking.GROUPS
    return rng.normal(size=(rows, 1)), y[:, None]


def test_by_hand():
    """Two rows of group 1 whose order is right by log 3; one of group 0, which has no pair.

    The best DCG is 1, and a swap changes it to 1 / log2(3).
    """
    out = np.array([[log(3)], [5.0], [0.0]])
    y = np.array([[1 + 1 / ranking.GROUPS], [2.0], [0 + 1 / ranking.GROUPS]])
    cost = log(4 / 3)  # of the one pair, log(1 + exp(-log 3)), times the two rows, of which each has half
    for loss, w in ((ranking.PairwiseLogistic(), 1), (ranking.LambdaRank(), 1 - 1 / math.log2(3))):
        assert_allclose(loss.value(out, y), [w * cost, 0, w * cost], rtol=1e-12)
        assert_allclose(loss.gradient(out, y), [[-w / 2], [0], [w / 2]], rtol=1e-12, atol=1e-15)


def test_lambda_rank_weighs_pairs_by_the_change_of_ndcg():
    """Of ranks 1, 2, 3 with relevances 0, 2, 1: |gain differences| 3, 1, 2 and |discount differences|."""
    out, y = np.array([[2.0], [1.0], [0.0]]), np.array([[0.0], [2.0], [1.0]])
    d = [1.0, 1 / math.log2(3), 0.5]
    w = {(1, 0): 3 * (d[0] - d[1]), (2, 0): 1 * (d[0] - d[2]), (1, 2): 2 * (d[1] - d[2])}
    best = 3 + 1 / math.log2(3)  # gains 3 and 1 at the first two ranks
    c = {(i, j): 3 * own / best * log(1 + math.exp(out[j, 0] - out[i, 0])) for (i, j), own in w.items()}
    half = [sum(own for pair, own in c.items() if row in pair) / 2 for row in range(3)]
    assert_allclose(ranking.LambdaRank().value(out, y), half, rtol=1e-12)


@KINDS
def test_beside_pytorch(kind):
    torch = pytest.importorskip("torch")
    out, y = drawn(40, 5)
    z, total = torch.tensor(out[:, 0], requires_grad=True), torch.zeros((), dtype=torch.float64)
    relevance, group = np.floor(y[:, 0]), np.rint((y[:, 0] % 1) * ranking.GROUPS)
    for own in np.unique(group):
        rows = np.flatnonzero(group == own)
        rank = {row: k + 1 for k, row in enumerate(rows[np.argsort(-out[rows, 0])])}
        pairs = [(i, j) for i in rows for j in rows if relevance[i] > relevance[j]]
        w = [
            1.0
            if kind == "pairwise_logistic"
            else (2 ** relevance[i] - 2 ** relevance[j])
            * abs(1 / np.log2(1 + rank[i]) - 1 / np.log2(1 + rank[j]))
            for i, j in pairs
        ]
        best = len(pairs)
        if kind == "lambda_rank":
            best = sum((2**r - 1) / np.log2(2 + k) for k, r in enumerate(sorted(relevance[rows])[::-1]))
        for own_w, (i, j) in zip(w, pairs, strict=True):
            total = total + len(rows) * own_w / best * torch.nn.functional.softplus(z[j] - z[i])
    total.backward()
    loss = ranking.GROUP_LOSSES[kind]()
    assert_allclose(loss.value(out, y).sum(), total.item(), rtol=1e-12)
    assert_allclose(loss.gradient(out, y)[:, 0], z.grad.numpy(), rtol=1e-9, atol=1e-12)


@KINDS
def test_beside_jax(kind):
    jax = pytest.importorskip("jax")
    out, y = drawn(30, 4)
    loss = ranking.GROUP_LOSSES[kind]()
    with jax.enable_x64(True):
        found = jax.grad(lambda z: loss.value(z, y).sum())(jax.numpy.asarray(out))
    assert_allclose(found, loss.gradient(out, y), rtol=1e-9, atol=1e-12)


@KINDS
@pytest.mark.parametrize("layer", LAYERS)
def test_differences_under_every_layer(layer, kind):
    _, y = drawn(12, 3)
    X = np.random.default_rng(1).uniform(0.1, 0.9, (12, 4))
    for example in examples(layer):
        first = [example, Dense(4)] if stands_first(example) else [Dense(12), example]
        layers = [*first, Tanh(), Dense(1)]
        for loss in (ranking.GROUP_LOSSES[kind](), MeanOverMembers(ranking.GROUP_LOSSES[kind](), 2)):
            own = layers if loss.members == 1 else [*layers[:-1], Dense(2)]
            model = Model(Network(4, own, loss), dtype="float64", seed=3)
            model.start_on(model.check_samples(X, y))
            assert model.check_gradients(X, y).error < 1e-5


@KINDS
@given(shift=st.floats(-100, 100), seed=st.integers(0, 1000))
def test_only_the_order_within_groups_counts(kind, shift, seed):
    """A shift of a group, another order of rows, and another number of a group change nothing."""
    out, y = drawn(24, 3)
    loss, order = ranking.GROUP_LOSSES[kind](), np.random.default_rng(seed).permutation(24)
    value, gradient = loss.value(out, y), loss.gradient(out, y)
    other = np.where(y % 1 == 0, 9 / ranking.GROUPS, y % 1)
    moved = out + shift * (y % 1 == 0)
    assert_allclose(
        loss.value(moved[order], (np.floor(y) + other)[order]), value[order], rtol=1e-9, atol=1e-11
    )
    assert_allclose(loss.gradient(moved, y), gradient, rtol=1e-9, atol=1e-11)
    assert abs(gradient[y[:, 0] % 1 == 0].sum()) < 1e-12


@pytest.mark.parametrize("at", [None, 1, 3, 100])
def test_ndcg_is_that_of_scikit_learn(at):
    """Also of equal scores, which share their ranks. A group of one relevance does not count."""
    out, y = drawn(90, 6)
    y, out = (
        np.r_[y, [[2 + 9 / ranking.GROUPS], [2 + 9 / ranking.GROUPS]]],
        np.round(np.r_[out, [[0.0], [1.0]]]),
    )
    group, gain = y[:, 0] % 1, 2 ** np.floor(y[:, 0]) - 1
    each = [ndcg_score(gain[group == own][None], out[group == own].T, k=at) for own in np.unique(group)[:-1]]
    assert_allclose(ranking.ndcg(out[:, 0], y, at), np.mean(each), rtol=1e-12)
    assert np.isnan(ranking.ndcg(np.zeros(2), np.array([[1.0], [1.0]])))
    assert ranking.ndcg(np.zeros(0), np.zeros((0, 1))) != 0


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "loss",
    [ranking.PairwiseLogistic(), ranking.LambdaRank(), MeanOverMembers(ranking.LambdaRank(), 3)],
    ids=repr,
)
def test_engines_agree(loss: Loss, threads, monkeypatch):
    """Rows of groups in no order and of several weights, also in large batches, in float64."""
    monkeypatch.setenv("CHAINRULE_THREADS", str(threads))
    _, y = drawn(600, 40)
    rng = np.random.default_rng(1)
    X, weight = (
        rng.normal(size=(600, 5)),
        rng.integers(1, 4, ranking.GROUPS)[np.rint(y[:, 0] % 1 * ranking.GROUPS).astype(int)],
    )
    for size in (64, 600):
        found = []
        for own in ("reference", "native"):
            model = Model(Network(5, [Dense(7), Tanh(), Dense(loss.members)], loss), dtype="float64", seed=1)
            history = model.fit(X, y, epochs=2, batch_size=size, sample_weight=weight, engine=own)
            found.append((model.theta, history["loss"]))
        assert_allclose(found[1][0], found[0][0], rtol=1e-6, atol=1e-8)
        assert_allclose(found[1][1], found[0][1], rtol=1e-9)


def test_the_native_engine_refuses_targets_that_change():
    _, y = drawn(20, 3)
    model = Model(Network(2, [Dense(1)], ranking.LambdaRank()), dtype="float64")
    with pytest.raises(Exception, match="y"):
        model.fit(np.ones((20, 2)), y - 5, engine="native")


def test_one_output():
    with pytest.raises(ConfigError, match=r"compares scores, one output, not 2"):
        Network(3, [Dense(2)], ranking.LambdaRank())
    assert_array_equal(ranking.LambdaRank().predict(np.ones((2, 1))), np.ones((2, 1)))
