"""Text that is nearly numbers: a few words among them are missing, and digits of a data frame's text are codes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import node
from chainrule import DataError, MLPRegressor, TablePreprocessor
from chainrule.datasets import read_table
from chainrule.export.javascript import module
from chainrule.tables.target import infer_task


def years(*words: str, n: int = 200) -> list[str]:
    """Years of building, with each word in three of them."""
    made = [str(1900 + 7 * k % 120) for k in range(n)]
    for k, word in enumerate(words * 3):
        made[10 + 10 * k] = word
    return made


def test_a_few_words_among_numbers_are_missing_and_told():
    built = years("unbek.", "k. A.")
    with pytest.warns(UserWarning) as told:
        made = TablePreprocessor().fit({"built": built, "x": range(200)})
    (warning,) = told
    said = "column 'built' has numbers, and text in 6 of 200 rows ('unbek.' in 3, 'k. A.' in 3): it is read as numbers"
    assert str(warning.message).startswith(said) and "kinds={'built': 'category'}" in str(warning.message)
    column = made.columns_["built"]
    assert (column.taken_for, column.why, column.missing) == ("number", "mostly_numbers", 0.03)
    gaps = TablePreprocessor().fit(
        {"built": [None if "k" in text else text for text in built], "x": range(200)}
    )
    again = TablePreprocessor.from_data(json.loads(json.dumps(made.to_data())))
    later: list[Any] = ["1950", "unbek.", "another", "", 1950, None]
    empty = ["1950", None, None, None, "1950", None]
    expected = gaps.transform({"built": empty, "x": range(6)})
    np.testing.assert_array_equal(again.transform({"built": later, "x": range(6)}), expected)
    with pytest.raises(DataError, match=r"'19a' at row 1.*, which had numbers in training"):
        made.transform({"built": ["unbek.", "19a"], "x": [1, 2]})


@pytest.mark.parametrize(
    "cells",
    [
        years("A1", "B2"),  # words with digits may be codes
        years("a", "b", "c", "d", "e", "f"),
        [*years()[:60], *["unbek."] * 20],
        ["1", "2", "3"] * 40 + ["x"],
        ["0" + text for text in years("unbek.")],
        ["x", "y"] * 50,
    ],
)
@pytest.mark.filterwarnings("ignore:column 'x'")
def test_other_text_is_of_categories(cells: list[str]):
    assert TablePreprocessor().fit({"x": cells}).columns_["x"].taken_for == "category"


def test_the_kind_may_be_asked_for():
    assert (
        TablePreprocessor(kinds={"x": "category"}).fit({"x": years("unbek.")}).columns_["x"].taken_for
        == "category"
    )
    many = ["1", "2", "x", "y", "z", "u", "v", "w", "3", "4", "5", "6", "7", "8"]
    made = TablePreprocessor(kinds={"x": "number"}).fit({"x": many})
    assert made.columns_["x"].missing == pytest.approx(6 / 14)
    whole = TablePreprocessor(kinds={"x": "number"}).fit({"x": years()})  # words are in later rows alone
    assert np.isfinite(whole.transform({"x": ["unbek."]})).all()
    with pytest.raises(DataError, match="kinds declares column 'x' a number, but its values are texts"):
        TablePreprocessor(kinds={"x": "number"}).fit({"x": ["1", "x", "y"]})


@pytest.mark.filterwarnings("ignore:column 'built' has numbers, and text")
def test_words_that_only_rows_held_out_have(tmp_path: Path):
    """A fit holds rows out, and predicts them: whatever part has the words, the column is of numbers."""
    X = pd.DataFrame({"built": years(), "when": range(200)})
    X.loc[198, "built"] = "unbek."
    y = X["when"] % 7 + 0.5
    net = MLPRegressor(preprocess="auto", max_iter=2, n_members=1, hidden_layer_sizes=(4,), random_state=0)
    net.fit(X, y, time="when")
    assert net.preprocessor_.columns_["built"].taken_for == "number"
    rows = pd.DataFrame({"built": ["unbek.", ""], "when": [1, 1]})
    found = net.predict(rows)
    assert found[0] == found[1] == net.bind().predict({"built": "unbek.", "when": 1})
    (tmp_path / "m.mjs").write_text(module(net.graph()), "utf-8")
    script = """
import { predict } from './m.mjs';
const said = (row) => { try { return predict(row); } catch (error) { return error.message; } };
say(given.map(said));
"""
    rows = [{"built": built, "when": 1} for built in ("unbek.", None, "1950", "19a")]
    said = node.run(tmp_path, script, rows)
    assert said[0] == said[1] != said[2] and "has the text '19a', and had numbers" in said[3]


FRAMES = {
    "object": lambda data: pd.DataFrame(data, dtype=object),
    "string": lambda data: pd.DataFrame(
        {name: pd.array(cells, dtype="string") for name, cells in data.items()}
    ),
    "polars": pl.DataFrame,
    "arrow": pa.table,
    "series": lambda data: {name: pd.Series(cells) for name, cells in data.items()},
}


@pytest.mark.parametrize("frame", FRAMES)
def test_digits_of_a_frames_text_are_codes(frame: str):
    """As after astype(str), which is how one says it. Fractions, and numbers that differ, are none."""
    data = {
        "zip": [str(10115 + 7 * (k % 60)) for k in range(300)],
        "price": [f"{k / 7:.2f}" for k in range(300)],
        "area": [str(100 + k) for k in range(300)],
        "few": [str(k // 2 * 9) for k in range(290)] + [None] * 10,
    }
    with pytest.warns(UserWarning) as told:
        made = TablePreprocessor().fit(FRAMES[frame](data))
    assert [str(each.message)[:70] for each in told] == [
        "column 'zip' is of text with whole numbers that come again, such as '1",
        "column 'few' is of text with whole numbers that come again, such as '0",
    ]
    kinds = {each.name: (each.taken_for, each.why) for each in made.columns_}
    numbers = ("number", "text_numbers")
    codes = ("category", "code_texts")
    assert kinds == {"zip": codes, "price": numbers, "area": numbers, "few": codes}
    again = TablePreprocessor.from_data(made.to_data())
    for rows in (FRAMES[frame], dict):
        later = {name: cells[:3] for name, cells in data.items()}
        np.testing.assert_array_equal(again.transform(rows(later)), made.transform(FRAMES[frame](data))[:3])
    as_numbers = {"zip": [10115], "price": [0.0], "area": [100], "few": [0]}
    np.testing.assert_array_equal(again.transform(as_numbers)[0], made.transform(FRAMES[frame](data))[0])
    asked = TablePreprocessor(kinds={"zip": "number", "few": "number"}).fit(FRAMES[frame](data))
    assert {each.taken_for for each in asked.columns_} == {"number"}


def test_what_is_no_code(tmp_path: Path):
    """Text of lists, arrays and files that have no types, and a target."""
    zips = [str(10115 + 7 * (k % 60)) for k in range(300)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert TablePreprocessor().fit({"zip": zips}).columns_["zip"].taken_for == "number"
        assert TablePreprocessor().fit(np.array([zips, zips]).T).columns_["0"].taken_for == "number"
        (tmp_path / "t.csv").write_text("zip,x\n" + "".join(f"{each},a\n{each},b\n" for each in zips))
        read = TablePreprocessor().fit(read_table(tmp_path / "t.csv"))
        assert read.columns_["zip"].taken_for == "number"
        assert infer_task(pd.Series(zips)).task == "regression"
        assert infer_task(pd.Series(years("unbek."))).task == "multiclass"


def test_codes_are_known_without_their_leading_zeros():
    zips = ["01067", "04109", "00501", "10115", "20095"] * 20
    model = MLPRegressor(hidden_layer_sizes=8, max_iter=2, preprocess="auto", random_state=0)
    model.fit(pd.DataFrame({"zip": zips, "x": range(100)}), np.arange(100.0))
    rows = {"zip": ["01067", "04109", "00501", "10115"], "x": [1, 2, 3, 4]}
    expected = model.predict(rows)
    for later in (
        ["1067", "4109", "501", "10115"],
        [1067, 4109, 501, 10115],
        [1067.0, 4109.0, 501.0, 10115.0],
    ):
        with pytest.warns(UserWarning, match=r"column 'zip' has codes whose leading zeros are lost"):
            np.testing.assert_array_equal(model.predict(rows | {"zip": later}), expected)
    bound = model.bind()
    for text, x, answer in zip(["1067", "4109", "501"], range(1, 4), expected.tolist(), strict=False):
        with pytest.warns(UserWarning, match="leading zeros"):
            assert float(bound.predict({"zip": text, "x": x})) == pytest.approx(answer, rel=1e-6)
    other = model.predict({"zip": ["77777"], "x": [1]})
    assert not np.isclose(expected[0], other).any()


@pytest.mark.parametrize("texts", [["01", "1", "2"], ["01", "x", "2"], ["0", "1", "00"]])
def test_zeros_that_tell_codes_apart_stay(texts: list[str]):
    made = TablePreprocessor(max_one_hot=8).fit({"code": texts * 20, "x": range(60)})
    first, second = made.transform({"code": [texts[0], "000001"], "x": [1, 1]})
    assert not np.array_equal(first, second)
