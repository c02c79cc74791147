"""Estimators bound for one row: what they answer is what `predict` says of a table with this row."""

from __future__ import annotations

import datetime
import decimal
import math
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from chainrule import ConfigError, DataError, MLPClassifier, MLPRegressor, ShapeError, TablePreprocessor
from chainrule.bound.predictors import BoundClassifier, BoundRegressor
from chainrule.bound.rows import TableRow
from chainrule.engines.native import REASON

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N = 160
TOLERANCE = 0.0 if REASON is None else 1e-5
"""without the native engine NumPy multiplies a row otherwise than a table"""


def table(n: int = N, seed: int = 0) -> pd.DataFrame:
    """Columns of all sorts."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"x{k}": rng.normal(size=n) * 10.0 ** rng.integers(-8, 8) for k in range(2)})
    frame["far"] = rng.standard_cauchy(n)
    frame["huge"] = rng.choice([1.7e308, -1.7e308, 0.0, 1e300], n)
    frame["whole"] = rng.integers(-(2**62), 2**62, n)
    frame["few"] = rng.integers(0, 4, n)
    frame["ties"] = rng.choice([0.0, 1.5, np.inf, 7.0], n, p=[0.6, 0.2, 0.1, 0.1])
    frame["gaps"] = np.where(rng.uniform(size=n) < 0.3, np.nan, rng.normal(size=n))
    frame["kind"] = rng.choice(["flat", " house", "tent", "hut "], n)
    frame["many"] = [f"m{k}" for k in rng.integers(0, 20, n)]
    frame["yes"] = rng.choice(["no", "yes", None], n)
    frame["is"] = rng.uniform(size=n) < 0.5
    frame["day"] = np.datetime64("1890-01-01", "s") + rng.integers(0, 10**10, n).astype("timedelta64[s]")
    frame["daygap"] = (pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 700, n), unit="D")).where(
        rng.uniform(size=n) < 0.8
    )
    frame["took"] = pd.to_timedelta(rng.integers(0, 10**6, n), unit="s")
    frame["written"] = [f"{value:.3f}" for value in rng.normal(size=n)]
    frame["on"] = frame["day"].dt.strftime("%d.%m.%Y")
    return frame


def as_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as mappings of Python's values, as JSON and databases have them."""
    columns = {
        name: [each.to_pydatetime() for each in column] if column.dtype.kind == "M" and not column.isna().any()
        else column.astype(object).tolist()
        for name, column in frame.items()
    }  # fmt: skip
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


FRAME = table()
ROWS = as_rows(FRAME)
SETTINGS: list[dict[str, Any]] = [
    {},
    {"scale": "realmlp", "max_one_hot": 3, "min_count": 2},
    {"scale": "none", "dtype": "float64", "category_scale": 0.1, "max_one_hot": 30},
    {
        "scale": "range",
        "out_of_range": "clip",
        "kinds": {"few": "category", "whole": "category", "is": "category"},
    },
    {
        "scale": "quantile",
        "dtype": "float64",
        "out_of_range": "clip",
        "kinds": {"x0": "category", "day": "category"},
    },
]


# --- the inputs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", SETTINGS)
def test_a_rows_inputs_have_the_bits_of_a_tables(chosen: dict[str, Any]):
    made = TablePreprocessor(**chosen).fit(FRAME[:100])
    prepare, whole = TableRow([made]), made.transform(FRAME)
    for k, row in enumerate(ROWS):
        for given_as in (row, tuple(row.values())):
            (found,) = prepare(given_as)
            assert found.dtype == whole.dtype
            np.testing.assert_array_equal(found, whole[k], strict=True)


CELLS = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.booleans(),
    st.text(max_size=6),
    st.sampled_from(
        ["flat", " house ", "m3", "1,5", "2.5", "NA", "yes", "True", "2020-02-30", "31.12.1999", "x" * 300]
    ),
    st.datetimes(),
    st.dates(),
    st.timedeltas(),
    st.times(),
    st.floats(width=32).map(np.float32),
    st.sampled_from(
        [
            pd.NA,
            pd.NaT,
            np.int8(3),
            np.bool_(True),
            np.datetime64("NaT"),
            np.datetime64("2020-05-05"),
            10**400,
        ]
    ),
    st.sampled_from([decimal.Decimal("2.5"), b"flat", 1j, [1], {"a": 1}, [1, 2], np.array([1.0]), object()]),
    st.datetimes(timezones=st.just(datetime.UTC)),
)
PREPARED = [TablePreprocessor(**chosen).fit(FRAME[:100]) for chosen in SETTINGS]
BOUND = [TableRow([each]) for each in PREPARED]


@settings(max_examples=60)
@given(st.integers(0, len(SETTINGS) - 1), st.sampled_from(list(FRAME)), CELLS, st.integers(0, 5))
@example(0, "x0", "abc", 0)
@example(0, "is", "perhaps", 0)
@example(0, "day", "no day", 0)
@example(0, "day", datetime.datetime(9999, 12, 31, 23, 59, 59, 999_999), 0)
@example(3, "day", datetime.date(1, 1, 1), 0)
@example(0, "gaps", None, 0)
def test_any_cell_is_what_it_is_in_a_table_or_raises_the_same_error(which: int, name: str, cell: Any, k: int):
    row = ROWS[k] | {name: cell}
    assume(PREPARED[which].columns_[name].became != "dropped")  # whose cell is not looked at
    try:
        expected: Any = PREPARED[which].transform(row)
    except Exception as error:
        with pytest.raises(type(error)) as caught:
            BOUND[which](row)
        assert str(caught.value) == str(error)
        return
    if len(expected) != 1:  # a list makes columns of all
        with pytest.raises(ShapeError, match="one row"):
            BOUND[which](row)
        return
    np.testing.assert_array_equal(BOUND[which](row)[0], expected[0])


# --- the answers ----------------------------------------------------------------------------------------------------

NUMBER = np.log1p(np.abs(FRAME["far"])).to_numpy() + FRAME["few"].to_numpy()
TARGETS: dict[str, Any] = {
    "number": NUMBER,
    "numbers": np.stack([NUMBER, -NUMBER], 1),
    "two": np.where(NUMBER > 2, "high", "low"),
    "three": np.where(NUMBER > 3, "c", np.where(NUMBER > 1.5, "b", "a")),
    "several": np.stack([NUMBER > 2, NUMBER < 1], 1).astype(int),
}
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("regressor", "number", {}),
    ("regressor", "number", {"preset": "realmlp"}),
    ("regressor", "number", {"preset": "additive"}),
    ("regressor", "number", {"loss": "poisson", "dtype": "float64"}),
    ("regressor", "number", {"loss": "tweedie", "n_members": 2}),
    ("regressor", "number", {"loss": "quantile", "quantiles": (0.1, 0.9, 0.5)}),
    ("regressor", "numbers", {"n_members": 2}),
    ("classifier", "two", {}),
    ("classifier", "two", {"n_members": 2, "engine": "reference"}),
    ("classifier", "three", {"preset": "tabm", "n_members": 2, "hidden_layer_sizes": (16,)}),
    ("classifier", "three", {"n_members": 2}),
    ("classifier", "several", {}),
]


def fitted(kind: str, target: str, chosen: dict[str, Any]) -> Any:
    made = MLPRegressor if kind == "regressor" else MLPClassifier
    usual = {"preprocess": "auto", "max_iter": 2, "random_state": 0, "early_stopping": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return made(**{**usual, **chosen}).fit(FRAME, TARGETS[target])


def check(net: Any, exact: float) -> None:
    """Compare the answers to rows with those to a table."""
    bound = net.bind()
    predicted = net.predict(FRAME)
    shares = net.predict_proba(FRAME) if isinstance(net, MLPClassifier) else None
    for k, row in enumerate(ROWS[:40]):
        answer = bound.answer(row if k % 2 else list(row.values()))
        np.testing.assert_array_equal(bound.predict(row), answer.prediction)
        if shares is None:
            np.testing.assert_allclose(answer.prediction, predicted[k], rtol=exact, atol=exact)
            assert answer.probabilities is None
        else:
            np.testing.assert_allclose(answer.probabilities, shares[k], rtol=exact, atol=exact)
            np.testing.assert_array_equal(answer.probabilities, bound.predict_proba(row))
            np.testing.assert_array_equal(answer.prediction, predicted[k])


@pytest.mark.parametrize(("kind", "target", "chosen"), CASES)
def test_answers_are_those_to_a_table(kind: str, target: str, chosen: dict[str, Any]):
    net = fitted(kind, target, chosen)
    check(net, max(TOLERANCE, 1e-5 if chosen.get("engine") == "reference" else 0.0))
    bound = net.bind()
    if "n_members" in chosen and "preset" not in chosen:
        of_table = net.spread(FRAME)
        np.testing.assert_allclose(bound.answer(ROWS[3]).spread, of_table[3], rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(bound.spread(ROWS[3]), bound.answer(ROWS[3]).spread)
    else:
        assert bound.answer(ROWS[3]).spread is None
        with pytest.raises(ConfigError, match="n_members=5"):
            bound.spread(ROWS[3])
    assert repr(bound) == f"<{type(bound).__name__} of {FRAME.shape[1]} columns>"
    if kind == "regressor":
        assert type(bound) is BoundRegressor
        np.testing.assert_allclose(
            bound.predict_interval(ROWS[0], 0.5), net.predict_interval(FRAME, 0.5)[0], rtol=1e-5
        )
    elif target != "several":
        assert type(bound) is BoundClassifier
        np.testing.assert_array_equal(bound.predict_set(ROWS[0], 0.5), net.predict_set(FRAME, 0.5)[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "target"), [("regressor", "number"), ("classifier", "two"), ("classifier", "three")]
)
def test_a_race_answers_to_twelve_digits(kind: str, target: str):
    net = fitted(kind, target, {"preset": "best", "time_limit": 1, "early_stopping": False, "max_iter": 20})
    check(net, max(1e-12, TOLERANCE))
    of_table = net.spread(FRAME)
    np.testing.assert_allclose(net.bind().spread(ROWS[5]), of_table[5], rtol=1e-9, atol=1e-12)


def test_networks_of_a_race_that_are_alike_are_answered_together():
    """A race by hand: two networks and an ensemble, of two preparations and a temperature."""
    from chainrule.fitting.held import as_fitted, result_of
    from chainrule.race.blend import Blend, BlendPart, RaceResult

    nets = [fitted("classifier", "three", each) for each in ({}, {"preset": "realmlp"}, {"n_members": 2}, {})]
    parts = [
        BlendPart(weight, net, "some", result_of(net))
        for weight, net in zip((0.1, 0.2, 0.3, 0.4), nets, strict=True)
    ]
    blend = Blend(parts, 1.5)
    net = as_fitted(nets[0], RaceResult.of(parts[1].result, blend, None))  # type: ignore[arg-type]
    check(net, max(1e-12, TOLERANCE))
    np.testing.assert_allclose(net.bind().spread(ROWS[5]), net.spread(FRAME)[5], rtol=1e-9)
    assert sorted(len(group) for group, _, _ in net.bind().networks.groups) == [1, 1, 2]


@pytest.mark.parametrize(
    "given_as", ["pandas", "polars", "arrow", "series", "rows", "nested", "lists", "array"]
)
def test_a_table_of_one_row_is_a_row(given_as: str):
    frame = FRAME[["x0", "kind", "gaps"]]
    net = MLPRegressor(preprocess="auto", max_iter=1, random_state=0).fit(frame, NUMBER)
    bound, row = net.bind(), as_rows(frame)[7]
    one: Any = {
        "pandas": frame[7:8],
        "polars": pl.from_pandas(frame[7:8]),
        "arrow": pa.Table.from_pandas(frame[7:8]),
        "series": frame.iloc[7],
        "rows": [row],
        "nested": [list(row.values())],
        "lists": {name: [cell] for name, cell in row.items()},
        "array": np.array(list(row.values()), object),
    }[given_as]
    assert bound.predict(one) == bound.predict(row)


def test_what_is_no_row_says_so():
    net = fitted("regressor", "number", {})
    bound = net.bind()
    with pytest.raises(ShapeError, match="answers one row, and X has 2"):
        bound.predict(FRAME[:2])
    with pytest.raises(
        ShapeError, match=f"X has 2 features, but the estimator is expecting {FRAME.shape[1]} features"
    ):
        bound.predict([1, 2])
    with pytest.raises(DataError, match="X lacks 'kind'"):
        bound.predict({name: cell for name, cell in ROWS[0].items() if name != "kind"})
    with pytest.raises(DataError, match=r"texts in column 'x0' \('abc' at row 0\), which had numbers"):
        bound.predict(ROWS[0] | {"x0": "abc"})
    with pytest.raises(NotFittedError):
        MLPRegressor().bind()


def test_rows_of_arrays_without_a_preprocessor():
    X = np.random.default_rng(0).normal(size=(60, 3))
    net = MLPClassifier(max_iter=3, random_state=0).fit(X, X[:, 0] > 0)
    bound, shares = net.bind(), net.predict_proba(X)
    for row in (X[5], X[5].tolist(), tuple(X[5]), X[5:6], [X[5].tolist()]):
        np.testing.assert_allclose(bound.predict_proba(row), shares[5], rtol=TOLERANCE)
    for bad in ([1.0, 2.0], [1.0, math.nan, 2.0], ["a", 1.0, 2.0], X[:2]):
        with pytest.raises(ValueError, match=r"features|NaN|it has text|one row"):
            bound.predict(bad)
    named = MLPRegressor(max_iter=3, random_state=0).fit(pd.DataFrame(X, columns=list("abc")), X[:, 0])
    row = {"c": X[0, 2], "a": X[0, 0], "b": X[0, 1]}
    np.testing.assert_allclose(
        named.bind().predict(row), named.predict(pd.DataFrame(X, columns=list("abc")))[0]
    )


def test_a_snapshot_keeps_its_parameters_and_its_threshold():
    net = fitted("classifier", "two", {"early_stopping": False})
    bound = net.bind()
    before = bound.predict_proba(ROWS[0])
    net.set_threshold(threshold=0.0)
    net.partial_fit(FRAME, TARGETS["two"])
    np.testing.assert_array_equal(bound.predict_proba(ROWS[0]), before)
    assert {bound.predict(row) for row in ROWS} != {"low"}
    bound = net.set_threshold(threshold=0.0).bind()
    assert {bound.predict(row) for row in ROWS} == {net.classes_[1]}


def test_threads_share_it():
    net = fitted("classifier", "three", {})
    bound = net.bind()
    expected = [bound.predict_proba(row) for row in ROWS]

    def is_right(k: int) -> bool:
        return np.array_equal(bound.predict_proba(ROWS[k % N]), expected[k % N])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(is_right, range(8 * N)))


@pytest.mark.slow
def test_it_needs_no_library_of_frames(tmp_path: Path):
    frame = FRAME[["x0", "kind", "gaps"]]
    net = MLPRegressor(preprocess="auto", max_iter=1, random_state=0).fit(frame, NUMBER)
    net.save(tmp_path / "net.safetensors")
    row = as_rows(frame)[7]
    code = (
        "import sys\n"
        "for name in ('pandas', 'polars', 'pyarrow'): sys.modules[name] = None\n"
        "from chainrule import MLPRegressor\n"
        f"bound = MLPRegressor.load({str(tmp_path / 'net.safetensors')!r}).bind()\n"
        f"print(repr(float(bound.predict({row!r}))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == net.bind().predict(row)
