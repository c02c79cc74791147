"""Intervals and sets of labels: ranks by hand, coverage, files, groups, and quantiles that do not cross."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import (
    ConfigError,
    DataError,
    FormatError,
    MeanSquaredError,
    MLPClassifier,
    MLPRegressor,
    Quantile,
)
from chainrule.fitting.covering import factors_of, needed
from chainrule.fitting.held import result_of
from chainrule.tables.held_out import Confidence, HeldOut, confidence_of, log_odds
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import NumericTargets
from chainrule.trust.conformal import (
    Intervals,
    LabelSets,
    Scores,
    Unit,
    folds_of,
    learn_difficulty,
    shape_of,
    shortest,
    slope_of,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(0)
N = 1_200
TABLE = pd.DataFrame(
    {"a": RNG.normal(size=N), "site": RNG.choice(["calm", "wild"], N), "b": RNG.normal(size=N)}
)
NOISE = np.where(TABLE["site"] == "wild", 4.0, 0.5) * RNG.normal(size=N)
T = 50 + 3 * TABLE["a"].to_numpy() + NOISE
Y = np.where(T > 52, "high", np.where(T < 48, "low", "middle"))
FIT, NEW = slice(0, 800), slice(800, N)
FAST = {"preprocess": "auto", "max_iter": 8, "random_state": 0, "n_members": 1}
SQUARED, TWO = (NumericTargets(outputs, MeanSquaredError()) for outputs in (1, 2))


@pytest.fixture(scope="module")
def regressor() -> MLPRegressor:
    return MLPRegressor(**FAST).fit(TABLE[FIT], T[FIT])


@pytest.fixture(scope="module")
def classifier() -> MLPClassifier:
    return MLPClassifier(**FAST).fit(TABLE[FIT], Y[FIT])


def covers(intervals: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (intervals[:, 0] <= y) & (y <= intervals[:, 1])


# --- ranks ----------------------------------------------------------------------------------------------------------


def test_the_rank_of_a_score_by_hand():
    scores = Scores.of(np.array([5.0, 1, 4, 2, 3, 9, 8, 7, 6]), np.ones(9))
    assert [scores.quantile(coverage) for coverage in (0.05, 0.1, 0.11, 0.5, 0.9, 0.91)] == [
        1,
        1,
        2,
        5,
        9,
        np.inf,
    ]
    assert scores.most == 0.9 and needed(0.9) == 9 and needed(0.95) == 19 and needed(0.99) == 99
    assert Scores.of(np.empty(0), np.empty(0)).quantile(0.01) == np.inf
    heavy = Scores.of(np.array([3.0, 1, 2, 7]), np.array([1.0, 2, 3, 0]))  # a new row weighs 2 of 8
    assert [heavy.quantile(coverage) for coverage in (0.25, 0.3, 0.625, 0.75, 0.76)] == [1, 2, 2, 3, np.inf]


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=40, unique=True), st.floats(0.01, 0.99))
@settings(max_examples=60, deadline=None)
def test_of_exchangeable_rows_exactly_the_rank_is_covered_by_the_others(numbers, coverage):
    scores = np.array(numbers, float)
    covered = sum(
        scores[i] <= Scores.of(np.delete(scores, i), np.ones(len(scores) - 1)).quantile(coverage)
        for i in range(len(scores))
    )
    assert covered == math.ceil(len(scores) * coverage - 1e-9 * len(scores))


@given(st.integers(1, 4_000), st.floats(0.01, 0.999))
@settings(max_examples=60, deadline=None)
def test_scores_left_out_err_on_the_safe_side(count, coverage):
    thin, whole = (Scores.of(np.arange(count) + 0.5, np.ones(count), most) for most in (1_000, count))
    assert len(thin.values) <= 1_000 and thin.most == whole.most
    assert np.isinf(thin.quantile(coverage)) == np.isinf(whole.quantile(coverage))
    if np.isfinite(whole.quantile(coverage)):
        assert 0 <= thin.quantile(coverage) - whole.quantile(coverage) < -(-count // 1_000)


# --- intervals ------------------------------------------------------------------------------------------------------


def test_the_shortest_interval_by_hand():
    ordered = np.array([-9.0, -1, 0, 0.5, 2, 7, 20, 30])
    assert shortest(ordered, 0.5) == (-1, 2) and shortest(ordered, 1) == (-9, 30)
    assert shortest(ordered, 0.51) == (-1, 7)  # at least that share
    # half of them lie between -1 and 0, and nine tenths up to 2.4
    skewed = shape_of(np.r_[np.arange(-49.0, 1) / 49, 3 * np.arange(1.0, 51) / 50])
    assert skewed.middle == pytest.approx(-0.5) and skewed.below == pytest.approx(0.5 / 3.4)
    assert shape_of(np.repeat([-1.0, 0, 0, 99], 25)).below == 0.1  # the least part
    found = shape_of(np.repeat([-1.0, 0, 0, 9], 25))
    assert found.middle == 0 and found.below == pytest.approx(0.1) and found.above == pytest.approx(0.9)
    np.testing.assert_allclose(found.scores(np.array([-1.0, 0, 9])), [10, 0, 10])


def test_difficult_rows_have_a_smaller_factor_by_hand():
    """Factors of 2 less (0, 1, 1.9, -1) are (2, 1, 0.1, 3), and at least 2 / 4."""
    unit = Unit(np.zeros(4), np.full(4, 0.5), np.full(4, 0.25), np.array([0, 1, 1.9, -1]))
    np.testing.assert_allclose(unit.times(2.0)[:, 0], [-1, -0.5, -0.25, -1.5])
    np.testing.assert_allclose(unit.times(2.0)[:, 1], [0.5, 0.25, 0.125, 0.75])
    np.testing.assert_allclose(unit.scores(np.array([-1.0, -0.5, -0.25, 0.75])), 2)
    assert np.isinf(unit.times(np.inf)).all()
    assert np.array_equal(unit.times(-0.5)[:3], np.zeros((3, 2)))  # no interval ends below its beginning
    assert slope_of(np.array([7.0, 2 * np.log(2), 0])) == pytest.approx(1)  # half of a mean size of 2


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-3, 3)), min_size=1, max_size=9), st.floats(0, 9))
@settings(max_examples=60, deadline=None)
def test_an_interval_contains_what_has_a_score_up_to_its_factor(rows, factor):
    y, less = np.array(rows).T
    unit = Unit(np.zeros(len(y)), np.full(len(y), 0.3), np.full(len(y), 0.7), less)
    is_clear = np.abs(unit.scores(y) - factor) > 1e-9
    found = covers(unit.times(factor), y) == (unit.scores(y) <= factor)
    assert found[is_clear].all()


def test_coverage_is_within_the_binomial_band_whatever_the_noise():
    """40 times 300 held-out rows with skewed noise that grows with the prediction, and 500 new ones each."""
    random, hits, coverages = np.random.default_rng(1), [], (0.5, 0.8, 0.9, 0.95)
    for _ in range(40):
        x = random.normal(size=(800, 3))
        center = 10 + 2 * x[:, :1]
        y = center + random.gamma(1.0, np.exp(x[:, :1] + x[:, 1:2]))
        held = HeldOut(np.arange(300), y[:300], center[:300], np.ones(300), inputs=x[:300])
        intervals = Intervals.of(held, SQUARED)
        (unit,), scores = intervals.units(x[300:], center[300:]), intervals.outputs[0].scores
        hits.append([covers(unit.times(scores.quantile(each)), y[300:, 0]).mean() for each in coverages])
    for coverage, found in zip(coverages, np.mean(hits, 0), strict=True):
        error = math.sqrt(coverage * (1 - coverage) * (1 / 300 + 1 / 500) / 40)
        assert abs(found - coverage) < 3 * error + 1 / 301


def held_of(x: np.ndarray, weight: np.ndarray | None = None) -> HeldOut:
    """Errors that grow with the first of three inputs alone; and predictions that are all the same."""
    n, random = len(x), np.random.default_rng(2)
    y = random.normal(size=(n, 1)) * np.exp(x[:, :1])
    return HeldOut(np.arange(n), y, np.zeros((n, 1)), np.ones(n) if weight is None else weight, inputs=x)


def test_widths_far_away_are_those_of_the_largest_and_the_smallest_errors():
    """Of the share of 1 % and of 99 % of them. A feature counts up to five deviations."""
    x = np.random.default_rng(3).normal(size=(400, 3))
    known, held = Intervals.of(held_of(x), SQUARED), held_of(x)
    errors = np.abs(held.y)
    low, high = np.exp(np.percentile(np.log(errors + 0.05 * np.median(errors)), [1, 99]))

    def widths(*rows: list[float]) -> np.ndarray:
        return known.outputs[0].units.difficulty(np.array(rows), np.zeros(len(rows)))

    small, large = widths([-1e3, 0, 0], [1e3, 0, 0])
    assert large / small == pytest.approx(high / low)
    one, *others = widths([0, 6, 0], [0, 60, 0], [0, 1e9, 0])
    np.testing.assert_allclose(others, one)


def test_sizes_of_rows_held_out_are_within_those_of_the_errors_too():
    """By models of other rows, also where these say that they are larger by far."""
    x = np.random.default_rng(3).normal(size=(400, 3))
    x[:5, 0] = 4.9
    errors, fold = held_of(x).y[:, 0] * np.exp(x[:, 0]), np.arange(400) % 5
    _, sizes = learn_difficulty(x, np.zeros(400), errors, fold)
    logs = np.log(np.abs(errors) + 0.05 * np.median(np.abs(errors)))
    assert np.ptp(np.log(sizes)) == pytest.approx(np.ptp(np.percentile(logs, [1, 99])))


def test_most_rows_may_be_predicted_exactly():
    x = np.random.default_rng(3).normal(size=(300, 3))
    held = held_of(x)
    exact = replace(held, y=np.where(np.arange(300)[:, None] % 5, 0.0, held.y))
    known = Intervals.of(exact, SQUARED)
    (unit,) = known.units(x, np.zeros((300, 1)))
    found = unit.times(known.outputs[0].scores.quantile(0.95))
    assert np.isfinite(found).all() and covers(found, exact.y[:, 0]).mean() > 0.9


def test_the_unit_of_a_row_is_that_of_rows_of_other_folds_by_a_loop():
    """Where all predictions are the same and there are no inputs: the size is the mean of the logarithms of errors."""
    held = replace(held_of(np.random.default_rng(3).normal(size=(200, 3))), inputs=None)
    errors, fold, sizes = held.y[:, 0], folds_of(held), np.empty(200)
    logs = np.log(np.abs(errors) + 0.05 * np.median(np.abs(errors)))
    for k in range(5):
        sizes[fold == k] = logs[fold != k].mean()
    scaled = errors / np.exp(sizes - sizes.mean())
    scores = np.empty(200)
    for k in range(5):
        scores[fold == k] = shape_of(scaled[fold != k]).scores(scaled[fold == k])
    less = slope_of(scores) * (sizes - sizes.mean())
    found = Intervals.of(held, SQUARED).outputs[0]
    np.testing.assert_allclose(found.own, np.minimum(scores + less, 4 * scores), rtol=1e-9)


def test_scaled_scores_count_by_the_weights_of_their_rows():
    weight = np.random.default_rng(4).choice([0.0, 1, 9], 400)
    found = Intervals.of(held_of(np.random.default_rng(3).normal(size=(400, 3)), weight), SQUARED).outputs[0]
    total = weight.sum() + weight[weight > 0].mean()
    for coverage in (0.3, 0.8):
        enough = [s for s in found.own[weight > 0] if weight[found.own <= s].sum() >= coverage * total]
        assert found.scores.quantile(coverage) == min(enough)


def test_they_are_wide_where_errors_are_large(regressor):
    intervals = regressor.predict_interval(TABLE[NEW])
    assert intervals.shape == (400, 2) and abs(covers(intervals, T[NEW]).mean() - 0.9) < 0.06
    widths, is_wild = np.diff(intervals)[:, 0], (TABLE["site"][NEW] == "wild").to_numpy()
    assert np.median(widths[is_wild]) > 2 * np.median(widths[~is_wild])


def test_a_larger_coverage_contains_a_smaller_one(regressor):
    bounds = [regressor.predict_interval(TABLE[NEW], coverage) for coverage in (0.3, 0.5, 0.8, 0.9, 0.95)]
    for inner, outer in pairwise(bounds):
        assert (outer[:, 0] <= inner[:, 0]).all() and (inner[:, 1] <= outer[:, 1]).all()
    assert (bounds[0] >= 0).all()  # as every target is


@pytest.mark.parametrize("kind", [tuple, list, np.array, iter])
def test_several_coverages_at_once(regressor, classifier, kind):
    """Each is that of its own call, in the order asked, behind an axis of rows and before that of ends or labels."""
    asked = (0.9, 0.3, 0.5)
    for method in (regressor.predict_interval, classifier.predict_set):
        for by in (None, "site"):
            found = method(TABLE[NEW], kind(asked), by=by)
            alone = [method(TABLE[NEW], each, by=by) for each in asked]
            np.testing.assert_array_equal(found, np.stack(alone, 1))
    found = regressor.predict_interval(TABLE[NEW], kind(asked))
    assert found.shape == (400, 3, 2) and (found[:, 1, 0] >= found[:, 2, 0]).all()
    assert (found[:, 0, 0] <= found[:, 2, 0]).all() and (found[:, 2, 1] <= found[:, 0, 1]).all()
    row = TABLE[NEW].iloc[0].to_dict()
    np.testing.assert_allclose(regressor.bind().predict_interval(row, kind(asked)), found[0], rtol=1e-6)
    sets = classifier.predict_set(TABLE[NEW], kind((0.5, 0.9)), per_label=True)
    assert sets.shape == (400, 2, 3) and (sets[:, 0] <= sets[:, 1]).all()
    np.testing.assert_array_equal(
        classifier.bind().predict_set(row, kind(asked)), classifier.predict_set(TABLE[NEW][:1], asked)[0]
    )
    assert regressor.predict_interval(TABLE[NEW], [0.8]).shape == (400, 1, 2)


def test_each_group_is_covered(regressor):
    is_wild = (TABLE["site"][NEW] == "wild").to_numpy()
    by_name, by_number = (regressor.predict_interval(TABLE[NEW], by=by) for by in ("site", 1))
    np.testing.assert_array_equal(by_name, by_number)
    hits = covers(by_name, T[NEW])
    for own in (is_wild, ~is_wild):
        assert abs(hits[own].mean() - 0.9) < 0.09
    with pytest.raises(DataError, match="at most 100 groups"):
        regressor.predict_interval(TABLE[NEW], by="a")
    with pytest.raises(DataError, match="by must be a column of the table, not 'town'; it has a, site, b"):
        regressor.predict_interval(TABLE[NEW], by="town")
    with pytest.warns(UserWarning, match="2 of the groups of 'site' have fewer than the 199 held-out rows"):
        assert np.isinf(regressor.predict_interval(TABLE[NEW], 0.995, by="site")[:, 1]).all()


@pytest.fixture(scope="module")
def counter() -> tuple[MLPRegressor, pd.DataFrame]:
    """One of counts in three towns, with weights and few rows held out; and its table, of which `same` is left out."""
    rng = np.random.default_rng(5)
    table = pd.DataFrame({"a": rng.normal(size=N), "town": rng.choice(["x", "y", "z"], N), "same": 1.0})
    y = rng.poisson(np.where(table["town"] == "z", 6.0, 1.0)).astype(float)
    net = MLPRegressor(**FAST | {"max_iter": 2}, refit=False)
    net.fit(table[:500], y[:500], rng.choice([0.0, 1, 9], 500))
    assert len(net.held_out_.rows) < 100
    return net, table


@pytest.mark.parametrize("by", [None, "town"])
def test_the_rows_held_out_count_by_their_weights_also_within_a_group(counter, by):
    """By a loop: the least error up to which the rows weigh 0.8 of all and a new one, which has their mean weight."""
    net, table = counter
    groups = np.full(N, "all") if by is None else table[by].to_numpy()
    held, center = net.held_out_, net.predict(table[NEW])
    found, errors = net.predict_interval(table[NEW], 0.8, by=by), np.abs(held.y - held.predicted).reshape(-1)
    factors = np.empty(N)
    for group in np.unique(groups):
        own = (groups[held.rows] == group) & (held.weight > 0)
        weight, sizes = held.weight[own], errors[own]
        needed_mass = 0.8 * (weight.sum() + weight.mean()) * (1 - 1e-9)
        factors[groups == group] = min(e for e in sizes if weight[sizes <= e].sum() >= needed_mass)
    np.testing.assert_allclose(found[:, 1], center + factors[NEW], rtol=1e-6)
    np.testing.assert_allclose(found[:, 0], np.maximum(center - factors[NEW], 0), rtol=1e-6)  # counts
    assert (found[:, 0] == 0).any() and len(np.unique(factors[NEW])) == len(np.unique(groups))


def test_an_interval_by_group_does_not_depend_on_the_other_rows(counter):
    net, table = counter
    is_x = (table["town"] == "x").to_numpy()[NEW]
    whole, alone = (net.predict_interval(each, 0.8, by="town") for each in (table[NEW], table[NEW][is_x]))
    np.testing.assert_allclose(alone, whole[is_x], rtol=1e-6)
    with pytest.warns(UserWarning, match="1 of the groups of 'town' have fewer than the 199 held-out rows"):
        net.predict_interval(table[NEW][is_x], 0.995, by="town")


def test_columns_that_cannot_be_groups(counter):
    net, table = counter
    with pytest.raises(DataError, match="by='same' is a column that the estimator leaves out"):
        net.predict_interval(table, by="same")
    for by in (True, -1, 3):
        with pytest.raises(DataError, match=f"by must be a column of the table, not {by}"):
            net.predict_interval(table, by=by)


def test_a_hundred_groups_are_not_too_many():
    codes = np.arange(100.0)[:, None]
    found = factors_of(np.ones(100), np.ones(100), codes, codes, np.array([0]), 0.5)
    np.testing.assert_array_equal(found.values, 1)
    with pytest.raises(DataError, match="at most 100 groups, and these rows have 101"):
        factors_of(np.ones(100), np.ones(100), codes, codes + 1, np.array([0]), 0.5)


def test_many_rows_held_out_are_thinned_also_for_groups(counter, monkeypatch):
    _, table = counter
    monkeypatch.setattr("chainrule.tables.held_out.MAX_INPUTS", 40)
    few = MLPRegressor(**FAST | {"max_iter": 2}, refit=False).fit(table[["a", "town"]][:500], T[:500])
    assert len(few.held_out_.rows) > 40 and len(few.held_out_.inputs) <= 40
    assert np.isfinite(few.predict_interval(table[NEW], 0.5, by="town")).all()


@pytest.mark.parametrize("rows", [40, 400])
def test_errors_are_those_of_the_network_of_all_rows(rows: int):
    """A gain of 0.8 says that it errs by 0.8 times as much: intervals are those of rows that were so much nearer."""
    predicted = RNG.normal(size=(rows, 2))
    errors = RNG.gamma(2.0, size=(rows, 2)) - 1
    gain = np.array([0.8, 1.0])
    of_gain = HeldOut(np.arange(rows), predicted + errors, predicted, np.ones(rows), gain=gain)
    nearer = HeldOut(np.arange(rows), predicted + gain * errors, predicted, np.ones(rows))
    for found, expected in zip(*(Intervals.of(each, TWO).outputs for each in (of_gain, nearer)), strict=True):
        for share in (0.5, 0.9):
            units = [each.units.unit(None, predicted[:, :1]) for each in (found, expected)]
            one, other = (
                unit.times(each.scores.quantile(share))
                for unit, each in zip(units, (found, expected), strict=True)
            )
            np.testing.assert_allclose(one, other, rtol=1e-9)


def test_too_few_rows_for_a_coverage_are_said(regressor):
    with pytest.warns(UserWarning, match="coverage=0.999 needs at least 999 held-out rows"):
        intervals = regressor.predict_interval(TABLE[NEW], 0.999)
    assert np.isinf(intervals[:, 1]).all()


def test_a_file_keeps_them(regressor, tmp_path):
    regressor.save(tmp_path / "net.safetensors")
    read = MLPRegressor.load(tmp_path / "net.safetensors")
    for coverage in (0.5, 0.95):
        np.testing.assert_array_equal(
            read.predict_interval(TABLE[NEW], coverage), regressor.predict_interval(TABLE[NEW], coverage)
        )
    with pytest.raises(ConfigError, match="which a file does not have"):
        read.predict_interval(TABLE[NEW], by="site")
    read.save(tmp_path / "again.safetensors")
    again = MLPRegressor.load(tmp_path / "again.safetensors")
    np.testing.assert_array_equal(again.predict_interval(TABLE[NEW]), regressor.predict_interval(TABLE[NEW]))


def test_intervals_in_files_of_before_keep_their_widths(regressor):
    """They are proportional to the power 0.75 of the expected error, with one factor for all rows."""
    known = result_of(regressor).calibration
    (before,) = known.to_data()["outputs"]
    inputs = len(before["difficulty"]["weights"]) - 3
    del before["slope"], before["difficulty"]["power"]
    found = Intervals.from_data({"outputs": [before], "floor": None}, SQUARED, inputs)
    X, center = regressor.preprocessor_.transform(TABLE[NEW]), regressor.predict(TABLE[NEW])[:, None]
    new, old = (np.ptp(each.units(X, center)[0].times(1.0), 1) for each in (known, found))
    size = known.outputs[0].units.difficulty(X, center[:, 0])
    np.testing.assert_allclose(old, size**0.75)
    slope = known.outputs[0].units.slope
    np.testing.assert_allclose(new, size * np.maximum(np.maximum(1 - slope * np.log(size), 0.25), 0))
    assert slope > 0


def test_a_small_coverage_spends_less_on_what_is_difficult(regressor):
    is_wild = (TABLE["site"][NEW] == "wild").to_numpy()
    shares = []
    for coverage in (0.5, 0.95):
        widths = np.ptp(regressor.predict_interval(TABLE[NEW], coverage), 1)
        shares.append(np.median(widths[is_wild]) / np.median(widths[~is_wild]))
    assert 1 < shares[0] < shares[1]


def test_several_outputs_are_covered_one_by_one():
    both = np.stack([T, -2 * T], 1)
    net = MLPRegressor(**FAST).fit(TABLE[FIT], both[FIT])
    intervals = net.predict_interval(TABLE[NEW])
    assert intervals.shape == (400, 2, 2) and (intervals[:, 1] < 0).any()
    several = net.predict_interval(TABLE[NEW], (0.9, 0.5))
    assert several.shape == (400, 2, 2, 2)
    np.testing.assert_array_equal(several[:, :, 0], intervals)
    for output in range(2):
        assert abs(covers(intervals[:, output], both[NEW][:, output]).mean() - 0.9) < 0.06


def test_few_rows_have_equally_wide_intervals_about_the_prediction():
    X, y = RNG.normal(size=(200, 2)), RNG.normal(size=200)
    net = MLPRegressor(hidden_layer_sizes=(4,), max_iter=5, early_stopping=True, random_state=0).fit(X, y)
    held = result_of(net).held_out
    sizes = np.sort(np.abs(held.y[:, 0] - held.predicted[:, 0]))  # of 20 rows: rank 19 for 90 %
    expected = net.predict(X)[:, None] + np.array([-1, 1]) * sizes[18]
    np.testing.assert_allclose(net.predict_interval(X), expected)


@pytest.mark.parametrize("groups", [1, 3, 7])
def test_rows_of_a_group_are_in_one_fold_if_there_are_enough(groups):
    y = RNG.normal(size=(210, 1))
    held = HeldOut(np.arange(210), y, 0 * y, np.ones(210), groups=5 + np.arange(210) % groups)
    fold = folds_of(held)
    assert set(fold.tolist()) == set(range(5))
    assert (groups < 5) or all(len(set(fold[held.groups == group])) == 1 for group in np.unique(held.groups))
    assert np.isfinite(Intervals.of(held, SQUARED).outputs[0].scores.quantile(0.9))


def test_many_rows_are_thinned():
    """With all that is known of each row; what is known of the network stays."""
    count = 2 * 10_000 + 1
    y, gain, surer = np.arange(count)[:, None], np.array([0.5]), Confidence(1.5, 0.0)
    held = HeldOut(np.arange(count), y, -y, 2.0 * y[:, 0], groups=y[:, 0] // 7, surer=surer, gain=gain)
    thin = held.thinned()
    assert len(thin.rows) == 6_667 and thin.rows[1] == 3 and thin.gain is gain and thin.surer is surer
    for found, factor in ((thin.y[:, 0], 1), (thin.predicted[:, 0], -1), (thin.weight, 2)):
        np.testing.assert_array_equal(found, factor * thin.rows)
    np.testing.assert_array_equal(thin.groups, thin.rows // 7)


# --- quantiles ------------------------------------------------------------------------------------------------------


@given(
    st.permutations([0.05, 0.5, 0.75, 0.95]),
    st.lists(st.lists(st.floats(-9, 9), min_size=4, max_size=4), min_size=1),
)
@settings(max_examples=60, deadline=None)
def test_quantiles_never_cross_and_their_loss_is_no_larger(q, rows):
    loss, predicted = Quantile(tuple(q)), np.array(rows)
    found = NumericTargets(4, loss).uncrossed(predicted)
    assert (np.diff(found[:, np.argsort(q)], axis=1) >= 0).all()
    np.testing.assert_array_equal(np.sort(found, 1), np.sort(predicted, 1))
    for y in (-3.0, 0.0, 4.5):
        truth = np.full(predicted.shape, y)
        assert (loss.value(found, truth) <= loss.value(predicted, truth) + 1e-12).all()


def test_intervals_of_quantiles_by_hand():
    """From the lowest to the highest about the middle one, each at least a thousandth of their mean distance, 6.4."""
    quantiles, y = np.array([[1.0, 2, 9]] * 4 + [[5, 5, 5]]), np.array([[2.0], [9], [16], [1], [5.0064]])
    held = HeldOut(np.arange(5), y, quantiles, np.array([1.0, 1, 8, 1, 1]))
    known = Intervals.of(held, NumericTargets(3, Quantile((0.1, 0.5, 0.9))))
    np.testing.assert_allclose(known.outputs[0].own, [0, 1, 2, 1, 1])
    (unit,) = known.units(np.empty((2, 0)), quantiles[3:])
    np.testing.assert_allclose(unit.times(0.5), [[1.5, 5.5], [4.9968, 5.0032]])
    # up to a score of 1 rows weigh 4 of 12 and of a new one, 2.4
    assert [known.outputs[0].scores.quantile(each) for each in (0.25, 0.3, 0.9)] == pytest.approx(
        [1, 2, np.inf]
    )


def test_predicted_quantiles_do_not_cross_and_make_intervals(tmp_path):
    q = [0.9, 0.45, 0.5, 0.55, 0.05]
    net = MLPRegressor(**FAST | {"max_iter": 3}, loss="quantile", quantiles=q).fit(TABLE[FIT], T[FIT])
    raw, found = net.model_.predict(net.preprocessor_.transform(TABLE)), net.predict(TABLE)
    assert (np.diff(raw[:, np.argsort(q)], axis=1) < 0).any()  # the network's own do
    assert (np.diff(found[:, np.argsort(q)], axis=1) >= 0).all()
    intervals = net.predict_interval(TABLE[NEW])
    assert intervals.shape == (400, 2) and abs(covers(intervals, T[NEW]).mean() - 0.9) < 0.06
    net.save(tmp_path / "net.safetensors")
    read = MLPRegressor.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(read.predict_interval(TABLE[NEW]), intervals)


# --- sets of labels -------------------------------------------------------------------------------------------------


def test_sets_by_hand():
    predicted = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1]])
    held = HeldOut(np.arange(4), np.array([0, 1, 2, 1]), predicted, np.ones(4))
    found = LabelSets.of(held, Labels(np.array(["a", "b", "c"]), "multiclass"))
    np.testing.assert_allclose(found.scores.values, [0.2, 0.3, 0.5, 0.7])
    np.testing.assert_allclose(found.by_label[1].values, [0.5, 0.7])
    # with weights: of the second label there is one row of 3, beside a new one of as much
    heavy = HeldOut(np.arange(4), np.array([0, 1, 2, 1]), predicted, np.array([4.0, 3, 1, 0]))
    found = LabelSets.of(heavy, Labels(np.array(["a", "b", "c"]), "multiclass"))
    np.testing.assert_allclose([*found.scores.masses, found.scores.total], [1, 5, 8, 8 + 8 / 3])
    np.testing.assert_allclose([found.by_label[1].quantile(each) for each in (0.5, 0.51)], [0.5, np.inf])


def test_sets_cover_also_by_label_and_by_group(classifier):
    truth = np.searchsorted(classifier.classes_, Y[NEW])
    found = classifier.predict_set(TABLE[NEW])
    assert found.shape == (400, 3) and found.dtype == bool
    assert abs(found[np.arange(400), truth].mean() - 0.9) < 0.06
    smaller = classifier.predict_set(TABLE[NEW], 0.6)
    assert (smaller <= found).all() and smaller.sum() < found.sum()
    by_label = classifier.predict_set(TABLE[NEW], 0.8, per_label=True)
    for label in range(3):
        assert by_label[truth == label, label].mean() > 0.65
    held, p = result_of(classifier).held_out, classifier.predict_proba(TABLE[NEW]).astype(float)
    own, site = 1 - held.predicted[np.arange(len(held.y)), held.y], TABLE["site"].to_numpy()
    by_site = classifier.predict_set(TABLE[NEW], by="site")
    for one in ("calm", "wild"):
        scores = np.sort(own[site[held.rows] == one])
        bound = scores[math.ceil(0.9 * (len(scores) + 1)) - 1]
        np.testing.assert_array_equal(by_site[site[NEW] == one], (1 - p <= bound)[site[NEW] == one])
    with pytest.raises(ConfigError, match="not both"):
        classifier.predict_set(TABLE[NEW], by="site", per_label=True)


def test_a_set_has_every_label_up_to_the_score_of_its_rank():
    """Also of the row whose score that is: among m rows held out those of the first ceil((m + 1) coverage) scores."""
    made = MLPClassifier(**FAST, refit=False).fit(TABLE[FIT], Y[FIT])
    held = made.held_out_
    m, own = len(held.rows), TABLE.iloc[held.rows]
    for coverage in (0.5, 0.9):
        hits = made.predict_set(own, coverage)[np.arange(m), held.y]
        assert hits.sum() == math.ceil((m + 1) * coverage)


def test_a_file_keeps_sets(classifier, tmp_path):
    classifier.save(tmp_path / "net.safetensors")
    read = MLPClassifier.load(tmp_path / "net.safetensors")
    for settings_ in ({}, {"per_label": True}):
        np.testing.assert_array_equal(
            read.predict_set(TABLE[NEW], **settings_), classifier.predict_set(TABLE[NEW], **settings_)
        )


def test_the_log_odds_of_another_network_by_hand():
    """Of z' = 2 z + 1 at p = 1/2, 0.8: z = 0, log 4, and z' = 1, 1 + log 16: p = e / (1 + e), 16 e / (1 + 16 e)."""
    before = np.array([[0.5], [0.8]])
    after = np.array([[math.e / (1 + math.e)], [16 * math.e / (1 + 16 * math.e)]])
    found = confidence_of(before, after)
    assert found is not None
    np.testing.assert_allclose(found, [2, 1])
    np.testing.assert_allclose(found.of(np.array([[0.2]])), [[math.e / 16 / (1 + math.e / 16)]])
    surer = HeldOut(np.arange(2), np.array([1, 0]), before, np.ones(2), surer=found)
    sets = LabelSets.of(surer, Labels(np.array(["no", "yes"]), "binary"))
    np.testing.assert_allclose(sets.own, [1 - after[0, 0], after[1, 0]])
    assert confidence_of(before[:1], after[:1]) is None  # a line needs two points
    assert confidence_of(before, before[::-1]) is None  # where one is surer the other is less
    # more than twice as sure, or less than half, says that they have little in common
    for factor in (0.4, 2.5):
        assert confidence_of(before, Confidence(factor, 0.0).of(before)) is None
    assert confidence_of(before, np.array([[0.5], [np.nan]])) is None
    assert log_odds(np.array([[0.0], [1.0]])) == pytest.approx(
        12 * math.log(10) * np.array([[-1], [1]]), rel=1e-5
    )


@given(st.floats(0.6, 1.9), st.floats(-2, 2), st.integers(0, 1 << 30))
def test_the_log_odds_of_any_line_come_back(factor, shift, seed):
    before = np.random.default_rng(seed).uniform(0.01, 0.99, (20, 1))
    found = confidence_of(before, Confidence(factor, shift).of(before))
    assert found == pytest.approx((factor, shift), rel=1e-6, abs=1e-6)
    several = np.random.default_rng(seed).dirichlet(np.ones(3), 20)
    assert confidence_of(several, several) is None


def test_sets_of_two_labels_are_of_the_network_that_predicts(classifier):
    """Its log-odds on the rows that both networks learned from are those of the watched one by `surer`, in the mean."""
    assert result_of(classifier).held_out.surer is None  # of three labels
    high = np.where(Y == "high", "high", "not")
    both = MLPClassifier(**FAST).fit(TABLE[FIT], high[FIT])
    held_out = result_of(both).held_out
    assert both.n_iter_refit_ and held_out.surer is not None
    alone = MLPClassifier(**FAST, refit=False).fit(TABLE[FIT], high[FIT])
    assert result_of(alone).held_out.surer is None
    np.testing.assert_array_equal(alone.held_out_.predicted, held_out.predicted)
    p, known = (each.predict_proba(TABLE[FIT])[:, 1:] for each in (both, alone))
    np.testing.assert_allclose(log_odds(held_out.surer.of(known)).mean(), log_odds(p).mean(), atol=1e-4)
    apart = [np.square(log_odds(each) - log_odds(p)).mean() for each in (held_out.surer.of(known), known)]
    assert apart[0] < apart[1]


def test_two_labels_and_one():
    X = RNG.normal(size=(100, 2))
    net = MLPClassifier((4,), max_iter=3, early_stopping=True, random_state=0)
    assert net.fit(X, (X[:, 0] > 0).astype(int)).predict_set(X).shape == (100, 2)
    assert net.fit(X, np.zeros(100, int)).predict_set(X).shape == (100, 1)


@pytest.mark.parametrize("coverage", [(), (0.5, 1), [0.5, "0.9"], "0.9", [[0.5, 0.9]], np.array(0.9), None])
def test_several_coverages_are_checked(regressor, classifier, coverage):
    for method in (regressor.predict_interval, classifier.predict_set):
        with pytest.raises(ConfigError, match=r"coverage must be a .*number.*, not .*; .* is usual"):
            method(TABLE[NEW], coverage)


def test_errors():
    X, y = RNG.normal(size=(60, 2)), RNG.normal(size=60)
    plain = MLPRegressor(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(X, y)
    with pytest.raises(
        ConfigError, match="did not learn from; fit with early_stopping=True, or pass X_val and y_val"
    ):
        plain.predict_interval(X)
    with pytest.raises(
        ConfigError, match=r"coverage must be a finite number above 0 and below 1, not 90; 0.9 is"
    ):
        plain.predict_interval(X, 90)
    several = MLPClassifier((4,), max_iter=3, early_stopping=True).fit(X, (X > 0).astype(int))
    with pytest.raises(ConfigError, match="one label a row"):
        several.predict_set(X)


def test_a_calibration_in_a_file_is_checked(regressor, classifier):
    intervals, inputs = result_of(regressor).calibration, regressor.model_.network.inputs
    data = intervals.to_data()
    one = data["outputs"][0]
    assert Intervals.from_data(data, SQUARED, inputs).to_data() == data
    faulty = [
        data | {"outputs": []},
        data | {"floor": 1.0},
        data | {"outputs": [one | {"shape": [0, 0, 1]}]},
        data | {"outputs": [one | {"difficulty": one["difficulty"] | {"std": 0.0}}]},
        data | {"outputs": [one | {"difficulty": one["difficulty"] | {"weights": [1.0]}}]},
        data | {"outputs": [one | {"scores": one["scores"] | {"values": one["scores"]["values"][::-1]}}]},
        data | {"outputs": [one | {"scores": one["scores"] | {"total": 1.0}}]},
        data | {"outputs": [{"heads": True, "least": 0.0, "scores": one["scores"]}]},
        data | {"outputs": [{"heads": True, "least": 1.0, "scores": one["scores"]}]},
    ]
    for each in faulty:
        with pytest.raises(FormatError):
            Intervals.from_data(each, SQUARED, inputs)
    sets = result_of(classifier).calibration.to_data()
    with pytest.raises(FormatError, match="labels"):
        LabelSets.from_data(sets | {"by_label": sets["by_label"][:1]}, result_of(classifier).targets)
