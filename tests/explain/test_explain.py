"""Reasons of answers: complete on every preset and on hostile tables, by hand, and compared with the right row."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chainrule import (
    ChainruleError,
    ConfigError,
    DataError,
    MLPClassifier,
    MLPRegressor,
    ShapeError,
    TablePreprocessor,
)
from chainrule.explain import columns
from chainrule.explain.columns import half_widths
from chainrule.explain.parts import AnswerPart
from chainrule.explain.reasons import cell
from chainrule.fitting.held import as_fitted, result_of
from chainrule.race.blend import Blend, BlendPart, RaceResult
from chainrule.race.report import RaceReport
from halves import half
from hostile_tables import hostile_table


@cache
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 200
    X = pd.DataFrame(
        {
            "age": rng.normal(40, 9, n).round(),
            "income": rng.lognormal(size=n),
            "sex": rng.choice(["m", "f"], n, p=[0.4, 0.6]),
            "city": rng.choice([f"c{k}" for k in range(80)], n),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 700, n), "D"),
            "member": rng.random(n) < 0.3,
        }
    )
    X.loc[::7, "income"] = np.nan
    return X


@cache
def target() -> np.ndarray:
    X, rng = table(), np.random.default_rng(1)
    y = 0.1 * X.age + 2 * (X.sex == "f") + X.income.fillna(1) + rng.normal(size=len(X))
    return np.asarray(y - y.mean())


PRESETS: dict[str, dict[str, Any]] = {
    "fast": {},
    "additive": {},
    "realmlp": {"hidden_layer_sizes": (24, 24)},
    "tabm": {"hidden_layer_sizes": (16, 16), "n_members": 4},
    "ensemble": {"preset": "fast", "n_members": 2},
    "blocks": {"preset": "fast", "batch_norm": True, "residual": True, "hidden_layer_sizes": (16, 16)},
}
TARGETS = {
    "number": lambda: target(),
    "two": lambda: np.where(target() > 0, "yes", "no"),
    "three": lambda: np.digitize(target(), [-1, 1]),
    "labels": lambda: np.stack([target() > 0, target() > 1], 1).astype(int),
}


@cache
def fitted(preset: str, kind: str, **settings: Any) -> Any:
    own = {"preset": preset} | PRESETS.get(preset, {}) | settings
    made = MLPRegressor if kind == "number" else MLPClassifier
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = made(preprocess="auto", max_iter=4, random_state=0, dtype="float64", **own)
        return net.fit(table(), TARGETS[kind]())


@cache
def blend(kind: str) -> Any:
    """An average of unlike networks, with a temperature, as a race makes it."""
    nets = [(0.5, fitted("fast", kind)), (0.3, fitted("tabm", kind)), (0.2, fitted("realmlp", kind))]
    return averaged(nets, 1.0 if kind == "number" else 0.6)


def averaged(nets: list[tuple[float, Any]], temperature: float = 1.0) -> Any:
    parts = [BlendPart(weight, net, net.preset, result_of(net)) for weight, net in nets]
    average = Blend(parts, temperature)
    return as_fitted(nets[0][1], RaceResult.of(parts[0].result, average, RaceReport()), preset="best")


def said(net: Any, X: Any, labels: tuple[Any, ...]) -> np.ndarray:
    """What the estimator answers: numbers, or the probability of each row's label."""
    if isinstance(net, MLPRegressor):
        return np.asarray(net.predict(X), float)
    shares = net.predict_proba(X)
    known = net.classes_.tolist()
    return shares[np.arange(len(shares)), [known.index(label) for label in labels]]


@pytest.mark.parametrize(("preset", "kind"), half([*PRESETS, "best"], TARGETS))
def test_complete_on_every_preset(preset: str, kind: str):
    net = blend(kind) if preset == "best" else fitted(preset, kind)
    found = net.explain(table())
    assert found.names == tuple(table().columns)
    assert found.error.max() < 1e-9
    assert np.abs(found.base + found.values.sum(1) - said(net, table(), found.labels)).max() < 1e-9
    assert (np.abs(found.values).max(0) > 0).all()  # each column has a part in some answer
    if kind != "number":
        p = said(net, table(), found.labels)
        odds = net.explain(table(), output="log_odds")
        assert odds.error.max() < 1e-9
        np.testing.assert_allclose(odds.answers, np.log(p) - np.log1p(-p), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_complete_on_hostile_tables(kind: type[Any]):
    explained = 0
    for seed in range(40):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            case = hostile_table(seed)
            is_text = any(isinstance(each, str) for each in case.y)
            y = [str(each) for each in case.y] if kind is MLPClassifier else list(range(len(case.y)))
            y = case.y if is_text == (kind is MLPClassifier) else y
            try:
                net = kind(
                    hidden_layer_sizes=(4,), max_iter=1, random_state=0, preprocess="auto", dtype="float64"
                ).fit(case.X, y)
                answers = net.predict(case.later)
            except ChainruleError:
                continue
            found = net.explain(case.later)
            assert len(found) == len(answers)
            want = (
                said(net, case.later, found.labels)
                if len(getattr(net, "classes_", [0, 1])) > 1
                else found.answers
            )
            scale = np.maximum(1.0, np.abs(want))
            assert (found.error / scale).max() < 1e-9, (seed, case.name)
            assert (np.abs(found.base + found.values.sum(1) - want) / scale).max() < 1e-9, (seed, case.name)
            assert found.text() and found.to_data()["values"]
            explained += 1
    assert explained > 12


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_complete_behind_bins_of_hardly_any_width():
    """One number of 1e15 makes the others of its column one point, with bins of 1e-16 in it."""
    rng = np.random.default_rng(2)
    X = pd.DataFrame({"paid": [*rng.normal(size=59), 1e15], "age": rng.normal(size=60)})
    one: dict[str, Any] = {"early_stopping": True, "max_iter": 1, "dtype": "float64", "random_state": 0}
    net = MLPClassifier((16,), preprocess="auto", preset="fast", **one).fit(X, target()[:60] > 0)
    (network,) = net.members_
    network.theta[...] = rng.normal(size=len(network.theta)) / 4
    edges = next(iter(network.states.values())).edges
    assert (np.diff(edges, axis=1) < 1e-13).sum(1).max() >= 4
    assert net.explain(X).error.max() < 1e-9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("unit", [1e-14, 1.0, 1e12])
def test_complete_in_any_unit_of_the_target(unit: float):
    """Answers that end at the range of the targets, where the typical one does not."""
    X, y = table(), target() * unit
    y = np.clip(y, np.quantile(y, 0.2), np.quantile(y, 0.8))
    net = MLPRegressor(preprocess="auto", preset="fast", max_iter=5, random_state=0).fit(X, y)
    reasons = net.explain(X)
    assert np.isclose(reasons.answers, [[y.min()], [y.max()]], rtol=0, atol=1e-6 * unit).any()
    assert reasons.error.max() < 1e-12 * np.abs(reasons.answers).max()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss", ["poisson", "gamma", "huber", "quantile"])
def test_complete_with_losses_of_numbers(loss: str):
    y = np.exp(target() / 4)
    quantiles = (0.1, 0.5, 0.9) if loss == "quantile" else 0.5
    net = MLPRegressor(
        loss, (8,), quantiles=quantiles, max_iter=3, preprocess="auto", random_state=0, dtype="float64"
    )
    found = net.fit(table(), y).explain(table())
    p = net.predict(table())
    np.testing.assert_allclose(found.base + found.values.sum(1), p[:, 1] if p.ndim > 1 else p, atol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_linear_network_by_hand():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    net = MLPRegressor(hidden_layer_sizes=(), max_iter=5, random_state=0).fit(X, X @ [1.0, 2.0, 3.0])
    w, b = net.coefs_[0][:, 0], net.intercepts_[0][0]
    found = net.explain(X, reference=[[1.0, 0.0, -1.0]])
    np.testing.assert_allclose(found.values, (X - [1.0, 0.0, -1.0]) * w, atol=1e-12)
    np.testing.assert_allclose(found.base, w[0] - w[2] + b, atol=1e-12)
    assert found.names == ("x0", "x1", "x2") and not found.is_typical
    np.testing.assert_allclose(net.explain(X).values, X * w, atol=1e-12)  # of arrays compared with zeros


def test_several_rows_to_compare_with_are_averaged():
    net, X = fitted("fast", "number"), table().head(5)
    one, other, both = (net.explain(X, reference=table().iloc[rows]) for rows in ([8], [9], [8, 9]))
    np.testing.assert_allclose(both.values, (one.values + other.values) / 2, atol=1e-12)
    np.testing.assert_allclose(both.base, net.predict(table().iloc[[8, 9]]).mean(), atol=1e-9)
    same = net.explain(table().iloc[[8]], reference=table().iloc[[8]])
    assert not same.values.any()
    with pytest.raises(ShapeError, match=r"reference must have 1 to 100 rows, not 200"):
        net.explain(X, reference=table())


def test_the_typical_row():
    net, X = fitted("fast", "number"), table()
    cells = {each.name: each for each in net.explain(X.head(1)).reference}
    income, member = cells["income"], cells["member"]
    assert (
        cells["age"].values[0] == X.age.median()
        and income.values[0] == X.income.sort_values().iloc[(X.income.count() - 1) // 2]
    )
    assert cells["sex"].texts == ("f",) and member.texts[int(member.values[0])] == "False"
    assert cells["city"].texts == (X.city.value_counts().sort_index().idxmax(),)
    assert abs(cells["since"].values[0] - X.since.median().timestamp()) < 5 * 86_400


def test_the_typical_row_survives_a_file(tmp_path):
    net, X = fitted("realmlp", "two"), table().head(9)
    net.save(tmp_path / "net.safetensors")
    again = MLPClassifier.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(again.explain(X).values, net.explain(X).values)
    data = net.preprocessor_.to_data()
    for column in data["columns"]:
        column.pop("typical", None)  # as a file of 0.1 has it
    old = as_fitted(net, replace(result_of(net), preprocessor=TablePreprocessor.from_data(data)))
    found = old.explain(X)
    assert found.error.max() < 1e-9 and np.isnan(found.reference[2].values[0])


def test_which_answer():
    two, three, labels = (fitted("fast", kind) for kind in ("two", "three", "labels"))
    X = table().head(20)
    yes, no = two.explain(X), two.explain(X, target="no")
    assert yes.labels == ("yes",) * 20
    np.testing.assert_allclose(no.values, -yes.values, atol=1e-12)
    np.testing.assert_allclose(no.answers, 1 - yes.answers, atol=1e-12)
    assert three.explain(X).labels == tuple(three.predict(X).tolist())
    every = [three.explain(X, target=k) for k in three.classes_]
    np.testing.assert_allclose(sum(each.values for each in every), 0, atol=1e-12)
    mixed = three.explain(X, target=[0, 1] * 10)
    np.testing.assert_array_equal(mixed.values[1], every[1].values[1])
    assert set(labels.explain(X, target=1).labels) == {1}
    with pytest.raises(ConfigError, match="target is 'maybe', but the classes are 'no', 'yes'"):
        two.explain(X, target="maybe")
    with pytest.raises(ConfigError, match="output"):
        fitted("fast", "number").explain(X, output="probability")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_several_numbers():
    X, y = table(), np.stack([target(), -2 * target()], 1)
    net = MLPRegressor(
        hidden_layer_sizes=(8,), max_iter=3, preprocess="auto", random_state=0, dtype="float64"
    ).fit(X, y)
    with pytest.raises(ConfigError, match=r"predicts 2 numbers; choose the one to explain, such as target=0"):
        net.explain(X)
    found = net.explain(X, target=1)
    np.testing.assert_allclose(found.base + found.values.sum(1), net.predict(X)[:, 1], atol=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_column_without_a_part_is_not_named():
    X = table().assign(same=3)
    net = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, preprocess="auto", random_state=0).fit(
        X, target()
    )
    assert "same" not in net.explain(X.head(2)).names
    with pytest.raises(ConfigError, match="column 'same' is none of those that the answers depend on"):
        net.explain(X.head(2)).dependence("same")


@cache
def independent() -> tuple[Any, pd.DataFrame, np.ndarray]:
    """A network of five independent columns with effects of 4, 2, 1, 1/2 and none, and rows that it has not seen."""
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.uniform(-1, 1, (1500, 4)), columns=list("abcd"))
    X["e"] = rng.choice(["x", "y"], 1500)
    y = 4 * X.a + 2 * np.abs(X.b) + X.c + 0.5 * (X.e == "x") + 0.1 * rng.normal(size=1500)
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=20, n_members=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.fit(X[:1000], y[:1000])
    return net, X[1000:], np.asarray(y[1000:])


def test_importance_orders_independent_columns():
    net, X, y = independent()
    found = net.importance(X, y, repeats=3)
    assert found.names == ("a", "b", "c", "e", "d") or found.names == ("a", "c", "b", "e", "d")
    assert ((found.low < found.mean) & (found.mean < found.high)).all()
    assert found.low[0] > found.high[1] and found.low[3] > 0
    assert found.low[4] < 1e-3 and abs(found.mean[4]) < 1e-3  # d says nothing
    assert found.loss == "rmse"
    np.testing.assert_allclose(found.base, np.sqrt(np.square(net.predict(X) - y).mean()), rtol=1e-5)


def test_mean_effects_agree_in_rank_with_permutation_importance():
    from scipy.stats import spearmanr
    from sklearn.inspection import permutation_importance

    net, X, y = independent()
    found = net.explain(X, reference=X.head(20))
    theirs = permutation_importance(net, X, y, n_repeats=3, random_state=0).importances_mean
    assert spearmanr(found.mean_effect, theirs).statistic > 0.89
    ours = net.importance(X, y, repeats=3)
    assert [list("abcde")[k] for k in np.argsort(-theirs)] == list(ours.names)


def test_importance_by_hand():
    growth = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    half = half_widths(growth, 0.95)
    np.testing.assert_allclose(half, [4.302653 * 1 / math.sqrt(3), 0.0], rtol=1e-6)


def test_rows_of_a_group_count_as_one_for_an_interval():
    """Copies of a row add nothing: the interval of two of each is that of one of each, up to n - 1 in place of n."""
    rng = np.random.default_rng(0)
    growth = rng.normal(size=(3, 20))
    once = half_widths(growth, 0.95)
    copied = half_widths(np.repeat(growth, 4, axis=1), 0.95, np.repeat(np.arange(20), 4))
    np.testing.assert_allclose(copied, once, rtol=1e-12)
    np.testing.assert_allclose(half_widths(growth, 0.95, np.arange(20)), once, rtol=1e-12)
    assert (half_widths(np.repeat(growth, 4, axis=1), 0.95) < 0.6 * once).all()
    assert np.isinf(half_widths(growth, 0.95, np.zeros(20, int))).all()


def test_importance_as_a_frame():
    """A row per column, in the unit of y: of a target a thousand times as large a thousand times as much."""
    X, y = table(), target()
    made = [
        MLPRegressor(preprocess="auto", hidden_layer_sizes=(8,), random_state=0, dtype="float64", max_iter=5)
        for _ in range(2)
    ]
    small, large = (
        net.fit(X, unit * y).importance(X, unit * y).to_frame()
        for net, unit in zip(made, (1, 1000), strict=True)
    )
    assert small.columns.tolist() == ["column", "importance", "low", "high"] and len(small) == 6
    assert small.column.tolist() == large.column.tolist()
    np.testing.assert_allclose(large.iloc[:, 1:], 1000 * small.iloc[:, 1:], rtol=1e-6, atol=1e-6)
    assert made[0].importance(X, y).to_frame("polars").to_dicts() == made[0].importance(X, y).records()
    with pytest.raises(ConfigError, match="backend must be one of pandas, polars, pyarrow, not 'excel'"):
        made[0].importance(X, y).to_frame("excel")


@pytest.mark.parametrize(
    ("kind", "scoring"),
    [
        ("number", "neg_root_mean_squared_error"),
        ("two", "neg_log_loss"),
        pytest.param("three", "neg_log_loss", marks=pytest.mark.slow),
    ],
)
def test_importance_by_a_score(kind: str, scoring: str):
    """The fall of a score that is a loss with the other sign is the growth of the loss."""
    net, y = fitted("fast", kind), TARGETS[kind]()
    by_loss, by_score = (net.importance(table(), y, repeats=2, scoring=each) for each in (None, scoring))
    assert by_score.loss == scoring and by_score.names == by_loss.names
    np.testing.assert_allclose(by_score.base, -by_loss.base, rtol=1e-6)
    np.testing.assert_allclose(by_score.mean, by_loss.mean, rtol=1e-6, atol=1e-9)
    assert f"By how much {scoring} ({by_score.base:.4g} over 200 rows) falls where" in str(by_score)
    assert by_score.figure().layout.xaxis.title.text == f"fall of {scoring}"


@pytest.mark.parametrize("copies", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_the_interval_of_a_score_that_is_a_mean_is_that_of_the_mean(copies: int):
    """Of ten rows, or ten groups of equal sizes, each is a block: the jackknife is Student's interval."""
    X, y = table().head(10), np.tile(["no", "yes"], 5)
    X, y = pd.concat([X] * copies, ignore_index=True), np.tile(y, copies)
    settings = {"repeats": 2, "groups": None if copies == 1 else np.tile(np.arange(10), copies)}
    by_loss, by_score = (
        fitted("fast", "two").importance(X, y, scoring=each, **settings) for each in (None, "neg_log_loss")
    )
    for name in ("mean", "low", "high"):
        np.testing.assert_allclose(getattr(by_score, name), getattr(by_loss, name), rtol=1e-6, atol=1e-9)


def test_importance_by_a_function_and_by_scores_of_labels():
    """A function gets the rows as they are, and the labels that the threshold makes."""
    known = fitted("fast", "two")
    net, X, y = as_fitted(known, result_of(known)), table(), TARGETS["two"]()
    seen = []

    def saves(estimator: Any, rows: pd.DataFrame, truth: np.ndarray) -> float:
        seen.append(rows)
        return float(((estimator.predict(rows) == truth) * rows["age"].fillna(0)).mean())

    found = net.importance(X, y, repeats=1, scoring=saves)
    assert found.loss == "saves" and seen[0] is X and all(len(rows) < len(X) for rows in seen[1:11])
    assert found.base == pytest.approx(((net.predict(X) == y) * X["age"].fillna(0)).mean())
    for threshold in (0.5, 0.9):
        net.set_threshold(threshold=threshold)
        found = net.importance(X, y, repeats=1, scoring="accuracy")
        assert found.base == pytest.approx((net.predict(X) == y).mean())


def test_scores_that_there_are_not():
    net, X, y = fitted("fast", "two"), table(), TARGETS["two"]()
    with pytest.raises(ConfigError, match="'rocauc' is not the name of a scorer"):
        net.importance(X, y, scoring="rocauc")
    with pytest.raises(ConfigError, match="scoring must be the name of a scorer or a function, not 3"):
        net.importance(X, y, scoring=3)
    alone = y == "yes"
    with pytest.raises(DataError, match="roc_auc of these rows is not a number; pass more rows, of every"):
        net.importance(X[alone], y[alone], scoring="roc_auc")


def test_importance_with_groups():
    """By name or by values: the same means, with wider intervals where rows of a group are the same."""
    net, X = fitted("fast", "number"), pd.concat([table().head(50)] * 4, ignore_index=True)
    y, group = np.tile(target()[:50], 4), np.tile(np.arange(50), 4)
    free, tied = net.importance(X, y), net.importance(X, y, groups=group)
    np.testing.assert_array_equal(tied.mean, free.mean)
    assert tied.groups == 50 and free.groups is None
    assert (tied.high - tied.low)[0] > 1.3 * (free.high - free.low)[0]
    by_name = net.importance(X.assign(person=group), y, groups="person")
    np.testing.assert_array_equal(by_name.low, tied.low)
    assert "interval, in which the rows of each of 50 groups count as one. A column" in str(tied)
    assert "count as one" not in str(free)
    with pytest.raises(DataError, match="groups has 3 values but X has 200 rows"):
        net.importance(X, y, groups=[1, 2, 3])


def test_importance_of_every_kind():
    for kind in ("two", "three", "labels"):
        net, y = fitted("fast", kind), TARGETS[kind]()
        found, p = net.importance(table(), y, repeats=1), net.predict_proba(table())
        base = -np.log(p[np.arange(len(p)), np.searchsorted(net.classes_, y)]) if y.ndim == 1 else None
        if base is None:
            base = -(y * np.log(p) + (1 - y) * np.log1p(-p)).sum(1)
        assert found.loss == "log_loss" and found.base == pytest.approx(base.mean(), rel=1e-6)
    with pytest.raises(ShapeError, match="y has 3 targets for 200 rows"):
        fitted("fast", "two").importance(table(), ["yes"] * 3)


@pytest.mark.parametrize(("preset", "kind"), half([*PRESETS, "best"], TARGETS))
def test_importance_of_wide_tables_is_that_of_all_layers(monkeypatch, preset: str, kind: str):
    net, y = blend(kind) if preset == "best" else fitted(preset, kind), TARGETS[kind]()
    whole = net.importance(table(), y, repeats=2)
    monkeypatch.setattr(columns, "MAX_COLUMNS_COMPUTED_ANEW", 0)
    wide = net.importance(table(), y, repeats=2)
    assert wide.names == whole.names
    for name in ("mean", "low", "high", "base"):
        np.testing.assert_allclose(getattr(wide, name), getattr(whole, name), rtol=1e-9, atol=1e-12)


def test_the_last_columns_may_be_inputs_of_one_part_of_an_average_alone(monkeypatch):
    without = TablePreprocessor(dtype="float64", kinds={"since": "drop", "member": "drop"})
    few = MLPRegressor(preprocess=without, preset="fast", max_iter=4, random_state=0, dtype="float64")
    net = averaged([(0.5, fitted("fast", "number")), (0.5, few.fit(table(), target()))])
    whole = net.importance(table(), target(), repeats=1)
    monkeypatch.setattr(columns, "MAX_COLUMNS_COMPUTED_ANEW", 0)
    wide = net.importance(table(), target(), repeats=1)
    assert wide.names == whole.names and {"since", "member"} < {*wide.names}
    np.testing.assert_allclose(wide.mean, whole.mean, rtol=1e-9, atol=1e-12)


def test_what_all_parts_keep_of_a_wide_table_is_bounded(monkeypatch):
    monkeypatch.setattr(columns, "MAX_COLUMNS_COMPUTED_ANEW", 0)
    parts = blend("number")._parts()
    inputs = parts.table(table()).inputs
    sizes = [own.inputs[0].size for own in columns.ShuffledTable(parts, inputs).sums if own is not None]
    assert len(sizes) > 1
    monkeypatch.setattr(columns, "MAX_NUMBERS_KEPT", sum(sizes) - 1)
    kept = [own.inputs[0].size for own in columns.ShuffledTable(parts, inputs).sums if own is not None]
    assert sum(kept) < sum(sizes)


def test_wide_tables_are_not_predicted_anew_for_each_column(monkeypatch):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({f"n{k}": rng.normal(size=60) for k in range(60)})
    for k in range(60):
        X[f"c{k}"] = rng.choice(["a", "b", "c"], 60)
    y = X.n0 + (X.c0 == "b")
    net = MLPRegressor(preprocess="auto", max_iter=3, random_state=0).fit(X, y)
    monkeypatch.setattr(AnswerPart, "predicted", None)  # all layers of a part
    assert len(net.importance(X, y, repeats=1).names) == 120 > columns.MAX_COLUMNS_COMPUTED_ANEW


def test_pairs_with_an_input_of_their_own_are_shuffled_too(monkeypatch):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"a": rng.choice(["x", "y"], 300), "b": rng.choice(["x", "y"], 300), "c": rng.normal(size=300)}
    )
    y = 3.0 * (X.a == X.b) + X.c
    net = MLPRegressor(
        preprocess="auto", preset="additive", max_iter=30, random_state=0, dtype="float64"
    ).fit(X, y)
    assert any(part.crossed for part in net._parts().all)
    whole = net.importance(X, y, repeats=2)
    monkeypatch.setattr(columns, "MAX_COLUMNS_COMPUTED_ANEW", 0)
    np.testing.assert_allclose(net.importance(X, y, repeats=2).mean, whole.mean, rtol=1e-9)


def test_importance_of_the_columns_with_the_largest_effects():
    """They are shuffled as they are alone, and what is printed says which they are."""
    net, y = fitted("fast", "number"), TARGETS["number"]()
    effects = net.explain(table())
    chosen = [effects.names[k] for k in effects.order()[:2]]
    found = net.importance(table(), y, repeats=1, columns=2)
    assert set(found.names) == set(chosen) and found.columns == 6 and found.mean[0] >= found.mean[1]
    assert "The 2 columns with the largest effects, of 6." in str(found)
    assert "most important" not in str(net.importance(table(), y, repeats=1, columns=6))
    with pytest.raises(ConfigError, match="columns must be"):
        net.importance(table(), y, columns=0)


def test_no_more_than_twenty_columns_are_printed():
    X = np.random.default_rng(0).normal(size=(60, 130))
    found = MLPRegressor(preprocess="auto", max_iter=1, random_state=0).fit(X, X[:, 0]).importance(X, X[:, 0])
    assert len(found.names) == 130
    assert len(str(found).splitlines()) == 1 + 20 + 2 and "The 20 most important of 130 columns." in str(
        found
    )
    assert found._repr_html_().count("<tr>") == 21


def test_no_rows_are_said():
    with pytest.raises(ShapeError, match="X has no rows, and there is no answer to explain"):
        fitted("fast", "number").explain(table()[:0])
    for call in (lambda net, X: net.importance(X, []), lambda net, X: net.curves(X, "age")):
        with pytest.raises(ShapeError, match="X has no rows, whose answers could change; pass at least one"):
            call(fitted("fast", "number"), table()[:0])


def test_curves_are_answers_with_other_cells():
    net, X = fitted("fast", "number"), table()
    found = net.curves(X, "age", points=5, rows=7)
    chosen = np.unique(np.linspace(0, len(X) - 1, 7).astype(int))
    assert found.answers.shape == (7, 5)
    for i, age in enumerate(found.column.values):
        np.testing.assert_allclose(
            found.answers[:, i], net.predict(X.iloc[chosen].assign(age=age)), atol=1e-9
        )
    assert found.column.values[0] == X.age.min() and found.column.values[-1] == X.age.max()
    assert (found.low, found.high) == tuple(X.age.quantile([0.05, 0.95]))
    sex = net.curves(X, "sex", rows=3)
    np.testing.assert_allclose(
        sex.answers[:, 0], net.predict(X.iloc[[0, 99, 199]].assign(sex="f")), atol=1e-9
    )
    when = net.curves(X, "since", points=3, rows=2)
    first = net.predict(X.iloc[[0, 199]].assign(since=X.since.min()))
    np.testing.assert_allclose(when.answers[:, 0], first, atol=1e-9)
    assert fitted("fast", "three").curves(X, "member", rows=5).label in (0, 1, 2)
    with pytest.raises(ConfigError, match="column must be one that the answers depend on, not 'x'"):
        net.curves(X, "x")


def test_pairs_are_second_differences():
    net, X = fitted("fast", "number"), table().head(6)
    found = net.pairs(X, columns=2)
    a, b = found.names
    typical = {each.name: cell(each, 0) for each in net.explain(X).reference}
    with_a, with_b = X.assign(**{a: typical[a]}), X.assign(**{b: typical[b]})
    joint = (
        net.predict(X)
        - net.predict(with_a)
        - net.predict(with_b)
        + net.predict(with_a.assign(**{b: typical[b]}))
    )
    np.testing.assert_allclose(found.values[:, 0, 1], joint, atol=1e-9)
    additive = MLPRegressor(
        hidden_layer_sizes=(), preprocess="auto", random_state=0, max_iter=2, dtype="float64"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        additive.fit(table(), target())
    assert np.abs(additive.pairs(X).values).max() < 1e-12


def test_pairs_with_an_input_of_their_own_belong_to_both_columns():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(-1, 1, (1200, 3)), columns=list("abc"))
    net = MLPClassifier(preprocess="auto", preset="additive", max_iter=8, random_state=0, dtype="float64")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net.fit(X, np.where(X.a * X.b > 0, "yes", "no"))
    X, pairs = X.head(40), net.preprocessor_.crossed_
    assert pairs
    found, names = net.explain(X), net.explain(X).names
    assert found.error.max() < 1e-9
    curve = net.curves(X, names[pairs[0].first.column], rows=40)
    cells = [cell(curve.column, i) for i in range(2)]
    for i, value in enumerate(cells):
        put = X.assign(**{curve.column.name: value})
        np.testing.assert_allclose(curve.answers[:, i], net.predict_proba(put)[:, 1], atol=1e-9)


def test_reasons_as_a_frame():
    """The rows of the frame that is explained, by its index, and the columns by their names; a row adds up."""
    X = table().sample(20, random_state=0).rename(columns={"age": "base"})
    net = MLPRegressor(
        preprocess="auto", hidden_layer_sizes=(4,), random_state=0, dtype="float64", max_iter=2
    )
    found = net.fit(X, target()[X.index]).explain(X)
    frame = found.to_frame()
    assert frame.columns.tolist() == [*X.columns, "base_"] and frame.index.equals(X.index)
    np.testing.assert_allclose(frame.sum(axis=1), net.predict(X), rtol=1e-9)
    joined = X.join(frame.add_suffix(" adds"))
    np.testing.assert_array_equal(joined["city adds"], found.values[:, found.place("city")])
    assert found.to_frame("polars").columns == frame.columns.tolist()


def test_as_shap_has_it():
    shap = pytest.importorskip("shap")
    found = fitted("fast", "number").explain(table().head(10))
    made = found.to_shap()
    assert isinstance(made, shap.Explanation) and made.feature_names == list(found.names)
    np.testing.assert_array_equal(made.values, found.values)
