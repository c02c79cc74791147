"""Columns of categories whose cells look like numbers: by their type, or in all rows but those held out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pytest

from chainrule import DataError, MLPClassifier, MLPRegressor, TablePreprocessor
from chainrule.estimators import tune
from chainrule.estimators.distilling import ColumnTable, distill, rows_between
from chainrule.recipe.data import load
from chainrule.recipe.distilled import distilled
from chainrule.recipe.run import run
from chainrule.recipe.settings import Settings
from chainrule.tables import reading
from chainrule.tables.column import CategoryCells
from chainrule.tables.data import FitInput
from chainrule.tables.kinds import take
from chainrule.tables.rows import rows_of
from chainrule.tables.sources import kinds_in_part, known_of

N = 120
R = np.random.default_rng(0)
ENGINES = pd.DataFrame(
    {"power": R.normal(size=N), "cylinders": R.choice(["4", "6", "8"], N), "day": np.arange(N)}
)
ENGINES.loc[N - 1, "cylinders"] = "rotary"
PRICE = R.normal(size=N) + ENGINES["power"]


def kind_of(preprocessor: TablePreprocessor) -> str:
    """What the engines' cylinders are taken for."""
    return next(each.kind for each in preprocessor.learned_ if each.name == "cylinders")


SMALL: dict[str, Any] = {"preprocess": "auto", "max_iter": 2, "random_state": 0}


@pytest.mark.parametrize(
    "settings",
    [
        {"n_members": 1},
        {"n_members": 1, "refit": False},
        {"preset": "tabm", "n_members": 2, "hidden_layer_sizes": (8,)},
        {"preset": "best", "time_limit": 2, "max_iter": 200},
    ],
)
def test_rows_held_out_by_time(settings: dict[str, Any]):
    """Those that are learned from have numbers alone, and it is still a column of four categories."""
    net = MLPRegressor(**SMALL | settings).fit(ENGINES, PRICE, time="day", groups=np.arange(N) // 4)
    assert np.isfinite(net.predict(ENGINES)).all()
    assert kind_of(net.preprocessor_) == "category"


def test_a_later_table_still_says_so():
    net = MLPRegressor(**SMALL).fit(ENGINES[:-1].to_dict("list"), PRICE[:-1])
    assert kind_of(net.preprocessor_) == "number"
    with pytest.raises(DataError, match=r"'rotary' at row 119.*, which had numbers in training"):
        net.predict(ENGINES)


def test_what_reads_otherwise_in_a_part():
    table = {
        "numbers": ["1", "2", "3", "x"],
        "dates": ["2024-01-01", "2024-01-02", "2024-01-03", "never"],
        "words": ["a", "b", "a", "b"],
        "cells": [1, 2, 3, "x"],
        "real": [1, 2, 3, 4],
    }
    known = known_of(TablePreprocessor().fit(table)).kinds
    assert known == dict.fromkeys(("numbers", "dates", "words", "cells"), "category")
    part = reading.read({name: cells[:3] for name, cells in table.items()}).columns
    assert kinds_in_part(part, known) == dict.fromkeys(("numbers", "dates", "cells"), "category")


def test_cells_that_are_categories():
    cells = rows_of(CategoryCells(["1", "2", "2", "3"]), np.array([1, 2, 3]))
    column = reading.read({"grade": cells}).columns[0]
    assert take(column).kind == "category" and take(column).texts == ("2", "3")
    assert take(column.take(np.array([2, 0]))).kind == "category"
    assert take(column, "number").kind == "number"
    assert len(cells) == 3


def engines(seed: int, make: Any = lambda frame: frame) -> dict[str, Any]:
    """The arguments of a distillation whose row of "rotary" is judged, and never learned."""
    net = MLPRegressor(**SMALL).fit(make(ENGINES), PRICE)
    small = {"preset": None, "hidden_layer_sizes": (4,), "max_iter": 2, "between": 30, "random_state": seed}
    return small | {"teacher": net, "X": make(ENGINES)[:-1]} | {"X_test": make(ENGINES), "y_test": PRICE}


@pytest.mark.parametrize(
    "make", [lambda frame: frame, lambda frame: frame.to_numpy()], ids=["frame", "matrix"]
)
def test_a_student_is_told_by_its_teacher(make: Any):
    student, cost = distill(**engines(0, make))
    assert [each.kind for each in student.preprocessor_.learned_][1] == "category"
    assert cost.judged == N
    of_none = distill(**engines(0, make) | {"between": 0}).student
    assert [each.kind for each in of_none.preprocessor_.learned_][1] == "category"


def test_a_student_of_classes_that_leaves_rows_out_by_itself():
    teacher = MLPClassifier(**SMALL).fit(ENGINES, PRICE > 0)
    given: dict[str, Any] = {"preset": None, "hidden_layer_sizes": (4,), "max_iter": 2, "between": 0}
    seed = next(seed for seed in range(99) if N - 1 in np.random.default_rng(seed).permutation(N)[: N // 10])
    student, cost = distill(teacher, ENGINES, random_state=seed, **given)
    assert kind_of(student.preprocessor_) == "category" and cost.judged == N // 10


def test_a_table_of_such_cells_is_counted_and_kept():
    table = ColumnTable.of({"cylinders": CategoryCells([1.5, 2.5, 4.0] * 10), "x": np.arange(30) / 7})
    made, own = rows_between(table, 20, np.random.default_rng(0))
    assert table.rows == 30 and made.rows == 50 == len(own)
    assert isinstance(made.columns["cylinders"], CategoryCells)
    assert set(made.columns["cylinders"].cells) == {1.5, 2.5, 4.0}


CODES = [3, 1, 2, None, 3, 1, 2, 2, 1, 3] * 4


@pytest.mark.parametrize(
    "column",
    [
        pd.Categorical(CODES),
        pd.Categorical([None if code is None else str(code) for code in CODES]),
        pl.Series([None if code is None else str(code) for code in CODES], dtype=pl.Categorical),
        pl.Series(
            [None if code is None else str(code) for code in CODES], dtype=pl.Enum(["1", "2", "3", "4"])
        ),
    ],
    ids=["numbers", "text", "polars", "enum"],
)
def test_codes_of_a_type_for_categories(column: Any):
    frame = (pl if isinstance(column, pl.Series) else pd).DataFrame(
        {"code": column, "x": np.arange(40.0) % 7}
    )
    y = np.array([{1: 5.0, 2: -5.0, 3: 4.0, None: 0.0}[code] for code in CODES])
    net = MLPRegressor(**SMALL | {"max_iter": 40}).fit(frame, y)
    described = net.preprocessor_.columns_["code"]
    assert (described.taken_for, described.why) == ("category", "declared")
    rows = [{"code": code, "x": 1.0} for code in (1, 2.0, "3", None)]
    assert np.array_equal(net.predict(rows), [net.bind().predict(row) for row in rows])
    assert net.predict(rows)[1] < net.predict(rows)[[0, 2]].min()


def ways(column: Any) -> list[Any]:
    """Tables of a column of pandas: a frame, one that narwhals has wrapped, a dict of a series and one of its cells."""
    frame = pd.DataFrame({"x": column})
    return [frame, narwhals.from_native(frame), {"x": frame["x"]}, {"x": column}]


@pytest.mark.parametrize("rows", [40, 400])
def test_one_rule_for_a_column_wherever_it_is(rows: int):
    """An order says that it may be a quantity, as of a grade from 1 to 5."""
    codes = (CODES * 10)[:rows]
    for cells, kind in (
        (pd.Categorical(codes), "category"),
        (pd.Categorical(codes, ordered=True), "number"),
        (pd.Categorical([None if code is None else str(code) for code in codes], ordered=True), "number"),
        (pd.Categorical([0.5, 1.5] * (rows // 2)), "number"),
    ):
        assert [take(reading.read(table).columns[0]).kind for table in ways(cells)] == [kind] * 4


def test_an_order_in_arrow():
    pa = pytest.importorskip("pyarrow")
    places = pa.array([None if code is None else code - 1 for code in CODES])
    for ordered, kind in ((False, "category"), (True, "number")):
        cells = pa.DictionaryArray.from_arrays(places, pa.array(["1", "2", "3"]), ordered=ordered)
        in_pandas = pd.DataFrame({"x": pd.Series(cells, dtype=pd.ArrowDtype(cells.type))})
        for table in (pa.table({"x": cells}), in_pandas, {"x": in_pandas["x"]}):
            assert take(reading.read(table).columns[0]).kind == kind


def test_what_stays_a_number():
    for cells in (CODES, [str(code) for code in CODES if code], np.arange(40), [0.5, 1.5] * 20):
        column = reading.read({"x": cells}).columns[0]
        assert take(column).kind == "number"
    for cells in (
        pd.Categorical([0.5, 1.5] * 20),
        pd.Categorical(np.arange(40)),
        pd.Categorical(CODES, ordered=True),
    ):
        column = reading.read(pd.DataFrame({"x": cells})).columns[0]
        assert take(column).kind == "number"
    yes = reading.read(pd.DataFrame({"x": pd.Categorical([True, False] * 20)})).columns[0]
    assert take(yes).kind == "boolean"


def test_a_fit_is_told_what_all_rows_are():
    whole = MLPRegressor(**SMALL).fit(ENGINES, PRICE).preprocessor_
    given = FitInput(ENGINES, PRICE)
    assert given.of_all == given.known_by(None).of_all == ({}, {})
    assert given.known_by(whole).of_all == ({"cylinders": "category"}, {})


def test_a_search():
    """Some of the seeds hold the row out, and no trial fails."""
    pytest.importorskip("optuna")
    for seed in range(6):
        found = tune(MLPRegressor(**SMALL, n_members=1), ENGINES, PRICE, trials=1, seed=seed)
        assert found.trials[0].state == "complete"


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["fast", "best", "none"])
def test_a_run_that_tests_on_it(tmp_path: Path, preset: str):
    path = tmp_path / "engines.csv"
    ENGINES.assign(price=PRICE).to_csv(path, index=False)
    given: dict[str, Any] = {"target_column": "price", "preset": preset, "epochs": 2}
    if preset == "best":
        given = {"target_column": "price", "preset": preset, "time_limit": 2.0}
    tested = (
        seed
        for seed in range(99)
        if N - 1 in load(str(path), settings=Settings(**given, seed=seed)).table.test
    )
    outcome = run(str(path), Settings(**given, seed=next(tested)), out=tmp_path / "run")
    assert kind_of(outcome.run.data.table.preprocessor) == "category"
    if preset != "none":
        made = distilled(tmp_path / "run", between=20, hidden_layer_sizes=(4,), max_iter=2)
        assert kind_of(MLPRegressor.load(made.path).preprocessor_) == "category"
