"""A loss without a formula of the kernels: the native engine calls it, and trains as with a formula."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from chainrule import (
    Adam,
    Compute,
    ConfigError,
    Dense,
    FormatError,
    Loss,
    LossFunction,
    MeanOverMembers,
    MeanSquaredError,
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    load,
)
from chainrule.engines import ENGINES, Plan, native
from chainrule.formulas.losses import LOSSES

needs_native = pytest.mark.skipif(native.REASON is not None, reason=str(native.REASON))
RNG = np.random.default_rng(3)
N = 90
X = RNG.normal(size=(N, 5)).astype(np.float32)
TARGETS: dict[str, Any] = {
    "real": RNG.normal(size=(N, 3)),
    "counts": RNG.poisson(2.0, (N, 3)),
    "amounts": RNG.gamma(1.0, 1.0, (N, 3)) * (RNG.random((N, 3)) < 0.6),
    "positive": RNG.gamma(2.0, 1.0, (N, 3)),
    "binary": (RNG.random((N, 3)) < 0.4).astype(np.float64),
    "survived": np.array([[1, 1, 0.4], [1, -1, 0], [-1, 0, 0], [1, 1, 1], [0.5, 0, 0]])[np.arange(N) % 5],
    "classes": RNG.integers(0, 3, N),
}


def own(loss: Loss) -> Loss:
    """Return the loss as one of a subclass, which says nothing of a formula."""
    kind = type(f"Own{type(loss).__name__}", (type(loss),), {"kind": f"own_{type(loss).kind}"})
    made: Loss = kind(**{each.name: getattr(loss, each.name) for each in dataclasses.fields(loss)})  # type: ignore
    assert made.formula() is None
    return made


def trained(loss: Loss, engine: Any = "native", y: Any = None, **settings: Any) -> Model:
    last = [Dense(3), Sigmoid()] if loss.domain == "probability" else [Dense(3 * loss.members)]
    model = Model(
        Network(5, [Dense(8), Tanh(), *last], loss), seed=2, dtype=settings.pop("dtype", np.float32)
    )
    given = {"X": X, "y": TARGETS[loss.targets] if y is None else y, "epochs": 3, "batch_size": 16}
    model.fit(**(given | settings), optimizer=Adam(0.01), engine=engine)
    return model


@needs_native
@pytest.mark.parametrize("kind", sorted(LOSSES))
def test_it_trains_as_its_formula_does(kind: str):
    """Sums of other orders apart; losses, scores and sample weights too."""
    formula = LOSSES[kind]()
    weight = RNG.integers(0, 3, N).astype(np.float64)
    one, other = (trained(loss, sample_weight=weight) for loss in (formula, own(formula)))
    np.testing.assert_allclose(other.theta, one.theta, rtol=2e-4, atol=2e-5)
    for name in sorted(one.history[-1].keys() - {"seconds", "samples_per_second"}):
        np.testing.assert_allclose(other.history[name], one.history[name], rtol=1e-4, err_msg=name)


@needs_native
@pytest.mark.parametrize(
    "loss", [SoftmaxCrossEntropy(label_smoothing=0.1), MeanOverMembers(MeanSquaredError(), 2)]
)
def test_smoothing_and_members(loss: Loss):
    inner = loss.of_member
    mine = own(loss) if inner is loss else MeanOverMembers(own(inner), 2)
    np.testing.assert_allclose(trained(mine).theta, trained(loss).theta, rtol=2e-4, atol=2e-5)


@needs_native
def test_threads_change_no_bit():
    mine = own(SoftmaxCrossEntropy())
    X = RNG.normal(size=(256, 100)).astype(np.float32)
    y = np.arange(256) % 4
    found = []
    for threads in ("1", "2"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", threads)
            model = Model(Network(100, [Dense(300), ReLU(), Dense(4)], mine), seed=2)
            model.fit(X, y, epochs=2, batch_size=128, optimizer=Adam(0.01), engine="native")
        found.append(model.theta)
    np.testing.assert_array_equal(*found)


@needs_native
def test_other_precisions_and_sparse_samples():
    formula = SoftmaxCrossEntropy()
    exact = trained(own(formula), dtype=np.float64).theta
    np.testing.assert_allclose(
        exact, trained(own(formula), "reference", dtype=np.float64).theta, rtol=1e-9, atol=1e-11
    )
    bf16 = [trained(loss, Compute("native", precision="bf16")).theta for loss in (formula, own(formula))]
    np.testing.assert_allclose(*bf16, rtol=1e-3, atol=1e-3)
    sparse = trained(own(formula), X=scipy.sparse.csr_matrix(X)).theta
    np.testing.assert_allclose(sparse, trained(own(formula)).theta, rtol=1e-4, atol=1e-5)


@needs_native
def test_the_engine_is_chosen_by_itself():
    plan = Plan(Network(5, [Dense(3)], own(MeanSquaredError())), Adam(0.01))
    assert ENGINES["native"].refusal(plan) is None
    np.testing.assert_array_equal(
        *(trained(plan.network.loss, engine).theta for engine in ("auto", "native"))
    )


class Stumbling(MeanSquaredError):
    """It raises an error of its own at the fourth step."""

    kind = "stumbling"
    calls = 0

    def value(self, out: Any, y: Any) -> Any:
        if len(out) == 16:
            type(self).calls += 1
        if self.calls == 4:
            raise LookupError("the fourth")
        return super().value(out, y)


@needs_native
def test_an_error_in_it_is_raised_with_the_parameters_of_the_step_before():
    def fit(loss: Loss, **settings: Any) -> Model:
        model = Model(Network(5, [Dense(3)], loss), seed=2)
        with pytest.raises(LookupError, match="the fourth") if type(loss) is Stumbling else nullcontext():
            model.fit(X[:48], TARGETS["real"][:48], batch_size=16, shuffle=False, engine="native", **settings)
        return model

    model, same = fit(Stumbling(), epochs=2), fit(MeanSquaredError(), epochs=1)
    np.testing.assert_allclose(model.theta, same.theta, rtol=1e-5, atol=1e-6)


class Tilted(MeanSquaredError):
    """Its gradient is twice as steep above 1."""

    kind = "tilted"

    def gradient(self, out: Any, y: Any) -> Any:
        return super().gradient(out, y) * np.where(out > 1, 2, 1)


class Unsummed(MeanSquaredError):
    kind = "unsummed"

    def value(self, out: Any, y: Any) -> Any:
        return (out - y) ** 2


class Kinked(Loss):
    """|r|, whose derivative jumps where r = 0"""

    kind, targets = "kinked", "real"

    def value(self, out: Any, y: Any) -> Any:
        return np.abs(out - y).sum(1)

    def gradient(self, out: Any, y: Any) -> Any:
        return np.sign(out - y)


@pytest.mark.parametrize("engine", ["reference", pytest.param("native", marks=needs_native)])
def test_a_gradient_that_does_not_fit_is_refused_before_the_first_step(engine: str):
    said = (
        r"Tilted.gradient is not the derivative of Tilted.value: for output 1\.\d+ and target .* correct one"
    )
    with pytest.raises(ConfigError, match=said):
        trained(Tilted(), engine)
    with pytest.raises(
        ConfigError, match=r"Unsummed.value must return an array of shape \(8,\) for outputs \(8, 3\)"
    ):
        trained(Unsummed(), engine)
    whole = np.round(TARGETS["real"])
    assert np.isfinite(trained(Kinked(), engine, whole).theta).all()


CALLS: list[int] = []


def softmax(out: Any, y: Any) -> tuple[Any, Any]:
    """Softmax cross-entropy, which counts its calls."""
    CALLS.append(len(out))
    e = np.exp(out - out.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    return -np.log((p * y).sum(1)), p - y


def squared(out: Any, y: Any) -> tuple[Any, Any]:
    return ((out - y) ** 2).sum(1) / 2, out - y


@pytest.mark.parametrize("engine", ["reference", pytest.param("native", marks=needs_native)])
def test_a_function_trains_as_its_formula_does_by_one_call_a_step(engine: str):
    CALLS.clear()
    one, other = (trained(loss, engine) for loss in (LossFunction(softmax, "classes"), SoftmaxCrossEntropy()))
    np.testing.assert_allclose(one.theta, other.theta, rtol=2e-4, atol=2e-5)
    assert one.history["accuracy"] == other.history["accuracy"]
    assert CALLS.count(16) == 3 * (N // 16)
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=1e-3, atol=1e-5)
    network = Network(5, [Dense(8), Tanh(), Dense(3)], squared)
    model, same = (
        Model(each, seed=2) for each in (network, Network(5, network.layers, MeanSquaredError(half=True)))
    )
    for each in (model, same):
        each.fit(X, TARGETS["real"], epochs=2, scale_targets=False, engine=engine)
    np.testing.assert_allclose(model.predict(X), same.predict(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("engine", ["reference", pytest.param("native", marks=needs_native)])
@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda out, y: squared(out, y)[0], r"must return a tuple \(loss, gradient\) .* not ndarray"),
        (lambda out, y: (squared(out, y)[0], y - out), r"gradient is not the derivative of <lambda>.value"),
        (lambda out, y: ((out - y) ** 2, out - y), r"value must return an array of shape \(8,\)"),
    ],
)
def test_a_function_that_does_not_fit_is_refused(function: Any, says: str, engine: str):
    with pytest.raises(ConfigError, match=says):
        trained(LossFunction(function), engine)


def test_a_class_is_no_function():
    with pytest.raises(ConfigError, match="loss must be a loss such as"):
        Network(3, [Dense(1)], MeanSquaredError)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a class of a loss is called"):
        LossFunction(MeanSquaredError)
    with pytest.raises(ConfigError, match="targets must be one of real, binary, classes"):
        LossFunction(squared, "labels")
    with pytest.raises(ConfigError, match="or a function, not the class"):
        MLPRegressor(MeanSquaredError).fit(X, TARGETS["real"])
    with pytest.raises(ConfigError, match="label_smoothing does not apply to a function"):
        MLPClassifier(loss=softmax, label_smoothing=0.1).fit(X, TARGETS["classes"])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("preprocess", [None, "auto"])
def test_estimators_and_their_files(tmp_path: Path, preprocess: Any):
    """A file has the name of the function, which is given again."""
    path, how = tmp_path / "model.safetensors", {"max_iter": 5, "random_state": 0, "preprocess": preprocess}
    numbers = MLPRegressor(squared, **how).fit(X, TARGETS["real"][:, 0])
    numbers.save(path)
    with pytest.raises(FormatError, match=r"no loss of kind 'squared'.* or of a function the function"):
        MLPRegressor.load(path)
    again = MLPRegressor.load(path, custom={"squared": squared})
    assert again.loss is squared and again.model_.network.loss == LossFunction(squared)
    np.testing.assert_array_equal(again.predict(X), numbers.predict(X))
    np.testing.assert_array_equal(MLPRegressor.load(path, custom=[squared]).predict(X), numbers.predict(X))
    if preprocess is None:
        named = MLPRegressor(max_iter=5, random_state=0).fit(X, TARGETS["real"][:, 0])
        np.testing.assert_allclose(numbers.predict(X), named.predict(X), rtol=1e-4, atol=1e-6)
        labels = MLPClassifier(loss=softmax, **how).fit(X, TARGETS["classes"])
        of_name = MLPClassifier(max_iter=5, random_state=0).fit(X, TARGETS["classes"])
        np.testing.assert_allclose(labels.predict_proba(X), of_name.predict_proba(X), rtol=1e-4, atol=1e-6)
        assert labels.model_.network.loss.targets == "classes"
        assert load(path, custom=squared).network.loss == LossFunction(squared)
