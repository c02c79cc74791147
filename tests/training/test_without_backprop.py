"""Training without backpropagation: each method against numbers by hand, the gradient, a task that it must learn."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule import METHODS, lab
from chainrule.data import checks
from chainrule.engines import Plan, StepSettings
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.training.without_backprop import Estimator, Landscape, MethodSession, Search
from chainrule.training.without_backprop.landscape import walk_back_cost
from chainrule.training.without_backprop.methods import centered_ranks
from halves import half

GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(40, 4))
NUMBERS = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)  # (40,) classes 0, 1, 2
WEIGHT = GENERATOR.uniform(0.2, 2.0, 40)
SEARCHES = [name for name, kind in METHODS.items() if issubclass(kind, Search)]
ESTIMATORS = [name for name, kind in METHODS.items() if issubclass(kind, Estimator)]


def network(*layers: c.Layer, loss: c.Loss | None = None, **settings: Any) -> c.Network:
    chain = layers or (c.Dense(5), c.Tanh())
    return c.Network(4, [*chain, c.Dense(3)], loss=loss or c.SoftmaxCrossEntropy(), **settings)


def session(
    method: c.Method, net: c.Network | None = None, *, frozen: frozenset[str] = frozenset(), seed: int = 0
) -> MethodSession:
    net = network() if net is None else net
    plan = Plan(net, c.SGD(0.1), 40, seed, np.float64, frozen=frozen)
    return MethodSession(
        plan, method, net.initial_theta(seed, np.float64), net.initial_states(np.float64), step_offset=0
    )


def look(made: MethodSession, step: int = 1, y: Any = NUMBERS) -> Landscape:
    samples, _ = checks.check_samples(made.plan.network, X, y, sample_weight=WEIGHT)
    return made.look(samples, np.arange(40), step)


def truth(net: c.Network, **options: Any) -> np.ndarray:
    return look(session(c.Backpropagation(), net, **options)).walk_back()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


# --- by hand


def by_hand(x: float, method: c.Method, step: int = 1) -> tuple[Any, Any]:
    """The network out = w a + b on one sample a = 1, y = 0 with loss out^2: L(w, b) = (w + b)^2, at w = x, b = 0."""
    net = c.Network(1, [c.Dense(1)], loss=c.MeanSquaredError())
    plan = Plan(net, c.SGD(0.1), 1, 0, np.float64)
    made = MethodSession(plan, method, np.array([x, 0.0]), {}, 0)
    samples, _ = checks.check_samples(net, np.array([[1.0]]), np.array([0.0]))
    return made, made.look(samples, np.array([0]), step)


def test_differences_by_hand():
    _, here = by_hand(3.0, c.ForwardDifferences(h=0.1))
    # h_w = 0.1 * 3: ((3.3)^2 - 9) / 0.3 = 6.3;  h_b = 0.1 * 1: ((3.1)^2 - 9) / 0.1 = 6.1
    np.testing.assert_allclose(c.ForwardDifferences(h=0.1).estimate(here), [6.3, 6.1], rtol=1e-12)
    assert here.passes == 1 + 2
    _, here = by_hand(3.0, c.CentralDifferences(h=0.1))
    np.testing.assert_allclose(c.CentralDifferences(h=0.1).estimate(here), [6.0, 6.0], rtol=1e-12)
    assert here.passes == 1 + 2 * 2


def test_spsa_by_hand():
    found = set()
    for step in range(1, 30):
        _, here = by_hand(3.0, c.SPSA(c=0.5), step)
        # equal signs: ((4)^2 - (2)^2) / 1 = 12 in both; opposite ones: w + b does not change, so 0
        found.add(tuple(np.round(c.SPSA(c=0.5).estimate(here), 12).tolist()))
        assert here.passes == 1 + 2
    assert found == {(12.0, 12.0), (0.0, 0.0)}


def test_forward_gradient_by_hand():
    _, here = by_hand(3.0, c.ForwardGradient())
    v = by_hand(3.0, c.ForwardGradient())[1].rng.standard_normal(2)
    # dL/dw = dL/db = 2 (w + b) = 6, so the slope along v is 6 (v_w + v_b)
    np.testing.assert_allclose(c.ForwardGradient().estimate(here), 6 * v.sum() * v, rtol=1e-12)
    assert here.passes == 1 + 1  # one layer: a walk back, and one along, has one product


def test_openai_es_by_hand():
    _, here = by_hand(3.0, c.OpenAIES(pairs=1, sigma=0.01))
    e = by_hand(3.0, c.OpenAIES())[1].rng.standard_normal((1, 2))[0]
    # one pair: the worse side has rank 1/2, the better one -1/2, so u+ - u- is the sign of the slope
    expected = np.sign(e.sum()) * e / (2 * 0.01)
    np.testing.assert_allclose(c.OpenAIES(pairs=1, sigma=0.01).estimate(here), expected, rtol=1e-12)


def test_centered_ranks():
    np.testing.assert_allclose(centered_ranks(np.array([3.0, -1.0, np.nan])), [0.0, -0.5, 0.5])
    np.testing.assert_allclose(centered_ranks(np.array([2.0, 2.0])), [0.0, 0.0])


def test_random_search_by_hand():
    method = c.RandomSearch(sigma=0.1)
    kept = 0
    for step in range(1, 20):
        _, here = by_hand(3.0, method, step)
        e = by_hand(3.0, method, step)[1].rng.standard_normal(2)
        x, state = method.move(here, method.init(here.x))
        better = 3.0 + 0.1 * e.sum() < 3.0
        np.testing.assert_allclose(x, [3.0 + 0.1 * e[0], 0.1 * e[1]] if better else [3.0, 0.0], rtol=1e-12)
        assert float(state.sigma) == pytest.approx(0.1 * (1.3 if better else 1.3**-0.25))
        kept += better
    assert 0 < kept < 19


def test_feedback_alignment_by_hand():
    net = c.Network(2, [c.Dense(3), c.Sigmoid(), c.Dense(1)], loss=c.MeanSquaredError(half=True))
    plan = Plan(net, c.SGD(0.1), 1, 0, np.float64)
    made = MethodSession(plan, c.FeedbackAlignment(), net.initial_theta(0, np.float64), {}, 0)
    samples, _ = checks.check_samples(net, np.array([[0.5, -1.0]]), np.array([2.0]))
    here = made.look(samples, np.array([0]), 1)
    (W1, b1), _, (W2, b2) = net.unflatten(made.theta)
    B = net.unflatten(made.fixed)[2].W  # (3, 1)
    a = np.array([[0.5, -1.0]])
    h = 1 / (1 + np.exp(-(a @ W1 + b1)))
    delta2 = h @ W2 + b2 - 2.0
    delta1 = delta2 @ B.T * h * (1 - h)  # B in W2's place
    expected = np.concatenate([(a.T @ delta1).ravel(), delta1[0], (h.T @ delta2).ravel(), delta2[0]])
    np.testing.assert_allclose(c.FeedbackAlignment().estimate(here), expected, rtol=1e-12)
    assert not np.allclose(B, W2)


def test_random_features_train_the_last_layer_with_its_own_gradient():
    made = session(c.RandomFeatures())
    assert len(made.trained) == 5 * 3 + 3
    np.testing.assert_allclose(
        c.RandomFeatures().estimate(look(made)), truth(network())[made.trained], rtol=1e-12
    )


def test_walk_back_cost():
    net = network()
    links = list(net.walk())
    forward = 2 * 4 * 5 + 5 + 2 * 5 * 3
    assert walk_back_cost(links, frozenset()) == pytest.approx((40 + 5 + 2 * 30) / forward)
    assert walk_back_cost(links, frozenset({"dense_1"})) == pytest.approx(30 / forward)
    assert walk_back_cost(links, frozenset({"dense_1", "dense_2"})) == 0


# --- the landscape

NETWORKS: dict[str, c.Network] = {
    **{name: network(c.Dense(5), layer()) for name, layer in ACTIVATIONS.items()},
    "rescale": network(c.Rescale(0.5, 0.1), c.Dense(5), c.Tanh()),
    "standardize": network(c.Standardize(), c.Dense(5), c.Tanh()),
    "batch_norm": network(c.Dense(5), c.BatchNorm(), c.Tanh()),
    "batch_norm_first": network(c.BatchNorm(), c.Dense(5), c.Tanh()),
    "prelu_first": network(c.PReLU(), c.Dense(5)),
    "dropout": network(c.Dense(6), c.Tanh(), c.Dropout(0.4)),
    "residual": network(c.Residual([c.Dense(4), c.Tanh(), c.Dense(4)]), c.Tanh()),
    "residual_projection": network(c.Dense(5), c.Residual([c.Dense(6), c.Tanh()])),
    "skip_first": network(c.Skip([c.Dense(3), c.Tanh()])),
    "nested": network(c.Residual([c.Dense(4), c.BatchNorm(), c.Skip([c.Dense(2), c.SiLU()]), c.Dense(4)])),
    "penalties": network(l2=0.3, l1=0.05),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_forward_mode_is_exact(name: str):
    net = NETWORKS[name]
    here, g = look(session(c.ForwardGradient(), net)), truth(net)
    for v in np.random.default_rng(1).normal(size=(3, net.size)):
        assert here.slope(v) == pytest.approx(g @ v, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("name", ["residual", "batch_norm", "nested", "residual_projection"])
def test_forward_mode_leaves_frozen_links_out(name: str):
    net = NETWORKS[name]
    frozen = frozenset({"dense_1"})
    made = session(c.ForwardGradient(), net, frozen=frozen)
    g = truth(net, frozen=frozen)
    v = np.random.default_rng(1).normal(size=len(made.trained))
    assert len(g) == len(v) < net.size
    assert look(made).slope(v) == pytest.approx(g @ v, rel=1e-10)


@pytest.mark.parametrize("name", NETWORKS)
def test_losses_of_many_candidates(name: str):
    """One walk for a stack of candidates, or one walk each: the same objective both times."""
    net = NETWORKS[name]
    made = session(c.SPSA(), net)
    here = look(made)
    points = here.x + 0.1 * np.random.default_rng(2).normal(size=(7, net.size))
    found = here.losses(points)
    assert here.passes == 8
    for point, value in zip(points, found, strict=True):
        objective = net.objective(net.unflatten(point), here.batch.a, here.batch.y, here.batch.s, here.ctx)
        assert value == pytest.approx(float(objective.loss), rel=1e-12)
    model = c.Model(net, seed=0, dtype="float64")
    model.states = made.states
    assert here.value == pytest.approx(
        model.loss_and_gradients(X, NUMBERS, sample_weight=WEIGHT)[0], rel=1e-13
    )


def test_a_stack_is_cut_into_pieces(monkeypatch: pytest.MonkeyPatch):
    from chainrule.training.without_backprop import landscape

    here = look(session(c.SPSA()))
    points = here.x + 0.1 * np.random.default_rng(2).normal(size=(30, len(here.x)))
    whole = here.losses(points)
    for at_once in (1, 1000, 3000):
        monkeypatch.setattr(landscape, "AT_ONCE", at_once)
        np.testing.assert_allclose(here.losses(points), whole, rtol=1e-13)


def test_both_sides_of_a_difference_have_the_same_dropout_mask():
    net = NETWORKS["dropout"]
    first, again, other = (look(session(c.SPSA(), net), step) for step in (1, 1, 2))
    assert first.losses(first.x[None])[0] == first.value == again.value != other.value


# --- estimates of the gradient


@pytest.mark.parametrize("name", NETWORKS)
def test_central_differences_are_the_gradient(name: str):
    net = NETWORKS[name]
    estimate = c.CentralDifferences().estimate(look(session(c.CentralDifferences(), net)))
    g = truth(net)
    assert 1 - cosine(estimate, g) < 1e-9
    np.testing.assert_allclose(estimate, g, rtol=1e-5, atol=1e-8)


def test_forward_differences_are_the_gradient_to_half_the_digits():
    estimate = c.ForwardDifferences().estimate(look(session(c.ForwardDifferences())))
    np.testing.assert_allclose(estimate, truth(network()), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("method", [c.SPSA(c=1e-4), c.ForwardGradient()], ids=["spsa", "forward_gradient"])
def test_random_directions_are_unbiased_and_as_noisy_as_they_say(method: Any):
    g, draws = truth(network()), 1500
    made = session(method)
    estimates = np.stack([method.estimate(look(made, step)) for step in range(1, draws + 1)])
    P = len(g)
    spread = {"spsa": P - 1, "forward_gradient": P + 1}[method.kind]  # E|estimate - g|^2 / |g|^2
    error = np.linalg.norm(estimates.mean(0) - g) / np.linalg.norm(g)
    assert error < 1.3 * math.sqrt(spread / draws)
    assert ((estimates - g) ** 2).sum(1).mean() / (g @ g) == pytest.approx(spread, rel=0.15)
    cosines = estimates @ g / np.linalg.norm(estimates, axis=1) / np.linalg.norm(g)
    assert np.sqrt((cosines**2).mean()) == pytest.approx(1 / math.sqrt(P), rel=0.05)


@pytest.mark.parametrize("kind", [c.SPSA, c.ForwardGradient])
def test_more_directions_less_noise(kind: Any):
    g = truth(network())
    error = {}
    for directions in (1, 64):
        method = kind(directions=directions)
        made = session(method)
        found = [method.estimate(look(made, step)) for step in range(1, 40)]
        error[directions] = np.mean([((estimate - g) ** 2).sum() for estimate in found])
    assert error[1] / error[64] == pytest.approx(64, rel=0.5)


def test_evolution_leans_along_the_gradient():
    method, g = c.OpenAIES(pairs=200), truth(network())
    assert cosine(method.estimate(look(session(method))), g) > 0.85


@pytest.mark.parametrize("name", ["backpropagation", "central_differences", "spsa", "openai_es"])
def test_frozen_numbers_are_not_moved(name: str):
    method: Any = METHODS[name]()
    made = session(method, frozen=frozenset({"dense_1"}))
    assert len(method.estimate(look(made))) == 5 * 3 + 3
    samples, _ = checks.check_samples(made.plan.network, X, NUMBERS)
    before = made.theta.copy()
    made.steps(samples, np.arange(40), StepSettings.of(np.array([0.1])), 1)
    assert np.array_equal(made.theta[:25], before[:25]) and not np.array_equal(made.theta[25:], before[25:])


# --- training


def trained(method: Any, net: c.Network | None = None, *, dtype: str = "float64", **settings: Any) -> Any:
    model = c.Model(network() if net is None else net, seed=settings.pop("seed", 0), dtype=dtype)
    if METHODS.get(method) in map(METHODS.get, ESTIMATORS) or isinstance(method, Estimator):
        settings = {"optimizer": c.Adam(0.02)} | settings
    history = model.fit(X, NUMBERS, **({"epochs": 40, "batch_size": 20, "method": method} | settings))
    return model, history


@pytest.mark.parametrize("name", METHODS)
def test_every_method_lowers_the_loss_and_counts(name: str):
    model, history = trained(name)
    before = c.Model(network(), seed=0, dtype="float64").evaluate(X, NUMBERS)["loss"]
    after = model.evaluate(X, NUMBERS)["loss"]
    assert after == before if name == "none" else after < 0.9 * before
    P, back = 43, walk_back_cost(list(network().walk()), frozenset())
    head = walk_back_cost(list(network().walk()), frozenset({"dense_1"}))
    a_step = {
        "backpropagation": 1 + back,
        "central_differences": 2 * P + 1,
        "forward_differences": P + 1,
        "forward_gradient": 1 + back,
        "spsa": 3,
        "openai_es": 33,
        "cma_es": 1 + 4 + math.floor(3 * math.log(P)),
        "random_search": 2,
        "feedback_alignment": 1 + back,
        "random_features": 1 + head,
        "none": 1,
    }[name]
    assert history["forward_passes"] == [pytest.approx(2 * a_step)] * 40
    assert ("learning_rate" in history) == (name in ESTIMATORS)


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_bits(name: str):
    first, again, other = (trained(name, epochs=2, seed=seed)[0] for seed in (0, 0, 1))
    assert first.theta.tobytes() == again.theta.tobytes() != other.theta.tobytes()


@pytest.mark.parametrize("name", METHODS)
def test_resumed_run_ends_with_the_same_bits(name: str, tmp_path: Path):
    path = tmp_path / "checkpoint.safetensors"
    net = network(c.Dense(5), c.BatchNorm(), c.Tanh(), c.Dropout(0.2))
    whole, _ = trained(name, net, epochs=4)

    class Stop(Exception):
        pass

    def stop(run: Any) -> None:
        if run.epoch == 3:
            raise Stop

    with pytest.raises(Stop):
        trained(name, net, epochs=4, callbacks=[c.Checkpoint(path, every_steps=3), stop])
    resumed, history = trained(name, net, epochs=4, resume=path, callbacks=[c.Checkpoint(path)])
    assert resumed.theta.tobytes() == whole.theta.tobytes()
    assert len(history) == 4 and len(set(history["forward_passes"])) == 1
    other = "spsa" if name != "spsa" else "openai_es"
    with pytest.raises(c.ConfigError, match="another method"):
        trained(other, net, epochs=4, resume=path)


def test_backpropagation_by_name_is_the_default():
    named, history = trained("backpropagation", dtype="float32")
    unnamed, plain = trained(None, dtype="float32", optimizer=c.Adam(0.02))
    assert named.theta.tobytes() == unnamed.theta.tobytes()
    assert "forward_passes" in history and "forward_passes" not in plain


def test_the_baseline_of_the_interface_is_the_reference_engine():
    made = session(c.Backpropagation(), NETWORKS["batch_norm"])
    model = c.Model(NETWORKS["batch_norm"], seed=0, dtype="float64")
    samples, _ = checks.check_samples(model.network, X, NUMBERS)
    rows = np.concatenate([np.arange(40)] * 3)
    made.steps(samples, rows, StepSettings.of(np.full(3, 0.1)), 1)
    model.fit(X, NUMBERS, epochs=3, batch_size=None, shuffle=False, optimizer=c.SGD(0.1), engine="reference")
    np.testing.assert_allclose(made.theta, model.theta, rtol=1e-12)
    np.testing.assert_allclose(made.states["batch_norm_1"].var, model.states["batch_norm_1"].var, rtol=1e-12)


def test_differences_of_a_float32_model_are_taken_in_float64():
    numerical, history = trained("central_differences", dtype="float32", epochs=5)
    exact, plain = trained(None, dtype="float32", optimizer=c.Adam(0.02), epochs=5)
    assert numerical.theta.dtype == np.float32
    np.testing.assert_allclose(history["loss"], plain["loss"], rtol=1e-4)
    np.testing.assert_allclose(numerical.theta, exact.theta, atol=1e-3)


@pytest.mark.parametrize("name", ["cma_es", "random_search", "spsa"])
def test_configured_objects_and_batch_norm(name: str):
    kind = METHODS[name]
    method = {"cma_es": c.CMAES(sigma=0.3, diagonal=True, population=10), "random_search": c.RandomSearch(0.1),
              "spsa": c.SPSA(c=0.01, directions=4)}[name]  # fmt: skip
    model, history = trained(method, NETWORKS["batch_norm"])
    assert isinstance(method, kind) and history["loss"][-1] < 0.9 * history["loss"][0]
    assert not np.allclose(model.states["batch_norm_1"].mean, 0)


def test_clipping_and_weights_reach_the_estimate():
    weight = np.where(NUMBERS == 2, 0.0, 1.0)
    model, _ = trained(
        "central_differences",
        epochs=1,
        batch_size=None,
        optimizer=c.SGD(1.0),
        clip=0.01,
        sample_weight=weight,
    )
    start = c.Model(network(), seed=0, dtype="float64")
    moved = model.theta - start.theta
    assert np.linalg.norm(moved) == pytest.approx(0.01)
    _, grads = start.loss_and_gradients(X, NUMBERS, sample_weight=weight)
    g = start.network.flatten(tuple(grads.get(link.name, ()) for link in start.network.links))
    assert cosine(-moved, g) > 1 - 1e-9


def test_feedback_alignment_aligns():
    """After training, what it hands back leans towards the gradient more than at the start."""
    net = network(c.Dense(20), c.Tanh())
    made = session(c.FeedbackAlignment(), net)
    samples, _ = checks.check_samples(net, X, NUMBERS)
    angles = []
    for epoch in range(2):
        hidden = slice(0, 4 * 20 + 20)
        estimate = c.FeedbackAlignment().estimate(look(made))
        angles.append(cosine(estimate[hidden], look(made).walk_back()[hidden]))
        settings = StepSettings.of(np.full(300, 0.5))
        made.steps(samples, np.tile(np.arange(40), 300), settings, 1 + 300 * epoch)
    assert angles[1] > max(0.2, angles[0])


# --- what cannot be


class Gain(c.Layer):
    """A layer of one's own with a parameter."""

    def forward(self, params: Any, a: Any, ctx: Any) -> Any:
        return a * params.slope, a

    def backward(self, params: Any, cache: Any, delta: Any, ctx: Any) -> Any:
        return type(params)((delta * cache).sum(0)), delta * params.slope

    def parameters(self, fan_in: int, default: Any) -> Any:
        return c.PReLU().parameters(fan_in, default)


class GainWithTangent(Gain):
    """The same with a forward derivative."""

    def tangent(self, params: Any, v: Any, cache: Any, a_dot: Any, ctx: Any) -> Any:
        own = cache * v.slope
        return own if a_dot is None else own + a_dot * params.slope


def test_a_layer_of_your_own():
    for name in ("spsa", "central_differences", "random_search", "openai_es"):
        trained(name, network(Gain(), c.Dense(3)), epochs=1)
    net = network(GainWithTangent(), c.Dense(3), c.Tanh(), GainWithTangent())
    v = np.ones(net.size)
    assert look(session(c.ForwardGradient(), net)).slope(v) == pytest.approx(truth(net) @ v)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "genetic"}, "method must be one of .*'genetic'"),
        ({"method": 3}, "method must be a method such as SPSA"),
        ({"method": c.SPSA}, "method must be a method such as SPSA"),
        ({"method": "cma_es", "optimizer": "adam"}, "cma_es makes its own steps; omit optimizer"),
        ({"method": "random_search", "schedule": "cosine"}, "makes its own steps; omit schedule"),
        ({"method": "none", "clip": 1.0}, "none takes its own steps and does not support clip"),
        ({"method": "spsa", "optimizer": "lbfgs"}, "LBFGS needs the exact gradient"),
        ({"method": "spsa", "engine": "native"}, "spsa runs on the reference engine, not 'native'"),
    ],
    ids=str,
)
def test_refused_settings(settings: Any, message: str):
    model = c.Model(network(), seed=0)
    with pytest.raises(c.ConfigError, match=message):
        model.fit(X, NUMBERS, epochs=1, **settings)
    assert model.steps_trained == 0 and model.classes is None


@pytest.mark.parametrize(
    ("method", "net", "message"),
    [
        ("forward_gradient", network(Gain(), c.Dense(3)), r"needs the forward derivative of gain_1 \(Gain\)"),
        ("feedback_alignment", network(Gain(), c.Dense(3)), r"cannot train gain_1 \(Gain\)"),
        ("cma_es", network(c.Dense(200)), "covariance of 1,603 x 1,603 .* maximum of 1,000"),
        ("random_search", network(max_norm=1.0), "does not support max_norm"),
        (
            "random_features",
            c.Network(4, [c.Residual([c.Dense(4)])], loss=c.MeanSquaredError()),
            r"must be a Dense, not residual_1 \(Residual\)",
        ),
    ],
    ids=["forward_gradient", "feedback_alignment", "cma_es", "max_norm", "random_features"],
)
def test_refused_networks(method: str, net: c.Network, message: str):
    y = X if net.outputs == 4 else NUMBERS
    with pytest.raises(c.ConfigError, match=message):
        c.Model(net, seed=0).fit(X, y, epochs=1, method=method)


def test_nothing_to_train():
    with pytest.raises(c.ConfigError, match="spsa has nothing to train"):
        c.Model(network(), seed=0).freeze().fit(X, NUMBERS, epochs=1, method="spsa")
    bare = c.Model(c.Network(3, [c.Tanh()], loss=c.MeanSquaredError()))
    with pytest.raises(c.ConfigError, match="or there are none"):
        bare.fit(X[:, :3], X[:, :3], epochs=1, method="spsa")


def test_methods_are_loaded_when_one_is_named():
    script = (
        "import sys, chainrule as c\n"
        "m = c.Model(c.Network(2, [c.Dense(1)], loss=c.MeanSquaredError()))\n"
        "m.fit([[0, 1]], [1], epochs=1)\n"
        "home = 'chainrule.training.without_backprop'\n"
        "assert not {f'{home}.methods', f'{home}.landscape', f'{home}.session'} & set(sys.modules)\n"
        "assert c.METHODS['spsa'] is c.SPSA and 'SPSA' in dir(sys.modules[home])"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (c.SPSA, {"c": 0}, "c of SPSA must be a finite number above 0, not 0"),
        (c.SPSA, {"directions": 0}, "directions of SPSA must be an integer of at least 1"),
        (c.CentralDifferences, {"h": math.inf}, "h of CentralDifferences must be a finite number"),
        (c.ForwardDifferences, {"h": "small"}, "h of ForwardDifferences"),
        (c.ForwardGradient, {"directions": True}, "directions of ForwardGradient"),
        (c.OpenAIES, {"pairs": 1.5}, "pairs of OpenAIES"),
        (c.OpenAIES, {"sigma": -1}, "sigma of OpenAIES"),
        (c.CMAES, {"population": 3}, "population of CMAES must be an integer of at least 4"),
        (c.RandomSearch, {"sigma": math.nan}, "sigma of RandomSearch"),
        (c.FeedbackAlignment, {"scale": 0.0}, "scale of FeedbackAlignment"),
    ],
)
def test_refused_options(kind: Any, settings: Any, message: str):
    with pytest.raises(c.ConfigError, match=message):
        kind(**settings)


def test_a_loss_that_is_not_finite_is_noticed_at_its_step():
    with pytest.raises(c.NonFiniteError, match="at step 1, first in"):
        c.Model(network(c.Dense(5), c.ReLU()), seed=0, dtype="float64").fit(
            np.where(X > 0, 1e308, -1e308), NUMBERS, epochs=1, method="spsa"
        )
    with pytest.raises(c.NonFiniteError):
        trained("spsa", network(c.Dense(5), c.ReLU()), optimizer=c.SGD(1e200), epochs=20)


def test_each_method_says_what_it_costs_and_where_it_is_from():
    for name, kind in METHODS.items():
        text = kind.__doc__ or ""
        assert "cost:" in text and (name == "none" or "Source:" in text), name
        assert len(kind.kind) > 0 and kind().kind == name


# --- the command


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`chainrule train` on 40 samples in an empty folder."""
    from commands import invoke

    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", X=X, y=NUMBERS)
    small = ("--hidden", "5", "--epochs", "3", "--batch-size", "8", "--out", "run", "--json")

    def run(*words: str) -> Any:
        return invoke(["train", *words, *(() if "run" in words else small)])

    return run


@pytest.mark.parametrize("name", half(METHODS))
def test_the_command_trains_by_every_method_and_resumes(name: str, command: Any, tmp_path: Path):
    import json

    made = command("data.npz", "--method", name, "--report")
    assert made.exit_code == 0, made.output
    records = json.loads((tmp_path / "run" / "history.json").read_text())["records"]
    assert ("forward_passes" in records[0]) == (name != "backpropagation")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["resolved"]["method"] == name and (tmp_path / "run" / "report.html").is_file()
    first = (tmp_path / "run" / "model.safetensors").read_bytes()
    again = command("run", "--resume")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == first
    other = command("run", "--resume", "--method", "spsa" if name != "spsa" else "none")
    assert other.exit_code == 2 and "--method is" in other.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method", "genetic"), "--method must be one of"),
        (("--method", "none", "--lr", "0.1"), "none makes its own steps; omit --lr"),
        (("--method", "cma_es", "--optimizer", "sgd"), "omit --optimizer"),
        (("--method", "random_search", "--clip-norm", "1"), "omit --clip-norm"),
        (("--method", "spsa", "--optimizer", "lbfgs"), "lbfgs needs the exact gradient"),
        (("--method", "spsa", "--engine", "native"), "spsa runs on the reference engine"),
    ],
    ids=str,
)
def test_the_command_refuses_in_one_sentence(
    words: tuple[str, ...], message: str, command: Any, tmp_path: Path
):
    refused = command("data.npz", *words)
    assert refused.exit_code == 2 and message in " ".join(refused.output.split())
    assert not (tmp_path / "run" / "config.json").exists()


def test_cma_es_says_which_library_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "cmaes", None)
    said = (
        r"cma_es needs the library cmaes, which is not installed; install it: pip install 'chainrule\[lab\]'"
    )
    with pytest.raises(c.ConfigError, match=said):
        c.Model(c.Network(2, [c.Dense(1)], c.MeanSquaredError())).fit(np.eye(2), np.ones(2), method="cma_es")
    with pytest.raises(c.ConfigError, match=said):
        lab.run("without-backprop", methods=["cma_es"])
