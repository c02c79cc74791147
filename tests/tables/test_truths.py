"""True and false of a table are the same values however it holds them, in every way to predict."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import chainrule as c
import node
from chainrule import DataError, TablePreprocessor
from chainrule.datasets import read_table
from chainrule.serve.server import served

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PAID = [True, False, True, False, False, True]


def forms(tmp_path: Path) -> dict[str, Any]:
    """The same column of truths in every form that a table may hold it."""
    path = tmp_path / "t.csv"
    path.write_text("paid,z\n" + "".join(f"{str(v).upper()},1\n" for v in PAID))
    texts = [["True", "FALSE", "true", "False", "false", "TRUE"], [f"{v}" for v in PAID]]
    return {
        "CSV": read_table(path),
        "pandas": pd.read_csv(path),
        "pandas text": pd.DataFrame({"paid": texts[0], "z": 1}),
        "polars": pl.DataFrame({"paid": PAID, "z": 1}),
        "Arrow": pa.table({"paid": PAID, "z": [1] * 6}),
        "Arrow text": pa.table({"paid": texts[1], "z": [1] * 6}),
        "lists": {"paid": PAID, "z": [1] * 6},
        "mixed": {"paid": [True, "FALSE", "true", False, "False", np.True_], "z": [1] * 6},
        "numbers": {"paid": [1, 0, 1, 0, 0, 1], "z": [1] * 6},
    }


def ask(url: str, cell: Any) -> str:
    body = json.dumps({"paid": cell, "z": 1}).encode()
    request = urllib.request.Request(url + "/predict", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        return str(reply.read().decode())


def train(values: Any, kinds: dict[str, str] | None = None) -> Any:
    y = np.array(PAID * 20) * 10.0
    table = {"paid": list(values) * 20, "z": list(range(7)) * 17 + [0]}
    made = c.MLPRegressor(preprocess=TablePreprocessor(kinds=kinds), random_state=0, max_iter=40)
    return made.fit(table, y)


TRAINED = {
    "booleans": PAID,
    "upper": ["TRUE", "FALSE", "TRUE", "FALSE", "FALSE", "TRUE"],
    "mixed": ["TRUE", "false", "True", "FALSE", "False", "true"],
    "yes": ["yes", "no", "yes", "no", "no", "yes"],
}


@pytest.mark.parametrize("training", TRAINED)
@pytest.mark.parametrize("as_category", [False, True])
def test_a_fit_knows_them_in_every_form(training: str, as_category: bool, tmp_path: Path):
    if as_category and training == "mixed":
        return  # six names then
    made = train(TRAINED[training], {"paid": "category"} if as_category else None)
    bound = made.bind()
    expected = made.predict({"paid": PAID, "z": [1] * 6})
    assert expected[0] > 6 > 4 > expected[1]
    for name, table in forms(tmp_path).items():
        assert np.array_equal(made.predict(table), expected), name
    for cell in (True, "TRUE", "true", "True", "yes", 1):
        assert bound.predict({"paid": cell, "z": 1}) == pytest.approx(
            float(made.predict({"paid": [True], "z": [1]})[0])
        )


def test_a_model_that_took_them_for_texts_knows_them_too(tmp_path: Path):
    """As the files of earlier versions have them: the names of two categories."""
    made = train(TRAINED["upper"])
    data = made.preprocessor_.to_data()
    (paid,) = (each for each in data["columns"] if each["name"] == "paid")
    assert paid["kind"] == "boolean" and paid["categories"] == ["False", "True"]
    paid |= {"kind": "category", "why": "texts", "categories": ["FALSE", "TRUE"]}
    earlier = TablePreprocessor.from_data(data)
    expected = made.preprocessor_.transform(forms(tmp_path)["CSV"])
    for name, table in forms(tmp_path).items():
        assert np.array_equal(earlier.transform(table), expected), name


def test_another_text_is_not_silent():
    made = train(TRAINED["upper"])
    with pytest.raises(DataError, match=r"column 'paid' .*'maybe' at row 0"):
        made.predict({"paid": ["maybe"], "z": [1]})
    made = train(TRAINED["yes"])
    with pytest.warns(
        UserWarning, match="column 'paid' has texts that say neither true nor false, and had only 'no'"
    ):
        made.predict({"paid": ["maybe", "yes"], "z": [1, 1]})
    bound = made.bind()
    with pytest.warns(UserWarning, match="neither true nor false"):
        bound.predict({"paid": "maybe", "z": 1})


def test_a_missing_truth_is_missing():
    texts = TablePreprocessor().fit({"a": ["TRUE", "NA", "false", "?"] * 5, "z": range(20)})
    known = TablePreprocessor().fit({"a": [True, None, False, None] * 5, "z": range(20)})
    assert texts.to_data() == known.to_data() and texts.learned_[0].missing == 0.5


def test_labels_stay_as_they_are_written(tmp_path: Path):
    from chainrule.recipe.columns import as_labels, read_target

    target = read_target("paid", ["TRUE", "false", "TRUE", None], "t.csv")
    assert target.y.tolist() == ["TRUE", "false", "TRUE"]
    known = np.array(["FALSE", "TRUE"])
    later = read_target("paid", PAID, "t.csv", "softmax_cross_entropy", to_learn=False)
    assert as_labels(later, known).tolist() == [f"{v}".upper() for v in PAID]


def test_what_a_column_adds_is_of_both_truths(tmp_path: Path):
    made = train(TRAINED["upper"])
    found = made.explain(forms(tmp_path)["CSV"])
    cells = next(each for each in found.cells if each.name == "paid")
    assert cells.texts == ("False", "True") and cells.values.tolist() == [float(v) for v in PAID]


def test_the_server_knows_them(tmp_path: Path):
    made = train(TRAINED["upper"])
    made.save(tmp_path / "m.safetensors")
    with served(tmp_path / "m.safetensors") as url:
        found = [ask(url, cell) for cell in (True, "TRUE", "true", "True", "yes", 1)]
        other = ask(url, False)
    assert len(set(found)) == 1 and found[0] != other


@pytest.mark.parametrize("training", ["upper", "yes"])
def test_exports_know_them(training: str, tmp_path: Path):
    made = train(TRAINED[training])
    cells = [True, False, "TRUE", "FALSE", "true", "false", "True", "False", "yes", "No", 1, 0]
    expected = [float(made.predict({"paid": [cell], "z": [1]})[0]) for cell in cells]
    made.export(tmp_path / "model.mjs")
    rows = [{"paid": cell, "z": 1} for cell in cells]
    script = "import { predict } from './model.mjs'; say(given.map((row) => predict(row)));"
    assert node.run(tmp_path, script, rows) == pytest.approx(expected, abs=1e-5)
    onnxruntime = pytest.importorskip("onnxruntime")
    made.export(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    texts = np.array([[f"{cell}"] for cell in cells], object)
    z = np.ones(
        (len(cells), 1), (session.get_inputs()[1].type == "tensor(double)" and np.float64) or np.float32
    )
    (answers,) = session.run(None, {"paid": texts, "z": z})
    assert answers.ravel() == pytest.approx(expected, abs=1e-4)
