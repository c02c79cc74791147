"""`chainrule export`: a model and an estimator become ONNX files, with sentences and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import commands
from chainrule import Dense, MLPClassifier, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.estimators import TablePreprocessor
from chainrule.export.as_c import compiler
from needs import needs

pytestmark = [needs("onnx"), needs("onnxruntime")]


def invoke(*arguments: object) -> tuple[int, str]:
    found = commands.invoke(["export", *arguments])
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


def test_a_run_in_integers(tmp_path: Path):
    """Its own data give the ranges, and its folder's name is that of the code."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (300, 6)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", X=X, y=X[:, 0] > X[:, 1])
    run = tmp_path / "Small net"
    train = ["train", str(tmp_path / "data.npz"), "--out", str(run), "--hidden", "8", "--epochs", "5"]
    found = commands.invoke(train)
    assert found.exit_code == 0, found.output
    code, said = invoke(run, "--c", "--dtype", "int8")
    assert code == 0 and {path.name for path in run.glob("*.[ch]")} == {
        *("small_net.c", "small_net.h", "small_net_test.c")
    }, said
    assert "The likeliest class is the same for" in said or compiler() is None
    assert "others mostly" in said and "類別不變" in invoke(run, "--c", "--dtype", "int8", "--lang", "zh")[1]
    assert invoke(run, "--html")[0] == 0 and "<h1>Small net</h1>" in (run / "Small net.html").read_text(
        "utf-8"
    )
    found = json.loads(invoke(run, "--c", "--dtype", "int8", "--json")[1])
    assert [each["name"] for each in found["int8"]["layers"]] == ["dense_1", "dense_2"]


def test_what_is_refused(tmp_path: Path):
    Model(Network(3, [Dense(2)], SoftmaxCrossEntropy())).save(tmp_path / "net.safetensors")
    code, said = invoke(tmp_path / "net.safetensors")
    assert code != 0 and "export needs one format to write: --onnx, --c, --js or --html" in said
    (tmp_path / "x.csv").write_text("a,b,c\n1,2,one\n1,2,two\n")
    code, said = invoke(tmp_path / "net.safetensors", "--onnx", "--rows", tmp_path / "x.csv")
    assert code != 0 and "x.csv contains 'one' in row 0, column 'c'; encode text as numbers" in said
    code, said = invoke(tmp_path / "net.safetensors", "--c", "--dtype", "int8")
    assert code != 0 and "is of no run with data; give --rows" in " ".join(said.split())


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


def test_a_table_without_an_estimator(tmp_path: Path):
    """A model whose file has a table's preparation but no estimator reads prepared columns, and says so."""
    rng = np.random.default_rng(0)
    X = {"age": rng.normal(40, 9, 60), "city": rng.choice(["Graz", "Wien"], 60)}
    lines = [f"{age},{city},{age > 40}" for age, city in zip(X["age"], X["city"], strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(["age,city,old", *lines]))
    preprocessor = TablePreprocessor().fit(X)
    network = Network(preprocessor.transform(X).shape[1], [Dense(4), ReLU(), Dense(2)], SoftmaxCrossEntropy())
    extra = {"table": preprocessor.to_data(), "target_column": "old"}
    Model(network).save(tmp_path / "net.safetensors", extra=extra)
    code, said = invoke(tmp_path / "net.safetensors", "--js", "--rows", tmp_path / "rows.csv")
    assert code == 0 and "a row is its prepared columns" in " ".join(said.split()), said
