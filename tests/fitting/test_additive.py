"""preset="additive": a prediction is the sum of its terms, to rounding, and the pairs are those that interact."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule import ConfigError, FormatError, MLPClassifier, MLPRegressor, TablePreprocessor
from chainrule.core import codec
from chainrule.fitting.additive import merged, score
from chainrule.fitting.terms import OTHER, AdditiveTerm, Axis, Terms
from chainrule.tables.crossed import Crossed, sides, with_edges
from chainrule.tables.scaling import Scaler, Scaling

ROWS = 400
SMALL: dict[str, Any] = {
    **{"preprocess": "auto", "preset": "additive", "random_state": 0, "max_iter": 12, "n_members": 3}
}


def table(seed: int = 0, rows: int = ROWS) -> tuple[pd.DataFrame, Any]:
    """Numbers with gaps, ties and a long tail, categories, rare ones and dates; `slope` depends on `kind`."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "gaps": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
            "tail": rng.lognormal(size=rows).round(1) * 1e4,
            "slope": rng.normal(size=rows) - 3,
            "kind": rng.choice(list("abc"), rows),
            "open": rng.choice(["yes", "no"], rows),
            "place": rng.choice([f"p{k}" for k in range(90)], rows),
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D"),
        }
    )
    y = (
        np.tanh(2 * frame["gaps"].fillna(0.5))
        + np.log(frame["tail"] + 1)
        + (frame["slope"] + 3) * (frame["kind"] == "a")
    )
    return frame, (50 + 7 * y + rng.normal(size=rows)).to_numpy()


def rows_of(frame: pd.DataFrame, net: Any) -> list[dict[str, Any]]:
    """The rows as mappings of what terms ask for: the parts of a date are those that the preparation makes."""
    found = frame.to_dict("records")
    prepared = net.preprocessor_.transform(frame)
    names = net.preprocessor_.get_feature_names_out().tolist()
    for term in net.terms():
        for axis in term.axes:
            if axis.column not in frame:
                place = names.index(axis.column)
                own = prepared[:, place].astype(float)
                lane = next((each for each in net.preprocessor_.learned_ if each.name == "when"), None)
                assert lane is not None
                scale = {f"when {each.part}": each.scale for each in lane.lanes}.get(axis.column)
                values = own if scale is None else scale.center + own * scale.spread
                for row, value in zip(found, values, strict=True):
                    row[axis.column] = value
    return found


def sums(net: Any, frame: pd.DataFrame) -> Any:
    terms = net.terms()
    return np.array([terms.decision(row) for row in rows_of(frame, net)])


@pytest.mark.parametrize("kind", [MLPRegressor, MLPClassifier])
def test_the_terms_of_a_compact_file_are_those_of_its_network(kind: Any, tmp_path: Path):
    """Its weights are rounded, and the sum of its terms is its own decision to the rounding of float32."""
    frame, y = table()
    target = y if kind is MLPRegressor else np.where(y > np.median(y), "high", "low")
    net = kind(**SMALL).fit(frame, target)
    net.save(tmp_path / "compact", compact=True)
    read = kind.load(tmp_path / "compact")
    decision = [
        np.asarray(each.explain(frame, output="log_odds").answers)
        if kind is MLPClassifier
        else each.predict(frame)
        for each in (read, net)
    ]
    added = sums(read, frame)[:, 0]
    off = np.abs(added - decision[0]).max()
    assert off < 2e-6 * np.abs(decision[0]).max() and off < np.abs(added - decision[1]).max() / 20
    assert [each.name for each in read.terms()] == [each.name for each in net.terms()]
    for mine, own in zip(read.terms(), net.terms(), strict=True):
        assert_allclose(mine.upper - mine.values, own.upper - own.values, atol=1e-9)
    net.save(tmp_path / "plain")
    again = kind.load(tmp_path / "plain").terms()
    assert_array_equal(again.intercept, net.terms().intercept)


def unseen(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows like those of training, and some with numbers far outside, gaps and categories that nobody has seen."""
    made = frame.copy()
    made.loc[:9, "tail"] = np.linspace(-1e6, 1e7, 10)
    made.loc[5:15, "slope"] = np.nan
    made.loc[10:20, "kind"] = "z"
    made.loc[15:25, "open"] = None
    made.loc[20:30, "place"] = "p_new"
    return made


def test_a_prediction_is_the_sum_of_its_terms():
    frame, y = table()
    net = MLPRegressor(**SMALL, dtype="float64").fit(frame, y)
    terms = net.terms()
    assert any(len(term.axes) == 2 for term in terms)
    others = unseen(table(1)[0])
    assert_allclose(sums(net, others)[:, 0], net.predict(others), rtol=0, atol=1e-9)
    assert net.score(*table(1)) > 0.5  # after a few epochs


@pytest.mark.parametrize("classes", [2, 3])
def test_the_decision_of_classes_is_the_sum_of_its_terms(classes: int):
    frame, y = table()
    frame = frame.drop(columns="when")
    labels = np.searchsorted(np.quantile(y, np.arange(1, classes) / classes), y)
    net = MLPClassifier(**SMALL, dtype="float64").fit(frame, labels)
    decision = sums(net, frame)
    p = net.predict_proba(frame)
    if classes == 2:
        assert_allclose(1 / (1 + np.exp(-decision[:, 0])), p[:, 1], rtol=0, atol=1e-9)
    else:
        e = np.exp(decision - decision.max(1, keepdims=True))
        assert_allclose(e / e.sum(1, keepdims=True), p, rtol=0, atol=1e-9)


def test_the_decision_of_several_labels_is_the_log_odds_of_each(tmp_path: Path):
    frame, y = table()
    frame = frame.drop(columns="when")
    net = MLPClassifier(**SMALL, dtype="float64").fit(frame, np.c_[y > 0, y > 1, y < 2].astype(int))
    assert_allclose(1 / (1 + np.exp(-sums(net, frame))), net.predict_proba(frame), rtol=0, atol=1e-9)
    assert net.terms().link == "log_odds" and "log-odds of each label" in net.terms().html()
    net.save(tmp_path / "net.safetensors")
    assert MLPClassifier.load(tmp_path / "net.safetensors").terms().labels == ("0", "1", "2")


def test_members_become_one_network():
    import chainrule as c

    layers = [c.Embedding([(2, 3, 2)], std=1.0), c.PiecewiseLinearEmbedding(3, 4, columns=(1,)), c.Dense(2)]
    network = c.Network(3, layers, c.MeanSquaredError())
    rng = np.random.default_rng(0)
    X = np.c_[rng.normal(size=(40, 2)), rng.integers(0, 3, 40)]
    ensemble = c.Ensemble(network, 3, seed=0, dtype="float64")
    ensemble.fit(X, rng.normal(size=(40, 2)), epochs=2, engine="reference")
    one = merged(list(ensemble.members))
    expected = np.mean([member.predict(X) for member in ensemble.members], axis=0)
    assert_allclose(one.predict(X), expected, rtol=1e-12, atol=1e-12)


def test_terms_are_centered_and_lie_in_their_intervals():
    frame, y = table()
    frame = frame.drop(columns="when")
    net = MLPRegressor(**SMALL, dtype="float64").fit(frame, y)
    terms = net.terms()
    added = {
        term.name: [term.at(*(row[axis.column] for axis in term.axes))[0] for row in frame.to_dict("records")]
        for term in terms
    }
    for term in terms:
        assert np.mean(added[term.name]) == pytest.approx(0, abs=1e-9)
        assert np.mean(np.abs(added[term.name])) == pytest.approx(term.importance, rel=1e-6)
        assert (term.lower <= term.values).all() and (term.values <= term.upper).all()
        assert (term.upper > term.lower).any()
    assert terms.intercept[0] == pytest.approx(net.predict(frame).mean(), abs=1e-6)
    assert [term.importance for term in terms] == sorted((term.importance for term in terms), reverse=True)


@pytest.mark.slow
def test_the_pair_that_interacts_is_found_and_no_other():
    frame, y = table(rows=1500)
    net = MLPRegressor(**SMALL).fit(frame.drop(columns="when"), y)
    assert {frozenset(a.column for a in term.axes) for term in net.terms() if len(term.axes) == 2} == {
        frozenset({"slope", "kind"})
    }


@pytest.mark.slow
def test_intervals_are_wider_where_there_are_fewer_rows():
    """A curve's interval, which comes from draws of the rows, narrows about with the root of their number."""
    widths = []
    for rows in (200, 3200):
        frame, y = table(rows=rows)
        term = MLPRegressor(**{**SMALL, "n_members": 8}).fit(frame[["tail", "kind"]], y).terms()["tail"]
        widths.append(float(np.median(term.upper - term.lower)))
    assert widths[0] > 1.5 * widths[1]


def test_directions_hold_and_pairs_leave_them_alone():
    frame, y = table()
    frame = frame.drop(columns=["when", "place"])
    net = MLPRegressor(**SMALL, monotonic_cst={"slope": -1, "tail": 1}).fit(frame, y)
    assert all(
        {"slope", "tail"}.isdisjoint(a.column for a in term.axes)
        for term in net.terms()
        if len(term.axes) == 2
    )
    assert (np.diff(net.terms()["tail"].values[1:, 0]) >= -1e-5).all()
    assert (np.diff(net.terms()["slope"].values[1:, 0]) <= 1e-5).all()
    apart = MLPRegressor(**SMALL, interaction_cst="no_interactions").fit(frame, y)
    assert all(len(term.axes) == 1 for term in apart.terms())


def test_files_keep_the_terms(tmp_path: Path):
    frame, y = table()
    net = MLPRegressor(**SMALL).fit(frame, y)
    net.save(tmp_path / "net.safetensors")
    read = MLPRegressor.load(tmp_path / "net.safetensors")
    assert_array_equal(read.predict(frame), net.predict(frame))
    for own, other in zip(read.terms(), net.terms(), strict=True):
        assert own.axes == other.axes and own.importance == other.importance
        assert_array_equal(own.values, other.values)
    data = codec.write(net.terms())
    data["terms"][0]["values"] = data["terms"][0]["values"][:-1]
    with pytest.raises(FormatError, match="the terms must have a value for each place"):
        codec.read(Terms, data, "the terms")
    table_data = net.preprocessor_.to_data()
    table_data["crossed"][0][0][1] = 99
    with pytest.raises(FormatError, match="crossed must be pairs of columns"):
        TablePreprocessor.from_data(table_data)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_layer_sizes": (3,)}, "has no hidden layers, so hidden_layer_sizes"),
        ({"dropout": 0.1}, "has no hidden layers, so dropout"),
        ({"warm_start": True}, "does not support warm_start=True"),
    ],
)
def test_what_it_has_no_place_for_is_refused(settings: dict[str, Any], message: str):
    frame, y = table()
    with pytest.raises(ConfigError, match=message):
        MLPRegressor(**{**SMALL, **settings}).fit(frame[["slope"]], y)


def test_groups_are_refused():
    frame, y = table()
    with pytest.raises(ConfigError, match="takes no groups or time yet"):
        MLPRegressor(**SMALL).fit(frame, y, groups=np.arange(ROWS) % 7)


def test_other_networks_have_no_terms():
    frame, y = table()
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=1).fit(frame, y)
    with pytest.raises(ConfigError, match="only a fit of preset='additive' has terms"):
        net.terms()


def test_a_term_by_hand():
    curve = AdditiveTerm((Axis("x", "knots", (0.0, 10.0)),), *[np.array([[-1.0], [2.0], [4.0]])] * 3, 1.0)
    assert curve.at(5.0) == curve.at(np.float64(5)) == 3.0
    assert curve.at(-3) == 2.0 and curve.at(99) == 4.0 and curve.at(None) == curve.at(np.nan) == -1.0
    kinds = Axis("k", "categories", ("a", OTHER))
    cells = Axis("x", "edges", (1.5,))
    values = np.arange(9.0).reshape(3, 3, 1)
    pair = AdditiveTerm((kinds, cells), values, values, values, 1.0)
    assert pair.name == "k x x"
    assert (
        pair.at("a", 1.0) == 4
        and pair.at("a", 1.5) == 5
        and pair.at("new", None) == 6
        and pair.at(None, 9.0) == 2
    )
    assert pair.at(pd.NA, 9.0) == pair.at(pd.NaT, 9.0) == 2
    assert (
        pair.at(" ", 9.0) == pair.at("", 9.0) == 2 and pair.at(" a ", 1.0) == 4
    )  # as a table's cells are read
    lasting = curve._replace(axes=(Axis("t", "knots", (0.0, 7200.0)),))
    assert curve.at("5") == curve.at("5,0") == curve.at(Decimal(5)) == lasting.at(pd.Timedelta("1h")) == 3.0
    with pytest.raises(ValueError, match="'five' is no number, and the term is of numbers"):
        curve.at("five")
    numbered = pair._replace(axes=(Axis("k", "categories", ("3", OTHER)), cells))
    assert numbered.at(3.0, 1.0) == numbered.at(3, 1.0) == numbered.at("3", 1.0) == 4
    terms = Terms(np.array([0.5]), (curve,))
    assert terms.decision({"x": 5.0}) == 3.5 and Terms(np.array([0.5]), ()).decision({}) == 0.5
    assert "-0.5" in terms.html({"x": pd.NA}) and terms.decision({"x": pd.NA}) == -0.5
    with pytest.raises(KeyError, match="the row lacks 'x', which has a term; of a date"):
        terms.decision({"y": 5.0})
    with pytest.raises(KeyError, match="'z' is no term; there are x"):
        terms["z"]


def test_cells_by_hand():
    frame = pd.DataFrame(
        {"x": [1.0, 2.0, 2.0, 5.0, None, 9.0] * 20, "k": ["a", "b", "c", "a", None, "b"] * 20}
    )
    made = TablePreprocessor(scale="range").fit(frame)
    out = made.transform(frame)
    number, kinds = sides(made.learned_)
    number = with_edges(number, out, 3)
    assert number.edges == pytest.approx(((1 / 16) / 2, (1 / 8 + 1 / 2) / 2)) or len(number.edges) == 2
    assert number.codes(out)[:6].tolist()[4] == 0 and kinds.codes(out)[:6].tolist() == [1, 2, 3, 1, 0, 2]
    pair = Crossed(number, kinds, 1)
    both = made.crossed([pair])
    codes = both.transform(frame)[:, -1].astype(int)
    assert_array_equal(codes, number.codes(out) * 4 + kinds.codes(out))
    assert both.embedded_[-1][1] == pair.cells == number.cells * 4
    assert both.get_feature_names_out()[-1] == "x x k" and len(both.sources_) == codes.ndim + out.shape[1]
    again = TablePreprocessor.from_data(both.to_data())
    assert_array_equal(again.transform(frame), both.transform(frame))


def test_the_range_by_hand():
    scale = Scaler([Scaling("range", 2.0, 8.0)])
    assert_allclose(scale(np.array([[-5.0], [2.0], [4.0], [10.0], [99.0]]))[:, 0], [0, 0, 0.25, 1, 1])


def test_a_score_is_about_standard_normal_without_an_interaction():
    rng = np.random.default_rng(0)
    n, found = 2000, []
    for _ in range(60):
        a, b, r = rng.integers(0, 8, n), rng.integers(0, 5, n), rng.normal(size=(n, 1))
        r = r - np.array([r[a == k].mean(0) for k in range(8)])[a]  # what a fit of single columns has left
        r = r - np.array([r[b == k].mean(0) for k in range(5)])[b]
        found.append(score(r, np.ones(n), a, b))
    assert abs(np.mean(found)) < 0.6 and 0.6 < np.std(found) < 1.5 and max(found) < 4
    planted = rng.normal(size=(n, 1)) + 0.3 * ((a > 3) ^ (b > 2))[:, None]
    assert score(planted - planted.mean(0), np.ones(n), a, b) > 4
