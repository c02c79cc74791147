"""Batches in shards: sums along one tree, the numbers of whole batches, rows and masks that do not change."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from chainrule import (
    Adam,
    BatchNorm,
    BatchSource,
    Checkpoint,
    Compute,
    ConfigError,
    Dense,
    Dropout,
    Layer,
    Model,
    Network,
    NonFiniteError,
    ReLU,
    Residual,
    SoftmaxCrossEntropy,
    Standardize,
    Tanh,
)
from chainrule.core.random import uniform_bits
from chainrule.engines.xla import samples
from chainrule.engines.xla.engine import arranged, bounds, tree_sum
from chainrule.training import loop

DRAWS = np.random.default_rng(0)
X, Y = DRAWS.normal(size=(45, 6)), DRAWS.integers(0, 3, 45)
NETWORK = Network(
    6,
    [Standardize(), Dense(9), ReLU(), Dropout(0.3), Residual([Dense(9), Tanh()]), Dense(3)],
    SoftmaxCrossEntropy(0.1),
    l2=1e-3,
)
HOW = {"epochs": 2, "batch_size": 10, "optimizer": Adam(1e-2), "clip": 0.2}


def trained(X=X, y=Y, network: Network = NETWORK, dtype: str = "float64", **how) -> Model:
    model = Model(network, seed=3, dtype=dtype)
    model.fit(X, y, **(HOW | how))
    return model


def test_the_sum_has_the_order_of_a_tree():
    """((a + b) + (c + d)): in this order 1e16 + 1 + 1 - 1e16 is 0 + ..., one after the other it would be 2."""
    parts = np.array([[1e16], [1.0], [1.0], [-1e16]])
    assert tree_sum(parts) == (1e16 + 1.0) + (1.0 - 1e16)
    halves = np.stack([tree_sum(parts[:2]), tree_sum(parts[2:])])
    assert tree_sum(halves) == tree_sum(parts)  # a process's own branch, then the rest


@given(rows=st.integers(1, 50), shards=st.sampled_from([1, 2, 4, 8, 16]))
def test_shards_cut_a_batch(rows, shards):
    """Each row is in one shard, in order, and sizes differ by one at most; the rest is filled up with the first row."""
    found = arranged(np.arange(rows), 50, shards)
    counts = [bounds(rows, shards, shard)[1] for shard in range(shards)]
    assert [row for part, count in zip(found, counts, strict=True) for row in part[:count]] == list(
        range(rows)
    )
    assert max(counts) - min(counts) <= 1
    assert not any(part[count:].any() for part, count in zip(found, counts, strict=True))


@given(row=st.integers(0, 40), shape=st.tuples(st.integers(1, 7), st.integers(1, 7)))
def test_a_row_has_the_same_draws_in_every_part_of_a_batch(row, shape):
    whole = uniform_bits(7, 2, 5, (row + shape[0], shape[1]), np)
    assert (uniform_bits(7, 2, 5, shape, np, np.int64(row)) == whole[row:]).all()


@pytest.mark.parametrize(
    ("dtype", "shards"), [("float64", 4), pytest.param("float32", 2, marks=pytest.mark.slow)]
)
def test_the_numbers_of_whole_batches(dtype, shards):
    """Weights, dropout, a smaller last batch, a penalty, clipping: the same, but for rounding."""
    weight = np.linspace(0, 2, 45)
    weight[10:13] = 0
    how = {"dtype": dtype, "sample_weight": weight, "class_weight": {0: 2.0, 1: 1.0, 2: 0.5}}
    found, expected = trained(engine=Compute(shards=shards), **how), trained(engine="reference", **how)
    bound = 1e-10 if dtype == "float64" else 2e-4
    np.testing.assert_allclose(found.theta, expected.theta, rtol=bound, atol=bound)
    for mine, theirs in zip(found.history, expected.history, strict=True):
        for name in theirs.keys() - {"seconds"}:
            assert mine[name] == pytest.approx(theirs[name], rel=bound)
    assert found.states["standardize_1"].mean.tobytes() == expected.states["standardize_1"].mean.tobytes()


class Running(NamedTuple):
    mean: Any  # (width,)


@dataclass(frozen=True)
class Centered(Layer):
    """a minus the running mean, which becomes the mean of itself and the batch's, also of a batch of one row."""

    mixes_samples = True

    def forward(self, params: Any, a: Any, ctx: Any) -> Any:
        return a - ctx.state.mean, a.mean(0)

    def backward(self, params: Any, cache: Any, delta: Any, ctx: Any) -> Any:
        return (), delta

    def state(self, fan_in: int) -> Running:
        return Running(np.zeros(fan_in))

    def next_state(self, state: Any, cache: Any, ctx: Any) -> Running:
        return Running((state.mean + cache) / 2)


def test_running_statistics_change_by_the_mean_over_the_shards_that_have_rows():
    """Batches of 8 and of 3 rows in four shards, which have 2, 2, 2 and 2, then 0, 1, 1 and 1."""
    network = Network(6, [Centered(), Dense(3)], SoftmaxCrossEntropy())
    model = trained(X[:11], Y[:11], network, engine=Compute(shards=4), epochs=1, batch_size=8, shuffle=False)
    expected = (X[:8].mean(0) / 2 + X[8:11].mean(0)) / 2
    np.testing.assert_allclose(model.states["centered_1"].mean, expected, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "shards"), [(8, 2), (5, 4)])
def test_batch_normalization_takes_the_statistics_of_a_shard(rows: int, shards: int):
    """A step is a whole step on each shard: theta is their mean by rows, running statistics their mean.

    Shard g of G begins with row g rows / G, so of 5 rows four shards have 1, 1, 1 and 2.
    """
    network = Network(6, [Dense(4), BatchNorm(), Tanh(), Dense(3)], SoftmaxCrossEntropy())
    how = {"network": network, "epochs": 1, "batch_size": 8, "shuffle": False, "clip": None}
    how |= {"optimizer": "gradient_descent"}
    found = trained(X[:rows], Y[:rows], engine=Compute(shards=shards), **how)
    cuts = sorted({g * rows // shards for g in range(shards + 1)})
    parts = [trained(X[a:b], Y[a:b], engine="reference", **how) for a, b in pairwise(cuts)]
    theta = np.average([part.theta for part in parts], 0, np.diff(cuts))
    np.testing.assert_allclose(found.theta, theta, rtol=1e-12, atol=1e-15)
    for mine, *theirs in zip(*(model.states["batch_norm_1"] for model in (found, *parts)), strict=True):
        np.testing.assert_allclose(mine, np.mean(theirs, 0), rtol=1e-12)


@pytest.mark.slow
def test_batch_normalization_on_shards_of_unequal_sizes():
    """Ten rows in four shards of 2 or 3, and a last batch of 3, of which one shard has none."""
    network = Network(6, [Dense(4), BatchNorm(), Tanh(), Dense(3)], SoftmaxCrossEntropy())
    model = trained(X[:43], Y[:43], network, engine=Compute(shards=4))
    assert np.isfinite(model.theta).all()
    again = trained(scipy.sparse.csr_matrix(X[:43]), Y[:43], network, engine=Compute(shards=4))
    assert again.theta.tobytes() == model.theta.tobytes()


@pytest.mark.slow
def test_samples_that_do_not_lie_on_the_device_have_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "MAX_CALL_NUMBERS", 6 * 20)  # two steps a call
    expected = trained(engine=Compute(shards=4)).theta.tobytes()
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert trained(mapped, engine=Compute(shards=4)).theta.tobytes() == expected
    source = BatchSource([(X[:30], Y[:30]), (X[30:], Y[30:])], window=15)
    model = trained(source, None, engine=Compute(shards=4))
    assert model.theta.tobytes() == trained(source, None, engine=Compute(shards=4)).theta.tobytes()
    np.testing.assert_allclose(model.theta, trained(source, None, engine="reference").theta, rtol=1e-9)


def test_where_a_run_is_cut_and_resumed_changes_no_bit(tmp_path, monkeypatch):
    whole, path = trained(engine=Compute(shards=4)), tmp_path / "checkpoint.safetensors"
    monkeypatch.setattr(loop, "POLL_SECONDS", 0)
    trained(engine=Compute(shards=4), epochs=1, callbacks=Checkpoint(path))
    assert trained(engine=Compute(shards=4), resume=path).theta.tobytes() == whole.theta.tobytes()
    for shards in (None, 8):
        with pytest.raises(ConfigError, match="another shards"):
            trained(engine=Compute(shards=shards), resume=path)


def test_the_step_that_overflows_is_found():
    """At the same step as by the reference."""
    values = X.copy()
    values[33] = 1e300
    network = Network(6, [Dense(3)], SoftmaxCrossEntropy())
    how = {
        "shuffle": False,
        "clip": None,
        "optimizer": "gradient_descent",
        "network": network,
        "epochs": 3,
    }
    steps = []
    for where in ({"engine": Compute(shards=4)}, {"engine": "reference"}):
        with pytest.raises(NonFiniteError) as found:
            trained(values, **how, **where)
        steps.append(found.value.step)
    assert steps == [14, 14]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"engine": Compute(shards=3)}, "power of two"),
        ({"engine": Compute(shards=0)}, "at least 1"),
        ({"engine": Compute("native", shards=2)}, "shards require the xla engine"),
        ({"engine": Compute(shards=2), "optimizer": "lbfgs", "clip": None}, "LBFGS has no batches"),
        ({"engine": Compute(shards=2), "method": "spsa"}, "spsa runs in one process"),
        ({"engine": Compute(reduce="ring")}, "reduce must be one of tree, psum, not 'ring'"),
        (
            {"engine": Compute(reduce="psum")},
            r"reduce='psum' is a way to sum over processes; call chainrule.distributed.initialize",
        ),
    ],
)
def test_what_is_refused(how, said):
    with pytest.raises(ConfigError, match=said):
        trained(**how)
