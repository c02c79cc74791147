"""Bad input: for each, the error that it gets and the words in it that say what was expected and what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import chainrule as c
from chainrule.data.checks import check_X

X = np.random.default_rng(3).normal(size=(12, 4))
Y = np.arange(12) % 3
WITH_NAN = np.where(np.arange(48).reshape(12, 4) == 23, np.nan, X)
ONE_HOT = np.eye(3)[Y]


def model(loss: c.Loss | None = None, outputs: int = 3) -> c.Model:
    return c.Model(c.Network(4, [c.Dense(5), c.Tanh(), c.Dense(outputs)], loss or c.SoftmaxCrossEntropy()))


def numbers(outputs: int = 1) -> c.Model:
    return model(c.MeanSquaredError(), outputs)


def two() -> c.Model:
    return model(c.SigmoidCrossEntropy(), 1)


def many() -> c.Model:
    return model(c.SigmoidCrossEntropy(), 3)


def fit(data: Any = X, y: Any = Y, start: c.Model | None = None, **settings: Any) -> Any:
    return (model() if start is None else start).fit(data, y, **({"epochs": 1} | settings))


def network(*layers: Any, inputs: Any = 4, loss: Any = None, **settings: Any) -> c.Network:
    return c.Network(inputs, list(layers) or [c.Dense(3)], loss or c.SoftmaxCrossEntropy(), **settings)


Case = tuple[Callable[[], Any], type[Exception], str]

DATA: dict[str, Case] = {
    "too few features": (
        lambda: fit(X[:, :3]),
        c.ShapeError,
        "X has 3 features but the network takes 4; select",
    ),
    "a flat X": (
        lambda: fit(X.ravel()),
        c.ShapeError,
        "two dimensions (samples, features), not 1: shape (48,)",
    ),
    "images": (
        lambda: fit(X.reshape(12, 2, 2)),
        c.ShapeError,
        "not 3: shape (12, 2, 2); reshape it to (12, 4)",
    ),
    "no samples": (lambda: fit(X[:0], Y[:0]), c.ShapeError, "X has no samples; pass at least one"),
    "ragged": (
        lambda: fit([[1, 2, 3, 4], [1]]),
        c.ShapeError,
        "X must be a rectangular array; its rows have different",
    ),
    "nothing": (lambda: fit(None), c.ShapeError, "X must have two dimensions"),
    "a number": (lambda: fit(3), c.ShapeError, "X must have two dimensions"),
    "text": (lambda: fit(X.astype(str)), c.DataError, "X must contain real numbers, not <U32; encode text"),
    "objects": (
        lambda: fit(np.full((12, 4), "a", object)),
        c.DataError,
        "not 'a' at row 0, column 0; encode text",
    ),
    "complex": (lambda: fit(X * 1j), c.DataError, "X must contain real numbers, not complex128"),
    "dates": (lambda: fit(np.zeros((12, 4), "M8[D]")), c.DataError, "not datetime64[D]"),
    "a frame with text": (
        lambda: fit(pd.DataFrame({k: list("abc") * 4 for k in "wxyz"})),
        c.DataError,
        "encode text",
    ),
    "NaN": (
        lambda: fit(WITH_NAN),
        c.DataError,
        "X contains nan at row 5, column 3; fill in or drop missing values",
    ),
    "infinity": (
        lambda: fit(np.where(np.isnan(WITH_NAN), -np.inf, X)),
        c.DataError,
        "X contains -inf at row 5, column 3",
    ),
    "NaN, sparse": (
        lambda: fit(sparse.csr_array(WITH_NAN)),
        c.DataError,
        "X contains nan at row 5, column 3",
    ),
    "NaN far down": (
        lambda: check_X(np.vstack([np.zeros((40_000, 4)), WITH_NAN]), 4),
        c.DataError,
        "X contains nan at row 40005, column 3",
    ),
    "NaN, predicting": (lambda: model().predict(WITH_NAN), c.DataError, "X contains nan at row 5, column 3"),
    "shape, predicting": (lambda: model().predict_proba(X[:, 1:]), c.ShapeError, "X has 3 features"),
    "shape, evaluating": (lambda: model().evaluate(X[:, 1:], Y), c.ShapeError, "X has 3 features"),
    # y
    "fewer labels": (
        lambda: fit(X, Y[:-1]),
        c.ShapeError,
        "X has 12 samples but y has 11; they must be equal",
    ),
    "no y": (lambda: fit(X, None), c.ShapeError, "y must be (samples,) or (samples, 3), not ()"),
    "a cube": (
        lambda: fit(X, Y.reshape(3, 2, 2)),
        c.ShapeError,
        "y must be (samples,) or (samples, 3), not (3, 2, 2)",
    ),
    "ragged y": (lambda: fit(X, [[1], [1, 2]]), c.ShapeError, "y must be a rectangular array"),
    "too many classes": (
        lambda: fit(X, Y + np.arange(12) // 6),
        c.DataError,
        "y has 4 classes (0, 1, 2, 3) but the network has 3 outputs; give its last Dense layer 4 units",
    ),
    "too few labels": (
        lambda: fit(X, Y % 2 + 5),
        c.DataError,
        "y has 2 classes (5, 6) but the network has 3 outputs",
    ),
    "numbers for classes": (lambda: fit(X, X[:, 0]), c.DataError, "y has 12 classes ("),
    "NaN labels": (
        lambda: fit(X, np.where(Y == 2, np.nan, Y)),
        c.DataError,
        "y contains NaN or infinity at row 2; drop the samples without a label",
    ),
    "date labels": (
        lambda: fit(X, Y.astype("M8[D]")),
        c.DataError,
        "y must contain numbers or text, not datetime64[D]; pass y.astype(str)",
    ),
    "bytes": (lambda: fit(X, Y.astype("S1")), c.DataError, "y must contain numbers or text, not |S1"),
    "rows that do not sum": (
        lambda: fit(X, ONE_HOT * 0.5),
        c.DataError,
        "each row of y must sum to 1 for SoftmaxCrossEntropy; pass labels (n,) or probabilities",
    ),
    "negative probabilities": (
        lambda: fit(X, 1 - 2 * ONE_HOT),
        c.DataError,
        "y must lie between 0 and 1 for SoftmaxCrossEntropy; it spans -1 to 1",
    ),
    "columns": (
        lambda: fit(X, np.eye(4)[Y]),
        c.ShapeError,
        "y has 4 columns but the network has 3 outputs; make them equal",
    ),
    "text in columns": (
        lambda: fit(X, ONE_HOT.astype(str).astype(object) + "a"),
        c.DataError,
        "y must contain numbers for SoftmaxCrossEntropy",
    ),
    "three for two": (
        lambda: fit(X, Y, two()),
        c.DataError,
        "y has 3 classes (0, 1, 2) but a network with this loss has 2; use SoftmaxCrossEntropy",
    ),
    "one for two": (lambda: fit(X, Y * 0 + 7, two()), c.DataError, "y has 1 classes (7)"),
    "many labels, flat": (
        lambda: fit(X, Y, many()),
        c.ShapeError,
        "y has 1 columns but the network has 3 outputs",
    ),
    "many labels, above 1": (
        lambda: fit(X, ONE_HOT * 2, many()),
        c.DataError,
        "y must lie between 0 and 1 for SigmoidCrossEntropy; it spans 0 to 2",
    ),
    "text for numbers": (
        lambda: fit(X, Y.astype(str).astype(object) + "a", numbers()),
        c.DataError,
        "y must contain numbers for MeanSquaredError, not object",
    ),
    "NaN for numbers": (
        lambda: fit(X, WITH_NAN[:, 3], numbers()),
        c.DataError,
        "y contains NaN or infinity at row 5; drop the samples without a target",
    ),
    "outputs": (
        lambda: fit(X, X[:, 0], numbers(2)),
        c.ShapeError,
        "y has 1 columns but the network has 2 outputs",
    ),
    "negative counts": (
        lambda: fit(X, Y - 1, model(c.Poisson(), 1)),
        c.DataError,
        "y must be at least 0 for Poisson, but its smallest value is -1; a squared error takes any number",
    ),
    # weights
    "short weights": (
        lambda: fit(sample_weight=np.ones(3)),
        c.ShapeError,
        "sample_weight must be (12,), one number per sample, not (3,)",
    ),
    "negative weights": (
        lambda: fit(sample_weight=np.arange(12) - 1.0),
        c.DataError,
        "sample_weight must be finite, not negative",
    ),
    "zero weights": (lambda: fit(sample_weight=np.zeros(12)), c.DataError, "and not zero for every sample"),
    "NaN weights": (
        lambda: fit(sample_weight=np.full(12, np.nan)),
        c.DataError,
        "sample_weight must be finite",
    ),
    "text weights": (
        lambda: fit(sample_weight=["a"] * 12),
        c.DataError,
        "sample_weight must contain one real number per sample",
    ),
    "weights of numbers in text": (
        lambda: fit(sample_weight=np.array(["1"] * 12)),
        c.DataError,
        "sample_weight must contain one real number per sample, not text",
    ),
    "weights of numbers in text objects": (
        lambda: fit(sample_weight=np.array(["1"] * 12, object)),
        c.DataError,
        "sample_weight must contain one real number per sample, not text",
    ),
    "complex weights": (
        lambda: fit(sample_weight=np.ones(12, complex)),
        c.DataError,
        "sample_weight must contain one real number per sample, not text, dates or complex",
    ),
    "weights of dates": (
        lambda: fit(sample_weight=np.ones(12, "datetime64[s]")),
        c.DataError,
        "sample_weight must contain one real number per sample, not text, dates",
    ),
    "complex targets": (
        lambda: fit(y=np.ones(12, complex), start=numbers()),
        c.DataError,
        "y must contain numbers for MeanSquaredError, not complex128",
    ),
    "targets of dates": (
        lambda: fit(y=np.ones(12, "datetime64[s]"), start=numbers()),
        c.DataError,
        "y must contain numbers for MeanSquaredError, not datetime64",
    ),
    "a masked X": (
        lambda: fit(np.ma.array(X, mask=X[1, 1] == X)),
        c.DataError,
        "X is a masked array with 1 masked values; fill them in with its filled()",
    ),
    "masked labels": (
        lambda: fit(y=np.ma.array(Y, mask=[True] + [False] * 11)),
        c.DataError,
        "y is a masked array with 1 masked values",
    ),
    "masked weights": (
        lambda: fit(sample_weight=np.ma.array(np.ones(12), mask=[True] + [False] * 11)),
        c.DataError,
        "sample_weight is a masked array with 1 masked values",
    ),
    "a masked row": (
        lambda: model().bind().outputs(np.ma.array(X[0], mask=[True, False, False, False])),
        c.DataError,
        "X is a masked array with 1 masked values",
    ),
    "the label of a masked row": (
        lambda: model().bind().predict(np.ma.array(X[0], mask=[True, False, False, False])),
        c.DataError,
        "X is a masked array with 1 masked values",
    ),
    "unknown class": (
        lambda: fit(class_weight={5: 1.0}),
        c.ConfigError,
        "class_weight has the unknown class 5; the classes are 0, 1, 2",
    ),
    "a word": (
        lambda: fit(class_weight="equal"),
        c.ConfigError,
        "class_weight must be 'balanced' or a dict of label: weight, not 'equal'",
    ),
    "a list": (
        lambda: fit(class_weight=[1, 2, 3]),
        c.ConfigError,
        "class_weight must be 'balanced' or a dict of label: weight, not [1, 2, 3]",
    ),
    "negative class": (lambda: fit(class_weight={0: -1.0}), c.ConfigError, "finite numbers of at least 0"),
    "all zero": (
        lambda: fit(class_weight=dict.fromkeys(range(3), 0)),
        c.ConfigError,
        "with a positive weight for some sample",
    ),
    "text class weight": (
        lambda: fit(class_weight={0: "a"}),
        c.ConfigError,
        "class_weight must contain one number per label",
    ),
    "class weights of numbers": (
        lambda: fit(X, X[:, 0], numbers(), class_weight="balanced"),
        c.ConfigError,
        "class_weight needs one label per sample; pass sample_weight",
    ),
    "class weights of many": (
        lambda: fit(X, ONE_HOT, many(), class_weight="balanced"),
        c.ConfigError,
        "class_weight needs one label per sample",
    ),
}

SETTINGS: dict[str, Case] = {
    "inputs": (
        lambda: network(inputs=0),
        c.ConfigError,
        "inputs must be the number of features, a positive integer of at most 2^31 - 1, not 0",
    ),
    "float inputs": (
        lambda: network(inputs=4.0),
        c.ConfigError,
        "a positive integer of at most 2^31 - 1, not 4.0",
    ),
    "true inputs": (
        lambda: network(inputs=True),
        c.ConfigError,
        "a positive integer of at most 2^31 - 1, not True",
    ),
    "no layers": (
        lambda: c.Network(4, [], c.SoftmaxCrossEntropy()),
        c.ConfigError,
        "layers must be a non-empty list of layers; got an empty list",
    ),
    "a class": (lambda: network(c.Dense(3), c.ReLU), c.ConfigError, "got the class ReLU; write ReLU()"),
    "no list": (
        lambda: c.Network(4, 7, c.SoftmaxCrossEntropy()),
        c.ConfigError,
        "layers must be a non-empty list of layers; got 7",
    ),
    "loss class": (
        lambda: network(loss=c.SoftmaxCrossEntropy),
        c.ConfigError,
        "loss must be a loss such as SoftmaxCrossEntropy(), not <class",
    ),
    "loss name": (
        lambda: network(loss="mse"),
        c.ConfigError,
        "loss must be a loss such as SoftmaxCrossEntropy(), not 'mse'",
    ),
    "l2": (lambda: network(l2=-1), c.ConfigError, "l2 must be a finite number of at least 0, not -1"),
    "text l2": (lambda: network(l2="1"), c.ConfigError, "l2 must be a finite number of at least 0, not '1'"),
    "no l1": (lambda: network(l1=None), c.ConfigError, "l1 must be a finite number of at least 0, not None"),
    "infinite l1": (
        lambda: network(l1=np.inf),
        c.ConfigError,
        "l1 must be a finite number of at least 0, not inf",
    ),
    "max_norm": (
        lambda: network(max_norm=0),
        c.ConfigError,
        "max_norm must be a finite number above 0, not 0",
    ),
    "late standardize": (
        lambda: network(c.Dense(3), c.Standardize()),
        c.ConfigError,
        "Standardize must come before all trainable layers",
    ),
    "units": (
        lambda: c.Dense(0),
        c.ConfigError,
        "units of Dense must be an integer of at least 1, not 0; give the number of neurons",
    ),
    "float units": (
        lambda: c.Dense(2.0),
        c.ConfigError,
        "units of Dense must be an integer of at least 1, not 2.0",
    ),
    "rate 1": (
        lambda: c.Dropout(1),
        c.ConfigError,
        "rate of Dropout must be a finite number of at least 0 and below 1, not 1",
    ),
    "text rate": (
        lambda: c.Dropout("0.5"),
        c.ConfigError,
        "rate of Dropout must be a finite number of at least 0 and below 1, not '0.5'",
    ),
    "eps": (
        lambda: c.BatchNorm(eps=0),
        c.ConfigError,
        "eps of BatchNorm must be a finite number above 0, not 0",
    ),
    "text eps": (
        lambda: c.BatchNorm(eps="0"),
        c.ConfigError,
        "eps of BatchNorm must be a finite number above 0, not '0'",
    ),
    "momentum": (
        lambda: c.BatchNorm(1.0),
        c.ConfigError,
        "momentum of BatchNorm must be a finite number of at least 0 and below 1, not 1.0",
    ),
    "scale": (lambda: c.Rescale(np.inf), c.ConfigError, "scale of Rescale must be a finite number, not inf"),
    "slope": (
        lambda: c.LeakyReLU("a"),
        c.ConfigError,
        "slope of LeakyReLU must be a finite number, not 'a'; 0.01 is usual",
    ),
    "NaN slope": (lambda: c.PReLU(np.nan), c.ConfigError, "slope of PReLU must be a finite number, not nan"),
    "alpha": (lambda: c.ELU(None), c.ConfigError, "alpha of ELU must be a finite number, not None"),
    "empty block": (
        lambda: c.Residual([]),
        c.ConfigError,
        "Residual takes a non-empty list of layers, not an empty one",
    ),
    "wrong block": (lambda: c.Skip([3]), c.ConfigError, "Skip takes a non-empty list of layers, not 3 in it"),
    "network": (lambda: c.Model([c.Dense(3)]), c.ConfigError, "network must be a Network, not [Dense(3)]"),
    "seed": (
        lambda: c.Model(network(), seed=-1),
        c.ConfigError,
        "seed must be an integer in [0, 2^32), not -1",
    ),
    "float seed": (
        lambda: c.Model(network(), seed=1.0),
        c.ConfigError,
        "seed must be an integer in [0, 2^32), not 1.0",
    ),
    "dtype": (
        lambda: c.Model(network(), dtype="float16"),
        c.ConfigError,
        "dtype must be one of float32, float64, not 'float16'",
    ),
    "a dtype that is no syntax": (
        lambda: c.Model(network(), dtype="9)9"),
        c.ConfigError,
        "dtype must be one of float32, float64, not '9)9'",
    ),
    "no dtype": (
        lambda: c.Model(network(), dtype="double precision"),
        c.ConfigError,
        "dtype must be one of float32, float64",
    ),
    "epochs": (lambda: fit(epochs=-1), c.ConfigError, "epochs must be an integer of at least 0, not -1"),
    "float epochs": (
        lambda: fit(epochs=2.0),
        c.ConfigError,
        "epochs must be an integer of at least 0, not 2.0",
    ),
    "batch_size": (
        lambda: fit(batch_size=0),
        c.ConfigError,
        "batch_size must be an integer of at least 1, not 0",
    ),
    "optimizer": (
        lambda: fit(optimizer="adamax"),
        c.ConfigError,
        "optimizer must be one of gradient_descent, sgd, rmsprop",
    ),
    "optimizer class": (
        lambda: fit(optimizer=c.Adam),
        c.ConfigError,
        "an optimizer such as Adam(1e-3), or a name, not <class",
    ),
    "schedule": (
        lambda: fit(schedule="linear"),
        c.ConfigError,
        "schedule must be one of constant, step_decay",
    ),
    "schedule class": (
        lambda: fit(schedule=c.OneCycle),
        c.ConfigError,
        "a schedule such as OneCycle(), or a name, not <class",
    ),
    "plateau": (
        lambda: fit(schedule="reduce_on_plateau"),
        c.ConfigError,
        "ReduceOnPlateau watches 'val_loss', which needs validation_data or validation_fraction",
    ),
    "plateau column": (
        lambda: fit(schedule=c.ReduceOnPlateau("rmse")),
        c.ConfigError,
        "'rmse' is not recorded; recorded are loss",
    ),
    "clip": (
        lambda: fit(clip=0),
        c.ConfigError,
        "norm of Clip must be a finite number above 0, or None, not 0",
    ),
    "a clip of more than 64 bits": (
        lambda: fit(clip=10**400),
        c.ConfigError,
        "norm of Clip must be a finite number above 0, or None, not 1000",
    ),
    "a complex clip": (
        lambda: fit(clip=1j),
        c.ConfigError,
        "norm of Clip must be a finite number above 0, or None, not 1j",
    ),
    "clip by value": (
        lambda: fit(clip=c.Clip(value="1")),
        c.ConfigError,
        "value of Clip must be a finite number above 0, or None, not '1'",
    ),
    "engine": (
        lambda: fit(engine="gpu"),
        c.ConfigError,
        "engine must be one of auto, native, reference, xla",
    ),
    "metric": (
        lambda: fit(metrics=["gini"]),
        c.ConfigError,
        "metrics must be one of accuracy, balanced_accuracy",
    ),
    "metric of numbers": (
        lambda: fit(metrics="mse"),
        c.ConfigError,
        "the metric 'mse' is not for multiclass; choose from accuracy, balanced_accuracy",
    ),
    "metric list": (lambda: fit(metrics=[["f1"]]), c.ConfigError, "metrics must be one of accuracy"),
    "both": (
        lambda: fit(validation_data=(X, Y), validation_fraction=0.1),
        c.ConfigError,
        "pass validation_data or validation_fraction, not both",
    ),
    "no pair": (lambda: fit(validation_data=X), c.ConfigError, "validation_data must be a pair (X, y)"),
    "validation X": (
        lambda: fit(validation_data=(X[:, :2], Y)),
        c.ShapeError,
        "validation_data[0] has 2 features but the network takes 4",
    ),
    "validation y": (
        lambda: fit(validation_data=(X, Y[:3])),
        c.ShapeError,
        "validation_data[0] has 12 samples but validation_data[1] has 3",
    ),
    "fraction": (
        lambda: fit(validation_fraction=1.0),
        c.ConfigError,
        "validation_fraction must lie between 0 and 1, not 1.0",
    ),
    "text fraction": (
        lambda: fit(validation_fraction="0.1"),
        c.ConfigError,
        "validation_fraction must lie between 0 and 1, not '0.1'",
    ),
    "tiny fraction": (
        lambda: fit(validation_fraction=0.01),
        c.ConfigError,
        "validation_fraction=0.01 of 12 samples leaves none on one side",
    ),
    "freeze": (
        lambda: model().freeze("tanh_1"),
        c.ConfigError,
        "there is no link 'tanh_1' with parameters; choose from dense_1, dense_2",
    ),
    "batch of predict": (
        lambda: model().outputs(X, batch_size=0),
        c.ConfigError,
        "batch_size must be an integer of at least 1, not 0",
    ),
    "proba of numbers": (
        lambda: numbers().predict_proba(X),
        c.DataError,
        "MeanSquaredError is a regression loss, which has no probabilities; use predict",
    ),
    "outputs of other samples": (
        lambda: numbers().evaluate(X, Y, outputs=numbers().outputs(X)[1:]),
        c.ShapeError,
        "outputs must have shape",
    ),
    "matrix of numbers": (
        lambda: numbers().confusion_matrix(X, Y),
        c.ConfigError,
        "needs one label per sample; this network is for regression",
    ),
    "matrix of many": (
        lambda: many().confusion_matrix(X, ONE_HOT),
        c.ConfigError,
        "this network is for multilabel",
    ),
}


@pytest.mark.parametrize("name", DATA)
def test_data_that_cannot_be(name: str):
    check(*DATA[name])


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_cannot_be(name: str):
    check(*SETTINGS[name])


def check(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert words in message
    assert message.endswith(".") and "\n" not in message  # a sentence
    assert isinstance(caught.value, c.ChainruleError) and isinstance(caught.value, ValueError)


def test_a_refused_fit_leaves_the_model_as_it_was():
    start = c.Model(c.Network(4, [c.Standardize(), c.Dense(3)], c.SoftmaxCrossEntropy()))
    theta = start.theta.copy()
    for settings in (
        {"epochs": -1},
        {"metrics": ["?"]},
        {"callbacks": [5]},
        {"clip": -1},
        {"optimizer": "?"},
    ):
        with pytest.raises(c.ConfigError):
            fit(start=start, **settings)
        assert start.theta.tobytes() == theta.tobytes() and start.classes is None
        assert start.states["standardize_1"].count == 0


def test_one_sample_needs_no_second_dimension():
    made = model()
    assert made.outputs(X[0]).shape == (1, 3)
    np.testing.assert_array_equal(made.outputs(X[0]), made.outputs(X[:1]))


def test_a_loss_that_does_not_suit_the_last_layer_warns():
    with pytest.warns(UserWarning, match="the last layer is a Softmax"):
        network(c.Dense(3), c.Softmax())
    with pytest.warns(UserWarning, match="expects probabilities, but the last layer is a Dense"):
        network(c.Dense(3), loss=c.CategoricalCrossEntropy())


def test_large_finite_numbers_are_finite():
    assert check_X(np.full((3, 4), 1e308), 4).shape == (3, 4)  # their sum is not, but they are
    assert check_X(np.full((3, 4), 60000, np.float16), 4).dtype == np.float16


@pytest.mark.filterwarnings("ignore:y has mean")
@pytest.mark.parametrize("n", [40, 3000])  # below and above what is looked at number by number
@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("kind", ["f4", "f8", "i2", "i8"])
def test_the_other_byte_order_gives_the_same_bits(n: int, engine: str, kind: str):
    if engine == "native":
        pytest.importorskip("chainrule.engines.native._native")
    r = np.random.default_rng(3)
    data, weight = (50 * r.normal(size=(n, 4))).astype(kind), r.uniform(1, 2, n)

    def trained(swap: bool, in_rows: bool) -> list[bytes]:
        made = c.Model(c.Network(4, [c.Dense(3), c.Tanh(), c.Dense(1)], c.MeanSquaredError()))
        arrays = [data, data[:, 1].astype("f8"), weight]
        if swap:
            arrays = [array.astype(array.dtype.newbyteorder()) for array in arrays]
        rows, y, s = arrays
        row = rows[0]
        if in_rows:
            matrix = sparse.csr_matrix(data)
            matrix.data = matrix.data.astype(rows.dtype)
            rows = matrix
        made.fit(rows, y, sample_weight=s, validation_data=(rows, y), epochs=1, engine=engine)
        bound = made.bind(engine=engine)
        answers = [made.outputs(rows, engine=engine), bound.outputs(rows), bound.predict(row)]
        return [made.theta.tobytes(), *(answer.tobytes() for answer in answers)]

    for in_rows in (False, True):
        assert trained(True, in_rows) == trained(False, in_rows)


def test_a_masked_array_without_a_mask_is_an_array():
    assert model().outputs(np.ma.array(X)).tobytes() == model().outputs(X).tobytes()


def test_labels_beyond_64_bits_stay_apart():
    labels = np.array([1e19, 2e19, -3e19])[Y]
    made = model()
    made.fit(X, labels, epochs=1)
    assert made.classes is not None and made.classes.tolist() == [-3e19, 1e19, 2e19]
    assert set(made.predict(X).tolist()) <= {-3e19, 1e19, 2e19}


def test_a_clip_norm_beyond_64_bits_is_a_number():
    fit(clip=10**30, epochs=1)


@pytest.mark.parametrize("value", ["\u00b2", "\u0664", "9" * 5000, "-1", "1.0", "0"])
def test_a_number_of_threads_that_cannot_be(value: str, monkeypatch: pytest.MonkeyPatch):
    from chainrule.engines.native.threads import unlimited

    monkeypatch.delenv("CHAINRULE_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    with pytest.raises(c.ConfigError, match="OMP_NUM_THREADS must be a number of threads from 1 to 1024"):
        unlimited()
