"""One judgement of a model: that it says what the model's own methods say, from outputs at hand."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule.recipe.judge import judge, positive_of
from chainrule.trained.trained import Trained

R = np.random.default_rng(3)
X = R.normal(size=(90, 4))
TASKS: dict[str, Any] = {
    "regression": (c.MeanSquaredError(), 1, 5 + X[:, 0]),
    "binary": (c.SigmoidCrossEntropy(), 1, np.array(["no", "yes"])[(X[:, 0] > 0).astype(int)]),
    "multiclass": (c.SoftmaxCrossEntropy(), 3, np.digitize(X[:, 0], [-0.4, 0.4])),
    "multilabel": (c.SigmoidCrossEntropy(), 3, (X[:, :3] > 0).astype(int)),
}


def trained(task: str) -> tuple[c.Model, Any]:
    loss, outputs, y = TASKS[task]
    model = c.Model(c.Network(4, [c.Dense(6), c.Tanh(), c.Dense(outputs)], loss))
    model.fit(X, y, epochs=3, batch_size=16, scale_targets=task == "regression" or None)
    return model, y


@pytest.mark.parametrize("task", TASKS)
def test_it_says_what_the_model_says(task: str):
    model, y = trained(task)
    samples = model.check_samples(X, y)
    found = judge(model, samples, part="test")
    assert found.metrics == model.evaluate(X, y) and (found.part, found.task, found.n) == ("test", task, 90)
    said = model.predict(X)
    classes = np.array(found.classes)
    np.testing.assert_array_equal(
        classes[found.predicted] if task in ("binary", "multiclass") else found.predicted.reshape(said.shape),
        said,
    )
    if task == "regression":
        assert found.shares is None and found.matrix is None
        wrong = np.abs(np.ravel(said) - y)
        assert found.worst[0] == wrong.argmax()
    else:
        np.testing.assert_array_equal(found.shares, model.predict_proba(X))
        assert found.positive == ("yes" if task == "binary" else None)
    if task in ("binary", "multiclass"):
        np.testing.assert_array_equal(found.matrix, model.confusion_matrix(X, y))
        assert set(found.worst) <= set(np.flatnonzero(said != y))
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("task", TASKS)
def test_outputs_at_hand_are_not_computed_again(task: str, monkeypatch: pytest.MonkeyPatch):
    model, y = trained(task)
    samples = model.check_samples(X, y)
    whole, out = judge(model, samples), model.outputs(X)
    monkeypatch.setattr(Trained, "outputs", None)
    again = judge(model, samples, outputs=out)
    assert whole.to_data() == again.to_data()


def test_what_an_average_says_is_not_clipped_to_the_range_of_its_first_model():
    """It may be beyond: similar training rows correct it."""
    y = np.arange(12.0)
    model = c.Model(c.Network(4, [c.Dense(1)], c.MeanSquaredError()), seed=0)
    model.fit(X[:12], y, epochs=1, scale_targets="clamp")
    samples = model.check_samples(X[:12], y)
    beyond = y[:, None] + np.where(y == 11, 2.0, 0.0)[:, None]
    for known in (samples, samples._replace(y=y[:, None], scale=None)):
        found = judge(model, known, outputs=beyond)
        assert found.metrics["rmse"] == pytest.approx(2 / np.sqrt(12)) and found.predicted[11] == 13
    assert model.target_scale is not None and model.target_scale.high == 11


def test_the_positive_class():
    model, y = trained("binary")
    found = judge(model, model.check_samples(X, y), positive=positive_of(model, "no"))
    assert found.positive == "no" and found.metrics == model.evaluate(X, y, positive="no")
    assert positive_of(model, None) is None
    with pytest.raises(c.ConfigError, match="positive must be no or yes, not 'maybe'"):
        positive_of(model, "maybe")


def test_outputs_that_overflow_bring_no_warning():
    model = c.Model(c.Network(4, [c.Dense(1)], c.MeanSquaredError()), dtype="float64")
    y = np.full(90, 1e200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = judge(model, model.check_samples(X, y))
    assert found.metrics["loss"] == np.inf and json.dumps(found.to_json(), allow_nan=False)
