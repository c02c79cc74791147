"""How much less the network of all rows errs than the one whose rows were held out, for intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from chainrule import DataError, MLPClassifier, MLPRegressor, Quantile
from chainrule.fitting import train
from chainrule.tables.held_out import HeldOut
from chainrule.training import fit as training

SMALL: dict[str, Any] = {
    "preprocess": "auto",
    "hidden_layer_sizes": (24,),
    "n_members": 1,
    "max_iter": 30,
    "random_state": 0,
}


def function(X: Any) -> Any:
    return np.sin(3 * X[:, 0]) * np.cos(3 * X[:, 1])


def table(rows: int, seed: int = 3) -> Any:
    return np.random.default_rng(seed).uniform(-2, 2, (rows, 2))


X = table(2_000)
EXACT, NOISE = function(X), np.random.default_rng(5).normal(size=len(X))


def small(y: Any = EXACT, groups: Any = None, **settings: Any) -> Any:
    return MLPRegressor(**SMALL | settings).fit(X, y, groups=groups)


@pytest.fixture
def moves_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train a third network also where the second one has moved little, as a small one does."""
    monkeypatch.setattr(train, "FAR", 0.0)


def gain_of(net: Any) -> Any:
    return net._fitted.held_out.gain


def held(y: Any, predicted: Any, weight: Any) -> HeldOut:
    each = [np.asarray(value, float) for value in (y, predicted, weight)]
    return HeldOut(np.arange(len(weight)), *each)


def test_the_ratio_of_errors_is_that_of_a_power_of_the_rows():
    """Errors 4 of a quarter of 64 rows and 2 of all 64 fall as n^-1/2: with 81 rows by (64 / 81)^1/2 = 8 / 9."""
    known = held([[0.0, 0.0]] * 2, [[2.0, 5.0], [-2.0, 5.0]], [1, 1])
    of_part = np.array([[4.0, 5.0], [4.0, -5.0]])
    assert_allclose(train.error_ratio(known, of_part, (16, 64, 81)), [8 / 9, 1])


def test_it_is_never_above_one_nor_below_errors_in_inverse_proportion_to_the_rows():
    known = held([[0.0, 0.0, 0.0]], [[2.0, 1.0, 0.0]], [1])
    of_part = np.array([[1.0, 1e6, 0.0]])
    assert_allclose(train.error_ratio(known, of_part, (25, 100, 125)), [1, 0.8, 1])


def test_a_network_has_moved_far_by_the_errors_that_there_were_and_by_weight():
    known = held([[1.0, 0.0]] * 2, [[0.0, 0.0]] * 2, [3, 1])
    assert_array_equal(train.has_moved(known, np.array([[0.4, 9.0], [0.61, 9.0]])), [True, False])
    assert_array_equal(train.has_moved(known, np.array([[0.4, 9.0], [0.59, 9.0]])), [False, False])


@pytest.mark.slow
def test_where_more_rows_help_intervals_are_narrower_by_it_and_the_network_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
):
    exact = MLPRegressor(preprocess="auto", random_state=0).fit(X, EXACT)
    (ratio,) = gain_of(exact)
    assert 0.85 <= ratio < 0.95
    monkeypatch.setattr(train, "FAR", np.inf)
    without = MLPRegressor(preprocess="auto", random_state=0).fit(X, EXACT)
    assert gain_of(without) is None
    assert_array_equal(without.model_.theta, exact.model_.theta)
    new = table(500, 4)
    widths = [np.ptp(net.predict_interval(new, 0.9), axis=1).mean() for net in (without, exact)]
    assert widths[1] == pytest.approx(ratio * widths[0], rel=0.02)  # what is difficult is learned anew


@pytest.mark.slow
def test_intervals_then_cover_new_rows_as_asked():
    """The share of 300 rows held out that 80 % of new rows are has a deviation of 0.023: of five fits, 0.010."""
    new = table(20_000, 4)
    nets = [MLPRegressor(preprocess="auto", random_state=seed).fit(X, EXACT) for seed in range(5)]
    bounds = [net.predict_interval(new, 0.8).T for net in nets]
    covered = [((low <= function(new)) & (function(new) <= high)).mean() for low, high in bounds]
    assert np.mean(covered) == pytest.approx(0.8, abs=0.03)


def test_where_y_is_mostly_noise_no_third_network_is_trained(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(train, "error_ratio", None)
    made = MLPRegressor(preprocess="auto", random_state=0).fit(X, 0.2 * X[:, 0] + NOISE)
    assert gain_of(made) is None and made.n_iter_refit_ > 0


@pytest.mark.usefixtures("moves_little")
def test_each_of_several_outputs_has_its_own_and_the_same_in_the_same_fit():
    made, again = (small(np.stack([EXACT, 10 * NOISE], 1)) for _ in range(2))
    ratios = gain_of(made)
    assert ratios.shape == (2,) and ratios[0] < ratios[1] <= 1
    assert_array_equal(gain_of(again), ratios)


@pytest.mark.usefixtures("moves_little")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "settings",
    [
        {"loss": Quantile((0.1, 0.5, 0.9))},
        {"validation_fraction": 0.04},
        {"groups": np.arange(len(X)) // 2},
        {"groups": np.arange(len(X)) // 2, "preprocess": None, "early_stopping": True, "refit": True},
        {"refit": False},
    ],
    ids=["quantiles", "few rows held out", "groups", "groups of arrays", "no network of all rows"],
)
def test_there_is_none_of(settings: dict[str, Any]):
    assert gain_of(small(**{"max_iter": 3} | settings)) is None


def test_outputs_of_which_the_network_has_not_moved_keep_their_errors(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(train, "has_moved", lambda *_: np.array([True, False]))
    monkeypatch.setattr(train, "error_ratio", lambda *_: np.array([0.9, 0.8]))
    assert_array_equal(gain_of(small(np.stack([EXACT, NOISE], 1), max_iter=3)), [0.9, 1])


@pytest.mark.usefixtures("moves_little")
def test_labels_have_none():
    assert gain_of(MLPClassifier(**SMALL | {"max_iter": 3}).fit(X, EXACT > 0)) is None


@pytest.mark.usefixtures("moves_little")
@pytest.mark.filterwarnings("ignore:Training interrupted by user")
@pytest.mark.parametrize("error", [DataError("NaN in step 3"), KeyboardInterrupt()])
def test_where_the_third_network_does_not_come_to_its_end_there_is_none(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
):
    assert gain_of(small()) is not None
    fit = training.fit

    def failing(model: Any, settings: Any) -> Any:
        if settings.samples.n < len(X) / 2:
            raise error
        return fit(model, settings)

    monkeypatch.setattr(training, "fit", failing)
    made = small()
    assert gain_of(made) is None and made.n_iter_refit_ > 0


@pytest.mark.usefixtures("moves_little")
def test_a_time_limit_has_to_leave_time_for_it():
    assert gain_of(small(time_limit=1e6)) is not None
    with pytest.warns(ConvergenceWarning, match="of the 1,000,000 epochs"):
        made = small(time_limit=1.0, max_iter=1_000_000, n_iter_no_change=1_000_000)
    assert made._fitted.held_out is not None and gain_of(made) is None
