"""What estimators are asked that they cannot do, and files that were changed: a sentence each, and nothing else."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_iris
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_validate

import chainrule
from chainrule import ChainruleError, FormatError, MLPClassifier, MLPRegressor, TablePreprocessor
from chainrule.estimators.graphs import graph_inputs

X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}
WORDS = np.array(["a", "b", "c"])[Y]


def classifier(**settings: Any) -> MLPClassifier:
    return MLPClassifier(**SMALL | settings)


def regressor(**settings: Any) -> MLPRegressor:
    return MLPRegressor(**SMALL | settings)


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"size": X[:, 0], "town": [f"t{i}" for i in rng.integers(0, 12, len(X))]})


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: classifier().fit(X, X[:, 0]),
            "Unknown label type: continuous. y has numbers that are not integers",
        ),
        (
            lambda: classifier().fit(X, np.array([*WORDS[1:], None], object)),
            "label is missing in 1 of 150 rows, the first of them row 149; omit",
        ),
        (
            lambda: classifier().fit(X, [*WORDS[1:].tolist(), np.nan]),
            "label is missing in 1 of 150 rows, the first of them row 149",
        ),
        (
            lambda: classifier().fit(X, pd.Series([pd.NA, *WORDS[1:]], dtype="string")),
            "label is missing in 1 of 150 rows, the first of them row 0; omit",
        ),
        (
            lambda: classifier().fit(X, np.c_[Y > 0, Y > 1] + 1),
            "by 0 and 1 which labels a row has, and has 2",
        ),
        (lambda: classifier().fit(X, Y.astype(object)), "Unknown label type: unknown. y must be labels"),
        (lambda: setattr(classifier().fit(X, Y), "coefs_", [np.ones((4, 4))]), "coefs_ must be 2 arrays"),
        (
            lambda: setattr(classifier().fit(X, Y), "intercepts_", [[0.0], [0.0]]),
            r"shape \(4,\), not \(1,\)",
        ),
        (
            lambda: classifier(warm_start=True).fit(X, Y).set_params(preprocess="auto").fit(X, Y),
            "preprocess cannot change when the training of a network continues",
        ),
        (
            lambda: classifier().fit(X, np.array(["2020", "2021", "2022"], "M8[Y]")[Y]).save("x"),
            "cannot be saved in",
        ),
        (lambda: classifier().fit(X, Y, -np.ones(150)), "must be at least 0, not -1"),
        (
            lambda: classifier(class_weight={0: -2.0, 1: 1.0, 2: 1.0}).fit(X, Y),
            "a finite number of at least 0 for each label, not -2",
        ),
        (lambda: classifier(class_weight=dict.fromkeys(range(3), 0.0)).fit(X, Y), "is 0 for every sample"),
        (
            lambda: classifier(class_weight="balanced").partial_fit(X, Y, classes=[0, 1, 2]),
            "needs all samples",
        ),
        (lambda: classifier().fit(X, Y, X_val=X, y_val=Y * np.nan), "y_val contains NaN"),
        (lambda: classifier().fit(X, Y, X_val=X, y_val=Y + 5), "y_val has the label 5, which is not in y"),
        (lambda: classifier().fit(X, Y, X_val=X, y_val=np.c_[Y, Y]), "y_val must be labels"),
        (
            lambda: classifier().fit(X, Y, X_val=X, y_val=np.eye(3, dtype=int)[Y]),
            "y_val is multilabel-indicator",
        ),
        (
            lambda: classifier().fit(X, np.where(Y > 1, np.nan, Y)),
            "label is missing in 50 of 150 rows, the first of them row 100; omit",
        ),
        (
            lambda: classifier().fit(X, np.array([0, *WORDS[1:]], object)),
            "y must be labels .n,. of one type",
        ),
        (
            lambda: regressor().fit(X, np.where(Y > 1, np.nan, Y)),
            "target is missing in 50 of 150 rows, the first of them row 100; omit these rows",
        ),
        (
            lambda: regressor(preprocess="auto").fit(table(), pd.Series([pd.NA, *Y[1:]], dtype="Int64")),
            "target is missing in 1 of 150 rows, the first of them row 0; omit these rows",
        ),
        (
            lambda: regressor().fit(X, ["29.85", "", *["1.5"] * 148]),
            "target is missing in 1 of 150 rows, the first of them row 1; omit these rows",
        ),
        (
            lambda: regressor().fit(X, np.c_[Y, np.where(Y > 1, np.inf, Y)]),
            r"infinity or a value too large for dtype\('float64'\) in 50 of 150 rows, the first of them row 100; omit",
        ),
        (
            lambda: regressor().fit(X, Y, X_val=X, y_val=[None, *Y[1:]]),
            "Input y_val contains NaN: the target is missing in 1 of 150 rows, the first of them row 0; omit",
        ),
        (
            lambda: regressor().fit(X, np.ma.masked_equal(Y.astype(float), 1)),
            "target is missing in 50 of 150 rows, the first of them row 50; omit",
        ),
        (
            lambda: regressor(preprocess="auto").fit(table().to_records(index=False), Y),
            "X is an array of records; pass a data frame or a dict of its fields: {name: X",
        ),
        (
            lambda: regressor().fit(table(), Y),
            "X must be numbers without preprocess, but could not convert string to float: 't.*'; fit with preprocess",
        ),
        (
            lambda: regressor().fit(
                table()[["size"]].assign(day=pd.date_range("2024-01-01", periods=150)), Y
            ),
            "X must be numbers without preprocess, but its columns have types that do not go together; fit with pre",
        ),
        (
            lambda: classifier().fit(X, Y).predict(X.astype(str)),
            "X must be numbers without preprocess, but it has text; fit with preprocess=.auto., which takes text",
        ),
        (
            lambda: classifier().fit(np.where(X > 4, np.nan, X), Y),
            "^Input X contains NaN. Fit with preprocess='auto', which takes missing values, or fill them in.$",
        ),
        (
            lambda: classifier().fit(X, Y).predict(X * np.inf),
            "^Input X contains infinity .*. Correct these values; preprocess='auto' would take them for missing ones.$",
        ),
        (
            lambda: classifier().fit(np.ma.masked_greater(X, 7.5), Y),
            r"^Input X is masked in 6 of 150 rows, the first of them row \d+. Fit with preprocess='auto', which takes",
        ),
        (
            lambda: classifier().fit(X, Y, X_val=np.ma.masked_greater(X, 7.5), y_val=Y),
            "^Input X is masked in 6 of 150 rows",
        ),
        (
            lambda: classifier().fit(X, Y).predict(np.ma.masked_greater(X, 7.5)),
            "^Input X is masked in 6 of 150",
        ),
        (lambda: classifier().fit(np.ma.masked_equal(Y, 1), Y), "Expected 2D array, got 1D"),
        (
            lambda: classifier().fit(X, Y, sample_weight=np.ma.masked_equal(Y + 1, 2)),
            r"^sample_weight is masked in 50 of 150 rows, the first of them row 50; fill it in: sample_weight.filled",
        ),
        (
            lambda: regressor(preprocess="auto").fit(table(), Y, sample_weight=np.ma.masked_equal(Y + 1, 2)),
            "^sample_weight is masked in 50 of 150 rows",
        ),
        (
            lambda: TablePreprocessor().fit(table(), sample_weight=np.ma.masked_equal(Y + 1, 2)),
            "^sample_weight is masked in 50 of 150 rows",
        ),
        (
            lambda: classifier().fit(X, Y, sample_weight=np.ma.masked),
            "^sample_weight is masked in 1 of 1 rows",
        ),
        (
            lambda: TablePreprocessor().fit(table(), sample_weight="size"),
            "sample_weight must be one number per row, not 'size'",
        ),
        (
            lambda: regressor(preprocess=TablePreprocessor(kinds=["size"])).fit(table(), Y),
            r"^kinds must be a dict from column names to kinds, such as {'zip': 'category'}, or None, not \['size'\]",
        ),
        (
            lambda: regressor().fit(X, Y, X_val=X, y_val=np.where(Y > 1, np.inf, Y)),
            r"y_val contains infinity or a value too .* in 50 of 150 rows, the first of them row 100; omit these rows",
        ),
        (
            lambda: regressor().fit(X, Y, X_val=X, y_val=["inf", *["1.5"] * 149]),
            "y_val contains infinity .* in 1 of 150 rows, the first of them row 0; omit",
        ),
        (
            lambda: regressor().fit(X, Y, X_val=X, y_val=pd.Series([pd.NA, *Y[1:]], dtype="Float64")),
            "Input y_val contains NaN: the target is missing in 1 of 150 rows, the first of them row 0; omit",
        ),
        (
            lambda: regressor().fit(X + 1j, Y),
            "^Complex data not supported: X has complex numbers; split them",
        ),
        (
            lambda: regressor(scoring="roc_auc", early_stopping=True).fit(X, X[:, 0]),
            "scoring='roc_auc' cannot score these targets .*; name another, as 'r2' or",
        ),
        (lambda: regressor().fit(X, Y + 1j), "y is complex; predict two columns"),
        (lambda: regressor().fit(X, Y[1:]), r"\[150, 149\]: X has 150 rows and y has 149; pass one target"),
        (
            lambda: classifier(preprocess="auto").fit(table(), WORDS[1:]),
            "X has 150 rows and y has 149; pass one target for each row",
        ),
        (
            lambda: regressor(preprocess="auto").fit({"size": X[:, 0]}, Y[1:]),
            "X has 150 rows and y has 149; pass one target for each row",
        ),
        (
            lambda: regressor(preprocess="auto").fit(table(), Y, sample_weight="size"),
            r"sample_weight must be one number per row, not 'size'; pass the numbers themselves, such as X\['size'\]",
        ),
        (
            lambda: classifier().fit(X, Y, sample_weight=WORDS),
            "sample_weight must be one number per row, not",
        ),
        (lambda: regressor().fit(X, WORDS), "y must be numbers .* use MLPClassifier for labels"),
        (lambda: regressor(loss=chainrule.SoftmaxCrossEntropy()).fit(X, Y), "loss must be one for numbers"),
        (
            lambda: regressor().partial_fit(X, Y).partial_fit(X, np.c_[Y, Y]),
            "y has 2 outputs but the network",
        ),
        (
            lambda: regressor(preprocess="auto").fit(table(), X[:, 1] * 1e306),
            "the standard deviation of y is infinite",
        ),
        (lambda: regressor(hidden_layer_sizes=(3.5,)).fit(X, Y), "hidden_layer_sizes must be integers"),
        (
            lambda: regressor().fit(X, Y).transform(X, layer="last"),
            "layer must be an index of the 1 hidden layers",
        ),
        (
            lambda: regressor(early_stopping=True, validation_fraction=0.0).fit(X, Y),
            "validation_fraction must be",
        ),
        (
            lambda: classifier(early_stopping=True, validation_fraction=0.001, preprocess="auto").fit(
                table(), Y > 0
            ),
            "test_size = 1 should be .*; choose another validation_fraction than 0.001",
        ),
        (
            lambda: classifier(early_stopping=True, scoring=lambda *_: None).fit(X, Y),
            "scoring must return a number, higher being better, not None",
        ),
        (
            lambda: classifier(early_stopping=True).fit(X, Y > 0).set_threshold(3),
            "scoring must be the name of a scorer or a function, not 3",
        ),
        (
            lambda: regressor(schedule="reduce_on_plateau").partial_fit(X, Y),
            "needs early_stopping=True or X_val",
        ),
        (
            lambda: regressor(warm_start=True).fit(X, Y).set_params(hidden_layer_sizes=(5,)).fit(X, Y),
            r"hidden_layer_sizes cannot change .* it was \(4,\) and is \(5,\)",
        ),
        (
            lambda: regressor().fit(X, Y).replace_head(3),
            "estimator must be an MLPClassifier or MLPRegressor, not 3",
        ),
        (
            lambda: regressor().fit(X, Y).replace_head().set_params(hidden_layer_sizes=(5,)).fit(X, Y),
            "do not change hidden_layer_sizes, activation, batch_norm and residual",
        ),
    ],
)
def test_a_sentence(act: Any, message: str):
    with pytest.raises(ValueError, match=message) as found:
        act()
    assert "\n" not in str(found.value) or not isinstance(found.value, ChainruleError)


def test_one_class_and_early_stopping():
    net = classifier(early_stopping=True).fit(X, np.zeros(150))
    assert net.validation_scores_ == [1.0, 1.0] and (net.predict(X) == 0).all()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"preprocess": "auto", "max_iter": 2},
        {"preprocess": "auto", "preset": "fast", "n_members": 2, "max_iter": 2},
        {"preprocess": "auto", "preset": "best", "time_limit": 2.0},
    ],
)
def test_a_single_class_has_one_column(settings: dict[str, Any], tmp_path: Path):
    """As scikit-learn's trees, neighbors and dummies have it: a column for each of classes_, which is certain."""
    rows, y = table(), np.full(150, "a")
    if not settings:
        rows = X
    net = MLPClassifier(**{"max_iter": 2, "random_state": 0} | settings).fit(rows, y)
    ones = np.ones((150, 1))
    np.testing.assert_array_equal(net.predict_proba(rows), ones)
    np.testing.assert_array_equal(net.predict_log_proba(rows), 0 * ones)
    bound, one = net.bind(), rows[:1] if not settings else rows.iloc[:1]
    assert (
        bound.predict_proba(one).tolist() == [1.0] and bound.predict(one) == "a" and net.score(rows, y) == 1
    )
    if "preset" in settings:
        np.testing.assert_array_equal(net.spread(rows), 0 * ones)
        assert bound.spread(one).tolist() == [0.0]
    net.save(tmp_path / "one.safetensors")
    np.testing.assert_array_equal(MLPClassifier.load(tmp_path / "one.safetensors").predict_proba(rows), ones)
    found = net.graph().run(graph_inputs(net, rows))
    np.testing.assert_array_equal(found["probabilities"], ones)
    assert DummyClassifier().fit(rows, y).predict_proba(rows).shape == (150, 1)


def test_a_warm_start_that_watches_something_else():
    net = classifier(warm_start=True).fit(X, Y)
    net.set_params(early_stopping=True).fit(X, Y)
    assert len(net.validation_scores_) == 2 and net.best_loss_ is None
    net.set_params(early_stopping=False).fit(X, Y)
    assert net.best_loss_ == min(net.loss_curve_[-2:]) and net.validation_scores_ is None
    assert len(net.set_params(solver="lbfgs").fit(X, Y).set_params(solver="adam").fit(X, Y).loss_curve_) == 4


def test_a_solver_validates_too():
    net = classifier(solver="lbfgs", max_iter=5).fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    assert len(net.validation_loss_curve_) == net.n_iter_ == 5
    found = net.model_.evaluate(X[1::2], Y[1::2])["loss"]
    assert net.validation_loss_curve_[-1] == pytest.approx(found)


def test_a_solver_of_a_table_takes_the_sizes_of_the_recipe_alone():
    net = regressor(solver="lbfgs", hidden_layer_sizes=(100,), preprocess="auto").fit(table(), X[:, 1])
    assert [len(b) for b in net.intercepts_] == [256, 128, 64, 1]
    assert not any(link.layer.is_random for link in net.model_.network.walk())


def test_the_recipe_counts_the_rows_of_any_target():
    class Like:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return np.array(X[:, 1], dtype)

    frame, several = table(), np.eye(3, dtype=int)[Y]
    settings: dict[str, Any] = {"hidden_layer_sizes": (4,), "preprocess": "auto", "random_state": 0}
    nets = [MLPRegressor(**settings, max_iter=2).fit(frame, y) for y in (Like(), X[:, 1], X[:, 1].tolist())]
    assert nets[0].loss_curve_ == nets[1].loss_curve_ == nets[2].loss_curve_
    dense, spread = (
        MLPClassifier(**settings, max_iter=2).fit(frame, y) for y in (several, csr_matrix(several))
    )
    assert dense.loss_curve_ == spread.loss_curve_


def test_a_hidden_layer_as_a_frame():
    net = classifier(hidden_layer_sizes=(6, 3)).set_output(transform="pandas").fit(X, Y)
    first, last = net.transform(X, layer=0), net.transform(X)
    assert list(first) == [f"mlpclassifier{i}" for i in range(6)] and list(last) == list(first)[:3]
    np.testing.assert_array_equal(net.set_output(transform="default").transform(X, layer=0), first)


def test_a_search_keeps_the_hidden_layers():
    trunk = classifier(max_iter=20).fit(X, Y)
    found = cross_validate(trunk.replace_head(), X, Y == 2, cv=2, return_estimator=True)
    for net in found["estimator"]:
        np.testing.assert_array_equal(net.coefs_[0], trunk.coefs_[0])


def test_transfer_from_a_table():
    frame = table()
    maker = TablePreprocessor(max_one_hot=8, min_count=1)
    trunk = classifier(preprocess=maker).fit(frame, WORDS)
    net = trunk.replace_head(MLPRegressor(max_iter=2)).fit(frame[:50], X[:50, 1])
    np.testing.assert_array_equal(net.transform(frame), trunk.transform(frame))
    assert net.predict(frame).shape == (150,)


# --- files -----------------------------------------------------------------------------------------------------------


def rewritten(path: Path, where: tuple[str | int, ...], value: Any) -> None:
    """Write another value into the estimator that a file says."""
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8 : 8 + size])
    said = json.loads(head["__metadata__"]["chainrule"])
    part = said["estimator"]
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    head["__metadata__"]["chainrule"] = json.dumps(said)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + size :])


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("labels", "classes"), ["a"]),
        (("labels", "classes"), "abc"),
        (("labels", "classes", 0), "b"),
        (("labels", "kind"), "binary"),
        (("labels", "dtype"), "O8,f4"),
        (("labels", "dtype"), "<U100000000"),
        (("labels",), None),
        (("records", "n_features_in_"), 10**30),
        (("records", "n_features_in_"), 5),
        (("records", "n_outputs_"), 2),
        (("records", "loss_curve_"), [1.0, "x"]),
        (("records", "loss_"), [[]]),
        (("records",), {}),
        (("records",), 3),
        (("group_sizes",), [10**12]),
        (("group_sizes",), [-1, 3]),
        (("parameters", "alpha"), "x" * 9000),
        (("parameters", "optimizer"), {"kind": "adam", "learning_rate": "fast"}),
        (("parameters", "callbacks"), {"kind": "os.system"}),
        (("parameters", "class_weight"), [json.loads("[" * 240 + "]" * 240)]),
        (("parameters", "nothing"), 1),
        (("table",), {"kind": "TablePreprocessor"}),
        (("class",), ["MLPClassifier"]),
    ],
)
def test_a_changed_file(tmp_path: Path, where: tuple[str | int, ...], value: Any):
    path = tmp_path / "net"
    classifier().fit(X, WORDS).save(path)
    rewritten(path, ("records", "n_iter_"), 2)
    assert MLPClassifier.load(path).predict(X).shape == (150,)
    rewritten(path, where, value)
    with pytest.raises(FormatError) as found:
        MLPClassifier.load(path)
    text = str(found.value).replace(str(path), "net")
    assert text.endswith((".", "its load.")) and len(text) < 500 and "\n" not in text


def test_a_cut_file(tmp_path: Path):
    path = tmp_path / "net"
    regressor().fit(X, Y).save(path)
    raw = path.read_bytes()
    for length in range(0, len(raw), 400):
        path.write_bytes(raw[:length])
        with pytest.raises(FormatError):
            MLPRegressor.load(path)
