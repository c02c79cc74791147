"""`chainrule export`: a model and an estimator become ONNX files, with sentences and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from chainrule import Dense, MLPClassifier, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.cli import app
from needs import needs

pytestmark = [needs("onnx"), needs("onnxruntime")]


def invoke(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["export", *map(str, arguments)])
    return found.exit_code, found.output


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_estimator(tmp_path: Path):
    rng = np.random.default_rng(0)
    X = {"age": rng.normal(40, 9, 90), "city": rng.choice(["Graz", "Wien"], 90)}
    estimator = MLPClassifier((4,), preprocess="auto", max_iter=2, random_state=0).fit(X, X["age"] > 40)
    estimator.save(tmp_path / "model.safetensors")
    lines = [f"{age},{city}" for age, city in zip(X["age"], X["city"], strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(["age,city", *lines]))
    code, said = invoke(tmp_path / "model.safetensors", "--onnx", "--rows", tmp_path / "rows.csv", "--label")
    assert code == 0 and (tmp_path / "model.onnx").exists(), said
    assert "On 90 rows its answers are within" in said and "onnxruntime.InferenceSession" in said


def test_a_model_as_json(tmp_path: Path):
    Model(Network(3, [Dense(4), ReLU(), Dense(2)], SoftmaxCrossEntropy())).save(tmp_path / "net.safetensors")
    code, said = invoke(
        tmp_path / "net.safetensors", "--onnx", "--dtype", "float64", "--out", tmp_path / "a.onnx", "--json"
    )
    found = json.loads(said)
    assert code == 0 and found["rows"] == 1000 and found["difference"] <= 1e-12
    assert found["bytes"] == (tmp_path / "a.onnx").stat().st_size


def test_what_is_refused(tmp_path: Path):
    Model(Network(3, [Dense(2)], SoftmaxCrossEntropy())).save(tmp_path / "net.safetensors")
    code, said = invoke(tmp_path / "net.safetensors")
    assert code != 0 and "export needs one format to write: --onnx, --c, --js or --html" in said
    code, said = invoke(tmp_path / "net.safetensors", "--onnx", "--rows", "x.csv")
    assert code != 0 and "--rows is for a model of a table" in said


def test_c_a_module_and_a_page(tmp_path: Path):
    Model(Network(3, [Dense(4), ReLU(), Dense(2)], SoftmaxCrossEntropy())).save(tmp_path / "net.safetensors")
    code, said = invoke(tmp_path / "net.safetensors", "--c")
    assert code == 0 and "net_test" in said, said
    assert {path.name for path in tmp_path.glob("net*.[ch]")} == {"net.c", "net.h", "net_test.c"}
    code, said = invoke(tmp_path / "net.safetensors", "--js")
    assert code == 0 and "console.log(predict(new Float64Array(3)))" in said
    code, said = invoke(tmp_path / "net.safetensors", "--html", "--lang", "zh")
    assert code == 0 and "預測" in (tmp_path / "net.html").read_text("utf-8")
    code, said = invoke(tmp_path / "net.safetensors", "--c", "--js")
    assert code != 0 and "export needs one format" in said
