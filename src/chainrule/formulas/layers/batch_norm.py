"""Batch normalization: each neuron re-centered and re-scaled over the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.arrays import Array, Cache, Params, State, namespace
from chainrule.core.settings import number_settings
from chainrule.formulas.initializers import Constant, Initializer
from chainrule.formulas.layers.base import Context, Layer, Parameter
from chainrule.formulas.operation import Operation
from chainrule.formulas.paths import Confined, Paths, not_negative


class BatchNormParams(NamedTuple):
    """The parameters of batch normalization."""

    gamma: Any  # (width,)
    beta: Any  # (width,)


class BatchNormState(NamedTuple):
    """The running statistics used in prediction."""

    mean: Any  # (width,)
    var: Any  # (width,)


class BatchNormCache(NamedTuple):
    """The values for the backward pass, and the batch statistics."""

    x_hat: Any  # (batch, width)
    inv_std: Any  # (width,)
    mean: Any  # (width,)
    var: Any  # (width,)


@dataclass(frozen=True)
class BatchNorm(Layer):
    r"""Batch normalization, between the weights and the activation.

    training:    mu = mean_i a_i      var = mean_i (a_i - mu)^2      x_hat = (a - mu) / sqrt(var + eps)
                 out = gamma x_hat + beta
    prediction:  the same with the running mu and var, which after each step become
                 momentum * running + (1 - momentum) * batch's  (var times m/(m-1), unbiased, for a batch of m > 1)

    dL/dgamma = sum_i delta_i x_hat_i      dL/dbeta = sum_i delta_i
    dL/da = gamma / sqrt(var + eps) * (delta - mean_i delta_i - x_hat mean_i (delta_i x_hat_i))      in training
    dL/da = gamma / sqrt(var + eps) * delta                                                       in prediction

    a, delta: (batch, width).  A batch of one has var = 0: out = beta, dL/da = 0, and the running statistics stay.
    eps: above 0.  momentum: in [0, 1), of the running statistics (PyTorch's momentum is 1 - this one).
    rate, decays: at least 0, factors of the learning rate and the weight decay of gamma and beta.
    Source: Ioffe, Szegedy, "Batch normalization", ICML 2015, algorithms 1 and 2.
    """

    is_affine = True
    is_elementwise = True
    keeps_neurons = True
    mixes_samples = True
    knows_its_weights = True
    momentum: float = 0.9
    eps: float = 1e-5
    rate: float = 1.0
    decays: float = 1.0

    def __post_init__(self) -> None:
        """Check that eps is above 0, momentum in [0, 1), and rate and decays at least 0."""
        number_settings(self, "eps", above=0)
        number_settings(self, "momentum", minimum=0, below=1)
        number_settings(self, "rate", "decays", minimum=0)

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """out = gamma (a - mu) / sqrt(var + eps) + beta"""
        xp = namespace(a)
        if ctx.training:
            mean = xp.mean(a, axis=0)  # (width,)
            centered = a - mean  # (batch, width)
            var = xp.mean(centered * centered, axis=0)  # (width,)
        else:
            mean, var = ctx.state
            centered = a - mean
        inv_std = 1 / xp.sqrt(var + self.eps)
        x_hat = centered * inv_std
        return params.gamma * x_hat + params.beta, BatchNormCache(x_hat, inv_std, mean, var)

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/da = gamma / sqrt(var + eps) * (delta - mean_i delta_i - x_hat mean_i (delta_i x_hat_i))"""
        grads = self.gradients(params, cache, delta, ctx)
        if ctx.training:
            m = delta.shape[0]
            delta = delta - grads.beta / m - cache.x_hat * (grads.gamma / m)
        return grads, (params.gamma * cache.inv_std) * delta

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """dL/dgamma = sum_i delta_i x_hat_i      dL/dbeta = sum_i delta_i"""
        return BatchNormParams((delta * cache.x_hat).sum(0), delta.sum(0))

    def gradients_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Any:
        """sum_i delta_i a'_i / sqrt(var + eps), and 0 for beta, in prediction"""
        of_gamma = (delta * a_dot * cache.inv_std).sum(0)
        return BatchNormParams(of_gamma, namespace(delta).zeros_like(params.beta))

    def per_sample(self, params: Params, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/dgamma = delta_i x_hat_i      dL_i/dbeta = delta_i"""
        _, cache = self.forward(params, a, ctx)
        return BatchNormParams(delta * cache.x_hat, delta.copy())

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """out' = (d out / da) a' + gamma' x_hat + beta', with d out / da symmetric, in training too"""
        own = v.gamma * cache.x_hat + v.beta
        return own if a_dot is None else self.backward(params, cache, a_dot, ctx)[1] + own

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """Return gamma (width,), initially one, and beta (width,), initially zero."""
        gamma, beta = (
            Parameter((fan_in,), Constant(start), rate=self.rate, decays=self.decays) for start in (1.0, 0.0)
        )
        return BatchNormParams(gamma, beta)

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Keep gamma of columns with a direction at 0 or above."""
        return Confined(paths, {"gamma": not_negative(paths.directions != 0)})

    def state(self, fan_in: int) -> Any:
        """Return the initial running mean 0 and variance 1."""
        return BatchNormState(np.zeros(fan_in), np.ones(fan_in))

    def next_state(self, state: State, cache: Cache, ctx: Context) -> Any:
        """running = momentum * running + (1 - momentum) * batch's; unchanged for a single sample"""
        m = cache.x_hat.shape[0]
        if m == 1:
            return state
        unbiased = m / (m - 1)
        return BatchNormState(
            self.momentum * state.mean + (1 - self.momentum) * cache.mean,
            self.momentum * state.var + ((1 - self.momentum) * unbiased) * cache.var,
        )

    def arrays(self, training: bool) -> int:
        """Count x_hat as well."""
        return 3

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """batch_norm, with gamma and beta and the running statistics"""
        constants = {"eps": self.eps, "momentum": self.momentum}
        return (Operation("batch_norm", parameters=("gamma", "beta"), constants=constants, has_state=True),)

    def operations(self, fan_in: int) -> int:
        """Count one multiplication and one addition per neuron, with constants folded."""
        return 2 * fan_in
