"""Rows that belong together, or have an order in time: what is held out, by hand and by its properties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule import (
    ConfigError,
    DataError,
    FormatError,
    MLPClassifier,
    MLPRegressor,
    ShapeError,
    TablePreprocessor,
)
from chainrule.estimators.base import fit_under
from chainrule.fitting.held import result_of
from chainrule.fitting.plan import Conditions
from chainrule.race import race
from chainrule.race.blend import RaceResult
from chainrule.race.candidates import Candidate
from chainrule.tables import splits
from chainrule.tables.data import FitInput
from chainrule.tables.splits import folds, holdout
from chainrule.tables.structure import RowStructure, Split, as_gap, read_structure
from chainrule.training import Run

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def random() -> np.random.RandomState:
    return np.random.RandomState(0)


def ints(*values: int) -> Any:
    return np.array(values, np.int64)


def times(*values: float) -> Any:
    return np.array(values, float)


# --- which rows are held out ------------------------------------------------------------------------------------------


def test_the_latest_rows_are_held_out_and_equal_times_stay_together():
    made = holdout(RowStructure(time=times(5, 1, 4, 4, 2, 3, 0, 4)), 0.25, None, random())
    # Sorted: 0 1 2 3 4 4 4 5. Before 5 are 7/8 of the rows, before 4 are 4/8, and 7/8 is as far from 3/4 as 5/8.
    assert made.held_out.tolist() == [0] and made.train.tolist() == [1, 2, 3, 4, 5, 6, 7]
    made = holdout(RowStructure(time=times(5, 1, 4, 4, 2, 3, 0, 4)), 0.4, None, random())
    assert made.held_out.tolist() == [0, 2, 3, 7] and made.train.tolist() == [1, 4, 5, 6]


def test_rows_within_the_gap_are_in_neither_part():
    made = holdout(RowStructure(time=np.arange(10.0), gap=2), 0.2, None, random())
    assert made.held_out.tolist() == [8, 9] and made.train.tolist() == [0, 1, 2, 3, 4, 5]


def test_folds_go_forward_and_the_latest_is_first():
    made = folds(RowStructure(time=np.arange(8.0), gap=1), 3, None, random())
    assert [each.held_out.tolist() for each in made] == [[6, 7], [4, 5], [2, 3]]
    assert [each.train.tolist() for each in made] == [[0, 1, 2, 3, 4], [0, 1, 2], [0]]


def test_groups_that_began_last_are_held_out_from_a_moment_on():
    # Group 0 lasts from 0 to 3, 1 from 2 to 5, 2 from 4 to 7. The last one begins at 4, before which are
    # 0 1 2 3 of group 0 and 2 3 of group 1: 6 x 4 pairs. From 5: 7 x 3 of them, from 6: 8 x 2.
    groups, time = np.repeat(ints(0, 1, 2), 4), times(0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7)
    made = holdout(RowStructure(groups, time), 0.3, None, random())
    assert made.held_out.tolist() == [8, 9, 10, 11] and made.train.tolist() == [0, 1, 2, 3, 4, 5]
    # Two that both last from 0 to 3: half of one is later than half of the other.
    made = holdout(RowStructure(np.repeat(ints(0, 1), 4), np.tile(np.arange(4.0), 2)), 0.5, None, random())
    assert {len(made.train), len(made.held_out)} == {2}


def test_labels_are_in_proportion():
    groups = np.repeat(np.arange(40), 5)
    labels = (groups % 4 == 0).astype(int)  # each group has one label, a quarter of them the rare one
    for made in folds(RowStructure(groups), 5, labels, random()):
        assert labels[made.held_out].mean() == 0.25 and len(made.held_out) == 40


def test_a_share_near_to_the_one_asked_for_is_held_out_of_groups_of_any_size():
    groups = np.repeat(np.arange(6), [500, 100, 90, 110, 100, 100])
    made = holdout(RowStructure(groups), 0.1, None, random())
    assert 90 <= len(made.held_out) <= 110


@st.composite
def structures(draw: Any) -> tuple[RowStructure, Any]:
    n = draw(st.integers(4, 40))
    groups = np.array(draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)))
    time = np.array(draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)), float)
    which = draw(st.sampled_from(["groups", "time", "both"]))
    labels = np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    made = RowStructure(
        None if which == "time" else np.unique(groups, return_inverse=True)[1].astype(np.int64),
        None if which == "groups" else time,
        draw(st.sampled_from([0.0, 1.0, 2.5])) if which != "groups" else 0.0,
    )
    return made, draw(st.sampled_from([None, labels]))


@settings(max_examples=100, deadline=None)
@given(structures(), st.sampled_from([0.1, 0.3, 0.5]), st.integers(2, 5))
def test_nothing_held_out_is_known(case: tuple[RowStructure, Any], fraction: float, count: int):
    structure, labels = case
    try:
        found = [holdout(structure, fraction, labels, random()), *folds(structure, count, labels, random())]
    except DataError as error:
        assert "same" in str(error) or "no row is earlier" in str(error)
        return
    for train, held_out in found:
        assert len(train) and len(held_out) and not np.intersect1d(train, held_out).size
        if structure.groups is not None:
            assert not np.intersect1d(structure.groups[train], structure.groups[held_out]).size
        if structure.time is not None:
            assert structure.time[train].max() < structure.time[held_out].min() - structure.gap
    if structure.time is None:
        assert np.sort(np.concatenate([each.held_out for each in found[1:]])).tolist() == [
            *range(len(structure.groups))  # type: ignore[arg-type]
        ]


def test_many_groups_are_dealt_without_their_labels(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(splits, "MOST_STRATIFIED", 3)
    labels = np.tile([0, 1], 20)
    made = folds(RowStructure(np.repeat(np.arange(8), 5)), 4, labels, random())
    assert [len(each.held_out) for each in made] == [10] * 4


# --- what is passed ---------------------------------------------------------------------------------------------------

N = 120
RNG = np.random.default_rng(3)
X = pd.DataFrame(
    {
        "a": RNG.normal(size=N),
        "who": RNG.choice(["ann", "bob", "cy", "dee", "eve", "fay"], N),
        "when": pd.date_range("2024-01-01", periods=N, freq="h"),
    }
)
Y = X["a"].to_numpy() + RNG.normal(size=N)
SMALL: dict[str, Any] = {
    "preprocess": "auto",
    "hidden_layer_sizes": (4,),
    "max_iter": 2,
    "random_state": 0,
    "batch_size": 50,
}


def test_a_structure_is_read_from_values_of_any_kind_and_from_columns():
    made = read_structure(X, "who", "when", "36h")
    assert made.gap == 36 * 3600 and np.diff(made.time[:3]).tolist() == [3600, 3600]  # type: ignore[index]
    np.testing.assert_array_equal(made.groups, pd.factorize(X["who"])[0])
    for same in (X["who"], X["who"].tolist(), X["who"].astype("category"), X["who"].to_numpy(object)):
        np.testing.assert_array_equal(read_structure(X, same, None, 0).groups, made.groups)
    for same in (X["when"], X["when"].astype(str).tolist(), X["when"].to_numpy()):
        np.testing.assert_array_equal(read_structure(X, None, same, 0).time, made.time)
    some = made.take(ints(1, 5))
    assert some.time.tolist() == made.time[[1, 5]].tolist() and some.gap == made.gap  # type: ignore[index,union-attr]


@pytest.mark.parametrize(
    ("gap", "seconds"), [("90s", 90), ("1.5min", 90), ("2 h", 7200), ("1d", 86400), ("1w", 604800)]
)
def test_durations(gap: str, seconds: float):
    assert as_gap(gap, True) == seconds


WRONG: list[tuple[dict[str, Any], dict[str, Any], type[Exception], str]] = [
    ({"groups": "wo"}, {}, DataError, "groups='wo' is no column of X; did you mean 'who'"),
    ({"groups": [1] * N}, {}, DataError, "groups has the same value in all rows"),
    ({"groups": [1, 2]}, {}, DataError, "groups has 2 values but X has 120 rows"),
    ({"time": range(5)}, {}, DataError, "time has 5 values but X has 120 rows"),
    ({"time": 7}, {"time_limit": 9}, DataError, "time has 1 values but X has 120 rows"),
    ({"groups": set(range(N))}, {}, ShapeError, "groups needs a list or an array .* not set"),
    ({"groups": [None, *range(N - 1)]}, {}, DataError, "groups is missing in 1 of 120 rows, the first.* row 0"),
    ({"groups": np.ones((N, 2))}, {}, ShapeError, "groups needs one value per row"),
    ({"time": [1] * N}, {}, DataError, "time is the same in all rows"),
    ({"time": X["who"]}, {}, DataError, "time must be numbers or dates, not text such as"),
    ({"time": "when"}, {"gap": 3}, ConfigError, "gap=3 is a number, but time has dates; .* such as '3d'"),
    ({"time": np.arange(N)}, {"gap": "3d"}, ConfigError, "gap='3d' is a duration, but time has numbers"),
    ({"time": "when"}, {"gap": "3 months"}, ConfigError, "gap='3 months' is no duration"),
    ({"time": np.arange(N)}, {"gap": 500}, DataError, "no row is earlier than those held out with a gap of 500"),
    ({}, {"gap": 1}, ConfigError, "gap=1 lies between times; also pass time to fit"),
    ({"groups": "who"}, {"preprocess": None}, ConfigError, "names a column of a table, which needs preprocess"),
]  # fmt: skip


@pytest.mark.parametrize(("passed", "parameters", "error", "sentence"), WRONG)
def test_what_cannot_be_is_said(
    passed: dict[str, Any], parameters: dict[str, Any], error: type[Exception], sentence: str
):
    with pytest.raises(error, match=sentence):
        MLPRegressor(**SMALL | parameters).fit(X, Y, **passed)


# --- fits -------------------------------------------------------------------------------------------------------------


def held_out_by(monkeypatch: pytest.MonkeyPatch, fit: Any) -> list[Split]:
    """The splits that are made while fit() is called."""
    made: list[Split] = []

    def noted(*args: Any) -> Split:
        made.append(holdout(*args))
        return made[-1]

    monkeypatch.setattr("chainrule.fitting.train.holdout", noted)
    fit()
    return made


def test_a_column_of_groups_is_no_input_and_need_not_come_to_predict():
    made = MLPRegressor(**SMALL).fit(X, Y, groups="who")
    assert "who" not in " ".join(made.preprocessor_.get_feature_names_out())
    np.testing.assert_array_equal(made.predict(X), made.predict(X.drop(columns="who")))
    by_values = MLPRegressor(**SMALL).fit(X.drop(columns="who"), Y, groups=X["who"])
    np.testing.assert_array_equal(made.predict(X), by_values.predict(X))
    assert any("when" in name for name in MLPRegressor(**SMALL).fit(X, Y, time="when").model_.feature_names)


def test_early_stopping_holds_out_what_is_said_and_all_rows_are_learned_from(monkeypatch: pytest.MonkeyPatch):
    made = MLPRegressor(**SMALL, n_members=1)  # of few rows whole groups are dealt to several
    (by_group,) = held_out_by(monkeypatch, lambda: made.fit(X, Y, groups="who"))
    assert set(X["who"].iloc[by_group.train]).isdisjoint(X["who"].iloc[by_group.held_out])
    assert made.n_iter_refit_ > 0
    (by_time,) = held_out_by(monkeypatch, lambda: made.fit(X, Y, time="when"))
    assert by_time.held_out.tolist() == [*range(102, N)] and made.n_iter_refit_ > 0
    labels = np.where(Y > 0, "up", "down")
    plain = MLPClassifier(4, max_iter=2, early_stopping=True, random_state=0)
    (of_array,) = held_out_by(monkeypatch, lambda: plain.fit(X[["a"]].to_numpy(), labels, time=np.arange(N)))
    assert of_array.held_out.tolist() == [*range(108, N)]


def test_nothing_changes_where_nothing_is_said():
    first, second = (MLPRegressor(**SMALL) for _ in range(2))
    first.fit(X, Y)
    second.fit(X, Y, groups=None, time=None)
    np.testing.assert_array_equal(first.model_.theta, second.model_.theta)


def test_groups_are_routed(monkeypatch: pytest.MonkeyPatch):
    A, groups = X[["a"]].to_numpy(), X["who"].to_numpy()
    plain = MLPRegressor(hidden_layer_sizes=4, max_iter=2, early_stopping=True, random_state=0)
    with config_context(enable_metadata_routing=True):
        params: Any = {"groups": groups}

        def cross_validated(net: Any) -> list[Split]:
            return held_out_by(
                monkeypatch, lambda: cross_validate(net, A, Y, params=params, cv=GroupKFold(3))
            )

        assert len(cross_validated(plain)) == 3
        assert len(cross_validated(clone(plain).set_fit_request(groups=True))) == 3
        assert cross_validated(clone(plain).set_fit_request(groups=False)) == []
        pipe = make_pipeline(StandardScaler(), plain)
        assert len(held_out_by(monkeypatch, lambda: pipe.fit(A, Y, groups=groups))) == 1
        search = GridSearchCV(plain, {"alpha": [0.0, 1.0]}, cv=GroupKFold(2))
        assert len(held_out_by(monkeypatch, lambda: search.fit(A, Y, groups=groups))) == 5


# --- what is held out is prepared as rows to predict ------------------------------------------------------------------


def test_numbers_beyond_those_of_training_are_clipped_where_asked():
    table = pd.DataFrame({"n": np.arange(100.0), "when": pd.date_range("2024-01-01", periods=100, freq="D")})
    made = TablePreprocessor(out_of_range="clip", dtype="float64").fit(table)
    beyond = pd.DataFrame(
        {"n": [-5.0, 1e9, np.nan], "when": pd.to_datetime(["2020-06-01", "2031-03-01", None])}
    )
    last = table.iloc[[0, 99]].assign(when=["2024-01-01", "2024-04-09"])
    names = made.get_feature_names_out().tolist()
    found, ends = made.transform(beyond), made.transform(last.astype({"when": "datetime64[us]"}))
    moving = [k for k, name in enumerate(names) if not name.endswith(("sin", "cos"))]
    np.testing.assert_array_equal(found[:2, moving], ends[:, moving])
    in_march = made.transform(table.assign(when=pd.Timestamp("2031-03-01")).iloc[:1])
    np.testing.assert_array_equal(
        found[1, names.index("when year_sin")], in_march[0, names.index("when year_sin")]
    )
    np.testing.assert_array_equal(made.transform(pd.concat([beyond] * 30))[:3], found)  # few rows and many
    again = TablePreprocessor.from_data(made.to_data())
    np.testing.assert_array_equal(again.transform(beyond), found)
    np.testing.assert_array_equal(
        made.transform(table), TablePreprocessor(dtype="float64").fit_transform(table)
    )
    kept = TablePreprocessor(dtype="float64").fit(table)
    assert kept.transform(beyond)[1, 0] > kept.transform(last)[1, 0] and "ends" not in str(
        kept.to_data()["columns"]
    )
    for bad in ([1.0], [2.0, 1.0], "x"):
        data = made.to_data()
        data["columns"][0]["ends"] = bad
        with pytest.raises(FormatError, match=r"ends of columns\[0\] must be a list of numbers"):
            TablePreprocessor.from_data(data)


def test_what_goes_with_time_ends_where_a_twentieth_of_the_rows_lies_beyond():
    """20 of 400 rows are beyond 379.05, and as many of a number that falls below -379.05; of the others none is."""
    n = np.arange(400.0)
    table = pd.DataFrame({"up": n, "down": -n, "round": n % 7, "flag": n > 200})
    made = TablePreprocessor(out_of_range="clip").fit(table, time=n)
    ends = {each["name"]: each.get("ends") for each in made.to_data()["columns"]}
    assert ends["round"] == [0, 6] and ends["flag"] is None
    np.testing.assert_allclose([*ends["up"], *ends["down"]], [0, 379.05, -379.05, 0])
    backward = TablePreprocessor(out_of_range="clip").fit(table[::-1], time=n)
    assert backward.to_data()["columns"][0]["ends"] == pytest.approx([19.95, 399])
    assert TablePreprocessor(out_of_range="clip").fit(table).to_data()["columns"][0]["ends"] == [0, 399]


def test_a_fit_by_time_clips_and_predicts_what_it_held_out_before_it_learned_of_it():
    table = X.drop(columns="who").assign(n=np.arange(N))
    made = MLPRegressor(**SMALL).fit(table, Y, time="n")
    np.testing.assert_array_equal(
        made.predict(table.iloc[-1:].assign(n=N - 1)), made.predict(table.iloc[-1:].assign(n=10 * N))
    )
    held_out = result_of(made).held_out
    assert held_out is not None and held_out.rows.tolist() == [*range(102, N)]
    np.testing.assert_array_equal(held_out.y[:, 0], Y[102:])
    groups = pd.factorize(X["who"])[0]
    of_groups = result_of(MLPRegressor(**SMALL).fit(X, Y, groups=groups)).held_out
    assert of_groups is not None and of_groups.groups is not None
    np.testing.assert_array_equal(of_groups.groups, groups[of_groups.rows])


@pytest.mark.parametrize("settings", [{}, {"preset": "tabm", "n_members": 2}, {"n_members": 2}])
def test_the_network_of_all_rows_is_that_of_a_fit_for_the_best_epochs(settings: dict[str, Any]):
    wanted = {**SMALL, "max_iter": 6, **settings, "refit": True, "early_stopping": True, "scoring": "loss"}
    made = MLPRegressor(**wanted).fit(X, Y, groups="who")
    epochs = made.n_iter_refit_
    assert epochs > 0 and len(made.loss_curve_) >= epochs
    assert made.model_.history["val_loss"] == made.validation_loss_curve_

    def stop(run: Run) -> None:
        if run.epoch >= epochs and run.history.stopped is None:
            run.stop("enough")

    whole = MLPRegressor(**wanted, callbacks=[stop])
    fit_under(whole, FitInput(X, Y, groups="who"), Conditions(epochs=6))
    np.testing.assert_array_equal(made.predict(X), whole.predict(X))


def test_a_label_of_the_held_out_group_alone_is_known():
    labels = np.where(X["who"] == "ann", "rare", np.where(Y > 0, "up", "down"))
    made = MLPClassifier(**SMALL).fit(X, labels, groups="who")
    assert made.classes_.tolist() == ["down", "rare", "up"] and made.predict_proba(X).shape == (N, 3)


# --- the race ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def _few(race_of: Callable[..., None]) -> None:
    few = (Candidate("fast", changed={"hidden_layer_sizes": (8,)}), Candidate("linear", variant="plain"))
    race_of(*few)


@pytest.mark.usefixtures("_few")
def test_a_race_learns_from_the_rows_that_are_passed_where_asked():
    settings: dict[str, Any] = {"preset": "best", "batch_size": 20}
    best = MLPRegressor(**SMALL | settings)
    told: dict[str, Any] = {"X_val": X[80:], "y_val": Y[80:]}
    first = result_of(best.fit(X[:80], Y[:80], **told))
    assert isinstance(first, RaceResult) and not first.state.whole
    again = result_of(best.set_params(refit=True).fit(X[:80], Y[:80], **told))
    assert isinstance(again, RaceResult) and again.state.whole
    for made in again.state.whole.values():
        (model,) = made.result.members
        assert model.steps_trained == 6 * model.epochs_trained  # 120 rows, and not 80
    assert again.held_out is not None and again.held_out.are_passed


@pytest.mark.usefixtures("_few")
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("told", [{"groups": "who"}, {"time": "when"}, {"groups": "who", "time": "when"}])
def test_a_race_holds_out_whole_groups_or_what_comes_later(
    monkeypatch: pytest.MonkeyPatch, large: bool, told: dict[str, str]
):
    monkeypatch.setattr(race, "MAX_ROWS_FOR_ALL_FOLDS", 50 if large else 2_000)
    best = MLPRegressor("squared_error", (4,), preprocess="auto", preset="best", max_iter=2, random_state=0)
    result = result_of(best.fit(X, Y, **told))
    assert isinstance(result, RaceResult) and result.state.drawn is not None
    structure = read_structure(X, told.get("groups"), told.get("time"), 0)
    for train, held_out in result.state.drawn.folds:
        if structure.groups is not None:
            assert not np.intersect1d(structure.groups[train], structure.groups[held_out]).size
        if structure.time is not None:
            assert structure.time[train].max() < structure.time[held_out].min()
    assert bool(result.state.whole) is (large or "time" in told)
    assert result.held_out is not None and len(result.held_out.rows) == len(np.unique(result.held_out.rows))
    parts = result.blend.parts
    assert np.isfinite(best.predict(X)).all()
    preprocessors = {id(part.result.preprocessor) for part in parts}
    assert len(preprocessors) == (1 if result.state.whole else len(result.state.drawn.folds))
    ends = {part.result.preprocessor.out_of_range for part in parts if part.result.preprocessor is not None}
    assert ends == {"clip" if "time" in told else "keep"}


@pytest.mark.usefixtures("_few")
def test_predictions_out_of_fold_are_kept():
    best = MLPRegressor(**SMALL | {"preset": "best"}).fit(X, Y, groups="who")
    assert np.sort(best.held_out_.rows).tolist() == [*range(N)]
    np.testing.assert_array_equal(best.held_out_.y[:, 0], Y[best.held_out_.rows])
    assert np.isfinite(best.held_out_.predicted).all()
    assert not hasattr(MLPRegressor(hidden_layer_sizes=4, max_iter=2).fit(X[["a"]], Y), "held_out_")
