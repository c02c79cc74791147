"""Columns of the cells of a file: which sign is the decimal one, and how a fitted model reads a later file."""

from __future__ import annotations

import urllib.request
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import chainrule as c
from chainrule import ConfigError, TablePreprocessor
from chainrule.datasets import cells, read_table, text_tables
from chainrule.serve.server import served
from chainrule.tables.rows import rows_of


def file_of(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


OPEN = 'w,k\n"1,234",a\n"2,125",b\n'
"""Nothing in this file says what its commas are."""


@pytest.mark.parametrize(
    ("text", "numbers", "decimal"),
    [
        ("w;k\n1,234;a\n2,125;b\n", [1.234, 2.125], ","),
        ("w;k\n1,234;0.5\n2,125;1.5\n", [1234, 2125], "."),
        ('w,k\n"0,875",a\n"2,125",b\n', [0.875, 2.125], ","),
        ('w,k\n"1,234","1,5"\n"2,125",7\n', [1.234, 2.125], ","),
        ('w,k\n"1,234",0.5\n"2,125",7\n', [1234, 2125], "."),
        ('w,k\n"1,234,567",a\n"2,125",b\n', [1234567, 2125], "."),
        ("w;k\n1.234;0,5\n2.125;7\n", [1234, 2125], ","),
        ("w;k\n1.234 €;0,5\n2.125 €;7\n", [1234, 2125], ","),
        ("w,k\n1.234,0.5\n2.125,7\n", [1.234, 2.125], "."),
        ('w,k\n1.234,"0,5"\n2.125,7\n', [1.234, 2.125], "."),
        ("w;k\n1.234;a\n2.125;b\n", [1.234, 2.125], "."),
        ("w;k\n0.234;0,5\n2.125;7\n", [0.234, 2.125], "."),
        ("w;k\n1.234,5;a\n2.125;b\n", [1234.5, 2125], ","),
        ("w;k\n1,23E+05;a\n-,5;b\n", [123000, -0.5], ","),
        ("w;k\n１，２３４;a\n2,125;b\n", [1.234, 2.125], ","),
    ],
)
def test_the_decimal_sign_is_what_the_file_shows(
    tmp_path: Path, text: str, numbers: list[float], decimal: str
):
    column = read_table(file_of(tmp_path, text))["w"]
    assert column.tolist() == numbers and column.decimal == decimal


def test_whole_numbers_show_no_sign(tmp_path: Path):
    column = read_table(file_of(tmp_path, "w;k\n1;a\n2;b\n"))["w"]
    assert type(column) is np.ndarray


def test_where_nothing_shows_the_sign_a_warning_says_what_is_taken_and_the_argument_decides(tmp_path: Path):
    path = file_of(tmp_path, OPEN)
    with pytest.warns(
        UserWarning, match=r"column 'w' has numbers such as '1,234', whose .*thousands.*decimal=\",\""
    ):
        assert read_table(path)["w"].tolist() == [1234, 2125]
    assert read_table(path, decimal=",")["w"].tolist() == [1.234, 2.125]
    assert read_table(path, decimal=".")["w"].tolist() == [1234, 2125]
    assert read_table(path, decimal={"w": ","})["w"].tolist() == [1.234, 2.125]
    only = file_of(tmp_path, "w,k\n1.234,a\n2.125,b\n")
    assert read_table(only, decimal=",")["w"].tolist() == [1234, 2125]
    clear = file_of(tmp_path, "w,k\n1.5,a\n2.125,b\n")
    assert read_table(clear, decimal=",")["w"].tolist() == [1.5, 2.125]
    with pytest.raises(ConfigError, match=r"decimal must be '\.' or ','"):
        read_table(path, decimal=";")


def test_the_sign_shows_anywhere_in_a_long_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Also where PyArrow splits it, and where the cells that show it are in another piece than the first ones."""
    rows = ["1.234;7;x"] * 300 + ["2.125;0,5;x"] + ["3.000;7;x"] * 300
    path = file_of(tmp_path, "w;v;k\n" + "\n".join(rows) + "\n")
    grouped = [1234.0] * 300 + [2125.0] + [3000.0] * 300
    monkeypatch.setattr(cells, "CHUNK", 100)
    assert read_table(path)["w"].tolist() == grouped
    monkeypatch.setattr(text_tables, "MIN_BYTES", 0)
    monkeypatch.setattr(text_tables, "BLOCK_BYTES", 1000)
    assert read_table(path)["w"].tolist() == grouped
    late = file_of(tmp_path, "w;v;k\n" + "\n".join([*rows, "0.5;7;x"]) + "\n")
    assert read_table(late)["w"].tolist()[:2] == [1.234, 1.234]
    early = file_of(tmp_path, "w;v;k\n" + "\n".join(["0.5;7;x", *rows]) + "\n")
    assert read_table(early)["w"].tolist()[:2] == [0.5, 1.234]
    monkeypatch.setattr(text_tables, "MIN_BYTES", 1 << 20)
    assert read_table(early)["w"].tolist()[:2] == [0.5, 1.234]


@pytest.mark.parametrize("digits", ["01", "09", "007"])
def test_codes_are_texts_where_pyarrow_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: str):
    monkeypatch.setattr(text_tables, "MIN_BYTES", 0)
    table = read_table(file_of(tmp_path, f"a,b\n12,1\n{digits},2\n0,3\n"))
    assert list(table["a"]) == ["12", digits, "0"]


def test_columns_that_show_both_signs_decide_nothing(tmp_path: Path):
    text = 'w,a,b\n"1,234","0,5",0.5\n"2,125","1,5",1.5\n'
    with pytest.warns(UserWarning, match="column 'w' has numbers such as '1,234'"):
        assert read_table(file_of(tmp_path, text))["w"].tolist() == [1234, 2125]
    found = read_table(file_of(tmp_path, "w;a;b\n1,234;0,5;0.5\n2,125;1,5;1.5\n"))
    assert found["w"].tolist() == [1.234, 2.125]


@pytest.fixture(scope="module")
def comma_model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model of the logarithm of weights with decimal commas, and the path of its table."""
    path = tmp_path_factory.mktemp("comma") / "train.csv"
    x = np.exp(np.random.default_rng(0).uniform(-1, 8, 400)).round(3)
    path.write_text("weight;kind\n" + "\n".join(f"{v};a".replace(".", ",") for v in x.tolist()))
    made = c.MLPRegressor(preprocess="auto", random_state=0, max_iter=30).fit(read_table(path), np.log(x))
    return made, path


LATER = [
    "weight;kind\n1,234;a\n2,125;a\n",
    'weight,kind\n"1,234",a\n"2,125",a\n',
    "weight;kind\n1,2340;a\n2,125;a\n",
    "weight,kind\n1.2340,a\n2.125,a\n",
]


@pytest.mark.filterwarnings("ignore:.*(thousands|decimal points)")
@pytest.mark.parametrize("text", LATER)
def test_a_fitted_model_reads_a_later_file_as_its_training(comma_model: Any, tmp_path: Path, text: str):
    made, _ = comma_model
    expected = made.predict({"weight": [1.234, 2.125], "kind": ["a", "a"]})
    path = file_of(tmp_path, text)
    table = read_table(path)
    assert made.predict(table).tolist() == expected.tolist()
    assert made.predict(rows_of(table, np.array([1, 0]))).tolist() == expected[::-1].tolist()
    frame = pd.read_csv(path, sep=";" if ";" in text else ",")
    assert made.predict(frame).tolist() == expected.tolist()
    assert made.check(table).to_data() == made.check({"weight": [1.234, 2.125], "kind": ["a", "a"]}).to_data()
    reloaded = type(made).load(_saved(made, tmp_path))
    assert reloaded.predict(table).tolist() == expected.tolist()


def _saved(made: Any, tmp_path: Path) -> Path:
    made.save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def test_points_that_may_be_groups_are_groups_where_training_had_commas(comma_model: Any, tmp_path: Path):
    made, _ = comma_model
    table = read_table(file_of(tmp_path, "weight;kind\n1.234;a\n2.125;a\n"))
    assert made.predict(table).tolist() == made.predict({"weight": [1234, 2125], "kind": ["a", "a"]}).tolist()


def test_a_later_file_that_shows_the_other_sign_is_read_by_it_and_told(comma_model: Any, tmp_path: Path):
    made, _ = comma_model
    table = read_table(file_of(tmp_path, "weight,kind\n1.5,a\n2.125,a\n"))
    expected = made.predict({"weight": [1.5, 2.125], "kind": ["a", "a"]}).tolist()
    with pytest.warns(
        UserWarning, match="column 'weight' has decimal points, and had decimal commas in training"
    ):
        assert made.predict(table).tolist() == expected
    with pytest.warns(UserWarning, match="has decimal points, and had decimal commas"):
        assert made.predict({"weight": ["1.5", "2.125"], "kind": ["a", "a"]}).tolist() == expected


def test_texts_of_a_frame_are_read_by_the_other_columns(tmp_path: Path):
    y = np.arange(40.0)
    weights = [f"{1 + k},{100 + k}" for k in range(40)]
    with pytest.warns(
        UserWarning, match="column 'w' has numbers whose commas all have three digits .*thousands"
    ):
        made = c.MLPRegressor(preprocess="auto", random_state=0, max_iter=2).fit({"w": weights}, y)
    assert made.preprocessor_.learned_[0].reads == "."
    both = {"w": weights, "v": [f"{k},5" for k in range(40)]}
    made = c.MLPRegressor(preprocess="auto", random_state=0, max_iter=2).fit(both, y)
    assert [each.reads for each in made.preprocessor_.learned_] == [",", ","]


def answers(url: str, body: str, kind: str = "text/csv") -> list[str]:
    request = urllib.request.Request(url + "/predict", body.encode(), {"Content-Type": kind})
    with urllib.request.urlopen(request) as reply:
        return reply.read().decode().split()


def test_the_server_reads_a_row_as_in_training_whatever_rows_are_beside_it(comma_model: Any, tmp_path: Path):
    made, _ = comma_model
    expected = repr(float(made.predict({"weight": [1.234], "kind": ["a"]})[0]))
    with served(_saved(made, tmp_path)) as url:
        bodies = ["weight;kind\n1,234;a", "weight;kind\n1,234;a\n1,5;a", 'weight,kind\n"1,234",a\n1.234,a']
        firsts = [answers(url, body)[1] for body in bodies]
        (row,) = answers(url, '{"weight":"1,234","kind":"a"}', "application/json")[1:]
    assert firsts == [expected] * 3 and row == f"{expected}}}"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("sep=;\na;b\n1,5;x\n2;y\n", "utf-8"),
        ("\ufeffSEP=;\r\na;b\r\n1,5;x\r\n2;y\r\n", "utf-8"),
        ('"sep=|"\na|b\n1.5|x\n2|y\n', "utf-8"),
        ("sep=\t\na\tb\n1.5\tx\n2\ty\n", "utf-16"),
    ],
)
def test_a_first_line_may_name_the_delimiter(tmp_path: Path, text: str, encoding: str):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    table = read_table(path)
    assert table["a"].tolist() == [1.5, 2] and list(table["b"]) == ["x", "y"]


def test_the_delimiter_that_is_named_splits_even_where_another_one_would(tmp_path: Path):
    text = "sep=,\n" + "a;b,c\n" + "1;2,x\n" * 3
    table = read_table(file_of(tmp_path, text))
    assert list(table["a;b"]) == ["1;2"] * 3 and list(table["c"]) == ["x"] * 3
    with pytest.raises(c.DataError, match="has 3 cells in line 4, but 2 names in line 2"):
        read_table(file_of(tmp_path, "sep=,\na,b\n1,2\n1,2,3\n"))


@pytest.mark.filterwarnings("ignore:column 'id' has numbers, but text")
@pytest.mark.parametrize("rows_before", [0, 30])
@pytest.mark.parametrize("large", [False, True])
def test_whole_numbers_that_float64_does_not_have_stay_texts(
    tmp_path: Path, rows_before: int, large: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cells, "CHUNK", 20)
    if large:
        monkeypatch.setattr(text_tables, "MIN_BYTES", 0)
        monkeypatch.setattr(text_tables, "BLOCK_BYTES", 100)
    ids = [f"{k}" for k in range(rows_before)] + ["1234567890123456789", "1234567890123456788"] * 2
    path = file_of(tmp_path, "id,v\n" + "".join(f"{each},1\n" for each in ids))
    with pytest.warns(
        UserWarning, match="column 'id' has whole numbers such as '1234567890123456789', which float64"
    ):
        table = read_table(path)
    assert list(table["id"]) == ids
    made = TablePreprocessor(min_count=1).fit({"id": table["id"], "v": range(len(ids))})
    assert made.learned_[0].kind == "category" and made.learned_[0].distinct == rows_before + 2
    exact = file_of(tmp_path, "id,v\n9007199254740992,1\n100000000000000000000,2\n")
    assert read_table(exact)["id"].tolist() == [2.0**53, 1e20]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["5%", "0.05"], "'5%' and '0.05'"),
        (["0", "0.0", "5 %", "7", "NA"], "'5 %' and '7'"),
        (["$5", "€5"], "'$5' and '€5'"),
        (["＄5", "5€"], "'＄5' and '5€'"),
        (["$5", "5", "＄7"], ""),
        (["5%", "0", "NA", "7 %"], ""),
        (["1", "2"], ""),
    ],
)
def test_numbers_with_different_signs_are_told(tmp_path: Path, values: list[str], said: str):
    path = file_of(tmp_path, "v,k\n" + "".join(f"{each},x\n" for each in values))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        column = read_table(path)["v"]
        TablePreprocessor().fit({"v": values * 10, "k": range(10 * len(values))})
    assert isinstance(column, np.ndarray)
    assert [said in f"{each.message}" for each in told] == [True, True] * bool(said)
