"""The commonest mistakes are said, each where it is first known; what is as it should be is quiet."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import chainrule as c
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.formulas.losses import LOSSES

RNG = np.random.default_rng(7)
X = RNG.normal(size=(60, 3))
SIGNAL = X @ RNG.normal(size=(3, 2))


def network(*layers: c.Layer, loss: c.Loss, outputs: int = 1) -> c.Network:
    return c.Network(3, [c.Dense(4), c.Tanh(), c.Dense(outputs), *layers], loss)


def model(*layers: c.Layer, loss: c.Loss | None = None, outputs: int = 1) -> c.Model:
    return c.Model(network(*layers, loss=c.MeanSquaredError() if loss is None else loss, outputs=outputs))


def said(call: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    assert all(w.category is UserWarning and w.filename == __file__ for w in found)
    return [str(w.message) for w in found]


# --- a last layer and a loss that do not go together


@pytest.mark.parametrize("end", [c.Sigmoid(), c.Softmax()], ids=repr)
@pytest.mark.parametrize("loss", [c.SigmoidCrossEntropy(), c.SoftmaxCrossEntropy()], ids=repr)
def test_probabilities_before_a_loss_that_takes_logits(end: c.Layer, loss: c.Loss):
    (sentence,) = said(lambda: network(end, loss=loss, outputs=2))
    assert f"the last layer is a {type(end).__name__}: remove that layer" in sentence
    own = {"SigmoidCrossEntropy": "Sigmoid", "SoftmaxCrossEntropy": "Softmax"}[type(loss).__name__]
    assert f"applies {own.lower()} itself" in sentence
    assert ("or use" in sentence) == (type(end).__name__ == own)


@pytest.mark.parametrize("loss", [c.BinaryCrossEntropy(), c.CategoricalCrossEntropy()], ids=repr)
@pytest.mark.parametrize("ends", [[], [c.ReLU()], [c.Tanh()], [c.Identity()], [c.BatchNorm()]], ids=repr)
def test_no_probabilities_before_a_loss_that_takes_them(ends: list[c.Layer], loss: c.Loss):
    (sentence,) = said(lambda: network(*ends, loss=loss, outputs=2))
    last = type(ends[0]).__name__ if ends else "Dense"
    end, instead = (
        ("Sigmoid", "Sigmoid") if isinstance(loss, c.BinaryCrossEntropy) else ("Softmax", "Softmax")
    )
    assert sentence.endswith(
        f"probabilities, but the last layer is a {last}: add a {end}(), or use {instead}CrossEntropy."
    )


class Own(c.Layer):
    def forward(self, params: Any, a: Any, ctx: Any) -> Any:
        return a, None

    def backward(self, params: Any, cache: Any, delta: Any, ctx: Any) -> Any:
        return (), delta


@pytest.mark.parametrize("kind", LOSSES)
def test_what_goes_together_is_quiet(kind: str):
    loss = LOSSES[kind]()
    wants_shares = loss.domain == "probability"
    for end in (*(layer() for layer in ACTIVATIONS.values()), Own()):
        is_share = isinstance(end, (c.Sigmoid, c.Softmax))
        takes_logits = loss.targets in ("binary", "classes") and not wants_shares
        is_mistake = (takes_logits and is_share) or (wants_shares and not is_share and type(end) is not Own)
        assert bool(said(lambda end=end: network(end, loss=loss, outputs=2))) == is_mistake
    assert not said(lambda: network(c.Sigmoid(), c.Rescale(0.9, 0.05), loss=loss, outputs=2))


# --- targets


def fit(made: c.Model, y: Any, X: Any = X, **settings: Any) -> list[str]:
    return said(lambda: made.fit(X, y, **{"epochs": 1} | settings))


@pytest.mark.parametrize("y", [100 + 20 * SIGNAL[:, 0], 1e-4 * SIGNAL[:, 0], 1e5 * SIGNAL[:, 0]])
@pytest.mark.parametrize(
    "loss", [c.MeanSquaredError(), c.Huber(), c.MeanAbsoluteError(), c.Quantile()], ids=repr
)
def test_targets_in_units_of_their_own(y: np.ndarray, loss: c.Loss):
    made = model(loss=loss)
    (sentence,) = fit(made, y)
    assert f"y has mean {y.mean():.3g} and standard deviation {y.std():.3g}" in sentence
    assert "pass scale_targets=True" in sentence
    assert fit(made, y) == []  # it was said
    assert fit(model(loss=loss), y, scale_targets=True) == []


def test_outputs_of_unequal_units():
    (sentence,) = fit(model(outputs=2), SIGNAL * [1, 1e3])
    assert "standard deviations from" in sentence and "scale_targets=True" in sentence
    assert fit(model(outputs=2), SIGNAL * [1, 1e3], scale_targets=True) == []


def test_targets_that_a_network_reaches_are_quiet():
    for y in (SIGNAL, 5 + 3 * SIGNAL, 0.1 * SIGNAL, np.zeros((60, 2)), SIGNAL * [1, 0], SIGNAL * [1, 20]):
        assert fit(model(outputs=2), y) == []
    y = 1e6 + 1e3 * SIGNAL[:, 0]
    assert fit(model(c.Rescale(1e3, 1e6)), y) == []  # scaled by hand
    assert fit(model(), y, optimizer="lbfgs") == []  # which finds its own step
    assert fit(model(), y, epochs=0) == []
    assert fit(model(loss=c.Poisson()), np.full(60, 50)) == []
    weight = np.r_[0.0, np.ones(59)]
    assert fit(model(), np.r_[1e9, SIGNAL[1:, 0]], sample_weight=weight) == []  # it does not count


@pytest.mark.parametrize(("loss", "outputs"), [(c.SigmoidCrossEntropy(), 1), (c.SoftmaxCrossEntropy(), 3)])
def test_one_class_only(loss: c.Loss, outputs: int):
    made = model(loss=loss, outputs=outputs)
    (sentence,) = fit(made, np.ones(60, int))
    assert "y contains only one class, 1, so" in sentence
    assert fit(made, np.zeros(60, int)) == []  # a trained model may see one class at a time
    assert said(lambda: made.evaluate(X, np.ones(60, int))) == []


def test_one_class_is_called_by_its_label_and_one_probability_is_none():
    made = model(loss=c.SigmoidCrossEntropy())
    made.classes = np.array(["ill", "well"])
    assert "only one class, 'well', so" in fit(made, np.full(60, "well"))[0]
    assert fit(model(loss=c.SigmoidCrossEntropy()), np.full(60, 0.5)) == []


def test_of_few_samples_nothing_is_said():
    for y, made in (
        (np.ones(9, int), model(loss=c.SigmoidCrossEntropy())),
        (1e5 * SIGNAL[:9, 0], model()),
        (SIGNAL[:9] * [1, 1e5], model(outputs=2)),
    ):
        assert fit(made, y, X[:9]) == []


def test_more_outputs_than_classes():
    y = np.arange(60) % 3
    (sentence,) = fit(model(loss=c.SoftmaxCrossEntropy(), outputs=6), y)
    assert sentence == (
        "y contains the classes 0 to 2, but the network has 6 outputs; give its last Dense layer 3 units."
    )
    assert fit(model(loss=c.SoftmaxCrossEntropy(), outputs=3), y) == []
    assert (
        fit(model(loss=c.SoftmaxCrossEntropy(), outputs=6), np.where(y == 2, 5, y)) == []
    )  # a gap, not an end
    assert fit(model(loss=c.SoftmaxCrossEntropy(), outputs=10), y) == []  # too few samples to say
    assert fit(model(loss=c.SoftmaxCrossEntropy(), outputs=3), np.eye(3)[y]) == []
    assert fit(model(loss=c.SigmoidCrossEntropy(), outputs=2), (SIGNAL > 0).astype(int)) == []


# --- a model that was never trained


@pytest.mark.parametrize(
    "use", [lambda m: m.predict(X), lambda m: m.predict_proba(X)], ids=["labels", "shares"]
)
def test_a_model_that_was_never_trained(use: Callable[[c.Model], Any], tmp_path: Any):
    def fresh() -> c.Model:
        return model(loss=c.SigmoidCrossEntropy())

    (sentence,) = said(lambda: use(fresh()))
    assert "the model was never trained" in sentence
    by_hand, trained, replaced = fresh(), fresh(), fresh().replace_head([c.Dense(1)])
    by_hand.theta[0] += 1
    trained.fit(X, np.arange(60) % 2, epochs=1)
    fresh().save(tmp_path / "m.safetensors")
    for made in (by_hand, trained, c.load(tmp_path / "m.safetensors")):
        assert said(lambda made=made: use(made)) == []
    assert len(said(lambda: use(replaced))) == 1  # its trunk was not trained either
    # what it gives before it is trained may be looked at
    assert (
        said(lambda: (fresh().outputs(X), fresh().trace(X[0], 1), fresh().evaluate(X, np.arange(60) % 2)))
        == []
    )


# --- codes


@pytest.mark.parametrize("wrong", [3, -1, 0.5])
@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix], ids=["array", "CSR"])
def test_codes_that_are_none(wrong: float, form: Callable[[Any], Any]):
    codes = np.column_stack([X[:, 0], np.arange(60) % 3, np.arange(60) % 2]).astype(float)
    columns = [(1, 3, 2), (2, 2, 2)]

    def fit() -> None:
        made = c.Model(c.Network(3, [c.Embedding(columns), c.Dense(2)], c.SoftmaxCrossEntropy()))
        made.fit(form(codes), np.arange(60) % 2, epochs=1)

    assert said(fit) == []
    codes[7, 1] = wrong
    (sentence,) = said(fit)
    assert sentence.startswith(
        f"column 1 of X contains {wrong:g}, which is not a code from 0 to 2 and is treated as 0 (unknown)"
    )
