"""The model: what it predicts for each task, what it measures, what it shows of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn import metrics

import chainrule as c

GENERATOR = np.random.default_rng(2)
X = GENERATOR.normal(size=(50, 4))
Y = np.arange(50) % 3
LABELS = (GENERATOR.normal(size=(50, 3)) > 0).astype(np.int64)
VALUES = X @ GENERATOR.normal(size=(4, 3))


def model(loss: c.Loss, outputs: int, *extra: c.Layer, **settings: Any) -> c.Model:
    settings = {"dtype": "float64"} | settings
    return c.Model(c.Network(4, [c.Dense(6), *extra, c.Tanh(), c.Dense(outputs)], loss, l2=0.01), **settings)


TASKS: dict[str, tuple[c.Loss, int, Any]] = {
    "regression": (c.MeanSquaredError(), 1, VALUES[:, 0]),
    "regression_3": (c.Huber(), 3, VALUES),
    "poisson": (c.Poisson(), 1, np.abs(VALUES[:, 0]).round()),
    "binary": (c.SigmoidCrossEntropy(), 1, LABELS[:, 0]),
    "multiclass": (c.SoftmaxCrossEntropy(), 3, Y),
    "multilabel": (c.SigmoidCrossEntropy(), 3, LABELS),
}


def fitted(task: str, **settings: Any) -> tuple[c.Model, Any]:
    loss, outputs, y = TASKS[task]
    made = model(loss, outputs, **settings)
    made.fit(X, y, epochs=3, batch_size=16)
    return made, y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", TASKS)
def test_shapes_and_types_of_predictions(task: str, dtype: str):
    made, _ = fitted(task, dtype=dtype)
    out, predicted = made.outputs(X), made.predict(X)
    assert out.shape == (50, made.network.outputs) and out.dtype == dtype and made.theta.dtype == dtype
    assert predicted.shape == ((50, 3) if task in ("regression_3", "multilabel") else (50,))
    if made.task == "regression":
        assert predicted.dtype == dtype
        np.testing.assert_array_equal(
            np.ravel(predicted), np.ravel(np.exp(out) if task == "poisson" else out)
        )
        return
    assert predicted.dtype.kind == "i"
    probability = made.predict_proba(X)
    assert probability.dtype == dtype and (probability >= 0).all() and (probability <= 1).all()
    assert probability.shape == {"binary": (50, 2)}.get(task, (50, 3))
    if task != "multilabel":
        np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-6)
        np.testing.assert_array_equal(predicted, probability.argmax(1))
    else:
        np.testing.assert_array_equal(predicted, probability > 0.5)


def test_probabilities_come_from_the_loss():
    made, _ = fitted("multiclass")
    out = made.outputs(X)
    np.testing.assert_allclose(
        made.predict_proba(X), np.exp(out) / np.exp(out).sum(1, keepdims=True), rtol=1e-12
    )
    made, _ = fitted("binary")
    np.testing.assert_allclose(
        made.predict_proba(X)[:, 1], 1 / (1 + np.exp(-made.outputs(X)[:, 0])), rtol=1e-12
    )


def test_prediction_does_not_depend_on_the_batch_or_the_form():
    made = model(c.SoftmaxCrossEntropy(), 3, c.BatchNorm(), c.Dropout(0.5))
    made.fit(X, Y, epochs=2)
    whole = made.outputs(X)
    for size in (1, 7, 50, 1000):
        np.testing.assert_allclose(made.outputs(X, batch_size=size), whole, rtol=1e-12)
    np.testing.assert_array_equal(made.outputs(sparse.csr_array(X)), whole)
    np.testing.assert_array_equal(made.outputs(X), whole)  # no dropout, no new statistics


# --- evaluate


@pytest.mark.parametrize("task", TASKS)
def test_evaluate_keys_and_the_law(task: str):
    made, y = fitted(task)
    found = made.evaluate(X, y)
    of_classes = (
        *("accuracy", "balanced_accuracy", "precision", "recall"),
        *("f1", "auc", "average_precision", "log_loss"),
    )
    of_numbers = ("mse", "rmse", "mae", "r2", *(("deviance", "d2") if task == "poisson" else ()))
    names = of_numbers if made.task == "regression" else of_classes
    names = tuple(name for name in names if made.task != "multilabel" or name != "balanced_accuracy")
    assert list(found) == ["loss", *names]
    assert all(isinstance(value, float) for value in found.values())
    # The loss is the training objective: that of a walk over all samples in one batch, penalty and all.
    assert found["loss"] == pytest.approx(made.loss_and_gradients(X, y, training=False)[0], rel=1e-12)
    assert made.evaluate(X, y, metrics=names[0]) == {"loss": found["loss"], names[0]: found[names[0]]}
    assert made.evaluate(X, y, metrics=[]) == {"loss": found["loss"]}


def test_evaluate_agrees_with_scikit_learn():
    weight = np.linspace(0.1, 3, 50)
    made, y = fitted("multiclass")
    found = made.evaluate(X, y, sample_weight=weight)
    predicted, probability = made.predict(X), made.predict_proba(X)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, predicted, sample_weight=weight))
    assert found["f1"] == pytest.approx(metrics.f1_score(y, predicted, average="macro", sample_weight=weight))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, probability, sample_weight=weight))
    made, y = fitted("binary")
    found = made.evaluate(X, y)
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(y, made.predict_proba(X)[:, 1]))
    made, y = fitted("regression_3")
    found = made.evaluate(X, y, sample_weight=weight)
    assert found["r2"] == pytest.approx(metrics.r2_score(y, made.predict(X), sample_weight=weight))
    assert found["mse"] == pytest.approx(metrics.mean_squared_error(y, made.predict(X), sample_weight=weight))


def test_a_large_set_is_evaluated_in_pieces():
    made, y = fitted("multiclass")
    rows = np.arange(50).repeat(60)  # 3,000: three walks
    assert made.evaluate(X[rows], y[rows]) == pytest.approx(made.evaluate(X, y), rel=1e-12)


def test_class_weights_in_evaluation():
    made, y = fitted("multiclass")
    by_class = made.evaluate(X, y, class_weight={1: 5.0})
    assert by_class == made.evaluate(X, y, sample_weight=np.where(y == 1, 5.0, 1.0))


def test_soft_targets():
    made = model(c.SoftmaxCrossEntropy(), 3)
    soft = np.full((50, 3), 0.05) + 0.85 * np.eye(3)[Y]
    made.fit(X, soft, epochs=2)
    assert made.evaluate(X, soft)["accuracy"] == made.evaluate(X, Y)["accuracy"]
    smooth = model(c.SoftmaxCrossEntropy(label_smoothing=0.15), 3)
    smooth.fit(X, Y, epochs=2)
    np.testing.assert_allclose(smooth.theta, made.theta, rtol=1e-9)


def test_confusion_matrix_is_scikit_learns():
    made, y = fitted("multiclass")
    expected = metrics.confusion_matrix(y, made.predict(X))
    np.testing.assert_array_equal(made.confusion_matrix(X, y), expected)
    np.testing.assert_array_equal(made.confusion_matrix(X, np.eye(3)[y]), expected)
    assert made.confusion_matrix(X[:1], y[:1]).shape == (3, 3)  # also with classes that do not occur
    made, y = fitted("binary")
    np.testing.assert_array_equal(made.confusion_matrix(X, y), metrics.confusion_matrix(y, made.predict(X)))
    named = model(c.SoftmaxCrossEntropy(), 3)
    named.fit(X, np.array(["x", "y", "z"])[Y], epochs=1)
    assert named.confusion_matrix(X, np.array(["x", "y", "z"])[Y]).sum() == 50


@pytest.mark.parametrize("task", ("regression", "binary", "multiclass", "multilabel"))
def test_outputs_at_hand_are_judged_as_the_walk_is(task: str):
    made, y = fitted(task)
    outputs = made.outputs(X)
    assert made.evaluate(X, y, outputs=outputs) == made.evaluate(X, y)
    assert made.evaluate(X, y, outputs=outputs[::-1]) != made.evaluate(X, y)
    if task in ("binary", "multiclass"):
        matrix = made.confusion_matrix(X, y, outputs=outputs)
        np.testing.assert_array_equal(matrix, made.confusion_matrix(X, y))


# --- looking inside


def test_gradients_mirror_parameters():
    block = c.Residual([c.Dense(5), c.BatchNorm(), c.PReLU()])
    made = c.Model(c.Network(4, [c.Dense(6), block, c.Dense(3)], c.SoftmaxCrossEntropy()))
    loss, grads = made.loss_and_gradients(X, Y)
    assert isinstance(loss, float)
    assert (
        list(grads)
        == list(made.parameters)
        == ["dense_1", "dense_2", "batch_norm_1", "prelu_1", "projection_1", "dense_3"]
    )
    for name, params in made.parameters.items():
        assert type(grads[name]) is type(params)
        for field, value in params._asdict().items():
            g = getattr(grads[name], field)
            assert g.shape == value.shape and g.dtype == value.dtype


def test_parameters_are_views_of_theta():
    made = model(c.MeanSquaredError(), 1)
    assert made.parameters["dense_1"].W.shape == (4, 6) and made.parameters["dense_1"].b.shape == (6,)
    made.theta[...] = np.arange(made.theta.size)
    np.testing.assert_array_equal(made.parameters["dense_1"].W, np.arange(24).reshape(4, 6))
    made.parameters["dense_2"].b[0] = -1
    assert made.theta[-1] == -1
    before = made.theta
    made.fit(X, VALUES[:, 0], epochs=1)
    assert made.theta is before  # trained in place


def test_loss_and_gradients_leaves_the_model_alone():
    made = model(c.SoftmaxCrossEntropy(), 3, c.BatchNorm(), c.Dropout(0.5))
    made.fit(X, Y, epochs=1)
    theta, mean = made.theta.copy(), made.states["batch_norm_1"].mean.copy()
    training = made.loss_and_gradients(X, Y)
    prediction = made.loss_and_gradients(X, Y, training=False)
    assert training[0] != prediction[0] and training[0] == made.loss_and_gradients(X, Y)[0]
    assert np.array_equal(made.theta, theta) and np.array_equal(made.states["batch_norm_1"].mean, mean)


@pytest.mark.parametrize("frozen", ["batch_norm_1", "dense_1", "dense_2"])
def test_gradients_are_those_of_the_next_step_with_frozen_links(frozen: str):
    made = model(c.SoftmaxCrossEntropy(), 3, c.BatchNorm(), c.Dropout(0.5), dtype="float64")
    made.fit(X, Y, epochs=1, batch_size=10)  # running statistics that are not the batch's
    made.freeze(frozen)
    loss, grads = made.loss_and_gradients(X, Y)
    g = np.concatenate([part.ravel() for parts in grads.values() for part in parts])
    check = made.check_gradients(X, Y, samples=50)
    assert loss == made.trace(X, Y).loss
    before = made.theta.copy()
    history = made.fit(
        X, Y, epochs=1, batch_size=None, optimizer=c.GradientDescent(0.1), shuffle=False, engine="reference"
    )
    assert history["loss"][0] == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(made.theta, before - 0.1 * g, rtol=1e-12, atol=1e-15)
    assert all((part == 0).all() for part in grads[frozen])
    trained = {f"{s.link.name}.{s.field}" for s in made.network.slots if s.link.name != frozen}
    assert set(check) == trained and check.error < 1e-6


def test_gradients_with_weights():
    made = model(c.SoftmaxCrossEntropy(), 3)
    weight = np.r_[np.ones(25), np.zeros(25)]
    half, _ = made.loss_and_gradients(X[:25], Y[:25])
    assert made.loss_and_gradients(X, Y, sample_weight=weight)[0] == pytest.approx(half)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_check_gradients(dtype: str):
    made = model(c.SoftmaxCrossEntropy(), 3, c.BatchNorm(), c.Dropout(0.2), dtype=dtype)
    check = made.check_gradients(X, Y)
    assert set(check) == {
        "dense_1.W",
        "dense_1.b",
        "batch_norm_1.gamma",
        "batch_norm_1.beta",
        "dense_2.W",
        "dense_2.b",
    }
    # dense_1.b stands before batch norm: its gradient is 0 up to rounding, and no worse than the floor allows.
    assert check.error < 1e-6 and check.worst in check
    text = str(check).splitlines()
    assert text[0].split() == ["parameter", "backpropagation", "central", "difference", "relative", "error"]
    assert len(text) == 1 + len(check) + 1 and text[-1].startswith(f"worst: {check.worst}[")
    comparison = check["dense_2.W"]
    _, grads = made.loss_and_gradients(X, Y)
    if dtype == "float64":
        assert made.check_gradients(X, Y, samples=50)["dense_2.W"].gradient == pytest.approx(
            grads["dense_2"].W[made.check_gradients(X, Y, samples=50)["dense_2.W"].at]
        )
    assert comparison.error == pytest.approx(
        abs(comparison.gradient - comparison.numeric)
        / max(abs(comparison.gradient), abs(comparison.numeric)),
        abs=1e-9,
    )
    assert "dense_1.W[" in str(made.check_gradients(X, Y, entries=None, samples=5, training=False))


def test_check_gradients_finds_a_wrong_one():
    class Wrong(c.Activation):
        """tanh, with the derivative of something else."""

        def f(self, z: Any) -> Any:
            return np.tanh(z)

        def prime(self, z: Any, a: Any) -> Any:
            return 1 - a

    check = model(c.MeanSquaredError(), 1, Wrong()).check_gradients(X, VALUES[:, 0])
    assert check.worst.startswith("dense_1") and check.error > 1e-2 and check["dense_2.W"].error < 1e-6


def test_summary_counts():
    made = model(c.SoftmaxCrossEntropy(), 3, c.BatchNorm()).freeze("dense_1")
    summary = made.summary(batch_size=32)
    assert summary.parameters == made.theta.size == 4 * 6 + 6 + 12 + 6 * 3 + 3
    assert summary.trained == summary.parameters - 30
    assert summary.parameter_bytes == 8 * summary.parameters
    assert [row.name for row in summary.rows] == ["dense_1", "batch_norm_1", "tanh_1", "dense_2"]
    text = str(summary)
    for words in ("dense_1", "30 frozen", "30 of them frozen", "batches of 32", "Dense(6)"):
        assert words in text


def test_repr_is_how_it_was_written():
    made = c.Model(
        c.Network(4, [c.Dense(6), c.Residual([c.Dense(6), c.ReLU()]), c.Dense(3)], c.Huber(), l2=0.1)
    )
    written = "Network(4, [Dense(6), Residual([Dense(6), ReLU()]), Dense(3)], loss=Huber(delta=1.0), l2=0.1)"
    assert repr(made.network) == written
    assert repr(made) == "<Model 4-6-6-3: 93 parameters, float32, regression, not trained yet>"
    again = eval(written, vars(c) | {name: getattr(c, name) for name in c.__all__})
    assert repr(again) == written


def test_a_layer_of_ones_own(tmp_path: Path):
    class Scale(c.Layer):
        def forward(self, params: Any, a: Any, ctx: Any) -> Any:
            return 3.0 * a, None

        def backward(self, params: Any, cache: Any, delta: Any, ctx: Any) -> Any:
            return (), 3.0 * delta

    made = model(c.SoftmaxCrossEntropy(), 3, Scale())
    assert made.check_gradients(X, Y).error < 1e-6
    made.fit(X, Y, epochs=2, callbacks=[c.Checkpoint(tmp_path / "run")])
    made.save(tmp_path / "model")
    np.testing.assert_array_equal(
        c.load(tmp_path / "model", custom={"scale": Scale}).predict(X), made.predict(X)
    )


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_outputs_beyond_the_largest_number_give_nan_metrics(engine):
    made = c.Model(c.Network(2, [c.Dense(2)], c.SoftmaxCrossEntropy()))
    found = made.evaluate(np.full((4, 2), 1e300), [0, 1, 0, 1], engine=engine)
    assert {"loss", "accuracy", "f1", "auc", "log_loss"} < set(found)
    assert all(np.isnan(value) for value in found.values())


def test_a_refused_fit_leaves_the_model_as_it_was(tmp_path):
    made = c.Model(c.Network(2, [c.Standardize(), c.Dense(2)], c.SoftmaxCrossEntropy()))
    X, y = [[1.0, 2.0], [3.0, 4.0]], ["a", "b"]
    for refused in ({"engine": "gpu"}, {"resume": tmp_path / "none"}):
        with pytest.raises(c.ConfigError):
            made.fit(X, y, **refused)
        assert made.states["standardize_1"].count == 0
        assert made.classes is None


@pytest.mark.parametrize("engine", ["reference", "auto"])
def test_a_last_batch_of_one_leaves_the_running_statistics(engine):
    rng = np.random.default_rng(0)
    X, y = 3 + rng.normal(size=(9, 2)), rng.integers(0, 2, 9)
    made = c.Model(
        c.Network(2, [c.BatchNorm(momentum=0.5), c.Dense(2)], c.SoftmaxCrossEntropy()), dtype="float64"
    )
    made.fit(X, y, epochs=1, batch_size=8, shuffle=False, engine=engine)
    state = made.states["batch_norm_1"]
    assert state.mean == pytest.approx(0.5 * X[:8].mean(0))
    assert state.var == pytest.approx(0.5 + 0.5 * X[:8].var(0, ddof=1))


def test_probabilities_as_targets_mean_the_same_for_one_output_and_for_two():
    shares = GENERATOR.uniform(size=50)
    losses = []
    for outputs, y in ((1, shares), (1, shares[:, None]), (2, np.stack([shares, 1 - shares], 1))):
        made = c.Model(c.Network(4, [c.Dense(outputs)], c.SigmoidCrossEntropy()), dtype="float64")
        made.theta[:] = 0
        losses.append(made.evaluate(X, y)["loss"])
        made.fit(X, y, epochs=1)
    assert losses == pytest.approx([np.log(2), np.log(2), 2 * np.log(2)])


def test_probabilities_as_targets_of_one_output():
    shares = np.where(X[:, 0] > 0, 0.75, 0.5)
    made = c.Model(c.Network(4, [c.Dense(1)], c.SigmoidCrossEntropy()), dtype="float64")
    made.fit(X, shares, epochs=3)
    assert made.classes is not None and made.classes.tolist() == [0, 1]
    expected = metrics.confusion_matrix(shares > 0.5, made.predict(X))
    np.testing.assert_array_equal(made.confusion_matrix(X, shares), expected)
    made.fit(X, (shares > 0.5).astype(float), epochs=1)  # labels again
    with pytest.raises(c.DataError, match="y contains labels unknown to the model"):
        made.fit(X, shares + 1)


def of_yes_and_no(loss: c.Loss, outputs: int) -> tuple[c.Model, Any]:
    made = model(loss, outputs)
    words = np.where(LABELS[:, 0] == 1, "yes", "no")
    made.fit(X, words, epochs=3, batch_size=16)
    return made, words


@pytest.mark.parametrize(("loss", "outputs"), [(c.SigmoidCrossEntropy(), 1), (c.SoftmaxCrossEntropy(), 2)])
@pytest.mark.parametrize("positive", ["no", "yes"])
def test_the_positive_class_can_be_chosen(loss: c.Loss, outputs: int, positive: str):
    made, words = of_yes_and_no(loss, outputs)
    weight = np.linspace(0.1, 3, 50)
    found = made.evaluate(X, words, positive=positive, sample_weight=weight)
    predicted, share = made.predict(X), made.predict_proba(X)[:, int(positive == "yes")]
    for name, score in (
        ("f1", metrics.f1_score),
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
    ):
        expected = score(words, predicted, pos_label=positive, sample_weight=weight, zero_division=0)
        assert found[name] == pytest.approx(expected, rel=1e-12)
    is_it = words == positive
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(is_it, share, sample_weight=weight))
    assert found["average_precision"] == pytest.approx(
        metrics.average_precision_score(is_it, share, sample_weight=weight)
    )
    if outputs == 1:
        assert (made.evaluate(X, words) == made.evaluate(X, words, positive=positive)) == (positive == "yes")


def test_without_positive_two_outputs_are_averaged_over():
    made, words = of_yes_and_no(c.SoftmaxCrossEntropy(), 2)
    expected = metrics.f1_score(words, made.predict(X), average="macro", zero_division=0)
    assert made.evaluate(X, words)["f1"] == pytest.approx(expected)


def test_a_positive_class_that_cannot_be_is_refused():
    made, words = of_yes_and_no(c.SigmoidCrossEntropy(), 1)
    with pytest.raises(c.ConfigError, match="positive must be 'no' or 'yes', not 'maybe'"):
        made.evaluate(X, words, positive="maybe")
    for task, what in (
        ("multiclass", "3 classes"),
        ("multilabel", "multilabel"),
        ("regression", "regression"),
    ):
        made, y = fitted(task)
        with pytest.raises(c.ConfigError, match=f"positive is for two classes; this network is for {what}"):
            made.evaluate(X, y, positive=1)
