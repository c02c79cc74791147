"""Forward passes that are kept between predictions of few rows."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from chainrule import Dense, Ensemble, MeanSquaredError, Model, Network, ReLU
from chainrule.engines.native import REASON
from chainrule.trained import evaluation
from chainrule.trained.evaluation import KeptWalks

pytestmark = pytest.mark.skipif(REASON is not None, reason="the native engine was not built")
NETWORK = Network(4, [Dense(8), ReLU(), Dense(2)], MeanSquaredError())
X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)


def test_a_prediction_has_the_parameters_of_its_time():
    model = Model(NETWORK, seed=0)
    before = model.outputs(X)
    model.theta *= 2
    again = Model.with_theta(NETWORK, model.theta.copy())
    assert not np.array_equal(model.outputs(X), before)
    np.testing.assert_array_equal(model.outputs(X), again.outputs(X))


@pytest.mark.parametrize("rows", [1, 7, 40])
def test_few_rows_have_the_bits_of_many(rows: int, monkeypatch: pytest.MonkeyPatch):
    model, several = Model(NETWORK, seed=0), Ensemble(NETWORK, 3, seed=0)
    found = [each.outputs(X[:rows]) for each in (model, several)]
    monkeypatch.setattr(evaluation, "MOST_WORK", 0)
    for each, few in zip((model, several), found, strict=True):
        np.testing.assert_array_equal(each.outputs(X)[:rows], few)


def test_they_are_kept_for_one_network_and_as_many_rows():
    own, other = KeptWalks(), Network(4, [Dense(2)], MeanSquaredError())
    first = own.of(NETWORK, np.float32, "auto", 5)
    assert first is not None and first.capacity == 8
    assert own.of(NETWORK, np.float32, "native", 8) is first
    assert own.of(NETWORK, np.float64, "auto", 8) is not first
    more = own.of(NETWORK, np.float32, "auto", 9)
    assert more is not None and more is not first and own.of(NETWORK, np.float32, "auto", 1) is more
    halved = own.of(NETWORK, np.float32, "auto", 9, "bf16")
    assert halved is not None and halved is not more and own.of(NETWORK, np.float32, "auto", 9) is not halved
    assert own.of(other, np.float32, "auto", 1) is not more
    assert own.of(NETWORK, np.float32, "reference", 1) is None
    assert own.of(NETWORK, np.float32, "auto", evaluation.MOST_WORK) is None


def test_a_pickle_and_copies_predict_the_same():
    for made in (Model(NETWORK, seed=0), Ensemble(NETWORK, 2, seed=0)):
        expected = made.outputs(X)
        for other in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
            np.testing.assert_array_equal(other.outputs(X), expected)


def test_a_pickle_of_an_earlier_version_has_none():
    for made in (Model(NETWORK, seed=0), Ensemble(NETWORK, 2, seed=0)):
        expected, other = made.outputs(X), copy.copy(made)
        del other.__dict__["_kept"]
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(other)).outputs(X), expected)


def test_members_may_change_their_precision():
    several = Ensemble(NETWORK, 2, seed=0)
    before = several.outputs(X)
    for member in several:
        member.theta = member.theta.astype(np.float64)
    assert several.outputs(X).dtype == np.float64
    np.testing.assert_allclose(several.outputs(X), before, rtol=1e-4, atol=1e-6)


def test_threads_may_share_a_model():
    model = Model(NETWORK, seed=0)
    expected = model.outputs(X)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: model.outputs(X), range(200)):
            np.testing.assert_array_equal(found, expected)


def test_a_wide_network_keeps_little():
    """The values of the rows that are computed at once count, and so do parameters."""
    own = KeptWalks()
    wide = Network(20_000, [Dense(1)], MeanSquaredError())
    assert own.of(wide, np.float32, "auto", 8) is not None
    assert own.of(wide, np.float32, "auto", 200) is None
    assert own.of(Network(1100, [Dense(1000)], MeanSquaredError()), np.float32, "auto", 1) is None


def test_threads_may_share_a_model_that_shares_its_rows_among_threads():
    model, rows = Model(NETWORK, seed=0), np.tile(X, (30, 1))
    expected = np.tile(model.outputs(X), (30, 1))
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: model.outputs(rows), range(60)):
            np.testing.assert_array_equal(found, expected)
