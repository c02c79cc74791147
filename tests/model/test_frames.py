"""Data frames: a model knows its columns by name, whatever their order, and says which ones are missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import narwhals
import numpy as np
import pandas as pd
import pytest

import chainrule as c
from chainrule.inspection import story
from chainrule.inspection.features.features import layer_outputs

RNG = np.random.default_rng(5)
NAMES = ("age", "height", "weight")
X = pd.DataFrame(RNG.normal(size=(60, 3)), columns=list(NAMES))
Y = np.where(X["age"] > X["weight"], "yes", "no")
SHUFFLED = X[["weight", "age", "height"]]
WIDER = SHUFFLED.assign(bought=Y)[["bought", "weight", "age", "height"]]


def model(**settings: Any) -> c.Model:
    network = c.Network(3, [c.Standardize(), c.Dense(5), c.Tanh(), c.Dense(1)], c.SigmoidCrossEntropy())
    return c.Model(network, **settings)


@pytest.fixture(scope="module")
def fitted() -> c.Model:
    made = model()
    made.fit(X, Y, epochs=20, batch_size=8, optimizer=c.Adam(1e-2))
    return made


USES = {
    "outputs": lambda m, F: m.outputs(F),
    "predict": lambda m, F: m.predict(F),
    "predict_proba": lambda m, F: m.predict_proba(F),
    "bind": lambda m, F: m.bind().outputs(F),
    "evaluate": lambda m, F: list(m.evaluate(F, Y).values()),
    "confusion_matrix": lambda m, F: m.confusion_matrix(F, Y),
    "loss_and_gradients": lambda m, F: m.loss_and_gradients(F, Y)[0],
    "trace": lambda m, F: m.trace(F, Y).z["dense_1"],
    "check_gradients": lambda m, F: m.check_gradients(F, Y, entries=2).error,
    "attribute": lambda m, F: m.attribute(F).values,
    "gradient_flow": lambda m, F: m.gradient_flow(F, Y).loss,
    "layer_outputs": lambda m, F: layer_outputs(m, F)["dense_1"],
}


@pytest.mark.parametrize("use", USES)
def test_columns_are_taken_by_name(use: str, fitted: c.Model):
    expected = USES[use](fitted, X)
    for frame in (SHUFFLED, WIDER, narwhals.from_native(SHUFFLED)):
        np.testing.assert_array_equal(USES[use](fitted, frame), expected)


@pytest.mark.parametrize("use", USES)
def test_a_missing_column_is_named(use: str, fitted: c.Model):
    with pytest.raises(c.DataError, match="lacks 'weight' of the 3 columns the model was trained on"):
        USES[use](fitted, X.drop(columns="weight"))


def test_a_renamed_column_is_guessed(fitted: c.Model):
    with pytest.raises(c.DataError, match=r"X lacks 'age' \(renamed to 'AGE '\?\), 'height' of the 3"):
        fitted.predict(X.rename(columns={"age": "AGE ", "height": "q"}))


def test_of_many_missing_columns_a_few_are_named():
    wide = pd.DataFrame(np.zeros((4, 9)), columns=list("abcdefghi"))
    made = c.Model(c.Network(9, [c.Dense(1)], c.MeanSquaredError()))
    made.fit(wide, np.arange(4.0), epochs=1)
    with pytest.raises(c.DataError, match="lacks 'b', 'c', 'd' and 5 more of the 9"):
        made.predict(wide[["a"]])


def test_a_row_of_a_frame_is_matched_by_its_index(fitted: c.Model):
    np.testing.assert_array_equal(fitted.outputs(SHUFFLED.iloc[3]), fitted.outputs(X)[3:4])
    np.testing.assert_array_equal(fitted.trace(SHUFFLED.iloc[3], Y[3]).x, fitted.trace(X.iloc[3], Y[3]).x)
    with pytest.raises(c.DataError, match="lacks 'age'"):
        fitted.predict(SHUFFLED.iloc[3].rename({"age": "years"}))


def test_arrays_and_frames_without_names_are_taken_as_they_stand(fitted: c.Model):
    np.testing.assert_array_equal(fitted.outputs(X.to_numpy()), fitted.outputs(X))
    numbered = SHUFFLED.set_axis(range(3), axis=1)
    np.testing.assert_array_equal(fitted.outputs(numbered), fitted.outputs(SHUFFLED.to_numpy()))
    made = model()
    made.fit(X.to_numpy(), Y, epochs=1)
    assert made.feature_names is None
    np.testing.assert_array_equal(made.outputs(SHUFFLED), made.outputs(SHUFFLED.to_numpy()))


def test_fit_keeps_the_names_and_takes_later_frames_by_them():
    made, again = model(), model()
    made.fit(X, Y, epochs=1)
    assert made.feature_names == NAMES
    made.fit(SHUFFLED, Y, epochs=1)
    again.fit(X, Y, epochs=1)
    again.fit(X, Y, epochs=1)
    assert made.feature_names == NAMES
    np.testing.assert_array_equal(made.theta, again.theta)
    with pytest.raises(c.DataError, match=r"X lacks 'age' \(renamed to 'ages'"):
        made.fit(X.rename(columns={"age": "ages"}), Y, epochs=1)
    made.feature_names = None
    made.fit(X.rename(columns={"age": "ages"}), Y, epochs=1)
    assert made.feature_names == ("ages", "height", "weight")


def test_validation_data_are_matched():
    histories = []
    for frame in (X, WIDER):
        histories.append(model().fit(X, Y, epochs=2, validation_data=(frame, Y)))
    assert histories[0]["val_loss"] == histories[1]["val_loss"]
    with pytest.raises(c.DataError, match=r"validation_data\[0\] lacks 'age'"):
        model().fit(X, Y, epochs=1, validation_data=(X.drop(columns="age"), Y))


def test_a_fit_that_is_refused_keeps_no_names():
    made = model()
    with pytest.raises(c.ConfigError):
        made.fit(X, Y, epochs=1, engine=c.Compute("reference", device="cuda:0"))
    assert made.feature_names is None


def test_names_are_assigned_checked_and_passed_on():
    made = model()
    made.feature_names = NAMES
    np.testing.assert_array_equal(made.outputs(SHUFFLED), made.outputs(X))
    assert made.replace_head([c.Dense(2)], c.SoftmaxCrossEntropy()).feature_names == NAMES
    for wrong, words in (
        (["a"], "1 names but the network takes 3"),
        ("abc", "list of text"),
        (list("aba"), "'a' twice"),
    ):
        with pytest.raises(c.ConfigError, match=words):
            made.feature_names = wrong
    assert made.feature_names == NAMES


def test_names_are_in_the_file(fitted: c.Model, tmp_path: Path):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    loaded = c.load(path)
    assert loaded.feature_names == NAMES
    np.testing.assert_array_equal(loaded.predict(WIDER), fitted.predict(X))


@pytest.mark.parametrize(
    "names", [["age"], ["age", "age", "height"], [1, 2, 3], "abc", 3, {"a": 1, "b": 2, "c": 3}]
)
def test_a_file_with_impossible_names_is_refused(names: Any, fitted: c.Model, tmp_path: Path):
    from safetensors.numpy import load, save

    path = tmp_path / "model.safetensors"
    fitted.save(path)
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    inner = json.loads(header["__metadata__"]["chainrule"]) | {"feature_names": names}
    path.write_bytes(save(load(data), {"chainrule": json.dumps(inner)}))
    with pytest.raises(c.FormatError, match="feature_names"):
        c.load(path)


def test_a_file_without_names_is_read(tmp_path: Path):
    model().save(tmp_path / "model.safetensors")
    assert b"feature_names" not in (tmp_path / "model.safetensors").read_bytes()
    assert c.load(tmp_path / "model.safetensors").feature_names is None


def test_columns_of_one_name_are_refused():
    double = X.set_axis(["age", "age", "weight"], axis=1)
    with pytest.raises(c.DataError, match="X has two columns named 'age'; rename one"):
        model().fit(double, Y, epochs=1)


def test_a_lazy_frame_is_refused_in_a_sentence(fitted: c.Model):
    lazy = narwhals.from_native(X).lazy()
    for use in (lambda: fitted.predict(lazy), lambda: model().fit(lazy, Y), lambda: fitted.evaluate(X, lazy)):
        with pytest.raises(c.DataError, match=r"[Xy] is a lazy frame .*; collect it first"):
            use()


def test_a_lazy_polars_frame_is_refused_in_a_sentence(fitted: c.Model):
    polars = pytest.importorskip("polars")
    with pytest.raises(c.DataError, match=r"X is a lazy frame \(LazyFrame\)"):
        fitted.predict(polars.LazyFrame({name: X[name].to_numpy() for name in NAMES}))


def test_what_narwhals_does_not_know_is_refused_in_a_sentence(fitted: c.Model):
    class Table:
        columns = NAMES

    with pytest.raises(
        c.DataError, match="X must be an array or a data frame that narwhals supports, not Table"
    ):
        fitted.predict(Table())


def test_errors_call_a_column_by_its_name(fitted: c.Model):
    gap = SHUFFLED.copy()
    gap.iloc[7, 0] = np.nan
    with pytest.raises(c.DataError, match="X contains nan at row 7, column 'weight'"):
        fitted.predict(gap)
    text = X.astype(object)
    text.iloc[4, 1] = "tall"
    with pytest.raises(c.DataError, match="not 'tall' at row 4, column 'height'"):
        model().fit(text, Y)
    with pytest.raises(c.DataError, match="contains nan at row 7, column 2"):
        model().fit(gap[["age", "height", "weight"]].to_numpy(), Y)


def test_attributions_and_stories_show_the_models_own_names(fitted: c.Model):
    assert fitted.attribute(X.to_numpy()[:2]).names == NAMES
    assert fitted.attribute(WIDER[:2]).names == NAMES
    told = story.explain(fitted, X.to_numpy()[0])
    assert told.attribution.names == NAMES and "height" in told.text()
    assert story.explain(fitted, WIDER[:1]).text() == story.explain(fitted, X[:1]).text()


def test_arrow_tables_are_matched_too(fitted: c.Model):
    arrow = pytest.importorskip("pyarrow")
    np.testing.assert_array_equal(fitted.outputs(arrow.Table.from_pandas(SHUFFLED)), fitted.outputs(X))
    double = arrow.Table.from_arrays([arrow.array([1.0])] * 3, names=["age", "age", "weight"])
    with pytest.raises(c.DataError, match="X has two columns named 'age'"):
        model().fit(double, Y[:1])
