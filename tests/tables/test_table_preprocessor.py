"""The preprocessor of tables: what each column is, what it becomes, and that it is the same in prediction."""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.special import ndtri
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

import chainrule as c
from chainrule import TablePreprocessor
from chainrule.tables import calendar

RNG = np.random.default_rng(3)
N = 120


def frame() -> pd.DataFrame:
    """Every kind of column."""
    made = pd.DataFrame(
        {
            "age": RNG.normal(40, 10, N),
            "count": RNG.integers(0, 9, N),
            "member": RNG.random(N) < 0.5,
            "sex": RNG.choice(["male", "female"], N),
            "color": RNG.choice(["red", "green", "blue"], N),
            "city": RNG.choice([f"city {k}" for k in range(9)], N),
            "signed": pd.Timestamp("2023-05-01") + pd.to_timedelta(RNG.integers(0, 900, N), unit="D"),
            "price": [f"{1000 + k:,}.50" for k in RNG.permutation(N)],
            "born": [f"{1950 + k % 50}-0{1 + k % 9}-1{k % 9}" for k in range(N)],
            "id": RNG.permutation(N),
            "key": [f"key {k}" for k in range(N)],
            "unit": "cm",
            "nothing": None,
        }
    )
    made.loc[3, ["age", "color", "city"]] = None
    made.loc[4, "age"] = np.inf
    return made


FRAME = frame()
FEW: dict[str, Any] = {"max_one_hot": 8, "embedding_size": None, "min_count": 2}
FITTED = TablePreprocessor(**FEW).fit(FRAME)


def outputs(fitted: TablePreprocessor, X: Any) -> dict[str, np.ndarray]:
    return dict(zip(fitted.get_feature_names_out(), fitted.transform(X).T, strict=True))


@parametrize_with_checks(
    [
        TablePreprocessor(),
        TablePreprocessor(scale="standard", impute="mean", embeddings=False, dtype="float64"),
    ]
)
def test_scikit_learns_checks(estimator: Any, check: Any):
    check(estimator)


def test_what_each_column_becomes():
    found = {each.name: (each.taken_for, each.why, each.became) for each in FITTED.columns_}
    assert found == {
        "age": ("number", "numbers", "scaled"),
        "count": ("number", "numbers", "scaled"),
        "member": ("boolean", "booleans", "binary"),
        "sex": ("category", "texts", "binary"),
        "color": ("category", "texts", "one_hot"),
        "city": ("category", "texts", "embedded"),
        "signed": ("date", "dates", "parts"),
        "price": ("number", "text_numbers", "scaled"),
        "born": ("date", "text_dates", "parts"),
        "id": ("number", "identifier", "dropped"),
        "key": ("category", "every_value_differs", "dropped"),
        "unit": ("category", "constant", "dropped"),
        "nothing": ("number", "all_missing", "dropped"),
    }
    age, city = FITTED.columns_["age"], FITTED.columns_["city"]
    assert (age.missing, age.infinite, age.outputs, city.categories) == (2 / N, 1, 3, 9)
    assert [each.name for each in FITTED.columns_.dropped] == ["id", "key", "unit", "nothing"]
    with pytest.raises(KeyError, match="'agee' is no column"):
        _ = FITTED.columns_["agee"]


def test_the_table_is_printed():
    lines = [line.split("  ") for line in str(FITTED.columns_).splitlines()]
    rows = {line[0]: [cell.strip() for cell in line[1:] if cell] for line in lines}
    assert rows["age"] == ["number", "its values are numbers", "1.67 % (1 infinite)", "-", "3 numbers"]
    assert rows["city"] == ["category", "its values are text", "0.83 %", "9", "an embedding of 5 numbers"]
    assert rows["id"] == ["number", "it numbers the rows", "-", "-", "dropped"]
    assert lines[-1] == ["13 columns, 4 of them dropped; 29 inputs for a network."]
    assert repr(FITTED.columns_) == "<DescribedTable of 13 columns, 4 dropped: 29 outputs>"


def test_numbers_by_hand():
    x = [0.0, 10.0, 20.0, 40.0, np.nan]
    made = outputs(TablePreprocessor(scale="robust+quantile", dtype="float64").fit({"x": x}), {"x": x})
    z = (np.array([0, 10, 20, 40, 10]) - 10) / 20  # the lower median, and quartiles 0 and 20
    np.testing.assert_allclose(made["x"], z / np.sqrt(1 + (z / 3) ** 2))
    np.testing.assert_array_equal(made["x missing"], [0, 0, 0, 0, 1])
    share = np.array([1, 3.5, 5.5, 8, 3.5]) / 9  # of the ten quantiles 0 0 0 10 10 20 20 40 40 40
    np.testing.assert_allclose(made["x rank"], ndtri(share))
    plain = TablePreprocessor(scale="none", impute="mean", dtype="float64").fit({"x": x})
    np.testing.assert_array_equal(plain.transform({"x": x})[:, 0], [0, 10, 20, 40, 17.5])


def test_ranks_of_few_rows_and_numbers_that_stay_linear_by_hand():
    x = np.arange(1.0, 21)
    fitted = TablePreprocessor(scale="robust+rank+linear", dtype="float64").fit({"x": x})
    made = outputs(fitted, {"x": [1.0, 7.0, 20.0, 1000.0, -1000.0]})
    # Twenty quantiles are the numbers themselves; the least share is half of one in twenty.
    np.testing.assert_allclose(made["x rank"], ndtri(np.array([0.025, 6 / 19, 0.975, 0.975, 0.025])))
    deviation = np.sqrt((20**2 - 1) / 12)
    z = (np.array([1, 7, 20]) - 10.5) / deviation
    np.testing.assert_allclose(made["x linear"], [*z, 10, -10])
    straight = TablePreprocessor(scale="robust+rank+straight", dtype="float64").fit({"x": x})
    later = outputs(straight, {"x": [1.0, 100.0, 1000.0, -1000.0]})
    np.testing.assert_allclose(later["x linear"], [z[0], 89.5 / deviation, 20, -20])  # 89.5 / 5.77 is 15.5
    many = TablePreprocessor(scale="rank", dtype="float64").fit({"x": np.arange(5000.0)})
    assert many.transform({"x": [1e9]})[0, 0] == pytest.approx(ndtri(1 - 0.5 / 100))


def test_the_scale_of_realmlp_by_hand():
    X = {
        "x": [0.0] * 7 + [3.0, 9.0],  # quartiles 0 and 0, so half the range: 4.5
        "y": [0.0, 2, 2, 4, 4, 4, 6, 8, 9],  # median 4, quartiles 2 and 6
        "c": [*"aaaaaabbc"],  # a is in two thirds of the rows
        "s": ["f", "m", "m", "m", "m", "m", "m", "m", "m"],
        "h": [*"ffffmmmmm"],
    }
    fitted = TablePreprocessor(scale="realmlp", dtype="float64").fit(X)
    later = {"x": [9.0, None], "y": [0.0, 8], "c": ["a", "c"], "s": ["f", "new"], "h": ["f", None]}
    made = outputs(fitted, later)

    def clipped(*z: float) -> Any:
        return pytest.approx([each / np.sqrt(1 + (each / 3) ** 2) for each in z], abs=1e-12)

    assert made["x"] == clipped(2, 0) and made["y"] == clipped(-1, 1)
    assert made["c=a"] == clipped(0, -1)  # quartiles 0 and 1 of its indicator, with median 1
    assert made["c=b"] == clipped(0, 0) and made["c=c"] == clipped(0, 2)  # 0 or 2, being rare
    assert made["s=m"] == clipped(-2, -1)  # median 1 and half the range 1; a new one counts as 0
    assert made["h=m"] == clipped(-1, -0.5)  # quartiles -1 and 1
    assert fitted.numbers_ == (0, 1)
    weighted = TablePreprocessor(scale="realmlp").fit(X, sample_weight=np.full(9, 2.0))
    assert weighted.to_data() == TablePreprocessor(scale="realmlp").fit(X).to_data()
    data = json.loads(json.dumps(fitted.to_data()))
    again = TablePreprocessor.from_data(json.loads(json.dumps(data)))
    assert (again.transform(later) == fitted.transform(later)).all()
    for column, lanes in ((2, data["columns"][2]["lanes"][:2]), (3, data["columns"][2]["lanes"][:2])):
        damaged = json.loads(json.dumps(data))
        damaged["columns"][column]["lanes"] = lanes
        with pytest.raises(c.FormatError, match="must have the values of a column that is"):
            TablePreprocessor.from_data(damaged)


def test_categories_by_hand():
    X = {
        "c": [*"abcaabcab", None, *"abcaabcab"],
        "s": ["m", "f"] * 9 + ["m"],
        "b": [True, None, False] * 6 + [True],
    }
    fitted = TablePreprocessor().fit(X)
    assert list(fitted.get_feature_names_out()) == ["c=a", "c=b", "c=c", "s=m", "b=True"]
    later = {"c": ["c", "new", None], "s": ["f", "new", None], "b": [1, 0, None]}
    expected = [[0, 0, 1, -1, 1], [0, 0, 0, 0, -1], [0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(fitted.transform(later), expected)


def test_codes_for_an_embedding():
    words = [f"w{k}" for k in range(10) for _ in range(12)] + ["rare", "seldom"]
    X = {"w": words, "n": range(len(words))}
    fitted = TablePreprocessor(max_one_hot=8, embedding_size=None).fit(X)
    assert fitted.embedded_ == ((0, 12, round(1.6 * 10**0.56)),) and fitted.columns_["w"].merged == 2
    later = {"w": ["w0", "w9", "rare", "new", None, ""], "n": [0] * 6}
    assert fitted.transform(later)[:, 0].tolist() == [1, 10, 11, 11, 0, 0]
    whole = TablePreprocessor(max_one_hot=8, embedding_size=3).fit({"w": words[:-2], "n": range(120)})
    assert whole.embedded_ == ((0, 11, 3),) and whole.transform(later)[:, 0].tolist() == [1, 10, 0, 0, 0, 0]
    wide = TablePreprocessor(max_one_hot=8, embeddings=False).fit(X)
    assert (
        wide.embedded_ == ()
        and outputs(wide, X)["w rare"].sum() == 2
        and outputs(wide, X)["w=w0"].sum() == 12
    )


def test_the_outputs_of_many_categories_are_scaled():
    X = {"many": list("abcdefghi") * 9, "few": list("abcdefgh") * 10 + ["a"], "two": ["p", "q", "q"] * 27}
    X["words"] = [f"w{k}" for k in range(20) for _ in range(4)] + ["once"]
    settings: dict[str, Any] = {"category_scale": 0.25, "max_one_hot": 12, "embeddings": False}
    fitted = TablePreprocessor(**settings).fit(X)
    made, found = outputs(fitted, X), {each.name: each for each in fitted._learned}
    assert [made[f"many={each}"].max() for each in "ai"] == [0.25, 0.25]
    assert made["few=a"].max() == 1 and set(made["two=q"]) == {-1, 1}
    assert made["words=w0"].max() == made["words rare"].max() == 0.25
    assert {name: each.value for name, each in found.items()} == {
        "many": 0.25,
        "few": 1,
        "two": 1,
        "words": 0.25,
    }
    again = TablePreprocessor.from_data(json.loads(json.dumps(fitted.to_data())))
    assert again.transform(X).tobytes() == fitted.transform(X).tobytes() and again.category_scale == 0.25
    scaled = TablePreprocessor(**settings, scale="realmlp").fit(X)  # it scales them itself
    assert scaled.transform(X).tobytes() == scaled.set_params(category_scale=1).fit(X).transform(X).tobytes()


def test_dates_by_hand():
    days = ["2024-01-01", "2024-01-02 06:00", None, "2025-07-01"]
    made = outputs(TablePreprocessor(scale="none", dtype="float64").fit({"d": days}), {"d": days})
    np.testing.assert_allclose(made["d days"], [0, 1.25, 1.25, 547])
    np.testing.assert_array_equal(made["d year"], [2024, 2024, 2024, 2025])
    angle = 2 * np.pi * np.array([0, 1, np.nan, 181]) / 365.25
    np.testing.assert_allclose(made["d year_sin"], np.nan_to_num(np.sin(angle)), atol=1e-12)
    weekday = 2 * np.pi * np.array([0, 1, np.nan, 1]) / 7  # a Monday, and two Tuesdays
    np.testing.assert_allclose(made["d weekday_cos"], np.nan_to_num(np.cos(weekday)), atol=1e-12)
    np.testing.assert_allclose(made["d time_sin"], [0, 1, 0, 0], atol=1e-12)
    np.testing.assert_array_equal(made["d missing"], [0, 0, 1, 0])


def test_one_day_in_many_writings():
    zone = datetime.timezone(datetime.timedelta(hours=2))
    day = datetime.datetime(2024, 3, 5, 1, 30, tzinfo=zone)
    fitted = TablePreprocessor().fit({"d": [f"20{k}-01-01T00:00:00" for k in range(10, 30)]})
    same = [
        [day],
        ["2024-03-05T01:30:00+02:00"],
        ["2024-03-04 23:30"],
        np.array(["2024-03-04T23:30"], "M8[m]"),
    ]
    same += [pd.Series([pd.Timestamp(day)]), pl.Series([day])]
    rows = [fitted.transform({"d": each}) for each in same]
    for row in rows[1:]:
        np.testing.assert_array_equal(row, rows[0])


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["31/12/2020", "01/02/2020"], "date"),
        (["12/31/2020", "01/02/2020"], "date"),
        (["01/02/2020", "03/04/2020"], "category"),  # either way
        (["31.12.2020", "1.2.2020 14:30"], "date"),
        (["1,5", "1.234,75", "NA"], "number"),
        (["1,234", "5"], "number"),
        (["12 %", "$7", "?"], "number"),
        (["007", "123"], "category"),
        (["12", "thirteen"], "category"),
        ([1, "2", None, 3.5], "number"),
        ([1, "two", None], "category"),
        ([datetime.timedelta(1), None, datetime.timedelta(2)], "duration"),
    ],
)
@pytest.mark.filterwarnings("ignore:column 'x' has dates such as '01/02/2020'")
@pytest.mark.filterwarnings("ignore:column 'x' has numbers whose commas all")
@pytest.mark.filterwarnings("ignore:column 'x' has numbers with different signs")
def test_what_text_and_mixtures_are(values: list[Any], kind: str):
    assert TablePreprocessor().fit({"x": values}).columns_["x"].taken_for == kind


def test_numbers_of_a_decimal_comma():
    fitted = TablePreprocessor(scale="none").fit({"x": ["1,5", "1.234,75", "-2,25"]})
    assert fitted.transform({"x": ["1.000,5", 3]})[:, 0].tolist() == [1000.5, 3.0]


def test_masked_cells_are_missing():
    cells = np.ma.masked_equal(np.array([1.0, 9.0, 3.0, 9.0, 2.0]), 9.0)
    in_dict = TablePreprocessor().fit({"x": cells}).columns_["x"]
    in_matrix = TablePreprocessor().fit(cells[:, None]).columns_["0"]
    assert in_dict.missing == in_matrix.missing == 0.4
    later = TablePreprocessor(scale="none").fit({"x": cells})
    assert np.array_equal(
        later.transform({"x": cells}), later.transform({"x": [1.0, None, 3.0, None, 2.0]}), equal_nan=True
    )


@pytest.mark.parametrize("unit", ["ns", "us", "D"])
@pytest.mark.parametrize("kind", ["date", "duration"])
def test_masked_dates_stay_dates(kind: str, unit: str):
    times: Any = np.array([0, 9, 300, 40, 5000], "m8[D]").astype(f"m8[{unit}]")
    if kind == "date":
        times = np.datetime64("2020-01-01", unit) + times
    cells = np.ma.array(times, mask=[False, True, False, False, False])
    gap = times.copy()
    gap[1] = "NaT"
    for masked, plain in (({"x": cells}, {"x": gap}), (cells[:, None], gap[:, None])):
        fitted = TablePreprocessor().fit(masked)
        described = next(iter(fitted.columns_))
        assert (described.taken_for, described.missing) == (kind, 0.2)
        assert np.array_equal(
            fitted.transform(masked), TablePreprocessor().fit_transform(plain), equal_nan=True
        )
    assert cells.data[1] == times[1]  # what the user has is left as it is


def test_masked_columns_of_two_dimensions():
    cells = np.ma.masked_equal(np.arange(4.0).reshape(2, 2), 3)
    with pytest.raises(c.ShapeError, match=r"one value per row in column 'x', not an array \(2, 2\)"):
        TablePreprocessor().fit({"x": cells})
    records = np.ma.array([(1, 2.0)] * 3, [("a", int), ("b", float)], mask=[(True, False)] * 3)
    with pytest.raises(c.DataError, match="X is an array of records"):
        TablePreprocessor().fit(records)


def test_identifiers_are_told_by_name_and_values():
    X = {"PassengerId": range(9), "population": range(9), "id": [1] * 8 + [2], "Unnamed: 0": range(9)}
    assert [each.name for each in TablePreprocessor().fit(X).columns_.dropped] == [
        "PassengerId",
        "Unnamed: 0",
    ]
    assert [each.name for each in TablePreprocessor().fit(X | {"": range(9)}).columns_.dropped][-1] == ""
    assert not TablePreprocessor().fit({"": [1.5, 2, 4]}).columns_.dropped
    kept = TablePreprocessor(identifiers="keep").fit(X)
    assert not kept.columns_.dropped


def test_near_constant_columns():
    n = 20_000
    X = {"one": [0] * (n - 1) + [1], "few": [0] * (n - 40) + [1] * 40, "word": ["a"] * (n - 1) + ["b"]}
    found = TablePreprocessor().fit(X).columns_
    assert [found[name].why for name in X] == ["near_constant", "numbers", "near_constant"]
    rounding = TablePreprocessor().fit({"x": [1.0, 1.0 + 2.3e-16] * 9, "y": range(18)})
    assert rounding.columns_["x"].why == "near_constant"


def test_what_a_user_says_of_a_column():
    X = {"zip": [10, 20, 30] * 9, "day": ["2020-01-01", "2020-01-02", "x"] * 9, "other": range(27)}
    fitted = TablePreprocessor(kinds={"zip": "category", "other": "drop"}).fit(X)
    assert list(fitted.get_feature_names_out())[:3] == ["zip=10", "zip=20", "zip=30"]
    assert fitted.transform({"zip": ["10", 10.0], "day": ["x", "y"]})[:, 0].tolist() == [1, 1]
    with pytest.raises(c.DataError, match="kinds declares column 'day' a date, but its values are texts"):
        TablePreprocessor(kinds={"day": "date"}).fit(X)
    with pytest.raises(c.DataError, match=r"X lacks 'zap' \(renamed to 'zip'\?\)"):
        TablePreprocessor(kinds={"zap": "category"}).fit(X)


# --- the same table in other libraries, orders and types


@pytest.mark.parametrize(
    "make", [pl.from_pandas, lambda f: pa.Table.from_pandas(f, preserve_index=False), dict]
)
def test_the_library_does_not_matter(make: Any):
    usual = FRAME.drop(columns="nothing")
    expected = TablePreprocessor(**FEW).fit_transform(usual)
    np.testing.assert_array_equal(TablePreprocessor(**FEW).fit_transform(make(usual)), expected)


def test_nullable_types_of_pandas():
    X = pd.DataFrame(
        {
            "i": [1, None, 3] * 9,
            "b": [True, False, None] * 9,
            "s": ["x", None, "y"] * 9,
            "f": [0.5, 2, None] * 9,
        }
    )
    expected = TablePreprocessor().fit(X)
    made = expected.transform(X)
    np.testing.assert_array_equal(expected.transform(X.convert_dtypes()), made)
    np.testing.assert_array_equal(TablePreprocessor().fit_transform(X.convert_dtypes()), made)
    np.testing.assert_array_equal(expected.transform(X.astype({"s": "category"})), made)


def test_columns_are_matched_by_name():
    expected = FITTED.transform(FRAME)
    shuffled = FRAME[FRAME.columns[::-1]].drop(columns=["key", "unit"]).assign(more="x")
    np.testing.assert_array_equal(FITTED.transform(shuffled), expected)
    with pytest.raises(c.DataError, match=r"X lacks 'age' \(renamed to 'Age'\?\) of the 9 columns"):
        FITTED.transform(FRAME.rename(columns={"age": "Age"}))
    np.testing.assert_array_equal(FITTED.transform(FRAME.to_numpy(object)), expected)
    with pytest.raises(
        c.ShapeError, match="X has 2 features, but TablePreprocessor is expecting 13 features"
    ):
        FITTED.transform(np.zeros((3, 2)))


def test_types_that_changed():
    text = FRAME.astype({"count": str}).assign(member=FRAME["member"].map({True: "yes", False: "no"}))
    np.testing.assert_array_equal(FITTED.transform(text), FITTED.transform(FRAME))
    for column, value, said in [
        ("age", "old", r"X has texts in column 'age' \('old' at row 0\), which had numbers in training"),
        ("signed", 3.5, r"X has numbers in column 'signed' \('3.5' at row 0\), which had dates"),
        (
            "signed",
            "soon",
            r"\('soon' at row 0\), which had dates in training, such as 2024-12-31; convert it",
        ),
        ("member", "maybe", r"\('maybe' at row 0\), which had booleans"),
        ("age", pd.Timestamp("2020-01-01"), "which had numbers"),
    ]:
        with pytest.raises(c.DataError, match=said):
            FITTED.transform(FRAME.assign(**{column: value}))
    empty = FITTED.transform(FRAME.assign(age=None, signed=None, member=None, city=None))
    assert np.isfinite(empty).all() and (empty[:, FITTED.embedded_[0].column] == 0).all()


@pytest.mark.parametrize("order", calendar.ORDERS)
def test_the_example_of_an_order_of_dates_is_one(order: str):
    """An error says by it how dates were written, so it has to be read."""
    (seconds,) = calendar.read_dates([calendar.EXAMPLES[order]], order)
    assert np.isfinite(seconds)
    made = {"day": ["31.12.2023", "13.01.2024"] * 30, "x": list(range(60))}
    fitted = c.TablePreprocessor().fit(made)
    with pytest.raises(c.DataError, match=r"which had dates in training, such as 31\.12\.2024; convert it"):
        fitted.transform(made | {"day": ["2024/12/31"] * 60})


# --- weights, settings, state


def test_weights_count_rows():
    weights = RNG.integers(0, 4, N)
    once = FRAME.drop(columns=["id", "key"])  # whether values differ is asked of rows
    repeated = once.loc[np.repeat(np.arange(N), weights)]
    weighted = TablePreprocessor(**FEW, impute="mean").fit(once, sample_weight=weights)
    expected = TablePreprocessor(**FEW, impute="mean").fit(repeated)
    assert weighted.embedded_ == expected.embedded_
    np.testing.assert_allclose(weighted.transform(FRAME), expected.transform(FRAME), atol=1e-6)
    one = TablePreprocessor(**FEW).fit(FRAME, sample_weight=np.ones(N))
    assert one.to_data() == FITTED.to_data()
    share = TablePreprocessor(**FEW).fit(FRAME, sample_weight=np.full(N, 1 / N))
    assert share.embedded_ == FITTED.embedded_
    for bad in (np.ones(3), -np.ones(N), np.full(N, np.nan), ["x"] * N, np.zeros(N)):
        with pytest.raises(c.ChainruleError, match="sample_weight must"):
            TablePreprocessor().fit(FRAME, sample_weight=bad)


@pytest.mark.parametrize(
    "scale",
    [
        "robust",
        "realmlp",
        "standard",
        "quantile",
        "robust+quantile",
        "robust+rank+straight",
        "linear",
        "none",
    ],
)
def test_data_keep_every_bit(scale: str):
    fitted = TablePreprocessor(scale=scale, **FEW, kinds={"count": "category"}).fit(FRAME)
    text = json.dumps(fitted.to_data(), allow_nan=False)
    again = TablePreprocessor.from_data(json.loads(text))
    assert json.dumps(again.to_data()) == text and again.get_params() == fitted.get_params()
    assert again.transform(FRAME).tobytes() == fitted.transform(FRAME).tobytes()
    assert again.embedded_ == fitted.embedded_ and again.n_features_in_ == 13
    assert list(again.feature_names_in_) == list(FRAME.columns)
    assert again.columns_.columns == fitted.columns_.columns and again.columns_.rows is None


def test_a_fit_is_deterministic_whatever_the_order_of_rows():
    shuffled = FRAME.sample(frac=1, random_state=1)
    assert TablePreprocessor(**FEW).fit(shuffled).to_data() == FITTED.to_data()
    assert clone(FITTED).fit(FRAME).to_data() == FITTED.to_data()


EDITS: list[tuple[tuple[Any, ...], Any]] = [
    (("kind",), "x"), (("version",), 2), (("version",), None), (("columns",), []), (("columns",), {}),
    (("columns", 0), 5),
    (("named",), 1), (("settings",), []), (("settings", "scale"), "x"), (("settings", "max_one_hot"), -(10**400)),
    (("settings", "evil"), 1), (("settings", "kinds"), {"age": "x"}), (("settings", "dtype"), ["float32"]),
    (("columns", 0, "name"), None),
    (("columns", 0, "name"), "count"), (("columns", 0, "name"), "x" * 70_000),
    (("columns", 0, "kind"), "date"), (("columns", 0, "why"), []), (("columns", 0, "became"), "embedded"),
    (("columns", 0, "missing"), 2), (("columns", 0, "missing"), float("nan")), (("columns", 0, "missing"), True),
    (("columns", 0, "lanes"), 3), (("columns", 0, "lanes", 0), []), (("columns", 0, "lanes", 0, 1), float("inf")),
    (("columns", 0, "lanes", 0, 2), "x"), (("columns", 0, "lanes", 0, 4), 0.0), (("columns", 0, "lanes", 0, 0), "days"),
    (("columns", 0, "lanes", 1, 5), 1e9), (("columns", 0, "lanes", 1, 2), "robust"),
    (("columns", 0, "lanes"), [[]] * 99),
    (("columns", 0, "lanes", 0, 3), 10**400), (("columns", 0, "indicator"), 1), (("columns", 0, "code"), "import os"),
    (("columns", 0, "infinite"), -1), (("columns", 0, "reads"), "dmyy"), (("columns", 0, "cycles"), ["year"]),
    (("columns", 4, "categories"), []), (("columns", 4, "categories"), ["a", "a"]),
    (("columns", 4, "categories"), [1]),
    (("columns", 4, "categories"), ["x" * 300]), (("columns", 4, "categories"), [str(k) for k in range(100_001)]),
    (("columns", 4, "value"), 0), (("columns", 4, "value"), "1"), (("columns", 0, "value"), 0.1),
    (("columns", 4, "value"), 1e7), (("settings", "category_scale"), 1e7),
    (("columns", 5, "size"), 10**9), (("columns", 5, "size"), 0), (("columns", 5, "merged"), 1.5),
    (("columns", 6, "origin"), "soon"), (("columns", 6, "origin"), "99999-01-01T00:00:00.000000"),
    (("columns", 6, "cycles"), ["moon"]), (("columns", 6, "lanes", 0, 0), "value"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), EDITS, ids=lambda each: str(each)[:40])
def test_damaged_data_are_refused(path: tuple[Any, ...], value: Any):
    data = json.loads(json.dumps(FITTED.to_data()))
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(c.FormatError) as raised:
        TablePreprocessor.from_data(data)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"max_one_hot": 1}, "max_one_hot must be an integer of at least 2"),
        (
            {"scale": "minmax"},
            "scale must be one of robust, realmlp, standard, quantile, rank, linear, straight, affine, range, none, ",
        ),
        ({"impute": 0}, "impute must be one of median, mean"),
        ({"min_count": 0}, "min_count must be an integer of at least 1"),
        ({"category_scale": 0}, "category_scale must be a finite number above 0 and at most 1e\\+06"),
        ({"embedding_size": 0}, "embedding_size must be an integer of at least 1"),
        ({"near_constant": 0.5}, "near_constant must be a finite number"),
        ({"identifiers": True}, "identifiers must be one of drop, keep"),
        ({"kinds": ["a"]}, "kinds must be a dict from column names to kinds"),
        ({"kinds": {"age": "text"}}, r"kinds\['age'\] must be one of number, category, date, drop"),
        ({"dtype": "float16"}, "dtype must be one of float32, float64"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], said: str):
    with pytest.raises(c.ConfigError, match=said):
        TablePreprocessor(**settings).fit(FRAME)


def test_before_fit():
    for use in (
        lambda p: p.transform(FRAME),
        lambda p: p.columns_,
        lambda p: p.to_data(),
        lambda p: p.embedded_,
    ):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            use(TablePreprocessor())
