"""Columns as people write them: dates, times, account numbers, prose, and targets with a unit."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chainrule import DataError, MLPClassifier, MLPRegressor, TablePreprocessor
from chainrule.cli.subcommand import guard_subcommand
from chainrule.recipe.columns import read_target
from chainrule.tables import calendar
from chainrule.tables.target import infer_task

DAY = 86400.0


@pytest.mark.parametrize(
    ("texts", "order", "first"),
    [
        (["12/31/24", "1/2/99"], "mdy", "2024-12-31T00:00:00.000000"),
        (["31.12.68", "01.02.69"], "dmy", "2068-12-31T00:00:00.000000"),
        (["13-1-70", "1-2-03"], "dmy", "1970-01-13T00:00:00.000000"),
        (["12/31/2020 2:30 PM", "1/2/2020 12:05 am"], "mdy", "2020-12-31T14:30:00.000000"),
        (["Jan 2020", "Sept 2021"], "my", "2020-01-01T00:00:00.000000"),
        (["february-1999"], "my", "1999-02-01T00:00:00.000000"),
        (["2020-02", "1999-12"], "ym", "2020-02-01T00:00:00.000000"),
        (["5-Jan-2020", "12 dec 19", "NA"], "dby", "2020-01-05T00:00:00.000000"),
        (["Jan 5, 2020", "March 31 2021 23:59"], "bdy", "2020-01-05T00:00:00.000000"),
        (["14:00", "9:30", ""], "time", "1970-01-01T14:00:00.000000"),
        (["2:30:15 PM", "12:00 AM"], "time", "1970-01-01T14:30:15.000000"),
        (["2024年1月5日", "2023 年 12 月 31 號 8:00"], "ymd", "2024-01-05T00:00:00.000000"),
        (["113/02/29", "100/01/03", "120/12/31 8:00"], "ymd", "2024-02-29T00:00:00.000000"),
        (["民國113年1月5日", "民國 99 年 3 月 1 日"], "ymd", "2024-01-05T00:00:00.000000"),
        (["2024年3月", "113年12月"], "ym", "2024-03-01T00:00:00.000000"),
        (["2025/3/19 上午 8:25:37", "2025/3/19 下午 12:00:01"], "ymd", "2025-03-19T08:25:37.000000"),
        (["2025/3/19 下午 8:25", "2025/3/19 上午 12:00"], "ymd", "2025-03-19T20:25:00.000000"),
        (["2025-03-19 上午12:05:00"], "ymd", "2025-03-19T00:05:00.000000"),
        (["2025年3月19日 下午 12:05"], "ymd", "2025-03-19T12:05:00.000000"),
        (["19.03.2025 PM 1:05", "19.03.2025 1:05 a.m."], "dmy", "2025-03-19T13:05:00.000000"),
        (["下午 2:30", "9:30 上午"], "time", "1970-01-01T14:30:00.000000"),
        (["民國71年3月2日", "民國 113/1/5", "民國99.12.31"], "ymd", "1982-03-02T00:00:00.000000"),
        (["57/04/01", "99/12/31", "113/1/5", "NA"], "minguo", "1968-04-01T00:00:00.000000"),
        (["57/4/1 下午 1:00", "民國71年3月2日"], "minguo", "1968-04-01T13:00:00.000000"),
    ],
)
def test_dates_and_times_as_they_are_written(texts: list[str], order: str, first: str):
    assert calendar.orders_of(texts) == [order]
    read = calendar.read_dates(texts, order)
    assert calendar.as_text(read[0]) == first
    assert all(math.isnan(value) == (text in ("NA", "")) for text, value in zip(texts, read, strict=True))


@pytest.mark.parametrize(
    "texts",
    [
        ["1.2.10", "1.10.12"],
        ["2012-13", "2011-12"],
        ["25:00", "1:00"],
        ["13:00 PM"],
        ["Mary 2020"],
        ["3/4"],
        ["1:5"],
        ["99年3月1日"],
        ["120/80/75"],
        ["120/10/5"],
        ["113/1/05"],
        ["121/12/10"],
        ["150/12/10"],
        ["113/12/310"],
        ["57/04/01", "2024/04/01"],
        ["57/04/01", "00/04/01"],
        ["57/13/01", "57/04/01"],
        ["57.04.01"],
        ["2025/3/19 上午 13:00"],
        ["2025/3/19 上午 8:00 PM"],
        ["2025/3/19 中午 8:00"],
    ],
)
def test_what_only_looks_like_dates_is_none(texts: list[str]):
    assert calendar.orders_of(texts) == []


def test_a_time_of_the_day_is_a_cycle():
    hours = [f"{hour % 24:02d}:00" for hour in range(200)]
    made = TablePreprocessor(scale="none", dtype="float64").fit({"at": hours})
    assert made.get_feature_names_out().tolist() == ["at days", "at time_sin", "at time_cos"]
    np.testing.assert_allclose(made.transform({"at": "06:00"}), [[0.25, 1.0, 0.0]], atol=1e-12)
    np.testing.assert_allclose(made.transform({"at": "6:00 PM"}), [[0.75, -1.0, 0.0]], atol=1e-12)
    again = TablePreprocessor.from_data(made.to_data())
    np.testing.assert_array_equal(again.transform({"at": hours}), made.transform({"at": hours}))
    with pytest.raises(DataError, match=r"'25:00' at row 0"):
        made.transform({"at": "25:00"})


def test_dates_of_which_the_day_is_not_clear_are_named():
    both = [f"{1 + k % 12}/{1 + k % 11}/2020" for k in range(60)]
    with pytest.warns(UserWarning, match=r"column 'sold'.*'1/1/2020'.*day or the month comes first") as told:
        made = TablePreprocessor().fit({"sold": both, "x": list(range(60))})
    assert made.columns_["sold"].taken_for == "category" and told[0].filename == __file__


def test_years_of_two_digits_are_taiwans_where_no_other_date_is_possible():
    born = [f"{57 + k % 30}/{1 + k % 12:02}/{1 + k % 28:02}" for k in range(60)]
    frame = {"born": born, "x": list(range(60))}
    with pytest.warns(
        UserWarning, match=r"'born'.*'57/01/01', which are read by Taiwan's calendar.*1968-01-01"
    ):
        made = TablePreprocessor(scale="none", dtype="float64").fit(frame)
    made = TablePreprocessor.from_data(made.to_data())
    later = made.transform({"born": ["57/01/02", "100/01/01", "民國100年1月1日"], "x": [1, 2, 3]})
    days = made.get_feature_names_out().tolist().index("born days")
    np.testing.assert_array_equal(later[:, days], [1.0, 15706.0, 15706.0])
    with pytest.raises(DataError, match=r"'2024/01/01' at row 0.*such as 57/04/01"):
        made.transform({"born": "2024/01/01", "x": 1})
    with pytest.warns(
        UserWarning, match="the month comes first"
    ):  # both 5 March and 3 May of 2004 are possible
        made = TablePreprocessor().fit({"sold": ["03/05/04", "05/03/04", "04/04/04"] * 20, "x": range(60)})
    assert made.columns_["sold"].taken_for == "category"
    made = TablePreprocessor().fit({"sold": ["13/05/04", "05/03/04", "25/04/04"] * 20, "x": range(60)})
    assert made.learned_[0].reads == "dmy"


def accounts(rows: int = 300) -> dict[str, Any]:
    """Numbers of accounts, and quantities that might be taken for them."""
    rng = np.random.default_rng(0)
    return {
        "account": rng.choice(10**10, rows, replace=False),
        "income": np.exp(rng.normal(17, 1, rows)).astype(np.int64),
        "seconds": 1_500_000_000 + rng.choice(10**8, rows, replace=False),
        "milliseconds": 1_500_000_000_000 + rng.choice(10**11, rows, replace=False),
        "day": np.array([20_100_101 + 10_000 * (k % 10) + k % 28 for k in range(rows)]),
        "small": rng.choice(10**6, rows, replace=False),
        "real": rng.uniform(0, 1e9, rows),
        "again": np.repeat(rng.choice(10**10, rows // 10, replace=False), 10),
    }


def test_account_numbers_are_left_out_with_a_word():
    table = accounts()
    with pytest.warns(
        UserWarning, match=r"column 'account' is left out.*kinds=\{'account': 'number'\}"
    ) as told:
        made = TablePreprocessor().fit(table)
    assert [column.name for column in made.columns_.dropped] == ["account"] and len(told) == 1
    assert made.columns_["account"].why == "identifier"
    for kept in (TablePreprocessor(identifiers="keep"), TablePreprocessor(kinds={"account": "number"})):
        assert kept.fit(table).columns_.dropped == ()


def test_free_text_is_named():
    rng = np.random.default_rng(0)
    words = np.array(
        ["the", "big", "old", "house", "near", "a", "lake", "with", "many", "trees", "and", "one", "dog"]
    )
    notes = [" ".join(rng.choice(words, 6)) for _ in range(80)]
    for texts in (notes, [*notes, "to be sold", "to be sold"]):
        with pytest.warns(
            UserWarning, match=r"column 'note' is free text: 80 of its 8\d texts.*TfidfVectorizer"
        ):
            TablePreprocessor().fit({"note": texts, "x": list(range(len(texts)))})
    names = [f"Ann B{k}" for k in range(80)]
    repeated = [" ".join(words[:5] if k % 2 else words[5:]) for k in range(80)]
    keys = [f"{k:08x}" for k in range(80)]
    TablePreprocessor().fit({"name": names, "same": repeated, "key": keys})  # a warning is an error


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("{:.2f} €", "€"),
        ("${:,.2f}", "$"),
        ("US${:.2f}", "US$"),
        ("USD {:.2f}", "USD"),
        ("{:.2f}kg", "kg"),
        ("{:.2f}%", "%"),
    ],
)
def test_a_target_with_a_unit_is_a_number(written: str, unit: str):
    values = np.round(np.random.default_rng(0).gamma(2, 900, 60), 2)
    y = [written.format(value) for value in values]
    assert infer_task(y).task == "regression"
    X = {"x": values}
    with pytest.warns(UserWarning) as told:
        made = MLPRegressor(max_iter=1, preprocess="auto", random_state=0).fit(X, y)
    assert any(f"y is read as numbers without their unit {unit!r}" in str(each.message) for each in told)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Stochastic")
        plain = MLPRegressor(max_iter=1, preprocess="auto", random_state=0).fit(X, values)
    np.testing.assert_array_equal(made.predict(X), plain.predict(X))
    assert made.score(X, y) == plain.score(X, values)


@pytest.mark.filterwarnings("ignore:.*without their unit")
def test_targets_of_later_rows_are_what_the_model_predicts():
    """However few they are: nothing can be told from one value or two."""
    for texts, values in ((["12 kg"], [12.0]), (["12 kg", "9 kg", "12 kg"], [12.0, 9.0, 12.0])):
        found = read_target("y", texts, "t.csv", "mean_squared_error", to_learn=False)
        assert found.is_number and found.y.tolist() == values
        assert read_target("y", texts, "t.csv", "softmax_cross_entropy", to_learn=False).y.tolist() == texts
    rooms = [f"{k} rooms" for k in range(9)]
    assert read_target("y", rooms, "t.csv", "softmax_cross_entropy", to_learn=False).y.tolist() == rooms


def test_a_target_column_with_a_unit_is_read():
    values = np.arange(40) * 1.25
    with pytest.warns(UserWarning, match="column 'price' of t.csv is read as numbers without their unit '€'"):
        target = read_target("price", [f"{value:.2f} €" for value in values], "t.csv")
    assert target.is_number
    np.testing.assert_array_equal(target.y, values)
    rooms = [f"{1 + k % 4} rooms" for k in range(40)]
    assert (
        infer_task(rooms).task == "multiclass"
        and infer_task([f"c{k % 5}" for k in range(40)]).task == "multiclass"
    )
    assert set(read_target("rooms", rooms, "t.csv").y) == {"1 rooms", "2 rooms", "3 rooms", "4 rooms"}
    with pytest.raises(
        DataError,
        match=r"40 different texts in 40 rows, such as 'ref 0-a', too many.*write quantities as numbers",
    ):
        read_target("price", [f"ref {k}-a" for k in range(40)], "t.csv")


@pytest.mark.parametrize("dtype", ["Int64", "UInt8", "int64[pyarrow]"])
def test_nullable_labels_keep_their_type(dtype: str):
    x, y = np.arange(60.0), pd.Series(np.arange(60) % 3, dtype=dtype)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Stochastic")
        for settings in ({}, {"preprocess": "auto"}):
            made = MLPClassifier(max_iter=2, **settings).fit(x[:, None], y, X_val=x[:6, None], y_val=y[:6])
            assert made.classes_.dtype.kind in "iu" and made.predict(x[:2, None]).dtype.kind in "iu"
            assert 0 <= made.score(x[:, None], y) <= 1


def test_a_table_for_the_model_beneath_says_what_to_pass():
    frame = pd.DataFrame({"size": np.arange(60.0), "kind": ["flat", "house"] * 30})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Stochastic")
        made = MLPRegressor(max_iter=1, preprocess="auto", random_state=0).fit(frame, np.arange(60.0))
    for ask in (made.model_.attribute, made.model_.predict):
        with pytest.raises(DataError, match=r"such as 'size rank'; pass preprocessor_.transform\(X\)"):
            ask(frame[:1])
    prepared = made.preprocessor_.transform(frame[:1])
    assert made.model_.attribute(prepared).values.shape == prepared.shape


def test_a_command_says_once_what_several_fits_warn_of(capsys: pytest.CaptureFixture[str]):
    both = {"sold": [f"{1 + k % 12}/{1 + k % 11}/2020" for k in range(60)], "x": list(range(60))}

    def fit(lang: str) -> None:
        warnings.simplefilter("always")
        TablePreprocessor().fit(both)
        TablePreprocessor(scale="none").fit(both)

    guard_subcommand(fit)(lang="en")
    assert capsys.readouterr().err.count("column 'sold' has dates") == 1


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["1 234,50", "12", "−3,5"], [1234.5, 12.0, -3.5]),
        (["1\u202f234\u202f567", "99", "—"], [1234567.0, 99.0, math.nan]),
        (["1'234.5", "1’000", "7"], [1234.5, 1000.0, 7.0]),
        (["(1,234.50)", "12.25", "$(3)"], [-1234.5, 12.25, -3.0]),
        (["１２．５", "－３", "#DIV/0!"], [12.5, -3.0, math.nan]),
        (["(2.5)", "(1,234.50) €", "( £ 3 )", "(5%)"], [-2.5, -1234.5, -3.0, -5.0]),
        (["(2,50)", "(1.234,50)", "(1 234,5)", "(12)", "0,5"], [-2.5, -1234.5, -1234.5, -12.0, 0.5]),
    ],
)
@pytest.mark.filterwarnings("ignore:column 'x' has numbers with different signs")
def test_numbers_with_blanks_apostrophes_and_brackets(written: list[str], read: list[float]):
    """As columns, as targets, and as cells of later rows."""
    fitted = TablePreprocessor(scale="none").fit({"x": written})
    assert fitted.columns_["x"].taken_for == "number"
    there = ~np.isnan(read)
    assert fitted.columns_["x"].missing == (~there).mean()
    assert np.array_equal(fitted.transform({"x": written})[there, 0], np.array(read)[there])
    texts = np.array(written)[there].tolist() * 5
    rows = {"a": list(range(len(texts)))}
    asked: dict[str, Any] = {
        "hidden_layer_sizes": (2,),
        "preprocess": "auto",
        "max_iter": 1,
        "random_state": 0,
    }
    says = MLPRegressor(**asked).fit(rows, texts)
    plain = MLPRegressor(**asked).fit(rows, np.array(read)[there].tolist() * 5)
    assert np.array_equal(says.predict(rows), plain.predict(rows))


@pytest.mark.parametrize(
    "texts",
    [
        ["012 345", "067 890"],
        ["12 34", "56 78"],
        ["3²", "5²"],
        ["5 (2)", "6 (1)"],
        ["(1,2)", "(3,4)", "(0,0)", "(7,5)"],
        ["(1,2345)", "0,5"],
        ["1e(5)", "2e(5)"],
        ["(1)e5", "(2)e5"],
        ["(555) 123 456", "(555) 123 457"],
        ["(1) (2)", "(3) (4)"],
        ["(inf)", "5"],
        ["００７", "１２"],
        ["(02)", "(12)"],
        ["（０２）", "（１２）"],
    ],
)
def test_what_only_looks_like_numbers_is_none(texts: list[str]):
    assert TablePreprocessor().fit({"x": texts * 3}).columns_["x"].taken_for == "category"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_targets_in_another_order_of_the_index_are_told():
    """As after X.sort_values(...): rows are matched by their place, so each would have another one's target."""
    X = pd.DataFrame({"a": np.arange(20.0)[::-1]}, index=np.arange(20) * 3)
    y = pd.Series(np.arange(20.0), index=X.index)
    net = MLPRegressor(hidden_layer_sizes=(2,), max_iter=2, solver="lbfgs", random_state=0)
    with pytest.warns(
        UserWarning, match=r"X and y have the same index in another order, .* pass y\.loc\[X\.index\]"
    ):
        net.fit(X.sort_values("a"), y)
    with pytest.warns(UserWarning, match=r"X and sample_weight have the same index in another order"):
        net.fit(X, y, sample_weight=pd.Series(1.0, index=X.index[::-1]))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "X and")
        net.fit(X.sort_values("a"), y.loc[X.sort_values("a").index])
        net.fit(X, y.to_numpy()[::-1])
        net.fit(X, y.reset_index(drop=True))
        net.fit(X.set_index(np.zeros(20)), y)
        two = pd.MultiIndex.from_product([range(4), range(5)])
        net.fit(X, y.set_axis(two))
        net.fit(X.set_index(two), y, sample_weight=pd.Series(1.0, index=X.index))
    with pytest.warns(UserWarning, match="X and y have the same index in another order"):
        net.fit(X.set_index(two), y.set_axis(two[::-1]))


@pytest.mark.parametrize("freq", ["D", "ME"])
def test_the_index_of_a_table_says_when_its_rows_were(freq: str):
    X = pd.DataFrame(
        {"a": np.arange(40.0)}, index=pd.date_range("2024", periods=40, freq=freq, tz="Asia/Taipei")
    )
    asked: dict[str, Any] = {"preprocess": "auto", "max_iter": 2, "random_state": 0}
    by_index = MLPRegressor(**asked).fit(X, X["a"] % 7, time=X.index)
    by_values = MLPRegressor(**asked).fit(X, X["a"] % 7, time=X.index.to_numpy())
    assert by_index.held_out_.rows.tolist() == by_values.held_out_.rows.tolist() == list(range(34, 40))
    in_a_dict = MLPRegressor(**asked).fit({"when": X.index, "a": X["a"]}, X["a"], groups=X.index.month)
    assert in_a_dict.preprocessor_.columns_["when"].taken_for == "date"


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (
            [f"{k * 1.5} kg" for k in range(40)],
            "column 'x' has numbers with the unit 'kg', such as '0.0 kg', and is taken",
        ),
        (
            [f"NT${k * 1000:,}" for k in range(40)],
            "column 'x' has numbers with the unit 'NT$', such as 'NT$0', and is",
        ),
        (
            ["不詳" if k % 4 == 0 else f"{k}.5" for k in range(40)],
            "column 'x' has numbers, but text in 25% of its rows, such as '不詳', and is taken for categories; correct",
        ),
    ],
)
def test_columns_that_are_nearly_numbers_are_told(cells: list[str], said: str):
    with pytest.warns(UserWarning) as told:
        TablePreprocessor().fit({"x": cells, "other": list(range(40))})
    assert [str(each.message)[: len(said)] for each in told] == [said]


@pytest.mark.parametrize(
    "cells",
    [
        ["4", "6", "8", "rotary"] * 10,
        [f"{k % 5} rooms" for k in range(40)],
        [f"{k}.5" if k < 15 else "none at all" for k in range(40)],
    ],
)
def test_categories_with_some_numbers_are_not_told(cells: list[str]):
    assert TablePreprocessor().fit({"x": cells}).columns_["x"].taken_for == "category"


def test_codes_that_are_declared_are_not_told():
    cells = ["V27" if k % 4 == 0 else f"{k}.5" for k in range(40)]
    assert TablePreprocessor(kinds={"x": "category"}).fit({"x": cells}).columns_["x"].taken_for == "category"
