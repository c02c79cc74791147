"""Reasons of answers that similar training rows correct: complete, by hand, and the same in all that explains."""

from __future__ import annotations

import math
import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chainrule import MLPClassifier, MLPRegressor, TablePreprocessor
from chainrule.explain import explain
from chainrule.explain.reasons import cell
from chainrule.fitting.held import as_fitted, result_of
from chainrule.fitting.lookup import ComparedRows, Lookup, Memory, Similarity, are_codes
from chainrule.race import candidates
from chainrule.race.blend import Blend, BlendPart, RaceResult
from chainrule.race.candidates import Candidate
from chainrule.race.report import RaceReport

PERSONS, VISITS = 100, 4
SMALL = (
    Candidate("fast", changed={"hidden_layer_sizes": (8,)}),
    Candidate("linear", variant="plain", changed={"hidden_layer_sizes": ()}),
)
KINDS = ("number", "two", "three")


@cache
def visits() -> tuple[pd.DataFrame, np.ndarray]:
    """Visits of persons, each with cells of its own, and what is known of a person and not by a smooth function."""
    rng = np.random.default_rng(0)
    person = rng.permutation(np.repeat(np.arange(PERSONS), VISITS))
    each = pd.DataFrame(
        {
            "age": rng.normal(40, 9, PERSONS).round(1),
            "weight": rng.normal(70, 12, PERSONS).round(1),
            "city": rng.choice([f"c{k}" for k in range(60)], PERSONS),
            "sex": rng.choice(["m", "f"], PERSONS),
        }
    )
    each.loc[::5, "weight"] = np.nan
    each.loc[::7, "city"] = None
    X = each.iloc[person].reset_index(drop=True)
    X["minute"] = rng.integers(0, 60, len(X))
    own = 2 * rng.normal(size=PERSONS)
    return X, own[person] + 0.05 * (X.age.to_numpy() - 40) + 0.1 * rng.normal(size=len(X))


def truth(kind: str) -> np.ndarray:
    _, y = visits()
    return {
        "number": y,
        "two": np.where(y > 0, "yes", "no"),
        "three": np.array(["a", "b", "c"])[np.digitize(y, [-1, 1])],
    }[kind]


@cache
def raced(kind: str) -> Any:
    """An average of a race in which looking up helps."""
    return race_of(kind, visits()[0], truth(kind))


def race_of(kind: str, X: pd.DataFrame, y: np.ndarray) -> Any:
    made = MLPRegressor if kind == "number" else MLPClassifier
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(candidates, "CANDIDATES", SMALL)
        patch.setattr(candidates, "OF_FEW_ROWS", ())
        net = made(preprocess="auto", preset="best", max_iter=4, random_state=0, dtype="float64").fit(X, y)
    assert net.blend_.lookup is not None
    return net


def said(net: Any, X: Any, labels: tuple[Any, ...]) -> np.ndarray:
    """What the estimator answers: numbers, or the probability of each row's label."""
    if isinstance(net, MLPRegressor):
        return np.asarray(net.predict(X), float)
    shares = net.predict_proba(X)
    return shares[np.arange(len(shares)), [net.classes_.tolist().index(label) for label in labels]]


@cache
def strangers() -> pd.DataFrame:
    """Rows of training and others: with unknown cells, missing ones and far numbers."""
    X = visits()[0].head(60).copy()
    X.loc[40:, "age"] += 3.3
    X.loc[45:, "city"] = "nowhere"
    X.loc[50:, "weight"] = np.nan
    X.loc[55:, "age"] = 1e6
    return X


@pytest.mark.parametrize("kind", KINDS)
def test_complete(kind: str):
    net, X = raced(kind), strangers()
    found = net.explain(X)
    assert found.names == tuple(X.columns) and found.error.max() < 1e-9
    answers = said(net, X, found.labels)
    np.testing.assert_allclose(found.base + found.values.sum(1), answers, rtol=0, atol=1e-9)
    alone = as_fitted(net, without_lookup(net)).explain(X, target=list(found.labels) or None)
    assert np.abs(alone.answers - found.answers).max() > 0.05  # similar rows change the answers
    if kind != "number":
        odds = net.explain(X, output="log_odds", target=list(found.labels))
        assert odds.error.max() < 1e-9
        np.testing.assert_allclose(odds.answers, np.log(answers) - np.log1p(-answers), atol=1e-6)


def without_lookup(net: Any) -> RaceResult:
    result: Any = result_of(net)
    own = {"report": result.report, "state": result.state}
    return RaceResult.of(result, Blend(result.blend.parts, result.blend.temperature), **own)


@pytest.mark.parametrize("kind", KINDS)
def test_several_rows_to_compare_with_are_averaged(kind: str):
    net, (X, _) = raced(kind), visits()
    rows, label = X.tail(9), None if kind == "number" else net.classes_[0]
    one, other, both = (net.explain(rows, reference=X.iloc[own], target=label) for own in ([8], [9], [8, 9]))
    for each in (one, other, both):
        assert each.error.max() < 1e-9
    np.testing.assert_allclose(both.values, (one.values + other.values) / 2, atol=1e-12)
    labels = () if label is None else (label, label)
    np.testing.assert_allclose(both.base, said(net, X.iloc[[8, 9]], labels).mean(), atol=1e-9)
    assert not net.explain(X.iloc[[8]], reference=X.iloc[[8]]).values.any()


def test_a_column_with_the_cells_of_the_reference_has_no_part():
    net, X = raced("three"), visits()[0]
    reference = X.iloc[[0]]
    rows = X.tail(5).assign(city=X.city[0], age=X.age[0])
    values = net.explain(rows, reference=reference).values
    assert not values[:, [0, 2]].any() and values[:, 1].any()


def test_blocks_of_rows_are_the_same(monkeypatch: pytest.MonkeyPatch):
    net, X = raced("two"), visits()[0].head(30)
    whole = net.explain(X)
    monkeypatch.setattr(explain, "AT_ONCE", 7 * len(net.blend_.lookup))
    np.testing.assert_allclose(net.explain(X).values, whole.values, rtol=0, atol=1e-12)
    assert explain.rows_at_once(net._parts()) == 7 < explain.MAX_ROWS


@pytest.mark.parametrize("kind", KINDS)
def test_importance_curves_and_pairs_are_of_the_whole_answer(kind: str):
    net, (X, _), y = raced(kind), visits(), truth(kind)
    found = net.importance(X, y, repeats=1)
    answers = said(net, X, tuple(y))
    loss = np.sqrt(np.square(answers - y).mean()) if kind == "number" else -np.log(answers).mean()
    np.testing.assert_allclose(found.base, loss, rtol=1e-9)
    rows, label = X.iloc[[0, 199, 399]], None if kind == "number" else net.classes_[1]
    labels = () if label is None else (label,) * 3
    for column in ("age", "city"):
        curve = net.curves(X, column, points=4, rows=3, target=label)
        for i in range(len(curve.column.values)):
            put = rows.assign(**{column: cell(curve.column, i)})
            np.testing.assert_allclose(curve.answers[:, i], said(net, put, labels), rtol=0, atol=1e-9)
    pairs = net.pairs(rows, columns=2, target=label)
    a, b = pairs.names
    typical = {each.name: cell(each, 0) for each in net.explain(rows).reference}
    with_a, with_b = rows.assign(**{a: typical[a]}), rows.assign(**{b: typical[b]})
    joint = said(net, rows, labels) - said(net, with_a, labels) - said(net, with_b, labels)
    joint += said(net, with_a.assign(**{b: typical[b]}), labels)
    np.testing.assert_allclose(pairs.values[:, 0, 1], joint, rtol=0, atol=1e-9)


def test_pairs_of_columns_beside_similar_rows():
    """A fit with an input for each cell of two columns, and a lookup without: columns have their parts of both."""
    X, y = visits()
    made = MLPRegressor(preprocess="auto", preset="additive", max_iter=8, random_state=0, dtype="float64")
    rng = np.random.default_rng(0)
    X = X.assign(b=rng.uniform(-1, 1, len(X)), c=rng.uniform(-1, 1, len(X)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.fit(X, 9 * X.b * X.c + y)
    pairs = made.preprocessor_.crossed_
    assert pairs
    part = BlendPart(1.0, made, "additive", result_of(made))
    lookup = result_of(race_of("number", X, y)).lookup
    found = as_fitted(made, RaceResult.of(result_of(made), Blend([part], lookup=lookup), RaceReport()))
    rows = X.head(30)
    reasons, alone = found.explain(rows), made.explain(rows)
    answers = np.asarray(found.predict(rows), float)
    assert reasons.error.max() < 1e-9
    np.testing.assert_allclose(reasons.base + reasons.values.sum(1), answers, rtol=0, atol=1e-9)
    assert np.abs(answers - made.predict(rows)).max() > 0.05
    of_rows = reasons.values - alone.values  # what an average adds to a corrected number stays as it is
    np.testing.assert_allclose(
        of_rows.sum(1), answers - made.predict(rows) - reasons.base + alone.base, rtol=0, atol=1e-9
    )
    assert np.abs(of_rows).max() > 0.05
    curve = found.curves(rows, "b", points=3, rows=30)
    for i in range(len(curve.column.values)):
        put = rows.assign(b=cell(curve.column, i))
        np.testing.assert_allclose(curve.answers[:, i], found.predict(put), rtol=0, atol=1e-9)


def test_similar_rows_by_hand():
    """One training row at 0 with an error of 3, and a prior of 1: f(x) = 3 k / (1 + k), of a number and a category."""
    age = np.linspace(-1, 1, 60)
    X = pd.DataFrame({"age": age / age.std(), "kind": ["a", "b", "c"] * 20})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = MLPRegressor(
            hidden_layer_sizes=(), preprocess="auto", max_iter=1, random_state=0, dtype="float64"
        ).fit(X, X.age)
    preprocessor = TablePreprocessor(
        scale="standard", max_one_hot=2, embeddings=True, min_count=1, dtype="float32"
    ).fit(X)
    one = ComparedRows.of(
        preprocessor.transform(pd.DataFrame({"age": [0.0], "kind": ["a"]})), are_codes(preprocessor)
    )
    memory = Memory(one, np.array([[3.0]], np.float32))
    lookup = Lookup(preprocessor, Similarity(np.array([2.0]), np.array([0.5]), 1.0), memory, (1.0, 0.5))
    part = BlendPart(1.0, net, "fast", result_of(net))
    blended = RaceResult.of(part.result, Blend([part], lookup=lookup), RaceReport())
    # prepared, age / sqrt(1 + (age / 3)^2), the ages are 1/2 and 1
    ages = ((math.sqrt(9 / 35), "a"), (math.sqrt(9 / 8), "b"))
    rows, origin = (pd.DataFrame({"age": [age], "kind": [kind]}) for age, kind in ages)
    np.testing.assert_allclose(preprocessor.transform(pd.concat([rows, origin]))[:, 0], [0.5, 1.0], atol=1e-6)
    found = as_fitted(net, blended, preset="best").explain(rows, reference=origin)
    alone = net.explain(rows, reference=origin)
    k, k0 = np.exp(-2 * 0.25), np.exp(-2 * 1.0 - 0.5)
    change = 3 * k / (1 + k) - 3 * k0 / (1 + k0)
    # the distances differ by 2 (1 - 0.25) = 1.5 of the number and by 0.5 of the category: three quarters and a quarter
    np.testing.assert_allclose(found.values - alone.values, [[0.75 * change, 0.25 * change]], atol=1e-6)
    np.testing.assert_allclose(found.base - alone.base, 3 * k0 / (1 + k0), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_slopes_are_of_the_whole_answer(kind: str):
    """The average and its correction by similar rows: central differences of the predictions."""
    net, X, h = raced(kind), visits()[0].head(25), 1e-5
    X = X.assign(age=X.age + 0.037)  # between the ages of training, at which ranks have kinks

    def answers(age: Any) -> np.ndarray:
        rows = X.assign(age=age)
        return net.predict(rows)[:, None] if kind == "number" else net.predict_proba(rows)

    found, base = net.slopes(X), answers(X.age)
    at = np.arange(25), np.broadcast_to({"number": 0, "two": 1}.get(kind, base.argmax(1)), 25)
    expected = (answers(X.age + h) - answers(X.age - h))[at] / (2 * h)
    own = found.values[:, found.names.index("age")]
    np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(found.answers, base[at], rtol=1e-9)
