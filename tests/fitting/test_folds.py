"""Few rows: members that each leave out another fold, what they predict out of fold, and the settings by rows."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import (
    Callback,
    DataError,
    Dense,
    Ensemble,
    MeanSquaredError,
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    PiecewiseLinearEmbedding,
    Scale,
    Shift,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from chainrule.data.samples import Samples
from chainrule.fitting import folds
from chainrule.fitting.dealing import Dealt, dealt, latest, out_of_fold
from chainrule.fitting.few_solved import OF_ALL, Bound
from chainrule.fitting.folds import bend, center_of, cool, cooled, of_shares, temperature_of
from chainrule.fitting.held import result_of
from chainrule.fitting.plan import few_of
from chainrule.fitting.start import dense_slots
from chainrule.presets import few
from chainrule.presets.base import Facts, FoldMembers
from chainrule.tables.data import FitInput
from chainrule.tables.structure import RowStructure
from chainrule.training.fit import measure

RNG = np.random.default_rng(0)


def table(n: int, seed: int = 0) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"size": rng.normal(size=n), "kind": rng.choice(["a", "b", "c"], n)})
    return frame, frame["size"] * 3 + (frame["kind"] == "a") * 5 + rng.normal(size=n)


def labels_of(y: Any) -> Any:
    return np.where(y > np.median(y), "high", "low")


# --- the settings ---------------------------------------------------------------------------------------------------


def test_settings_are_a_function_of_the_rows_and_the_numbers():
    def proposed(rows: int, numbers: tuple[int, ...] = (0, 1), task: str = "binary") -> Any:
        return few.few(Facts(rows, 4, task, {}, numbers))

    very_few, more = proposed(50), proposed(1_000)
    assert very_few.folds.folds * very_few.folds.dealings == very_few.parameters["n_members"]
    assert more.folds.folds * more.folds.dealings == more.parameters["n_members"]
    assert [proposed(rows).parameters["batch_size"] for rows in (20, 50, 500, 501)] == [20, 32, 32, 64]
    assert [proposed(rows).front[0].bins for rows in (10, 200, 1_500)] == [2, 20, 48]
    curves = [proposed(rows, task="regression").front[0] for rows in (100, 101, 500, 501)]
    assert [(each.bins, each.size) for each in curves] == [(10, 4), (20, 8), (48, 8), (48, 4)]
    own = few.few(Facts(200, 4, "regression", {"hidden_layer_sizes": (20,)}, (0, 1))).front[0]
    assert (own.bins, own.size) == (20, 4)  # whoever sets the network has coarse ones
    assert [layer.kind for layer in proposed(50, ()).front] == ["scale"]
    wide = [proposed(200, tuple(range(count))) for count in (100, 101)]
    assert [each.folds.dealings for each in wide] == [2, 1]
    assert [each.parameters["n_members"] for each in wide] == [16, 8]
    wide = [proposed(200, tuple(range(count)), "regression") for count in (100, 101)]
    assert [(each.front[0].bins, each.front[0].size) for each in wide] == [(40, 8), (40, 4)]
    c = very_few.head(1)[-2].initializer.value
    assert c == 2 * math.log(50) and proposed(50, task="multiclass").head(3)[-2].initializer.value == c / 2
    assert very_few.folds.curves and not more.folds.curves
    assert proposed(50, task="regression").head is None and proposed(50, task="regression").clamp


@pytest.mark.parametrize(("rows", "is_few"), [(9, True), (few.MOST_ROWS, True), (few.MOST_ROWS + 1, False)])
def test_few_rows_have_an_ensemble_and_others_one_network(rows: int, is_few: bool):
    X, y = table(rows)
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=1).fit(X, y)
    assert isinstance(net.model_, Ensemble) == is_few
    assert (net.preprocessor_.scale == "robust+rank+straight") == is_few
    classes = MLPClassifier(preprocess="auto", random_state=0, max_iter=1).fit(X, labels_of(y))
    assert (classes.preprocessor_.scale == "robust+rank+linear") == is_few


@pytest.mark.parametrize(
    "more",
    [{"n_members": 1}, {"early_stopping": True}, {"scoring": "r2"}, {"refit": False}, {"batch_norm": True}],
)
def test_who_says_what_is_held_out_or_how_many_members_there_are_gets_that(more: dict[str, Any]):
    X, y = table(60)
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=2, **more).fit(X, y)
    assert len(net.members_) == 1 and net.preprocessor_.scale == "standard+quantile"


def test_rows_that_are_passed_are_not_dealt_and_neither_are_groups_in_order_of_time():
    X, y = table(80)
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=2)
    assert len(net.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:]).members_) == 1
    assert len(net.fit(X, y, time=np.arange(80), groups=np.arange(80) // 4).members_) == 1


def test_in_order_of_time_the_latest_rows_are_held_out_and_what_grows_may_go_on():
    n = 60
    X = pd.DataFrame({"day": np.arange(n + 20), "size": RNG.normal(size=n + 20)})
    y = 3.0 * X["day"] + X["size"]
    net = MLPRegressor(preprocess="auto", random_state=0).fit(X[:n], y[:n], time="day")
    held = result_of(net).held_out
    assert len(net.members_) == 16 and held is not None
    assert held.rows.tolist() == [*range(51, n)]
    assert np.abs(held.predicted[:, 0] - y[51:n]).max() < 9  # of which the targets before are at most 150
    assert np.abs(net.predict(X[n:]) - y[n:]).max() < 9 and y[n:].max() > y[:n].max() + 50
    assert net.predict(X.assign(day=1e6)[:1])[0] < y[:n].max() + 1.01 * np.ptp(y[:n]) * 100


def test_where_no_label_of_the_latest_rows_is_known_before_none_is_held_out():
    X, _ = table(40)
    net = MLPClassifier(preprocess="auto", random_state=0, max_iter=2)
    net.fit(X, np.where(np.arange(40) < 34, "old", "new"), time=np.arange(40))
    assert result_of(net).held_out is None and net.predict_proba(X).shape == (40, 2)


# --- the folds ------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(2, 8), st.integers(1, 3), st.integers(0, 4), st.integers(0, 2**31))
def test_each_row_is_left_out_once_in_each_dealing(
    n: int, count: int, dealings: int, classes: int, seed: int
):
    labels = np.arange(n) % classes if classes else None
    found = dealt(n, FoldMembers(count, dealings), labels, np.random.RandomState(seed))
    assert len(found.learned) == count * dealings
    seen = np.array([np.isin(np.arange(n), own) for own in found.learned])  # (members, n)
    for which, own in enumerate(found.members):
        assert not seen[own, found.rows].any()
        assert (own // count == which).all()
    assert (seen.sum(0)[found.rows] == (count - 1) * dealings).all()
    others = np.setdiff1d(np.arange(n), found.rows)
    assert seen[:, others].all()
    if labels is not None:  # every member knows every class
        assert all(set(labels[own]) == set(labels) for own in found.learned)
    else:
        assert not len(others)


@pytest.mark.parametrize(("dealings", "most"), [(1, 2), (1, 4), (2, 8)])
def test_the_first_members_alone_leave_out_what_they_did_among_all(dealings: int, most: int):
    whole = dealt(40, FoldMembers(4, dealings), None, np.random.RandomState(1))
    some = dealt(40, FoldMembers(4, dealings, most=most), None, np.random.RandomState(1))
    assert len(some.learned) == most
    for own, before in zip(some.learned, whole.learned, strict=False):
        np.testing.assert_array_equal(own, before)
    is_kept = (whole.members < most).all(0)
    np.testing.assert_array_equal(some.rows, whole.rows[is_kept])
    np.testing.assert_array_equal(some.members, whole.members[:, is_kept])
    assert len(some.rows) == (20 if most == 2 else 40)


def test_in_order_of_time_each_member_leaves_out_a_stretch_the_first_ones_the_latest():
    time, random = np.arange(20.0)[::-1], np.random.RandomState(0)
    found = dealt(20, FoldMembers(4, 2), None, random, RowStructure(time=time))
    left = [np.sort(time[found.rows[(found.members == k).any(0)]]).astype(int).tolist() for k in range(8)]
    assert left == [[17, 18, 19], [*range(11, 17)], [*range(6, 11)], [*range(6)]] * 2
    assert all(
        set(time[own]) == set(range(20)) - set(out) for own, out in zip(found.learned, left, strict=True)
    )
    assert set(time[found.rows[latest(found)]]) == {17, 18, 19}
    some = dealt(20, FoldMembers(4, 1, most=2), None, random, RowStructure(time=time))
    assert set(time[some.rows]) == {*range(11, 20)} and len(some.learned) == 2
    apart = dealt(20, FoldMembers(4, 1), None, random, RowStructure(time=time, gap=2))
    assert [len(own) for own in apart.learned] == [15, 20 - 6 - 4, 20 - 5 - 4, 20 - 6 - 2]


def test_every_member_knows_every_class_in_time_and_a_long_gap_leaves_nothing_before_the_latest_rows():
    labels, random = (
        np.array([*"aaaaabbbbbbbbbbbccca"]),
        np.random.RandomState(0),
    )  # c in the stretch 11 to 16 and 17
    found = dealt(20, FoldMembers(4, 2), labels, random, RowStructure(time=np.arange(20.0)))
    assert all(set(labels[own]) == {*"abc"} for own in found.learned)
    only = np.array([*"aaaaaaaabbbbbbbbbccc"])
    found = dealt(20, FoldMembers(4, 2), only, random, RowStructure(time=np.arange(20.0)))
    assert all({17, 18, 19} <= set(own.tolist()) for own in found.learned) and found.rows.max() == 16
    assert not len(latest(found))
    with pytest.raises(DataError, match="gap of 30"):
        dealt(20, FoldMembers(4, 2), None, random, RowStructure(time=np.arange(20.0), gap=30))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(0, 3), st.integers(0, 2**31))
def test_whole_groups_are_left_out_and_every_member_knows_every_class(count: int, classes: int, seed: int):
    rng = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(count), rng.integers(0, count, 30)])
    labels = rng.integers(0, classes, len(groups)) if classes else None
    structure = RowStructure(groups=groups)
    found = dealt(len(groups), FoldMembers(4, 2), labels, np.random.RandomState(seed), structure)
    assert len(found.learned) == 8
    for own, left in ((found.learned[k], found.rows[(found.members == k).any(0)]) for k in range(8)):
        assert not set(groups[own]) & set(groups[left])
        assert labels is None or set(labels[own]) == set(labels)
    assert labels is not None or len(found.rows) == len(groups)


def test_the_only_group_of_a_class_is_left_out_by_no_member():
    groups = np.repeat(np.arange(6), 5)
    labels = (groups == 2).astype(int)
    how = FoldMembers(3, 2)
    found = dealt(30, how, labels, np.random.RandomState(0), RowStructure(groups=groups))
    assert set(groups[found.rows]) == {0, 1, 3, 4, 5}
    alone = dealt(
        30, how, (groups > 2).astype(int), np.random.RandomState(0), RowStructure(groups=groups // 3)
    )
    assert not len(alone.rows)  # two groups, each of the only class of its own


def test_what_is_predicted_out_of_fold_by_hand():
    rows = Dealt([np.array([1]), np.array([0])] * 2, np.array([0, 1]), np.array([[0, 1], [2, 3]]))
    logits = np.log([[[4.0], [9.0]], [[9.0], [3.0]], [[1.0], [9.0]], [[9.0], [1.0]]])  # odds of members, rows
    asked: list[tuple[int, int]] = []

    def of_member(member: int, X: Any) -> Any:
        asked.append((member, len(X)))
        return logits[member, X[:, 0].astype(int)]

    left = out_of_fold(of_member, rows, np.array([[0.0], [1.0]]), outputs=1)
    assert asked == [(0, 1), (1, 1), (2, 1), (3, 1)]  # each member for the row that it leaves out
    np.testing.assert_array_equal(np.exp(left[..., 0]).round(9), [[4, 3], [1, 1]])
    out = SigmoidCrossEntropy().average(left)
    p = 1 / (1 + np.exp(-out[:, 0]))
    np.testing.assert_allclose(p, [(4 / 5 + 1 / 2) / 2, (3 / 4 + 1 / 2) / 2])
    halved = SigmoidCrossEntropy().average(cooled(left, np.zeros(1), 2.0))
    np.testing.assert_allclose(1 / (1 + np.exp(-halved[0, 0])), (2 / 3 + 1 / 2) / 2)
    numbers = MeanSquaredError().average(np.array([[[0.0], [3.0]], [[4.0], [7.0]]]))
    np.testing.assert_array_equal(numbers[:, 0], [(0 + 4) / 2, (3 + 7) / 2])


def test_a_temperature_says_how_often_it_was_right():
    # Log odds of 4 for 100 rows of which 73 are right: sigmoid(4 / T) = 0.73 at T = 4 / ln(0.73 / 0.27) = 4.02.
    y = (np.arange(100) < 73).astype(float)[:, None]
    samples, middle = Samples(np.zeros((100, 1)), y, np.ones(100), 1), np.zeros(1)
    found = temperature_of(np.full((1, 100, 1), 4.0), middle, SigmoidCrossEntropy(), samples)
    assert found == pytest.approx(4 / math.log(73 / 27), rel=0.03)
    assert temperature_of(np.full((1, 100, 1), 0.1), middle, SigmoidCrossEntropy(), samples) == 1.0
    less = temperature_of(np.full((1, 100, 1), 0.7), middle, SigmoidCrossEntropy(), samples, ends=OF_ALL)
    assert less == pytest.approx(0.7 / math.log(73 / 27), rel=0.03)
    # about log odds of 0.5: 0.5 + 3.5 / T = ln(0.73 / 0.27)
    found = temperature_of(np.full((1, 100, 1), 4.0), np.array([0.5]), SigmoidCrossEntropy(), samples)
    assert found == pytest.approx(3.5 / (math.log(73 / 27) - 0.5), rel=0.03)
    numbers = samples._replace(y=np.arange(100.0)[:, None])
    assert temperature_of(np.zeros((1, 100, 1)), middle, MeanSquaredError(), numbers) == 1.0


@pytest.mark.parametrize("sizes", [(), (4,)])
def test_a_network_of_few_layers_is_learned_from_few_rows(sizes: tuple[int, ...]):
    X, y = table(40)
    net = MLPRegressor(hidden_layer_sizes=sizes, preprocess="auto", random_state=0, max_iter=3).fit(X, y)
    assert np.isfinite(net.predict(X)).all()


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_a_network_is_cooled_as_what_it_predicts_is_and_stays_within_its_bound(temperature: float):
    """Also with slots of other links, equal ones, as threads may make at once of an unpickled network."""
    X, y = table(60)
    net = MLPClassifier(preprocess="auto", random_state=0, max_iter=3).fit(X, labels_of(y))
    model, rows = net.members_[0], net.preprocessor_.transform(X)
    bound, center = Bound.of(model), np.array([0.4])
    assert bound is not None
    wanted = cooled(model.raw_outputs(rows, "native", 64), center, temperature, bound)
    again = copy.copy(model.network)
    del again.links
    model.network.links = again.links  # type: ignore[misc]
    assert all(slot.link is not link for slot in model.network.slots for link in model.network.walk())
    cool(model, center, temperature)
    np.testing.assert_allclose(model.raw_outputs(rows, "native", 64), wanted, atol=2e-5)
    if temperature < 1:
        assert Bound.of(model) == bound
        slots = dense_slots(model.network, "W")
        model.theta[slots[-1].start : slots[-1].stop] *= 1e3
        assert np.abs(model.raw_outputs(rows, "native", 64) - bound.d).max() <= bound.s * 1.000001


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_networks_of_several_classes_with_a_linear_part_are_made_surer_once(
    count: int, monkeypatch: pytest.MonkeyPatch
):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3))).rename(columns=str)
    y = np.digitize(X["0"], [-0.4, 0.4][: count - 1])
    found = []
    for least in (0.5, 0.999):
        monkeypatch.setattr(folds, "OF_ALL", (least, 1.0))
        net = MLPClassifier(preprocess="auto", random_state=0).fit(X, y)
        found.append(float(net.predict_proba(X).max(1).mean()))
    assert (found[0] > found[1] + 0.005) == (count == 3)


@pytest.mark.parametrize(("rare", "rows"), [(2, 40), (3, 40), (2, 101)])
def test_where_a_class_has_two_of_very_few_rows_the_mean_of_the_epochs_is_kept(
    rare: int, rows: int, monkeypatch: pytest.MonkeyPatch
):
    epochs: list[Any] = []
    kept: list[Any] = []

    class Parameters(Callback):
        def on_epoch_end(self, run: Any) -> None:
            epochs.append(np.array(run.theta))

    monkeypatch.setattr(folds, "cool", lambda member, *_: kept.append(np.array(member.theta)))
    X, _ = table(rows)
    net = MLPClassifier(preprocess="auto", random_state=0, max_iter=4, callbacks=[Parameters()])
    net.fit(X, np.where(np.arange(rows) < rare, "rare", "often"))
    found, each = np.stack(kept), np.stack(epochs)
    assert each.shape == (4, *found.shape) and not np.allclose(each[0], each[3])
    if rare == 2 and rows == 40:
        np.testing.assert_allclose(found, each.mean(0), atol=1e-6)
        assert len(net.validation_scores_ or []) == 4
    else:
        assert any(np.array_equal(found, one) for one in each)


def test_the_logits_of_the_shares_by_hand():
    one_hot = np.repeat(np.eye(3), [1, 2, 5], axis=0)
    samples = Samples(np.zeros((8, 1)), one_hot, np.ones(8), 1)
    np.testing.assert_allclose(
        np.exp(of_shares(SoftmaxCrossEntropy(), samples)), [1.5 / 9.5, 2.5 / 9.5, 5.5 / 9.5]
    )
    of_two = samples._replace(y=one_hot[:, :1])  # 1 of 8
    np.testing.assert_allclose(np.exp(of_shares(SigmoidCrossEntropy(), of_two)), [1.5 / 7.5])
    # logits come nearer to half of them, and numbers to their mean
    np.testing.assert_allclose(np.exp(center_of(SigmoidCrossEntropy(), of_two)), [np.sqrt(1.5 / 7.5)])
    np.testing.assert_array_equal(center_of(MeanSquaredError(), of_two), [0])


def test_curves_begin_bent_in_the_bins_that_a_column_has():
    net = Network(2, [PiecewiseLinearEmbedding(500, 9), Dense(1)], MeanSquaredError())
    X = np.column_stack([np.arange(90.0), np.arange(90) % 5]).astype(np.float32)  # 9 bins and 4
    samples = Samples(X, np.zeros((90, 1)), np.ones(90), 1)
    models = [Model(net, seed=seed) for seed in (0, 1)]
    for model in models:
        model.states = measure(net, model.states, samples, np.float32)
        bend(model, 3.0)
    place = next(slot for slot in net.slots if slot.field == "E")
    first, second = (model.theta[place.start : place.stop].reshape(2, 9, 500) for model in models)
    assert (first[1, 4:] == 0).all() and (first[1, :4] != 0).any() and (first != second).any()
    np.testing.assert_allclose(first[0].std(), 3, rtol=0.05)


# --- whole fits -----------------------------------------------------------------------------------------------------


def bound(n: int, classes: int) -> float:
    return 1 / (1 + (classes - 1) * float(n) ** 2)


@pytest.mark.parametrize("classes", [2, 3])
def test_no_probability_is_below_what_so_many_rows_can_say(classes: int):
    x = np.repeat(np.arange(classes), 20).astype(float)  # a table without any doubt
    X = pd.DataFrame({"x": x + 0.01 * RNG.normal(size=len(x))})
    net = MLPClassifier(preprocess="auto", random_state=0).fit(X, x.astype(int))
    far = pd.DataFrame({"x": [-1e9, -3.0, 0.0, 1.0, 2.0, 9.0, 1e9]})
    p = net.predict_proba(far)
    assert p.min() >= bound(len(x), classes) * 0.999 and p.max() < 1
    assert (net.predict(X) == x).all()
    if classes == 2:
        *_, scale, shift = (link.layer for link in net.members_[0].network.links)
        assert isinstance(scale, Scale) and isinstance(shift, Shift)


@pytest.mark.filterwarnings("ignore:the least populated")
@settings(max_examples=5, deadline=None)
@given(st.integers(10, 40), st.integers(2, 4), st.integers(0, 2**31))
def test_probabilities_are_within_their_bounds_for_any_table(n: int, classes: int, seed: int):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {"a": rng.standard_cauchy(n) * 10.0 ** rng.integers(-3, 6), "b": rng.choice(list("xyz"), n)}
    )
    y = rng.integers(0, classes, n)
    y[:classes] = np.arange(classes)
    net = MLPClassifier(preprocess="auto", random_state=0, max_iter=3).fit(X, y)
    p = net.predict_proba(X)
    assert p.min() >= bound(n, classes) * 0.999
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)


def test_a_rare_class_of_two_rows_and_one_of_one():
    X, _ = table(50)
    y = np.where(np.arange(50) < 2, "rare", "usual")
    net = MLPClassifier(preprocess="auto", random_state=0, max_iter=20).fit(X, y)
    held = result_of(net).held_out
    assert held is not None and len(held.rows) == 50
    p = net.predict_proba(X)[:, 0]
    assert bound(50, 2) < p.min() and p.mean() < 0.3
    y[1] = "usual"
    with pytest.warns(UserWarning, match="'rare' in y has only 1 member"):
        held = result_of(net.fit(X, y)).held_out
    assert held is not None and len(held.rows) == 49 and 0 not in held.rows


@pytest.mark.parametrize("columns", [200])
def test_ten_rows_a_constant_target_more_columns_than_rows_and_categories_alone(columns: int):
    X, y = table(10)
    assert np.isfinite(MLPRegressor(preprocess="auto", random_state=0, max_iter=5).fit(X, y).predict(X)).all()
    X, y = table(30)
    same = MLPRegressor(preprocess="auto", random_state=0, max_iter=5).fit(X, np.full(30, 7.0))
    np.testing.assert_allclose(same.predict(X), 7.0)
    wide = pd.DataFrame(RNG.normal(size=(30, columns))).rename(columns=str)
    net = MLPClassifier(preprocess="auto", random_state=0, max_iter=5).fit(wide, labels_of(y))
    assert np.isfinite(net.predict_proba(wide)).all()
    words = pd.DataFrame({"a": RNG.choice(list("uvw"), 30), "b": RNG.choice(list("xy"), 30)})
    assert (
        MLPClassifier(preprocess="auto", random_state=0, max_iter=5)
        .fit(words, labels_of(y))
        .predict(words)
        .shape
    )


def test_a_seed_repeats_and_a_file_predicts_the_same(tmp_path: Path):
    X, y = table(60)
    labels = labels_of(y)
    first, again = (
        MLPClassifier(preprocess="auto", random_state=3, max_iter=15).fit(X, labels) for _ in range(2)
    )
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    first.save(tmp_path / "few.safetensors")
    read = MLPClassifier.load(tmp_path / "few.safetensors")
    np.testing.assert_array_equal(first.predict_proba(X), read.predict_proba(X))
    assert read.predict_set(X).tolist() == first.predict_set(X).tolist()


def test_held_out_rows_are_all_rows_and_those_predictions_are_honest():
    X, y = table(60)
    noise = np.random.default_rng(5).integers(0, 2, 60)  # nothing can be learned
    net = MLPClassifier(preprocess="auto", random_state=0).fit(X, noise)
    held = result_of(net).held_out
    assert held is not None
    np.testing.assert_array_equal(held.rows, np.arange(60))
    right = (held.predicted[:, 0] > 0.5) == held.y[:, 0]
    assert 0.25 < right.mean() < 0.75
    assert -net.best_validation_score_ == pytest.approx(min(net.validation_loss_curve_))
    assert np.abs(net.predict_proba(X) - 0.5).mean() < 0.2
    numbers = MLPRegressor(preprocess="auto", random_state=0).fit(X, 1000 + 50 * y)
    low, high = numbers.predict_interval(X, coverage=0.8).T
    assert ((low <= 1000 + 50 * y) & (1000 + 50 * y <= high)).mean() > 0.7
    held = result_of(numbers).held_out
    assert held is not None and held.predicted[:, 0].mean() == pytest.approx(np.mean(1000 + 50 * y), rel=0.02)
    assert numbers.predict(X).max() <= (1000 + 50 * y).max()


def test_what_is_held_out_of_groups_promises_nothing_that_new_groups_do_not_keep():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(20), 6)
    X = pd.DataFrame(
        {"place": rng.normal(size=20)[groups], "noise": rng.normal(size=120)}
    )  # says which group it is
    y = rng.normal(size=20)[groups]
    free = result_of(MLPRegressor(preprocess="auto", random_state=0).fit(X, y)).held_out
    net = MLPRegressor(preprocess="auto", random_state=0).fit(X, y, groups=groups)
    tied = result_of(net).held_out
    assert free is not None and tied is not None and len(net.members_) == 16 and len(tied.rows) == 120

    def error(held: Any) -> float:
        return float(np.sqrt(np.mean((held.predicted[:, 0] - y) ** 2)) / y.std())

    assert error(free) < 0.8 and error(tied) > 0.95


def test_the_best_epoch_is_that_of_the_least_loss_out_of_fold(monkeypatch: pytest.MonkeyPatch):
    X, y = table(60)
    losses = iter([3.0, 2.0, 1.0, 4.0, 5.0, *[9.0] * 99])
    seen: list[Any] = []

    def judged(self: Any, run: Any) -> float:
        run.synchronize()
        seen.append(run.theta.copy())
        self.records.validation_loss_curve.append(found := next(losses))
        return -found

    monkeypatch.setattr(folds.FoldCurve, "judged", judged)
    given: dict[str, Any] = {"hidden_layer_sizes": 64, "max_iter": 6}  # without a linear part
    net = MLPRegressor(preprocess="auto", random_state=0, **given).fit(X, y)
    np.testing.assert_array_equal(net.model_.theta, seen[2])
    assert net.best_validation_score_ == -1.0 and net.n_iter_ == 6


def few_as(X: Any, groups: Any, races: bool = False, **settings: Any) -> bool:
    made = MLPRegressor(preprocess="auto", **settings)
    return few_of(made, FitInput(X, np.zeros(len(X)), groups=groups), races=races) is not None


def test_more_rows_are_few_if_they_belong_to_few_groups():
    X = pd.DataFrame({"who": np.arange(3_200) % 1_600, "a": 0.0})
    some = np.arange(3_200) % 1_500
    assert few_as(X, some) and few_as(X.assign(who=some), "who")
    assert not few_as(X, None) and not few_as(X, "who") and not few_as(X, np.arange(3_200) % 1_501)
    assert not few_as(X, some, races=True)  # a race chooses by the rows held out
    assert not few_as(X, some, n_members=1)
    long = pd.DataFrame({"a": np.zeros(10_001)})
    assert few_as(long[:10_000], np.arange(10_000) % 5) and not few_as(long, np.arange(10_001) % 5)


def test_rows_of_few_groups_are_dealt_once():
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(40), 40)
    X = pd.DataFrame({"a": rng.normal(size=1_600), "who": who})
    net = MLPRegressor(preprocess="auto", max_iter=2, random_state=0).fit(X, X["a"] + who / 40, groups="who")
    assert len(net.model_) == 8 and net.n_features_in_ == 2
    np.testing.assert_array_equal(np.sort(net.held_out_.rows), np.arange(1_600))  # each of them once


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_the_unit_of_weights_is_nothing_to_few_rows(kind: type[Any]):
    X = np.random.default_rng(4).normal(size=(60, 3))
    y = X[:, 0] > 0.5 if kind is MLPClassifier else X[:, 0]

    def predicted(unit: float) -> Any:
        net = kind(preprocess="auto", random_state=0, max_iter=2)
        net.fit(X, y, sample_weight=np.full(60, unit))
        return net.predict_proba(X) if kind is MLPClassifier else net.predict(X)

    np.testing.assert_allclose(predicted(2.0**-20), predicted(1.0), rtol=1e-6, atol=1e-7)
