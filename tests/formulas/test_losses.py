"""Losses: numbers worked by hand, extreme inputs, and every gradient against differences and `jax.grad`."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import mean_tweedie_deviance

import strategies
from chainrule import (
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    ConfigError,
    FocalCrossEntropy,
    Gamma,
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    OrdinalCrossEntropy,
    Poisson,
    Quantile,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SurvivalCrossEntropy,
    Tweedie,
)
from chainrule.formulas import losses
from chainrule.formulas.losses import LOSSES

# Other settings than the default, by field: a new loss with one of these fields is tested with them as well.
SETTINGS: dict[str, list[Any]] = {
    "half": [True],
    "delta": [0.3],
    "q": [0.1, 0.9],
    "label_smoothing": [0.2],
    "power": [1.1, 1.9],
    "gamma": [0.0, 0.5],
}


def variants() -> list[Loss]:
    """Every loss of the registry as it is, and with each other setting of each field."""
    return [loss() for loss in LOSSES.values()] + [
        loss(**{field.name: value})
        for loss in LOSSES.values()
        for field in dataclasses.fields(loss)  # type: ignore[arg-type]
        for value in SETTINGS[field.name]
    ]


every_loss = pytest.mark.parametrize("loss", variants(), ids=repr)
both_precisions = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def targets_for(loss: Loss, rng: np.random.Generator, batch: int, outputs: int) -> np.ndarray:
    """Targets of the kind that the loss names, (batch, outputs)."""
    y = strategies.targets_for(loss, batch, outputs, rng)
    return np.eye(outputs)[y] if y.ndim == 1 else y.astype(float)


def outputs_for(loss: Loss, rng: np.random.Generator, batch: int, outputs: int) -> np.ndarray:
    """Outputs of the kind that the loss reads, (batch, outputs)."""
    if loss.domain == "probability":
        return rng.uniform(0.01, 0.99, (batch, outputs))
    return 3 * rng.normal(size=(batch, outputs))


def one(loss: Loss, out: list[float], y: list[float]) -> tuple[float, list[float]]:
    """The loss and its gradient for one sample."""
    row, target = np.array([out], float), np.array([y], float)
    return loss.value(row, target)[0], loss.gradient(row, target)[0].tolist()


LN2 = np.log(2)
G = -(9 + 6 * np.log(4)) / 16

BY_HAND = [
    # r = (1, -2, 0): 1 + 4 + 0, a sum over the outputs; 2 r
    (MeanSquaredError(), [1, 0, 3], [0, 2, 3], 5, [2, -4, 0]),
    (MeanSquaredError(half=True), [1, 0, 3], [0, 2, 3], 2.5, [1, -2, 0]),
    # r = (0.5, -3, 1): 0.125 + 1 (3 - 0.5) + 0.5; clipped to (0.5, -1, 1)
    (Huber(), [0.5, 0, 1], [0, 3, 0], 3.125, [0.5, -1, 1]),
    # delta = 2: 0.125 + 2 (3 - 1) + 0.5
    (Huber(delta=2), [0.5, 0, 1], [0, 3, 0], 4.625, [0.5, -2, 1]),
    (MeanAbsoluteError(), [1, 0, 3], [0, 2, 3], 3, [1, -1, 0]),
    # q = 0.9: 1 above costs 0.1, 2 below cost 0.9 each; at 0 the gradient is 0.5 - 0.9
    (Quantile(q=0.9), [1, 0, 3], [0, 2, 3], 1.9, [0.1, -0.9, -0.4]),
    (Quantile(), [1, 0, 3], [0, 2, 3], 1.5, [0.5, -0.5, 0]),
    # e^0 - 3 * 0 = 1 and e^ln2 - 1 ln2; 1 - 3 and 2 - 1
    (Poisson(), [0, LN2], [3, 1], 1 + 2 - LN2, [-2, 1]),
    # 0 + 3 e^0 and ln 2 + 1 e^-ln2; 1 - 3 and 1 - 1/2
    (Gamma(), [0, LN2], [3, 1], 3 + LN2 + 0.5, [-2, 0.5]),
    # p = 3/2: 2 e^(out/2) + 2 y e^(-out/2), of e^(out/2) = 2 and 1: 4 + 3 and 2 + 0; 2 - 3/2 and 1 - 0
    (Tweedie(), [2 * LN2, 0], [3, 0], 9, [0.5, 1]),
    # p = 5/4: 4/3 e^(3 out/4) + 4 y e^(-out/4) of e^(out/4) = 2: 32/3 + 6; 8 - 3/2
    (Tweedie(power=1.25), [4 * LN2], [3], 32 / 3 + 6, [6.5]),
    # sigmoid(ln 3) = 3/4: -log 3/4 for y = 1, -log 1/4 for y = 0; 3/4 - y
    (SigmoidCrossEntropy(), [np.log(3), np.log(3)], [1, 0], -np.log(3 / 16), [-0.25, 0.75]),
    # smoothed by 0.2: y = (0.9, 0.1)
    (SigmoidCrossEntropy(0.2), [np.log(3), np.log(3)], [1, 0], -np.log(3 / 16), [-0.15, 0.65]),
    # softmax = (1, 2, 5) / 8
    (SoftmaxCrossEntropy(), np.log([1, 2, 5]), [0, 1, 0], -np.log(2 / 8), [1 / 8, 2 / 8 - 1, 5 / 8]),
    # smoothed by 0.3: y = (0.1, 0.8, 0.1)
    (
        SoftmaxCrossEntropy(0.3),
        np.log([1, 2, 5]),
        [0, 1, 0],
        np.log(8) - 0.8 * LN2 - 0.1 * np.log(5),
        [1 / 8 - 0.1, 2 / 8 - 0.8, 5 / 8 - 0.1],
    ),
    # softmax = (1, 2, 5) / 8: (3/4)^2 ln 4; (0, g, 0) - a g, g = (3/4)^2 (2 (1/4) (-ln 4) / (3/4) - 1)
    (
        FocalCrossEntropy(),
        np.log([1, 2, 5]),
        [0, 1, 0],
        9 / 16 * np.log(4),
        [G / 8 * k for k in (-1, 6, -5)],
    ),
    # gamma = 1: (3/4) ln 4; g = (3/4) (-(1/4) ln 4 / (3/4) - 1) = -(3 + ln 4) / 4
    (
        FocalCrossEntropy(1),
        np.log([1, 2, 5]),
        [0, 1, 0],
        3 / 4 * np.log(4),
        [-(3 + np.log(4)) / 32 * k for k in (-1, 6, -5)],
    ),
    # t = (0, ln 3), sigmoid(t) = (1/2, 3/4), p = (1/2, 1/4, 1/4): ln 4; G = (1/2 - 1/4, -1/4), 2/3 (-1/4) - 1/3
    (OrdinalCrossEntropy(), [1, LN2, 1], [0, 1, 0], np.log(4), [1 / 4, -1 / 2, -1 / 4]),
    # smoothed by 0.3: y = (0.1, 0.8, 0.1): (0.1 + 1.6 + 0.2) ln 2; G = (0.35 - 0.125, -0.125)
    (OrdinalCrossEntropy(0.3), [1, LN2, 1], [0, 1, 0], 1.9 * LN2, [0.225, -0.35, -0.225]),
    # sigmoid = (3, 1, 1, 3) / 4: survived, half survived, the event, and no longer there; |y| a - max(y, 0)
    (
        SurvivalCrossEntropy(),
        np.log([3, 1 / 3, 1 / 3, 3]),
        [1, 0.5, -1, 0],
        -np.log(3 / 4) - np.log(1 / 4) / 2 - np.log(3 / 4),
        [-1 / 4, -3 / 8, 1 / 4, 0],
    ),
    # -log 1/4 - log(1 - 1/5); -1 / (1/4) and 1 / (4/5)
    (BinaryCrossEntropy(), [0.25, 0.2], [1, 0], -np.log(0.25) - np.log(0.8), [-4, 1.25]),
    (CategoricalCrossEntropy(), [0.25, 0.7, 0.05], [1, 0, 0], -np.log(0.25), [-4, 0, 0]),
]


@pytest.mark.parametrize("loss, out, y, value, gradient", BY_HAND, ids=lambda v: repr(v)[:40])
def test_numbers_by_hand(loss, out, y, value, gradient):
    got_value, got_gradient = one(loss, out, y)
    assert_allclose(got_value, value, rtol=1e-13)
    assert_allclose(got_gradient, gradient, rtol=1e-13, atol=1e-15)


def test_every_loss_has_numbers_by_hand():
    assert {type(case[0]) for case in BY_HAND} == set(LOSSES.values())


@every_loss
def test_registry_knows_its_kind(loss):
    assert LOSSES[loss.kind] is type(loss)
    assert loss.targets in {"real", "counts", "amounts", "positive", "binary", "classes", "survived"}
    assert loss.domain in {"real", "probability"}


@every_loss
@both_precisions
def test_keeps_dtype_and_shapes(loss, dtype):
    rng = np.random.default_rng(0)
    out, y = outputs_for(loss, rng, 4, 3).astype(dtype), targets_for(loss, rng, 4, 3).astype(dtype)
    value, gradient, predicted = loss.value(out, y), loss.gradient(out, y), loss.predict(out)
    assert value.shape == (4,) and gradient.shape == predicted.shape == (4, 3)
    assert value.dtype == gradient.dtype == predicted.dtype == dtype


@every_loss
@both_precisions
def test_extreme_outputs_stay_finite(loss, dtype):
    # A count's logarithm has a limit by nature: e^88 is the last that float32 holds.
    largest = 1 if loss.domain == "probability" else 80 if isinstance(loss, losses.LogLink) else 1e4
    out = np.array([[largest, -largest], [-largest, largest], [0, 0], [largest, largest]], dtype)
    if loss.domain == "probability":
        out = np.abs(out)
    for y in np.array([[[1, 0]], [[0, 1]]], dtype):
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            results = loss.value(out, y), loss.gradient(out, y), loss.predict(out)
        assert all(np.isfinite(result).all() for result in results)


@every_loss
@given(seed=st.integers(0, 2**32 - 1), batch=st.integers(1, 4), outputs=st.integers(1, 3))
def test_gradient_is_the_central_difference(loss, seed, batch, outputs):
    rng, h = np.random.default_rng(seed), 1e-6
    out, y = outputs_for(loss, rng, batch, outputs), targets_for(loss, rng, batch, outputs)
    assume(np.abs(out - y).min() > 1e-4)  # clear of the kink of the absolute ones
    gradient, rounding = (
        loss.gradient(out, y),
        1e-9 * np.abs(loss.value(out, y)).max(),
    )  # of differences: eps / h
    for k in range(outputs):
        step = h * np.eye(outputs)[k]
        difference = (loss.value(out + step, y) - loss.value(out - step, y)) / (2 * h)  # (batch,)
        assert_allclose(gradient[:, k], difference, rtol=1e-6, atol=1e-6 + rounding)


@pytest.mark.slow
@every_loss
def test_gradient_is_jax_grad_and_jit_agrees(loss):
    rng = np.random.default_rng(1)
    out, y = outputs_for(loss, rng, 8, 3), targets_for(loss, rng, 8, 3)
    value, gradient = jax.jit(jax.vmap(jax.value_and_grad(loss.value)))(jnp.asarray(out), jnp.asarray(y))
    assert value.dtype == np.float64
    assert_allclose(loss.value(out, y), value, rtol=1e-12, atol=1e-13)
    assert_allclose(loss.gradient(out, y), gradient, rtol=1e-11, atol=1e-13)
    assert_allclose(jax.jit(loss.gradient)(out, y), gradient, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("outputs", [1, 2, 3, 7])
def test_smoothing_divides_by_two_for_labels_and_by_the_classes_for_classes(outputs):
    y = np.eye(outputs)[:1]
    labels = losses.SigmoidCrossEntropy(label_smoothing=0.2), losses.BinaryCrossEntropy(label_smoothing=0.2)
    classes = (
        losses.SoftmaxCrossEntropy(label_smoothing=0.2),
        losses.CategoricalCrossEntropy(label_smoothing=0.2),
    )
    for loss in labels:
        assert_allclose(loss.smooth(y), 0.8 * y + 0.1, rtol=1e-15)
    for loss in classes:
        assert_allclose(loss.smooth(y), 0.8 * y + 0.2 / outputs, rtol=1e-15)


def test_logits_and_probabilities_are_the_same_loss():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(5, 4))
    for logits, probabilities in (
        (SoftmaxCrossEntropy(0.1), CategoricalCrossEntropy(0.1)),
        (SigmoidCrossEntropy(0.1), BinaryCrossEntropy(0.1)),
    ):
        y = targets_for(logits, rng, 5, 4)
        assert_allclose(logits.value(z, y), probabilities.value(logits.predict(z), y), rtol=1e-13)


def test_sigmoid_cross_entropy_keeps_the_digits_of_a_small_loss():
    # log(1 + e^-40) = e^-40 - e^-80 / 2 ..., which 40 + that - 40 would round to 0
    for loss in (SigmoidCrossEntropy(), SurvivalCrossEntropy()):
        value, _ = one(loss, [40], [1])
        assert_allclose(value, np.exp(-40), rtol=1e-15)


@both_precisions
def test_a_probability_of_zero(dtype):
    tiny = np.finfo(dtype).tiny
    a = np.array([0, tiny, 2 * tiny, 1], dtype)
    assert_array_equal(losses.clamped_log(a), np.log(np.array([tiny, tiny, 2 * tiny, 1], dtype)))
    assert_allclose(losses.clamped_log_prime(a), [0, 0, 1 / (2 * tiny), 1])
    # -log(tiny): 126 ln 2 = 87.3 in float32, 1022 ln 2 = 708.4 in float64
    assert_allclose(-losses.clamped_log(a)[0], {np.float32: 126, np.float64: 1022}[dtype] * LN2, rtol=1e-6)


def test_predict_is_the_mean_or_the_probabilities():
    out = np.log([[1.0, 3.0]])
    assert_allclose(SoftmaxCrossEntropy().predict(out), [[0.25, 0.75]])  # 1 : 3
    for loss in (SigmoidCrossEntropy(), SurvivalCrossEntropy()):
        assert_allclose(loss.predict(out), [[0.5, 0.75]])  # 1 / (1 + 1), 3 / (1 + 3)
    assert_allclose(Poisson().predict(out), [[1, 3]])
    for loss in (MeanSquaredError(), Huber(), MeanAbsoluteError(), Quantile(), BinaryCrossEntropy()):
        assert loss.predict(out) is out


# --- amounts


@pytest.mark.parametrize(
    "loss, power", [(Poisson(), 1), (Gamma(), 2), (Tweedie(1.2), 1.2), (Tweedie(1.9), 1.9)]
)
def test_the_loss_is_half_the_deviance_but_for_a_part_of_y(loss: losses.LogLink, power: float):
    rng = np.random.default_rng(5)
    y, mean = targets_for(loss, rng, 40, 1), np.exp(rng.normal(size=(40, 1)))
    half = loss.value(np.log(mean), y) + loss.saturated(y)
    assert_allclose(2 * half.mean(), mean_tweedie_deviance(y[:, 0], mean[:, 0], power=power), rtol=1e-12)
    assert (half >= -1e-12).all() and loss.power == power
    assert_allclose(
        loss.value(np.log(y + (y == 0)), y)[y[:, 0] > 0] + loss.saturated(y)[y[:, 0] > 0], 0, atol=1e-12
    )
    # of two outputs the sum
    assert_allclose(loss.saturated(np.hstack([y, y])), 2 * loss.saturated(y), rtol=1e-15)


def test_tweedie_joins_poisson_and_gamma():
    rng = np.random.default_rng(6)
    out, y = rng.normal(size=(20, 2)), rng.gamma(2.0, size=(20, 2))
    for near, limit in ((Tweedie(1 + 1e-9), Poisson()), (Tweedie(2 - 1e-9), Gamma())):
        assert_allclose(near.gradient(out, y), limit.gradient(out, y), rtol=1e-7, atol=1e-7)
        # of the value what depends on out, to the digits that 1e9 leaves
        change, expected = (loss.value(out, y) - loss.value(0 * out, y) for loss in (near, limit))
        assert_allclose(change, expected, atol=1e-5)


@pytest.mark.parametrize("loss", [Poisson(), Gamma(), Tweedie(), Tweedie(1.2)], ids=repr)
def test_amounts_are_predicted_by_their_weighted_mean(loss: losses.LogLink):
    y, s = np.array([[1.0], [4.0], [10.0]]), np.array([3.0, 2.0, 1.0])
    mean = np.full((3, 1), np.log(21 / 6))
    assert_allclose(s @ loss.gradient(mean, y), 0, atol=1e-14)
    assert s @ loss.value(mean, y) < min(s @ loss.value(mean + h, y) for h in (-0.01, 0.01))


# --- ordered classes


def test_two_ordered_classes_are_two_classes():
    rng = np.random.default_rng(8)
    z, y = rng.normal(size=(20, 2)), rng.dirichlet(np.ones(2), 20)
    assert_allclose(OrdinalCrossEntropy().value(z, y), SoftmaxCrossEntropy().value(z, y), rtol=1e-14)
    assert_allclose(OrdinalCrossEntropy().gradient(z, y), SoftmaxCrossEntropy().gradient(z, y), atol=1e-15)


@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(1, 7))
def test_a_higher_score_moves_every_share_to_later_classes(seed, classes):
    loss, z = OrdinalCrossEntropy(), 5 * np.random.default_rng(seed).normal(size=(3, classes))
    p, later = loss.predict(z), loss.predict(z + np.eye(classes)[-1])
    assert_allclose(p.sum(1), 1, rtol=1e-14)
    assert (np.cumsum(later, 1) <= np.cumsum(p, 1) + 1e-15).all()
    upto = 1 / (1 + np.exp(-losses.ordinal_thresholds(z)))
    assert_allclose(np.cumsum(p, 1)[:, :-1], upto, rtol=1e-12)
    # any probabilities have outputs, and those of the mean of several predict it
    other = loss.average(np.stack([z, z[::-1]]))
    assert_allclose(loss.predict(other), (p + p[::-1]) / 2, rtol=1e-11)


def test_a_rare_ordered_class_keeps_its_digits():
    # sigmoid(t) - sigmoid(t - log(1 + e^-40)) is about e^-40 / 4 at t = 0
    value, _ = one(OrdinalCrossEntropy(), [0, -40, 0], [0, 1, 0])
    assert_allclose(value, 40 + np.log(4), rtol=1e-14)


# --- classes of which many are easy


def test_focal_cross_entropy_joins_the_cross_entropy():
    rng = np.random.default_rng(7)
    z, y = rng.normal(size=(20, 4)), rng.dirichlet(np.ones(4), 20)
    assert_allclose(FocalCrossEntropy(0).value(z, y), SoftmaxCrossEntropy().value(z, y), rtol=1e-14)
    assert_allclose(FocalCrossEntropy(0).gradient(z, y), SoftmaxCrossEntropy().gradient(z, y), atol=1e-15)


def test_an_easy_sample_counts_a_hundredth():
    value, _ = one(FocalCrossEntropy(), np.log([0.9, 0.1]), [1, 0])
    assert_allclose(value, -np.log(0.9) / 100, rtol=1e-13)


@given(q=st.floats(0.05, 0.95))
def test_the_quantile_of_the_targets_is_where_its_loss_is_least(q):
    y = np.arange(21.0)[:, None]
    costs = [Quantile(q).value(np.full_like(y, out), y).sum() for out in y[:, 0]]
    assert abs(y[np.argmin(costs), 0] - np.quantile(y, q)) <= 1


@pytest.mark.parametrize(
    "loss, setting",
    [(Huber, {"delta": bad}) for bad in (0, -1, np.nan, np.inf, "1")]
    + [(Tweedie, {"power": bad}) for bad in (1, 2, 0.5, 3, np.nan, "1.5")]
    + [(FocalCrossEntropy, {"gamma": bad}) for bad in (-0.1, np.nan, np.inf, None)]
    + [(Quantile, {"q": bad}) for bad in (0, 1, -0.1, np.nan, None)]
    + [
        (loss, {"label_smoothing": bad})
        for loss in (SigmoidCrossEntropy, SoftmaxCrossEntropy, BinaryCrossEntropy, CategoricalCrossEntropy)
        for bad in (-0.1, 1, np.nan, "0")
    ],
)
def test_bad_settings_are_named(loss, setting):
    with pytest.raises(
        ConfigError, match=f"{next(iter(setting))} of {loss.__name__} must be a finite number"
    ):
        loss(**setting)


def test_losses_are_values():
    assert Huber(delta=2) == Huber(delta=2) != Huber()
    with pytest.raises(dataclasses.FrozenInstanceError):
        Huber().delta = 3  # type: ignore[misc]


@pytest.mark.parametrize("loss", [MeanAbsoluteError(), Quantile(0.3), Huber(0.7)], ids=repr)
def test_the_slope_or_its_slope_jumps_at_kinks(loss):
    assert loss.kinks and not MeanSquaredError().kinks
    h, y = 1e-6, np.zeros((1, 1))
    for kink in loss.kinks:
        slopes = [float(loss.gradient(np.full((1, 1), kink + k * h), y)[0, 0]) for k in (-2, -1, 1, 2)]
        jump = abs(slopes[2] - slopes[1])
        bend = abs(slopes[3] - slopes[2] - slopes[1] + slopes[0]) / h
        assert jump > 0.1 or bend > 0.1


# --- the average over an ensemble


@every_loss
@both_precisions
def test_the_average_predicts_the_mean_of_the_predictions(loss: Loss, dtype: Any):
    rng = np.random.default_rng(4)
    z = rng.normal(scale=3, size=(5, 20, 3))
    if loss.domain == "probability":
        z = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    z = z.astype(dtype)
    expected = np.mean([loss.predict(one) for one in z], 0)
    assert_allclose(loss.predict(loss.average(z)), expected, rtol=1e-5 if dtype == np.float32 else 1e-13)
    assert_allclose(jax.jit(loss.average)(z.astype(np.float32)), loss.average(z), rtol=2e-4, atol=1e-5)


def test_the_average_of_extreme_logits_is_finite():
    z = np.array([[[1000.0, -1000.0]], [[-1000.0, 1000.0]]])  # (members, batch, outputs)
    assert_allclose(SoftmaxCrossEntropy().average(z), np.log([[0.5, 0.5]]))
    assert_allclose(SigmoidCrossEntropy().average(z), [[0.0, 0.0]], atol=1e-12)
    assert_allclose(SigmoidCrossEntropy().average(np.full((2, 1, 1), 1000.0)), [[1000.0]])
    assert_allclose(Poisson().average(np.array([[[1000.0]], [[0.0]]])), [[1000 - np.log(2)]])


def test_the_average_by_hand():
    """p = (1/2 + 4/5) / 2 = 13/20, whose log-odds are log(13/7); rates (1 + 3) / 2 = 2."""
    assert_allclose(SigmoidCrossEntropy().average(np.log([[[1.0]], [[4.0]]])), np.log([[13 / 7]]))
    assert_allclose(Poisson().average(np.log([[[1.0]], [[3.0]]])), np.log([[2.0]]))
    assert_allclose(Quantile(0.9).average(np.array([[[1.0]], [[4.0]]])), [[2.5]])


def test_a_loss_that_predicts_in_its_own_way_has_to_average():
    class Exponential(MeanSquaredError):
        def predict(self, out: Any) -> Any:
            return np.exp(out)

    with pytest.raises(ConfigError, match="Exponential overrides `predict` but not `average`"):
        Exponential().average(np.zeros((2, 1, 1)))
