"""Numbers that stand for missing values, such as -999: found, told, missing in later rows too, and refused or named."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import node
from chainrule import ConfigError, FormatError, MLPRegressor, TablePreprocessor
from chainrule.export.javascript import module
from chainrule.tables.marks import find


def mixed(*marks: float, of: Any = None, n: int = 300) -> np.ndarray:
    """Numbers of 0 to 50, or others, with each mark in ten rows."""
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 50, n).round(1) if of is None else np.asarray(of, float)
    return np.concatenate([values, *(np.full(10, mark) for mark in marks)])


@pytest.mark.parametrize("mark", [-99, -999, -9999, 999, 9999, 99999, -999.9, 999.99, -32768, 2147483647])
def test_marks_stand_apart(mark: float):
    assert find(mixed(mark)) == (mark,)
    assert find(mixed(mark)[10:301]) == ()  # in one row
    assert find(mixed(mark, of=np.linspace(min(mark, -1e4), max(mark, 1e4), 5000))) == ()  # among others


@pytest.mark.parametrize(
    ("values", "marks"),
    [
        (mixed(-9999, -999, 999), (-9999, -999, 999)),
        (mixed(99, 999, of=np.tile(np.arange(1, 10), 9)), (99, 999)),
        (mixed(-99, of=np.linspace(-98, 100, 199)), ()),
        (mixed(99, of=np.tile(np.arange(18, 86), 3)), ()),
        (mixed(999, of=np.tile(np.arange(18, 86), 3)), (999,)),
        (mixed(-999, of=np.linspace(0, 1e6, 400)), (-999,)),
        (mixed(9999, of=np.random.default_rng(1).lognormal(7, 1.5, 500)), ()),
        (mixed(9999, of=np.tile(np.arange(1990, 2021), 8)), (9999,)),
        (
            mixed(99999, of=[*[0] * 900, 5000, 14000, 20000, 28000, 41000]),
            (),
        ),  # the largest gain, in a census
        (mixed(-1, 0, 100, of=np.arange(50)), ()),
        (mixed(-998, -1000), ()),
        (mixed(-999, of=np.full(50, 3.0)), ()),
        (mixed(-999, of=np.tile([0.0, 1.0], 50)), (-999,)),
        (mixed(-9, of=np.tile(np.arange(6.0), 50)), (-9,)),  # codes of a survey
        (mixed(-9, -99, of=np.tile(np.arange(-1.0, 2.0), 50)), (-99, -9)),
        (mixed(-9, of=np.linspace(0, 5, 400)), ()),  # no whole numbers
        (mixed(-9, of=np.tile(np.arange(-8.0, 9.0), 50)), ()),
        (mixed(-1, of=np.tile(np.arange(6.0), 50)), ()),
        (mixed(-999, of=np.arange(5.0)), ()),
        (np.full(40, np.nan), ()),
    ],
)
def test_what_is_a_mark(values: np.ndarray, marks: tuple[float, ...]):
    assert find(values) == marks


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    heat = rng.uniform(0, 40, 400).round(1)
    heat[::25] = -999
    return pd.DataFrame({"heat": heat, "other": rng.normal(size=400)})


def test_they_are_missing_and_told():
    with pytest.warns(UserWarning) as said:
        made = TablePreprocessor().fit(frame())
    (warning,) = said
    text = str(warning.message)
    assert text.startswith("column 'heat' has -999 in 16 rows, apart from its other numbers, 0")
    assert "taken for missing values" in text and "missing={'heat': []}" in text
    as_gaps = TablePreprocessor().fit(frame().replace(-999, np.nan))
    np.testing.assert_array_equal(made.transform(frame()), as_gaps.transform(frame().replace(-999, np.nan)))
    again = TablePreprocessor.from_data(json.loads(json.dumps(made.to_data())))
    for one in ({"heat": [-999.0], "other": [1.0]}, pd.DataFrame({"heat": ["-999"], "other": [1.0]})):
        gap = as_gaps.transform({"heat": [None], "other": [1.0]})
        np.testing.assert_array_equal(again.transform(one), gap)
    assert made.columns_["heat"].marks == (-999.0,) and "(-999 for missing)" in str(made.columns_)


def test_they_are_refused_and_named():
    kept = TablePreprocessor(missing={"heat": []}).fit(frame())
    assert kept.columns_["heat"].missing == 0
    assert TablePreprocessor(missing=None).fit(frame()).columns_["heat"].missing == 0
    named = TablePreprocessor(missing={"heat": -999, "other": [np.float32(0.5), 7]}).fit(frame())
    assert [each.marks for each in named.columns_] == [(-999.0,), (0.5, 7.0)]
    again = TablePreprocessor.from_data(json.loads(json.dumps(named.to_data())))
    assert again.missing == {"heat": [-999.0], "other": [0.5, 7.0]}
    for bad in ("none", 5, {"heat": "x"}, {"heat": [True]}, {"heat": [np.inf]}, {3: [1]}):
        with pytest.raises(ConfigError, match="missing must be 'auto', None, or a dict"):
            TablePreprocessor(missing=bad).fit(frame())
    with pytest.raises(Exception, match="lacks 'heatt'"):
        TablePreprocessor(missing={"heatt": [1]}).fit(frame())
    data = named.to_data()
    data["columns"][0]["marks"] = ["x"]
    with pytest.raises(FormatError, match=r"marks of columns\[0\] must be a list of numbers"):
        TablePreprocessor.from_data(data)


def test_they_are_missing_wherever_a_model_goes(tmp_path):
    """A row alone, a bound row, ONNX, C by the graph, JavaScript: as an empty cell."""
    X = frame()
    y = np.where(X["heat"] == -999, 20, X["heat"]) + X["other"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = MLPRegressor(preprocess="auto", max_iter=3, hidden_layer_sizes=(4,), random_state=0).fit(X, y)
    marked, gap = {"heat": -999.0, "other": 0.5}, {"heat": None, "other": 0.5}
    expected = net.predict([gap])
    assert net.predict([marked]) == expected == net.bind().predict(marked)
    graph = net.graph()
    inputs = [{"heat": np.array([value]), "other": np.array([0.5])} for value in (-999.0, np.nan, -998.0)]
    answers = [float(np.ravel(next(iter(graph.run(each).values())))[0]) for each in inputs]
    assert answers[0] == answers[1] != answers[2]
    (tmp_path / "m.mjs").write_text(module(graph), "utf-8")
    found = node.run(
        tmp_path,
        "import { predict } from './m.mjs'; say(given.map((row) => predict(row)));",
        [marked, gap, {"heat": -998.0, "other": 0.5}],
    )
    assert found[0] == found[1] != found[2]
