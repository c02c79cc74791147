"""Tables of few rows: `predict` answers them by what a bound estimator has, with the bits of a table of many rows."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.exceptions import NotFittedError

from chainrule import DataError, MLPClassifier, MLPRegressor, ShapeError
from chainrule.bound import predictors
from chainrule.bound.rows import KnownColumns, cells_of_rows
from chainrule.engines.native import REASON
from chainrule.fitting.held import as_fitted, result_of
from chainrule.fitting.result import FEW
from chainrule.race.blend import Blend, BlendPart, RaceResult
from chainrule.race.report import RaceReport

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.skipif(REASON is not None, reason="NumPy multiplies few rows otherwise than a table"),
]
N = 120


def table() -> pd.DataFrame:
    """Columns of the types that frames have."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "single": rng.normal(size=N).astype(np.float32),
            "whole": rng.integers(0, 2**60, N),
            "gaps": np.where(rng.uniform(size=N) < 0.3, np.nan, rng.normal(size=N)),
            "is": rng.uniform(size=N) < 0.5,
            "kind": rng.choice(["flat", " house", None], N),
            "thing": pd.Series(rng.choice(["a", 2, None, 2.5], N), dtype=object),
            "grade": pd.Categorical(rng.choice(["low", "high"], N)),
            "day": pd.Timestamp("2020-01-01 12:00:00.123456789")
            + pd.to_timedelta(rng.integers(0, 700, N), unit="D"),
            "took": pd.to_timedelta(rng.integers(0, 10**6, N), unit="s"),
            "written": [f"{value:.2f}" for value in rng.normal(size=N)],
        }
    )


FRAME = table()
Y = np.where(FRAME["x"] + (FRAME["kind"] == "flat") > 0.3, "yes", "no")


def fitted(frame: pd.DataFrame, kind: type[Any] = MLPClassifier, y: Any = Y, **settings: Any) -> Any:
    usual = {"preprocess": "auto", "max_iter": 1, "hidden_layer_sizes": (8,), "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(**{**usual, **settings}).fit(frame, y)


NET = fitted(FRAME)
PLAIN = ["x", "single", "whole", "gaps", "is", "kind", "written"]
NOTED = ["x", "whole", "gaps", "is", "kind", "grade", "written"]
AS_GIVEN: dict[str, tuple[list[str], Callable[[pd.DataFrame], Any]]] = {
    "pandas": (list(FRAME), lambda rows: rows),
    "another order": (list(FRAME), lambda rows: rows.iloc[:, ::-1].assign(more="?")),
    "nullable": (NOTED, lambda rows: rows.convert_dtypes()),
    "arrow's types": (NOTED, lambda rows: rows.convert_dtypes(dtype_backend="pyarrow")),
    "polars": (PLAIN, pl.from_pandas),
    "arrow": (PLAIN, lambda rows: pa.Table.from_pandas(rows, preserve_index=False)),
    "lists": (PLAIN, lambda rows: {name: rows[name].tolist() for name in rows}),
    "mappings": (PLAIN, lambda rows: rows.astype(object).to_dict("records")),
    "objects": (PLAIN, lambda rows: rows.to_numpy(object)),
    "numbers": (["x", "whole", "gaps"], lambda rows: rows.to_numpy(float)),
}


@pytest.mark.parametrize("name", AS_GIVEN)
def test_few_rows_have_the_bits_of_many(name: str):
    columns, given = AS_GIVEN[name]
    frame = FRAME[columns]
    net = NET if columns == list(FRAME) else fitted(frame)
    shares, labels = net.predict_proba(frame), net.predict(frame)
    for start, stop in ((3, 4), (5, 7), (40, 40 + FEW)):
        rows = given(frame[start:stop])
        np.testing.assert_array_equal(net.predict_proba(rows), shares[start:stop], strict=True)
        np.testing.assert_array_equal(net.predict(rows), labels[start:stop], strict=True)
    if columns == PLAIN:  # a moment with nanoseconds is another one as an object
        row = frame.iloc[9]
        np.testing.assert_array_equal(net.predict_proba(row), shares[9:10], strict=True)
        np.testing.assert_array_equal(net.predict_proba(row.to_dict()), shares[9:10], strict=True)


@pytest.mark.parametrize(
    "name", sorted(AS_GIVEN.keys() - {"nullable", "arrow's types"})
)  # whose NA a table reads
def test_the_cells_are_taken_without_reading_a_table(name: str):
    """But for columns that need a second look: mixed objects of several rows."""
    columns, given = AS_GIVEN[name]
    known = KnownColumns(columns, True, list(enumerate(columns)), frozenset(range(len(columns))))
    found = cells_of_rows(given(FRAME[columns][:1]), known)
    assert found is not None and len(found) == 1 and len(found[0]) == len(columns)
    many = cells_of_rows(given(FRAME[columns][: FEW + 1]), known)
    assert many is None
    mixed = pd.DataFrame({"x": pd.Series(["a", 2], dtype=object)})  # whose 2 is a text beside a text
    assert cells_of_rows(mixed, KnownColumns(["x"], True, [(0, "x")], frozenset([0]))) is None


def test_what_is_no_table_of_few_rows_has_the_error_of_one():
    for bad, error in (
        (FRAME[:1].drop(columns="kind"), r"X lacks 'kind'"),
        (FRAME[2:4].assign(x=["1", "abc"]), r"texts in column 'x' \('abc' at row 1\), which had numbers"),
        (FRAME[:2].assign(kind=["flat", [1]]), r"'kind' has list \[1\] at row 1"),
        (pd.concat([FRAME, FRAME[["x"]]], axis=1)[:1], "two columns named 'x'"),
        (FRAME.iloc[0].to_dict() | {"more": [1, 2]}, "column 'x'"),
    ):
        with pytest.raises((DataError, ShapeError), match=error):
            NET.predict(bad)
    with pytest.raises(ShapeError, match=f"{FRAME.shape[1] - 1} features"):
        NET.predict(FRAME.iloc[:1, 1:].to_numpy(object))


def test_new_levels_and_missing_cells_are_what_they_are_in_many_rows():
    odd = FRAME.copy()
    odd.loc[0, ["kind", "grade"]] = "tent", None
    odd.loc[0, ["x", "day", "took"]] = np.inf, pd.NaT, pd.NaT
    np.testing.assert_array_equal(NET.predict_proba(odd[:1]), NET.predict_proba(odd)[:1])


@pytest.mark.parametrize(
    "settings",
    [{"loss": "quantile", "quantiles": (0.1, 0.9)}, {"n_members": 2}, {"dtype": "float64"}],
)
def test_numbers_and_ensembles_too(settings: dict[str, Any]):
    net = fitted(FRAME[PLAIN], MLPRegressor, FRAME["x"].to_numpy(), **settings)
    np.testing.assert_array_equal(net.predict(FRAME[PLAIN][4:6]), net.predict(FRAME[PLAIN])[4:6], strict=True)


def test_parameters_that_change_count_at_once():
    net = fitted(FRAME)
    before = net.predict_proba(FRAME[:1])
    held, twin = net.coefs_[0], copy.copy(net)
    for change in (
        lambda: held.__imul__(0.5),  # a view from before the first prediction of few rows
        lambda: net.members_[0].parameters["dense_1"].W.__imul__(2.0),
        lambda: setattr(net, "intercepts_", [each + 1 for each in net.intercepts_]),
        lambda: net.partial_fit(FRAME, Y),
        lambda: net.fit(FRAME[::-1], Y),
    ):
        change()
        after = net.predict_proba(FRAME[:1])
        assert (after != before).any()
        np.testing.assert_array_equal(after, net.predict_proba(FRAME)[:1])
        before = after
    np.testing.assert_array_equal(twin.predict_proba(FRAME[:1]), twin.predict_proba(FRAME)[:1])
    net.preprocessor_.fit(FRAME.assign(x=FRAME["x"] * 10))
    assert (net.predict_proba(FRAME[:1]) != before).any()
    assert {*net.set_threshold(threshold=0.0).predict(FRAME[:3])} == {"yes"}
    net.set_params(engine="reference")
    np.testing.assert_allclose(net.predict_proba(FRAME[:1]), net.predict_proba(FRAME)[:1], rtol=1e-5)


def test_copies_and_pickles_keep_no_other_ones_answer():
    net = fitted(FRAME)
    shares = net.predict_proba(FRAME[:1])
    for made in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        made.coefs_[0][:] = 0.0
        assert (made.predict_proba(FRAME[:1]) != shares).any()
    np.testing.assert_array_equal(net.predict_proba(FRAME[:1]), shares)


def test_of_networks_with_many_parameters_nothing_is_kept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(predictors, "MOST_PARAMETERS", 10)
    net = fitted(FRAME[PLAIN])
    np.testing.assert_allclose(
        net.predict_proba(FRAME[PLAIN][:1]), net.predict_proba(FRAME[PLAIN])[:1], rtol=1e-5
    )


def test_of_tables_of_many_rows_nothing_is_prepared():
    """What answers few rows is put together for the first table of few rows, not for one of many."""
    estimator = MLPClassifier((4,), preprocess="auto", max_iter=2, random_state=0).fit(FRAME, Y)
    many = estimator.predict_proba(FRAME)
    assert estimator._few_rows.rows is None
    np.testing.assert_array_equal(estimator.predict_proba(FRAME[:FEW]), many[:FEW])
    assert estimator._few_rows.rows is not None


def test_threads_may_predict_at_once():
    net, expected = fitted(FRAME), NET.predict_proba(FRAME)

    def is_right(k: int) -> bool:
        return np.array_equal(net.predict_proba(FRAME[k % N : k % N + 1])[0], expected[k % N])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(is_right, range(32)))


def raced() -> Any:
    """A race by hand, of two networks."""
    nets = [fitted(FRAME[PLAIN], preset="fast", random_state=seed, early_stopping=True) for seed in (0, 1)]
    parts = [BlendPart(0.5, net, "some", result_of(net)) for net in nets]
    return as_fitted(nets[0], RaceResult.of(parts[0].result, Blend(parts), RaceReport()))


GIVE: dict[str, Callable[[Any], Any]] = {
    "coefs_": lambda net: net.coefs_[0],
    "model_": lambda net: net.model_.theta,
    "members_": lambda net: net.members_[0].theta,
    "blend_": lambda net: net.blend_.parts[1].result.model.theta,
    "the part's": lambda net: net.blend_.parts[1].estimator.intercepts_[0],
    "bind": lambda net: net.bind().result.model.theta,
}


@pytest.mark.parametrize("name", GIVE)
@pytest.mark.parametrize("is_early", [False, True])
def test_what_is_written_to_networks_of_a_race_counts_at_once(name: str, is_early: bool):
    net, rows = raced(), FRAME[PLAIN]
    given = GIVE[name](net) if is_early else None
    before = net.predict_proba(rows[:1])
    given = GIVE[name](net) if given is None else given
    np.testing.assert_array_equal(net.predict_proba(rows[:1]), before)
    twin = copy.copy(net)
    given += 0.5
    for one in (net, twin):
        after = one.predict_proba(rows[:1])
        assert (after != before).any()
        np.testing.assert_allclose(after, one.predict_proba(rows)[:1], rtol=1e-12)
    net.intercepts_ = [each * 0 for each in net.intercepts_]
    np.testing.assert_allclose(net.predict_proba(rows[:1]), net.predict_proba(rows)[:1], rtol=1e-12)


@pytest.mark.parametrize("ask", ["bind", "graph"])
def test_an_estimator_without_a_fit_gives_out_nothing(ask: str):
    with pytest.raises(NotFittedError):
        getattr(MLPRegressor(), ask)()
    assert not MLPRegressor()._few_rows.are_given


def test_networks_that_nobody_has_are_not_compared():
    net = raced()
    net.predict_proba(FRAME[PLAIN][:1])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(predictors.SeenModel, "is_same", lambda *_: pytest.fail("compared"))
        net.predict_proba(FRAME[PLAIN][:2])
        assert net.blend_.temperature == 1.0
        net.predict_proba(FRAME[PLAIN][:2])  # bound anew
        with pytest.raises(pytest.fail.Exception, match="compared"):
            net.predict_proba(FRAME[PLAIN][:2])


BY_HALVES: dict[str, Callable[[], Any]] = {
    "network": lambda: fitted(FRAME[PLAIN]),
    "members": lambda: fitted(FRAME[PLAIN], n_members=3),
    "race": raced,
}


@pytest.mark.parametrize("name", BY_HALVES)
def test_few_rows_are_predicted_in_bfloat16_as_many_are(name: str):
    """And what is kept of one precision answers for no other one."""
    net, rows = BY_HALVES[name](), FRAME[PLAIN]
    full, halves = net.predict_proba(rows), net.predict_proba(rows, precision="bf16")
    assert 0 < np.abs(full - halves).max() < 0.02
    bound = net.bind(precision="bf16")
    for k in (0, 5):
        for precision, expected in ((None, full), ("bf16", halves), (None, full)):
            found = net.predict_proba(rows[k : k + 1], precision=precision)
            np.testing.assert_allclose(found, expected[k : k + 1], rtol=1e-12)
        np.testing.assert_allclose(bound.predict_proba(rows.iloc[k].to_dict()), halves[k], rtol=1e-12)
    if name != "network":
        apart = net.spread(rows, precision="bf16")
        assert not np.array_equal(apart, net.spread(rows))
        np.testing.assert_allclose(bound.spread(rows[5:6]), apart[5], rtol=1e-9, atol=1e-12)
