"""Every optimizer by hand, by blocks, in float32, under jax.jit; a new one in OPTIMIZERS joins by itself."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from chainrule import (
    LBFGS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    AMSGrad,
    ConfigError,
    GradientDescent,
    Nadam,
    Optimizer,
    RMSprop,
)
from chainrule.formulas.optimizers import OPTIMIZERS

RULES = [
    *(rule() for rule in OPTIMIZERS.values() if issubclass(rule, Optimizer)),
    SGD(momentum=0.9),
    SGD(momentum=0.9, nesterov=True),
    RMSprop(momentum=0.9),
    Adam(beta1=0.0, beta2=0.0),
    *(rule(uncorrected_eps=True) for rule in (Adam, AMSGrad, AdamW, Nadam)),
]
every_rule = pytest.mark.parametrize("rule", RULES, ids=repr)


def run(rule: Any, theta: Any, gradients: Any, lr: Any = None, first: int = 1) -> tuple[Any, Any]:
    """theta and state after one update for each gradient."""
    state = rule.init(theta)
    for t, g in enumerate(gradients, first):
        theta, state = rule.update(g, state, theta, rule.learning_rate if lr is None else lr, t)
    return theta, state


def draws(dtype: str, steps: int = 5, n: int = 37) -> tuple[Any, list[Any]]:
    """A theta (n,) and a gradient (n,) for each step."""
    generator = np.random.default_rng(3)
    return generator.normal(size=n).astype(dtype), [
        generator.normal(size=n).astype(dtype) for _ in range(steps)
    ]


# theta = 1, lr = 0.1, and the gradients 1 and then 2. Two steps by hand:
BY_HAND = [
    (GradientDescent(), 1 - 0.1 * 1, 0.9 - 0.1 * 2),
    (SGD(), 0.9, 0.7),
    # v = 1, then 0.9 + 2 = 2.9
    (SGD(momentum=0.9), 0.9, 0.9 - 0.29),
    # 1 + 0.9 = 1.9, then 2 + 0.9 * 2.9 = 4.61
    (SGD(momentum=0.9, nesterov=True), 1 - 0.19, 0.81 - 0.461),
    # v = 0.5, then 0.25 + 2 = 2.25, whose root is 1.5
    (RMSprop(rho=0.5, eps=0.5), 1 - 0.1 / (math.sqrt(0.5) + 0.5), 1 - 0.1 / (math.sqrt(0.5) + 0.5) - 0.1),
    # d = 1 / 1.207..., then 1; b = d, then d / 2 + 1
    (
        RMSprop(rho=0.5, eps=0.5, momentum=0.5),
        1 - 0.1 / (math.sqrt(0.5) + 0.5),
        1 - 0.15 / (math.sqrt(0.5) + 0.5) - 0.1,
    ),
    # s = 1, then 5
    (Adagrad(eps=1.0), 0.95, 0.95 - 0.2 / (math.sqrt(5) + 1)),
    # m_hat = v_hat = 1; then m = 1.25, m_hat = 1.25 / 0.75 = 5/3, v = 2.25, v_hat = 3
    (Adam(beta1=0.5, beta2=0.5, eps=1.0), 0.95, 0.95 - 0.1 * (5 / 3) / (math.sqrt(3) + 1)),
    (AMSGrad(beta1=0.5, beta2=0.5, eps=1.0), 0.95, 0.95 - 0.1 * (5 / 3) / (math.sqrt(3) + 1)),
    # theta shrinks by 1 - 0.1 * 0.5 = 0.95 before each of Adam's steps
    (
        AdamW(beta1=0.5, beta2=0.5, eps=1.0, weight_decay=0.5),
        0.90,
        0.855 - 0.1 * (5 / 3) / (math.sqrt(3) + 1),
    ),
    # psi = 0 makes every mu 0.5 * 0.5 = 1/4: M_1 = 1/4, M_2 = 1/16.
    # Step 1: m = 0.5, v_hat = 1: [0.75/0.75 * 1 + 0.25/(1 - 1/16) * 0.5] / 2 = (1 + 2/15) / 2 = 17/30
    # Step 2: m = 1.25, v_hat = 3: 0.75/(15/16) * 2 + 0.25/(63/64) * 1.25 = 1.6 + 20/63
    (
        Nadam(beta1=0.5, beta2=0.5, eps=1.0, psi=0.0),
        1 - 1.7 / 30,
        1 - 1.7 / 30 - 0.1 * (1.6 + 20 / 63) / (math.sqrt(3) + 1),
    ),
    # eps / sqrt(1 - beta2^t) = sqrt(2), then 2 / sqrt(3): sqrt(v_hat) and it are 1 + sqrt(2), then 5 / sqrt(3)
    (
        Adam(beta1=0.5, beta2=0.5, eps=1.0, uncorrected_eps=True),
        1 - 0.1 / (1 + math.sqrt(2)),
        1 - 0.1 / (1 + math.sqrt(2)) - 0.1 / math.sqrt(3),
    ),
    (
        AMSGrad(beta1=0.5, beta2=0.5, eps=1.0, uncorrected_eps=True),
        1 - 0.1 / (1 + math.sqrt(2)),
        1 - 0.1 / (1 + math.sqrt(2)) - 0.1 / math.sqrt(3),
    ),
    (
        AdamW(beta1=0.5, beta2=0.5, eps=1.0, weight_decay=0.5, uncorrected_eps=True),
        0.95 - 0.1 / (1 + math.sqrt(2)),
        0.95 * (0.95 - 0.1 / (1 + math.sqrt(2))) - 0.1 / math.sqrt(3),
    ),
    (
        Nadam(beta1=0.5, beta2=0.5, eps=1.0, psi=0.0, uncorrected_eps=True),
        1 - 3.4 / 30 / (1 + math.sqrt(2)),
        1 - 3.4 / 30 / (1 + math.sqrt(2)) - 0.1 * (1.6 + 20 / 63) * math.sqrt(3) / 5,
    ),
]


@pytest.mark.parametrize(("rule", "first", "second"), BY_HAND, ids=lambda case: getattr(case, "kind", None))
def test_two_steps_by_hand(rule, first, second):
    theta, gradients = np.array([1.0]), [np.array([1.0]), np.array([2.0])]
    assert run(rule, theta, gradients[:1], lr=0.1)[0] == pytest.approx(first, rel=1e-13)
    assert run(rule, theta, gradients, lr=0.1)[0] == pytest.approx(second, rel=1e-13)


def test_every_rule_is_worked_by_hand():
    rules = {kind for kind, rule in OPTIMIZERS.items() if issubclass(rule, Optimizer)}
    assert {rule.kind for rule, *_ in BY_HAND} == rules


def test_amsgrad_remembers_the_largest_scale():
    """After the gradients 2 and 0, v = 2 then 1, and v_max stays at 2: v_hat = 2 / 0.75."""
    rule = AMSGrad(beta1=0.5, beta2=0.5, eps=1.0)
    theta, state = run(rule, np.array([0.0]), [np.array([2.0]), np.array([0.0])], lr=1.0)
    assert state.v_max == 2
    assert state.v == 1
    # m = 1 then 0.5, m_hat = 2 then 2/3, the first scale sqrt(4) + 1
    assert theta == pytest.approx(-2 / 3 - (2 / 3) / (math.sqrt(8 / 3) + 1), rel=1e-13)


def test_the_first_step_of_adam_has_the_length_of_lr():
    for dtype in ("float32", "float64"):
        theta, _ = run(Adam(), np.zeros(3, dtype), [np.array([5.0, -0.1, 1e-3], dtype)], lr=0.01)
        np.testing.assert_allclose(theta, [-0.01, 0.01, -0.01], rtol=2e-5)


@every_rule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_two_halves_have_the_bits_of_the_whole(rule, dtype):
    theta, gradients = draws(dtype)
    state = rule.init(theta)
    for t, g in enumerate(gradients, 1):
        whole, after = rule.update(g, state, theta, 0.01, t)
        for half in (slice(0, 18), slice(18, None)):
            mine = type(state)(*(leaf[half] if leaf.ndim else leaf for leaf in state))
            part, part_state = rule.update(g[half], mine, theta[half], 0.01, t)
            assert part.tobytes() == whole[half].tobytes()
            for leaf, expected in zip(part_state, after, strict=True):
                assert leaf.tobytes() == (expected[half] if expected.ndim else expected).tobytes()
        theta, state = whole, after


@every_rule
@pytest.mark.parametrize(
    "lr", [0.01, np.float64(0.01), np.float32(0.01), np.array(0.01)], ids=lambda x: type(x).__name__
)
def test_float32_is_kept(rule, lr):
    theta, gradients = draws("float32")
    final, state = run(rule, theta, gradients, lr)
    double, _ = run(rule, theta.astype(float), [g.astype(float) for g in gradients], lr)
    assert final.dtype == np.float32
    assert all(isinstance(leaf, np.ndarray) and leaf.dtype == np.float32 for leaf in state)
    np.testing.assert_allclose(final, double, rtol=2e-5, atol=2e-6)


@every_rule
def test_leaves_have_the_shape_of_theta_or_none(rule):
    theta, gradients = draws("float64")
    before = rule.init(theta)
    _, after = run(rule, theta, gradients)
    for leaf, later in zip(before, after, strict=True):
        assert leaf.shape in {theta.shape, ()}
        assert later.shape == leaf.shape
    assert type(after) is type(before)


@every_rule
def test_nothing_is_written_in_place_or_shared(rule):
    theta, gradients = draws("float64", steps=2)
    state = rule.init(theta)
    kept = [array.copy() for array in (theta, gradients[0], *state)]
    new, after = rule.update(gradients[0], state, theta, 0.01, 1)
    for array, copy in zip((theta, gradients[0], *state), kept, strict=True):
        np.testing.assert_array_equal(array, copy)
    arrays = [theta, gradients[0], new, *state, *after]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


@pytest.mark.slow
@every_rule
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_jit_agrees_and_traces_once(rule, dtype):
    traces = 0

    def update(g, state, theta, lr, t):
        nonlocal traces
        traces += 1
        return rule.update(g, state, theta, lr, t)

    compiled = jax.jit(update)
    theta, gradients = draws(dtype)
    expected, _ = run(rule, theta, gradients, lr=0.01)
    theta = jnp.asarray(theta)
    state = rule.init(theta)
    for t, g in enumerate(gradients, 1):
        theta, state = compiled(g, state, theta, 0.01, t)
    assert traces == 1
    assert theta.dtype == dtype
    assert all(leaf.dtype == dtype for leaf in state)
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(theta, expected, rtol=tolerance, atol=tolerance / 10)


@every_rule
def test_a_gradient_of_zero_is_no_step_and_no_nan(rule):
    theta = np.array([1.0, -2.0], dtype=np.float32)
    final, _ = run(rule, theta, [np.zeros_like(theta)] * 2, lr=0.1)
    shrunk = (1 - 0.1 * getattr(rule, "weight_decay", 0.0)) ** 2
    np.testing.assert_allclose(final, shrunk * theta, rtol=1e-6)


@every_rule
def test_a_late_step_stays_finite(rule):
    theta, gradients = draws("float32", steps=1)
    final, _ = run(rule, theta, gradients, first=100_000_000)
    assert np.isfinite(final).all()


@every_rule
def test_a_bowl_is_descended(rule):
    theta, state = np.array([1.0, -1.0]), rule.init(np.zeros(2))
    for t in range(1, 201):
        theta, state = rule.update(np.array([1.0, 3.0]) * theta, state, theta, 0.02, t)
    assert np.abs(theta).max() < 0.8


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (
            lambda: GradientDescent(0),
            "learning_rate of GradientDescent must be a finite number above 0, not 0",
        ),
        (lambda: Adam(math.nan), "learning_rate of Adam"),
        (lambda: Adam("fast"), "learning_rate of Adam .* not 'fast'"),
        (lambda: Adam(True), "learning_rate of Adam"),
        (
            lambda: SGD(momentum=1.0),
            "momentum of SGD must be a finite number of at least 0 and below 1, not 1.0",
        ),
        (lambda: SGD(nesterov=True), "pass momentum"),
        (lambda: RMSprop(rho=-0.1), "rho of RMSprop"),
        (lambda: RMSprop(eps=0), "eps of RMSprop"),
        (lambda: Adagrad(eps=-1), "eps of Adagrad"),
        (lambda: Adam(beta1=1), "beta1 of Adam"),
        (lambda: AMSGrad(beta2=2), "beta2 of AMSGrad .* 0.999 is usual"),
        (lambda: AdamW(weight_decay=-1), "weight_decay of AdamW"),
        (lambda: Nadam(psi=-1), "psi of Nadam"),
        (lambda: LBFGS(history_size=0), "history_size of LBFGS"),
        (lambda: LBFGS(max_line_search=1.5), "max_line_search of LBFGS"),
        (lambda: LBFGS(tolerance=-1), "tolerance of LBFGS"),
        (lambda: LBFGS(max_evaluations=0), "max_evaluations of LBFGS must be an integer of at least 1"),
        (lambda: LBFGS(loss_tolerance=-1), "loss_tolerance of LBFGS"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, named):
    with pytest.raises(ConfigError, match=named):
        make()


def test_settings_are_kept_as_python_floats():
    rule = Adam(np.float32(0.5), beta1=0, eps=np.float64(1e-6))
    assert [type(value) for value in (rule.learning_rate, rule.beta1, rule.eps)] == [float] * 3


def test_lbfgs_hands_its_settings_to_scipy():
    usual = LBFGS().options(100)
    assert usual == {"maxiter": 100, "maxfun": 2001, "maxcor": 10, "maxls": 20, "gtol": 1e-7, "ftol": 0.0}
    found = LBFGS(tolerance=1e-4, max_evaluations=15, loss_tolerance=1e-9).options(100)
    assert found == usual | {"maxfun": 15, "gtol": 1e-4, "ftol": 1e-9}


@pytest.mark.parametrize(("kind", "rule"), OPTIMIZERS.items())
def test_the_registry_names_frozen_settings(kind, rule):
    assert rule.kind == kind
    assert rule() == rule()
    with pytest.raises(FrozenInstanceError):
        rule().anything = 1
