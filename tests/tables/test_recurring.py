"""Days that come again each year: which ones are found, what a date becomes, and what is said of them."""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dateutil.easter import easter
from hypothesis import given
from hypothesis import strategies as st

from chainrule import FormatError, MLPRegressor, TablePreprocessor
from chainrule.estimators.graphs import graph_inputs
from chainrule.tables import recurring
from chainrule.views import words

EPOCH = datetime.date(1970, 1, 1)
QUICK: dict[str, Any] = {"preprocess": "auto", "hidden_layer_sizes": (8,), "random_state": 0}


def shops(start: str = "2016-01-01", days: int = 5 * 365, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Sales of each day: a season, a week, noise of deviation 1, and four kinds of days with others."""
    rng = np.random.default_rng(seed)
    date = pd.Series(pd.date_range(start, periods=days))
    y = 30 + 4 * np.sin(2 * np.pi * date.dt.day_of_year / 365.25) + 3.0 * (date.dt.day_of_week > 4)
    y += rng.normal(size=days)
    y -= 12.0 * ((date.dt.month == 12) & (date.dt.day == 25))
    y += 9.0 * ((date.dt.month == 11) & (date.dt.day_of_week == 3) & date.dt.day.between(22, 28))
    y -= 7.0 * ((date.dt.month == 5) & (date.dt.day_of_week == 0) & (date.dt.day > 24))
    y += 8.0 * date.isin([pd.Timestamp(easter(year)) + pd.Timedelta(days=1) for year in range(1990, 2030)])
    return pd.DataFrame({"date": date, "price": rng.normal(size=days)}), y.to_numpy(copy=True)


def seconds(*dates: str) -> np.ndarray:
    return np.array(dates, "M8[s]").astype(np.float64)


def feasts(kind: str) -> np.ndarray:
    """The days of all years that are a feast."""
    days = np.arange("1890-01-01", "2110-01-01", dtype="M8[D]")
    return days[
        recurring.effects(days.astype("M8[s]").astype(float), [recurring.RecurringDay(kind, 63, 1.0)]) == 1
    ]


def names(days: tuple[recurring.RecurringDay, ...]) -> dict[str, float]:
    return {words.phrases.recurring_day(day): day.effect for day in days}


def test_easter_by_another_rule():
    assert feasts("easter").tolist() == [easter(year) for year in range(1900, 2100)]


def test_lunar_new_years():
    """Those of almanacs; 2033 has a leap month behind the eleventh, 1985 and 2015 begin late, 2027 within 4 minutes."""
    known = (
        *("1900-01-31", "1911-01-30", "1916-02-03", "1923-02-16", "1945-02-13", "1954-02-03", "1966-01-21"),
        *("1985-02-20", "1997-02-07", "2000-02-05", "2001-01-24", "2002-02-12", "2003-02-01", "2004-01-22"),
        *("2005-02-09", "2006-01-29", "2007-02-18", "2008-02-07", "2009-01-26", "2010-02-14", "2011-02-03"),
        *("2012-01-23", "2013-02-10", "2014-01-31", "2015-02-19", "2016-02-08", "2017-01-28", "2018-02-16"),
        *("2019-02-05", "2020-01-25", "2021-02-12", "2022-02-01", "2023-01-22", "2024-02-10", "2025-01-29"),
        *("2026-02-17", "2027-02-06", "2028-01-26", "2029-02-13", "2030-02-03", "2031-01-23", "2032-02-11"),
        *("2033-01-31", "2034-02-19", "2035-02-08"),
    )
    found = feasts("moon")
    assert [str(found[int(date[:4]) - 1900]) for date in known] == list(known)
    assert set(np.diff(found).astype(int).tolist()) <= {353, 354, 355, 383, 384, 385}


@given(st.dates(datetime.date(1890, 1, 1), datetime.date(2210, 1, 1)), st.integers(0, 86_399))
def test_codes_by_the_calendar(date: datetime.date, second: int):
    code, beside, _ = recurring.codes_of(np.array([(date - EPOCH).days * 86400.0 + second]))
    of_leap_year = datetime.date(2000, date.month, date.day) - datetime.date(2000, 1, 1)
    assert divmod(int(code[0]), 366) == (date.weekday(), of_leap_year.days)
    since = (date - easter(date.year)).days
    known = 1900 <= date.year < 2100 and abs(since) <= 63
    assert beside[0] == (since + 63 if known else -1)


def test_the_days_that_were_put_in_are_found():
    X, y = shops()
    found = TablePreprocessor().fit(X, y).columns_["date"].recurring
    effects = {name: effect * y.std() for name, effect in names(found).items()}
    expected = {
        "December 25": -12.0,
        "4th Thursday of November": 9.0,
        "last Monday of May": -7.0,
        "1 day after Easter": 8.0,
    }
    assert set(effects) == set(expected)
    assert effects == pytest.approx(
        expected, abs=1.5
    )  # noise of five years: 1 / sqrt(5), and of the days beside


def test_what_is_said_in_both_languages():
    X, y = shops()
    said = str(TablePreprocessor().fit(X, y).columns_)
    assert "4 recurring days (December 25, 4th Thursday of November, " in said
    with words.spoken_in("zh"):
        assert "4 個每年重現的日子（12 月 25 日、11 月第四個星期四、" in str(
            TablePreprocessor().fit(X, y).columns_
        )
        assert words.phrases.recurring_day(recurring.RecurringDay("weekday", 4 * 366 + 327, 1.0)) == (
            "11 月 23 日至 11 月 29 日的星期五"
        )
        assert words.phrases.recurring_day(recurring.RecurringDay("easter", 61, 1.0)) == "復活節前 2 天"
    assert words.phrases.recurring_day(recurring.RecurringDay("weekday", 4 * 366 + 327, 1.0)) == (
        "Friday from November 23 to November 29"
    )
    assert words.phrases.recurring_day(recurring.RecurringDay("workday", 185, 1.0)) == "July 4 on a weekday"
    assert words.phrases.recurring_day(recurring.RecurringDay("easter", 63, 1.0)) == "Easter"


@pytest.mark.parametrize("kind", ["normal", "heavy", "two classes", "random dates", "trend"])
def test_there_are_none_in_noise(kind: str):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        date = pd.date_range("2010-05-01", periods=2500)
        y = rng.normal(size=len(date))
        if kind == "heavy":
            y = rng.standard_t(2, len(date))
        elif kind == "two classes":
            y = (y > 1).astype(float)
        elif kind == "random dates":
            date = date[rng.integers(0, len(date), len(date))]
        elif kind == "trend":
            y = y + np.linspace(0, 1, len(y)) ** 3 * 50
        assert TablePreprocessor().fit({"date": date}, y).columns_["date"].recurring == ()


def test_what_happens_in_one_year_alone_is_none():
    X, y = shops()
    y[(X["date"] >= "2018-02-03") & (X["date"] <= "2018-02-05")] -= 40
    found = names(TablePreprocessor().fit(X, y).columns_["date"].recurring)
    assert len(found) == 4 and not [name for name in found if "February" in name]


def test_which_shops_have_rows_on_a_day_does_not_matter():
    """Three rows a day, of shops that sell 1 to 100 times as much."""
    X, y = shops()
    rng = np.random.default_rng(0)
    rows = np.sort(rng.integers(0, len(X), 3 * len(X)))
    shop = rng.integers(0, 12, len(rows))
    table = pd.DataFrame({"date": X["date"].iloc[rows].to_numpy(), "shop": [f"s{k}" for k in shop]})
    sold = 1.5**shop * (y[rows] + rng.normal(size=len(rows)))
    assert {"December 25", "4th Thursday of November"} <= set(
        names(TablePreprocessor().fit(table, sold).columns_["date"].recurring)
    )
    nothing = 1.5**shop * (30 + rng.normal(size=len(rows)))
    assert TablePreprocessor().fit(table, nothing).columns_["date"].recurring == ()


@pytest.mark.parametrize("days", [365, 690])
def test_less_than_two_years_keep_their_bits(days: int):
    X, y = shops(days=days)
    made = TablePreprocessor().fit(X, y)
    assert made.columns_["date"].recurring == ()
    assert made.transform(X).tobytes() == TablePreprocessor().fit(X).transform(X).tobytes()
    assert "recurring" not in json.dumps(made.to_data())


def test_two_years_and_two_weeks_show_the_largest():
    X, y = shops("2016-12-01", 2 * 365 + 40)
    y[(X["date"].dt.month == 12) & (X["date"].dt.day == 25)] -= 30
    assert "December 25" in names(TablePreprocessor().fit(X, y).columns_["date"].recurring)


def test_several_rows_of_a_day_hours_gaps_and_text():
    X, y = shops()
    hours = X["date"] + pd.to_timedelta(np.arange(len(X)) % 24, unit="h")
    table = pd.DataFrame({"date": pd.concat([hours, hours, hours], ignore_index=True)})
    table.loc[::10, "date"] = pd.NaT
    made = TablePreprocessor().fit(table, np.tile(y, 3))
    expected = names(TablePreprocessor().fit(X, y).columns_["date"].recurring)
    assert set(names(made.columns_["date"].recurring)) == set(expected)
    outputs = list(made.get_feature_names_out())
    place = outputs.index("date recurring linear" if "date recurring linear" in outputs else "date recurring")
    usual, christmas, missing = made.transform(
        {"date": pd.to_datetime(["2031-12-10T00:00", "2031-12-25T23:59", None])}
    )[:, place]
    assert (
        christmas < usual - 2 and missing == usual
    )  # long after training, and a missing date is an ordinary day
    zone = pd.to_datetime(["2031-12-26T01:00"]).tz_localize(
        "Europe/Paris"
    )  # 2031-12-26 00:00 in universal time
    assert made.transform({"date": zone})[0, place] == usual
    for spelled in ("%Y-%m-%d", "%d.%m.%Y", "%d-%b-%Y", "%Y年%m月%d日"):
        read = TablePreprocessor().fit({"date": X["date"].dt.strftime(spelled), "price": X["price"]}, y)
        assert set(names(read.columns_["date"].recurring)) == set(expected)
        row = {"date": [datetime.date(2031, 12, 25).strftime(spelled)], "price": [0.0]}
        assert read.transform(row)[0, place] < usual - 2


def test_the_leap_day_is_a_day_of_its_own():
    X, y = shops("1996-01-01", 25 * 365)
    y[(X["date"].dt.month == 2) & (X["date"].dt.day == 29)] += 15
    found = names(TablePreprocessor().fit(X, y).columns_["date"].recurring)
    assert found["February 29"] * y.std() == pytest.approx(15, abs=2)
    assert "December 25" in found and "March 1" not in found


@pytest.mark.parametrize("weight", [1.0, 7.0])
def test_classes_outputs_and_weights(weight: float):
    X, y = shops()
    one = TablePreprocessor().fit(X, y > 30).columns_["date"].recurring
    other = TablePreprocessor().fit(X, np.where(y > 30, "much", "little")).columns_["date"].recurring
    assert one == other
    both = np.stack([np.random.default_rng(1).normal(size=len(y)), -3 * y], 1)
    found = TablePreprocessor().fit(X, both, np.full(len(y), weight)).columns_["date"].recurring
    assert {"December 25", "4th Thursday of November"} <= set(names(found))


def test_effects_of_dates_by_hand():
    days = (
        *(recurring.RecurringDay("day", 359, -2.0), recurring.RecurringDay("workday", 359, -1.0)),
        *(recurring.RecurringDay("weekday", 3 * 366 + 326, 5.0), recurring.RecurringDay("easter", 64, 7.0)),
        recurring.RecurringDay("moon", 62, -9.0),
    )
    # a Saturday, a Monday, the fourth Thursday, Easter Monday, the third Thursday, the eve of the lunar new year
    dates = ("2021-12-25", "2023-12-25", "2023-11-23", "2024-04-01", "2023-11-16", "2024-02-09", "NaT")
    assert recurring.effects(seconds(*dates), days).tolist() == [-2.0, -3.0, 5.0, 7.0, 0.0, -9.0, 0.0]


def test_the_lunar_new_year_is_found():
    X, y = shops()
    since = X["date"].to_numpy()[:, None] - feasts("moon")
    y += 10.0 * ((since >= np.timedelta64(-2, "D")) & (since < np.timedelta64(1, "D"))).any(1)
    found = names(TablePreprocessor().fit(X, y).columns_["date"].recurring)
    assert {f"{n} before the lunar new year" for n in ("1 day", "2 days")} | {"the lunar new year"} <= set(
        found
    )
    with words.spoken_in("zh"):
        assert words.phrases.recurring_day(recurring.RecurringDay("moon", 61, 1.0)) == "農曆新年前 2 天"


@pytest.fixture(scope="module")
def fitted() -> Any:
    X, y = shops()
    y += 10.0 * X["date"].isin(feasts("moon"))
    return MLPRegressor(**QUICK, max_iter=20, dtype="float64").fit(X, y)


def later(fitted: Any) -> pd.DataFrame:
    date = pd.Series(
        [*pd.date_range("2023-11-10", periods=250), *pd.date_range("1895-12-20", periods=9), pd.NaT]
    )
    return pd.DataFrame({"date": date, "price": np.linspace(-1, 1, len(date))})


def test_the_graph_and_single_rows_answer_as_the_table(fitted: Any):
    rows = later(fitted)
    expected = fitted.predict(rows)
    found = fitted.graph().run(graph_inputs(fitted, rows))["predictions"]
    assert found[:, 0] == pytest.approx(expected, rel=1e-12)
    bound = fitted.bind()
    each = [float(np.ravel(bound.predict(row))[0]) for row in rows.to_dict("records")]
    assert each == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("ending", ["onnx", "c", "mjs"])
def test_exports_are_compared_with_the_estimator_on_its_days(fitted: Any, ending: str, tmp_path: Any):
    found = fitted.export(tmp_path / f"shop.{ending}", later(fitted).iloc[:60])
    assert found.rows == 60 and found.difference <= found.tolerance


def test_a_file_keeps_them_and_refuses_damaged_ones(fitted: Any, tmp_path: Any):
    path = tmp_path / "shop.safetensors"
    fitted.save(path)
    rows = later(fitted)
    assert MLPRegressor.load(path).predict(rows).tobytes() == fitted.predict(rows).tobytes()
    data = fitted.preprocessor_.to_data()
    again = json.loads(json.dumps(data))
    assert TablePreprocessor.from_data(again).transform(rows).tobytes() == (
        fitted.preprocessor_.transform(rows).tobytes()
    )
    for damaged in (
        ["day", 366, 1.0],
        ["easter", 127, 1.0],
        ["feast", 0, 1.0],
        ["day", 0.5, 1.0],
        ["day", -1, 1.0],
    ):
        again["columns"][0]["recurring"][0] = damaged
        with pytest.raises(FormatError):
            TablePreprocessor.from_data(again)


def test_explain_names_the_day(fitted: Any):
    rows = pd.DataFrame({"date": pd.to_datetime(["2023-12-25", "2023-12-20"]), "price": [0.0, 0.0]})
    reasons = fitted.explain(rows)
    assert "date 2023-12-25 (December 25) (typical: 2018-" in reasons.text(0)
    assert "date 2023-12-20 (typical" in reasons.text(1)
    with words.spoken_in("zh"):
        assert "2023-12-25 (12 月 25 日)" in reasons.text(0)
    value = dict(zip(reasons.names, reasons.values[0], strict=True))["date"]
    assert value < -5


def test_the_typical_date_is_an_ordinary_day():
    X, y = shops("2016-06-26")
    assert X["date"].iloc[len(X) // 2] == pd.Timestamp("2018-12-25")
    estimator = MLPRegressor(**QUICK, max_iter=2).fit(X, y)
    reasons = estimator.explain(X.iloc[:1])
    typical = {column.name: column for column in reasons.reference}["date"]
    assert np.datetime64(int(typical.values[0]), "s") == np.datetime64("2018-12-26")
