"""`chainrule bounds`: what a file's model can answer within a radius of rows, by hand, by certify, and as sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import chainrule as c
from chainrule.datasets import load_mnist
from needs import needs


def line_model(loss: c.Loss, w: float, b: float) -> c.Model:
    """One output: w x + b."""
    model = c.Model(c.Network(1, [c.Dense(1)], loss), seed=0, dtype="float64")
    model.parameters["dense_1"].W[:], model.parameters["dense_1"].b[:] = w, b
    return model


def test_a_line_by_hand(command, tmp_path):
    line_model(c.MeanSquaredError(), -2.0, 1.0).save(tmp_path / "line.safetensors")
    np.save(tmp_path / "rows.npy", np.array([[3.0], [0.25]]))
    asked = ("bounds", "line.safetensors", "--rows", "rows.npy", "--radius", 0.5)
    first, second = command(*asked, data=True)["answers"]
    assert first == {"answer": [-5.0], "low": pytest.approx([-6.0]), "high": pytest.approx([-4.0])}
    assert (second["low"], second["high"]) == (pytest.approx([-0.5]), pytest.approx([1.5]))
    clipped = command(*asked, "--clip", "0.25,3", data=True)["answers"]
    assert [row["low"] + row["high"] for row in clipped] == [
        pytest.approx([-5.0, -4.0]),
        pytest.approx([-0.5, 0.5]),
    ]
    assert "when changing every input by up to 0.5" in command(*asked).stdout


def test_the_label_of_a_sign_by_hand(command, tmp_path):
    """x > 0 is "yes"; at 3 and -1 nothing within 0.9 has the other sign, at 0.5 half of it has."""
    model = line_model(c.SigmoidCrossEntropy(), 1.0, 0.0)
    model.classes = np.array(["no", "yes"])
    model.save(tmp_path / "sign.safetensors")
    np.savez(tmp_path / "rows.npz", X=[[3.0], [-1.0], [0.5]], y=np.array(["yes", "yes", "yes"]).astype("S"))
    asked = ("bounds", "sign.safetensors", "--rows", "rows.npz", "--radius", 0.9)
    found = command(*asked, data=True)
    assert [row["proven"] for row in found["answers"]] == [True, True, False]
    assert [row["predicted"] for row in found["answers"]] == ["yes", "no", "yes"]
    assert [found[key] for key in ("rows", "proven", "known", "right", "right_and_proven")] == [3, 2, 3, 2, 1]
    ends = [[1 / (1 + np.exp(-x)) for x in (row - 0.9, row + 0.9)] for row in (3.0, -1.0, 0.5)]
    for row, (low, high) in zip(found["answers"], ends, strict=True):
        assert row["low"][1] == pytest.approx(low) and row["high"][1] == pytest.approx(high)
    said = command(*asked).stdout
    assert "Proven for 2 of 3 rows: changing every input by up to 0.9 leaves the answer as it is." in said
    assert "2 of 3 answers are right, 1 of these proven: a certified accuracy of 33.33 %." in said
    assert "yes  40.13 % – 80.22 %  not proven" in said  # sigmoid(-0.4), sigmoid(1.4)
    assert (
        "3 列中有 2 列已證明：改變每個輸入不超過 0.9，答案都不變。" in command(*asked, "--lang", "zh").stdout
    )


@needs("onnx")
def test_digits_and_their_onnx_file(command, tmp_path):
    """Bytes stay within 0 and 255; the same network as ONNX reads shares of them, whose ends are given."""
    train, test = load_mnist()
    X = train.X[:2000] / np.float32(255)
    layers = [c.Dense(16), c.ReLU(), c.Dense(10)]
    model = c.Model(c.Network(784, layers, c.SoftmaxCrossEntropy()), seed=0)
    model.fit(X, train.y[:2000], epochs=4)
    model.export(tmp_path / "shares.onnx")
    np.savez(tmp_path / "shares.npz", X=test.X[:30] / np.float32(255), y=test.y[:30])
    rescaled = c.Model(c.Network(784, [c.Rescale(1 / 255), *layers], c.SoftmaxCrossEntropy()), seed=0)
    rescaled.theta[:] = model.theta
    rescaled.save(tmp_path / "bytes.safetensors")
    proven = rescaled.certify(test.X[:30], 2, clip=(0, 255))
    of_bytes = ("bounds", "bytes.safetensors", "--rows", "mnist", "--radius", 2, "--limit", 30)
    shares = ("bounds", "shares.onnx", "--rows", "shares.npz", "--radius", 2 / 255, "--clip", "0,1")
    for asked, of in ((of_bytes, 10_000), (shares, 30)):
        found = command(*asked, data=True)
        assert [row["proven"] for row in found["answers"]] == proven.tolist() and 0 < proven.sum() < 30
        assert (found["rows"], found["of"], found["known"]) == (30, of, 30)
    said = command(*of_bytes).stdout
    assert f"Proven for {proven.sum()} of the first 30 of 10,000 rows" in said
    assert "... and 10 more rows; --json prints them." in said


def test_columns_of_a_table(command, houses):
    """Only the columns that are named change, in their units; a missing cell stays missing."""
    command("train", "houses.csv", "--target-column", "price", "--epochs", 3, "--out", "run")
    estimator = c.MLPRegressor.load(Path("run/model.safetensors"))
    rows = [k for k, area in enumerate(houses["area"]) if area][:20]
    found = command("bounds", "run", "--rows", "houses.csv", "--radius", "area:2", "--limit", 60, data=True)[
        "answers"
    ]
    for share in (-2.0, -0.7, 1.3, 2.0):
        table = {name: [houses[name][k] for k in rows] for name in ("area", "town", "garden", "sold")}
        table["area"] = [str(float(area) + share) for area in table["area"]]
        for k, answer in zip(rows, estimator.predict(table), strict=True):
            assert found[k]["low"][0] <= answer <= found[k]["high"][0]
    missing = next(k for k, area in enumerate(houses["area"]) if not area)
    assert (
        found[missing]["high"][0] - found[missing]["low"][0]
        < 0.1
        < found[rows[0]]["high"][0] - found[rows[0]]["low"][0]
    )
    assert (
        "改變 area 不超過 2"
        in command("bounds", "run", "--rows", "houses.csv", "--radius", "area:2", "--lang", "zh").stdout
    )


def test_several_labels(command, tables):
    command("train", tables["labels"], "--epochs", 20, "--out", "run")
    found = command("bounds", "run", "--rows", tables["labels"], "--radius", 0.001, data=True)
    assert found["known"] == 100 and found["right_and_proven"] <= min(found["right"], found["proven"])
    predicted = c.load(Path("run/model.safetensors")).predict(np.load(tables["labels"])["X"][:100])
    labels = found["labels"]
    assert [row["predicted"] for row in found["answers"]] == [
        [label for label, is_in in zip(labels, own, strict=True) if is_in] for own in predicted
    ]


def test_what_is_refused(command, houses, tmp_path):
    line_model(c.MeanSquaredError(), 1.0, 0.0).save(tmp_path / "line.safetensors")
    np.save(tmp_path / "rows.npy", np.array([[3.0]]))
    asked = ("bounds", "line.safetensors", "--rows", "rows.npy")
    for options, message in (
        (("--radius", "wide"), "--radius must be a number, or COLUMN:NUMBER of a table, not 'wide'."),
        (("--radius", "-1"), "radius of 'X' must have numbers that are at least 0; it has -1."),
        (("--radius", "age:1"), "radius has 'age', which is no input with numbers: X."),
        (("--radius", "1", "--clip", "5"), "--clip must be two numbers such as 0,255, not '5'."),
        (("--radius", "1", "--clip", "0,1"), "rows.npy has inputs outside of 0,1; widen --clip."),
    ):
        assert message in command(*asked, *options, code=2).stderr
    command("train", "houses.csv", "--target-column", "price", "--epochs", 1, "--out", "run", "--members", 1)
    estimator = c.MLPRegressor.load(Path("run/model.safetensors"))
    alone = {"table": estimator.preprocessor_.to_data(), "target_column": "price"}
    c.load(Path("run/model.safetensors")).save("net.safetensors", extra=alone)
    said = command("bounds", "net.safetensors", "--rows", "houses.csv", "--radius", 1, code=2).stderr
    assert "needs the preparation of the table, which net.safetensors lacks; train it with a preset." in said
