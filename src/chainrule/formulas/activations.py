"""Activations: elementwise functions of the pre-activation, each with its derivatives directly beneath.

    a = name(z)                  z: pre-activation, (batch, width) or any shape.  a: activation, same shape.
    da/dz = name_prime(z, a)     elementwise; of z and a it uses whichever is cheaper.
    d2a/dz2 = name_second(z, a)  the same; 0 at a kink of an activation that is linear on both sides.

An activation with a parameter takes it last in all: `elu(z, alpha)`, `elu_prime(z, a, alpha)`. Softmax, where each
output of a row depends on every input of it, has a pullback in place of a derivative: it maps dL/da to dL/dz.

All keep the dtype of z and stay finite, without a floating-point warning, for |z| up to 1e4 in float32 and
float64. NaN stays NaN, so that its origin can be found. The value at every kink (z = 0) is stated.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from chainrule.core.arrays import Array, namespace


def identity(z: Array) -> Array:
    """The identity, for the output of a regression.    a = z    a' = 1"""
    return z


def identity_prime(z: Array, a: Array) -> Array:
    """1"""
    return namespace(z).ones_like(z)


def linear_second(z: Array, a: Array, slope: float = 0.0) -> Array:
    """0, of the activations that are linear on both sides of 0, and at the kink as well"""
    return namespace(z).zeros_like(z)


def relu(z: Array) -> Array:
    """Rectified linear unit.

    a = max(z, 0)          a' = 1 where z > 0, else 0          a'(0) = 0

    Source: Nair, Hinton, Rectified Linear Units Improve Restricted Boltzmann Machines, 2010.
    """
    return namespace(z).maximum(z, 0)


def relu_prime(z: Array, a: Array) -> Array:
    """1 where z > 0, else 0"""
    return (z > 0).astype(z.dtype)


def leaky_relu(z: Array, slope: Array = 0.01) -> Array:
    """ReLU with a small slope on the negative side.

    a = max(z, 0) + slope min(z, 0)          a' = 1 where z > 0, else slope          a'(0) = slope

    slope: a number, or of PReLU (width,), learned.
    Source: Maas, Hannun, Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013; PReLU: He, Zhang,
    Ren, Sun, Delving Deep into Rectifiers, arXiv:1502.01852, eq. 1.
    """
    xp = namespace(z)
    return xp.maximum(z, 0) + slope * xp.minimum(z, 0)


def leaky_relu_prime(z: Array, a: Array, slope: Array = 0.01) -> Array:
    """1 where z > 0, else slope"""
    xp = namespace(z)
    return xp.where(z > 0, xp.ones_like(z), slope)


def prelu_slope_prime(z: Array, a: Array, slope: Array) -> Array:
    """da/dslope of `leaky_relu` = min(z, 0), (batch, width): not yet summed over the batch"""
    return namespace(z).minimum(z, 0)


def elu(z: Array, alpha: float = 1.0) -> Array:
    """Exponential linear unit.

    a = max(z, 0) + alpha (exp(min(z, 0)) - 1)     a' = 1 where z > 0, else a + alpha     a'(0) = alpha

    Source: Clevert, Unterthiner, Hochreiter, Exponential Linear Units, arXiv:1511.07289.
    """
    xp = namespace(z)
    return xp.maximum(z, 0) + alpha * xp.expm1(xp.minimum(z, 0))


def elu_prime(z: Array, a: Array, alpha: float = 1.0) -> Array:
    """1 where z > 0, else alpha exp(z) = a + alpha"""
    return namespace(z).where(z > 0, 1, a + alpha)


def elu_second(z: Array, a: Array, alpha: float = 1.0) -> Array:
    """0 where z > 0, else alpha exp(z) = a + alpha"""
    return namespace(z).where(z > 0, 0, a + alpha)


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # they keep mean 0 and variance 1


def selu(z: Array) -> Array:
    """ELU scaled so that activations keep mean 0 and variance 1 from layer to layer.

    a = scale elu(z, alpha)     a' = scale where z > 0, else a + scale alpha     a'(0) = scale alpha

    Source: Klambauer, Unterthiner, Mayr, Hochreiter, Self-Normalizing Neural Networks, arXiv:1706.02515.
    """
    return SELU_SCALE * elu(z, SELU_ALPHA)


def selu_prime(z: Array, a: Array) -> Array:
    """scale where z > 0, else scale alpha exp(z) = a + scale alpha"""
    return namespace(z).where(z > 0, SELU_SCALE, a + SELU_SCALE * SELU_ALPHA)


def selu_second(z: Array, a: Array) -> Array:
    """0 where z > 0, else scale alpha exp(z) = a + scale alpha"""
    return elu_second(z, a, SELU_SCALE * SELU_ALPHA)


def erf(z: Array) -> Array:
    """erf(z) = 2/sqrt(pi) * integral from 0 to z of exp(-t^2) dt, which neither namespace provides."""
    if namespace(z).__name__ == "numpy":
        from scipy.special import erf as scipy_erf

        return scipy_erf(z)
    from jax.scipy.special import erf as jax_erf

    return jax_erf(z)


def _normal_cdf(z: Array) -> Array:
    """Phi(z), the probability that a standard normal number is below z."""
    return 0.5 * (1 + erf(z * math.sqrt(1 / 2)))


def _normal_cdf_prime(z: Array) -> Array:
    """phi(z) = exp(-z^2 / 2) / sqrt(2 pi)"""
    return namespace(z).exp(-0.5 * z * z) * (1 / math.sqrt(2 * math.pi))


def gelu(z: Array) -> Array:
    """Gaussian error linear unit, exact.

    a = z Phi(z)          a' = Phi(z) + z phi(z)          Phi, phi: the normal distribution, density

    Source: Hendrycks, Gimpel, Gaussian Error Linear Units, arXiv:1606.08415.
    """
    return z * _normal_cdf(z)


def gelu_prime(z: Array, a: Array) -> Array:
    """Phi(z) + z phi(z)"""
    return _normal_cdf(z) + z * _normal_cdf_prime(z)


def gelu_second(z: Array, a: Array) -> Array:
    """phi(z) (2 - z^2)"""
    return _normal_cdf_prime(z) * (2 - z * z)


GELU_RATE, GELU_CUBIC = math.sqrt(2 / math.pi), 0.044715


def gelu_tanh(z: Array) -> Array:
    """GELU with the normal distribution approximated by tanh; within 5e-4 of the exact one.

    a = z (1 + tanh u) / 2          u = sqrt(2/pi) (z + 0.044715 z^3)
    a' = (1 + tanh u) / 2 + z (1 - tanh^2 u) u' / 2

    Source: Hendrycks, Gimpel, Gaussian Error Linear Units, arXiv:1606.08415.
    """
    t = namespace(z).tanh(GELU_RATE * z * (1 + GELU_CUBIC * z * z))
    return 0.5 * z * (1 + t)


def gelu_tanh_prime(z: Array, a: Array) -> Array:
    """(1 + tanh u) / 2 + z (1 - tanh^2 u) u' / 2          u' = sqrt(2/pi) (1 + 3 * 0.044715 z^2)"""
    t = namespace(z).tanh(GELU_RATE * z * (1 + GELU_CUBIC * z * z))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * GELU_RATE * (1 + 3 * GELU_CUBIC * z * z)


def gelu_tanh_second(z: Array, a: Array) -> Array:
    """(1 - tanh^2 u) (u' + z (u'' / 2 - tanh u u'^2))          u'' = sqrt(2/pi) 6 * 0.044715 z"""
    t = namespace(z).tanh(GELU_RATE * z * (1 + GELU_CUBIC * z * z))
    first = GELU_RATE * (1 + 3 * GELU_CUBIC * z * z)
    return (1 - t * t) * (first + z * (3 * GELU_RATE * GELU_CUBIC * z - t * first * first))


def silu(z: Array) -> Array:
    """Sigmoid linear unit, also known as swish.

    a = z sigmoid(z)          a' = s + a (1 - s)          s = sigmoid(z)

    Source: Elfwing, Uchibe, Doya, Sigmoid-Weighted Linear Units, arXiv:1702.03118.
    """
    return z * sigmoid(z)


def silu_prime(z: Array, a: Array) -> Array:
    """s + z s (1 - s) = s + a (1 - s)"""
    s = sigmoid(z)
    return s + a * (1 - s)


def silu_second(z: Array, a: Array) -> Array:
    """s (1 - s) (2 + z (1 - 2 s))"""
    s = sigmoid(z)
    return s * (1 - s) * (2 + z * (1 - 2 * s))


def mish(z: Array) -> Array:
    """A smooth ReLU that dips below zero, like SiLU and GELU.

    a = z tanh(softplus(z))          a' = t + z (1 - t^2) sigmoid(z)          t = tanh(softplus(z))

    Source: Misra, Mish: A Self Regularized Non-Monotonic Activation Function, arXiv:1908.08681.
    """
    return z * namespace(z).tanh(softplus(z))


def mish_prime(z: Array, a: Array) -> Array:
    """t + z (1 - t^2) sigmoid(z)"""
    t = namespace(z).tanh(softplus(z))
    return t + z * (1 - t * t) * sigmoid(z)


def mish_second(z: Array, a: Array) -> Array:
    """(1 - t^2) s (2 + z (1 - s - 2 t s))          s = sigmoid(z)"""
    t, s = namespace(z).tanh(softplus(z)), sigmoid(z)
    return (1 - t * t) * s * (2 + z * (1 - s - 2 * t * s))


def softplus(z: Array) -> Array:
    """The smooth ReLU, and the integral of the sigmoid.

    a = log(1 + exp(z))          a' = sigmoid(z) = 1 - exp(-a)

    Written as max(z, 0) + log(1 + exp(-|z|)), whose exponential cannot overflow.
    """
    xp = namespace(z)
    return xp.maximum(z, 0) + xp.log1p(xp.exp(-xp.abs(z)))


def softplus_prime(z: Array, a: Array) -> Array:
    """sigmoid(z) = 1 - exp(-a)"""
    return -namespace(z).expm1(-a)


def softplus_second(z: Array, a: Array) -> Array:
    """sigmoid(z) (1 - sigmoid(z)) = (1 - exp(-a)) exp(-a)"""
    xp = namespace(z)
    return -xp.expm1(-a) * xp.exp(-a)


def sigmoid(z: Array) -> Array:
    """The logistic function: a probability from its log-odds.

    a = 1 / (1 + exp(-z))          a' = a (1 - a)

    Written as exp(min(z, 0)) / (1 + exp(-|z|)): neither exponential can overflow, and a tiny probability
    keeps all its digits, which 1/2 + tanh(z/2) / 2 would lose. Faster in NumPy than a branch by `where`.
    """
    xp = namespace(z)
    return xp.exp(xp.minimum(z, 0)) / (1 + xp.exp(-xp.abs(z)))


def sigmoid_prime(z: Array, a: Array) -> Array:
    """a (1 - a)"""
    return a * (1 - a)


def sigmoid_second(z: Array, a: Array) -> Array:
    """a (1 - a) (1 - 2 a)"""
    return a * (1 - a) * (1 - 2 * a)


def log_sigmoid(z: Array) -> Array:
    """Logarithm of a probability.    a = log(sigmoid(z)) = -softplus(-z)    a' = sigmoid(-z) = 1 - exp(a)"""
    return -softplus(-z)


def log_sigmoid_prime(z: Array, a: Array) -> Array:
    """sigmoid(-z) = 1 - exp(a)"""
    return -namespace(z).expm1(a)


def log_sigmoid_second(z: Array, a: Array) -> Array:
    """-sigmoid(-z) sigmoid(z) = (exp(a) - 1) exp(a)"""
    xp = namespace(z)
    return xp.expm1(a) * xp.exp(a)


def tanh(z: Array) -> Array:
    """A sigmoid centered on zero.    a = (exp(z) - exp(-z)) / (exp(z) + exp(-z))    a' = 1 - a^2"""
    return namespace(z).tanh(z)


def tanh_prime(z: Array, a: Array) -> Array:
    """1 - a^2"""
    return 1 - a * a


def tanh_second(z: Array, a: Array) -> Array:
    """-2 a (1 - a^2)"""
    return -2 * a * (1 - a * a)


def softmax(z: Array) -> Array:
    """Probabilities of classes from their scores, row by row.

    a_k = exp(z_k) / sum_j exp(z_j)          da_k/dz_j = a_k ([k = j] - a_j)

    z, a: (batch, classes); rows of a sum to 1. The largest score of a row is subtracted from the row first: the
    probabilities are the same, and no exponential overflows.
    Source: Bishop, Pattern Recognition and Machine Learning, eq. 4.104, 4.106.
    """
    xp = namespace(z)
    e = xp.exp(z - z.max(-1, keepdims=True))  # (batch, classes), the largest of a row is 1
    return e / e.sum(-1, keepdims=True)


def softmax_pullback(a: Array, delta: Array) -> Array:
    """dL/dz_j = sum_k delta_k da_k/dz_j = a_j (delta_j - sum_k delta_k a_k)          delta = dL/da"""
    return a * (delta - (delta * a).sum(-1, keepdims=True))


def softmax_pullback_tangent(a: Array, delta: Array, a_dot: Array) -> Array:
    """(dL/dz)' = a' (delta - sum_k delta_k a_k) - a sum_k delta_k a'_k          a' along a direction, delta fixed"""
    return a_dot * (delta - (delta * a).sum(-1, keepdims=True)) - a * (delta * a_dot).sum(-1, keepdims=True)


def log_softmax(z: Array) -> Array:
    """Logarithms of the probabilities of classes from their scores, row by row.

    a_k = z_k - log sum_j exp(z_j)          da_k/dz_j = [k = j] - exp(a_j)

    z, a: (batch, classes). Unlike log(softmax(z)), finite for every finite z.
    """
    xp = namespace(z)
    c = z - z.max(-1, keepdims=True)  # (batch, classes), the largest of a row is 0
    return c - xp.log(xp.exp(c).sum(-1, keepdims=True))


def log_softmax_pullback(a: Array, delta: Array) -> Array:
    """dL/dz_j = sum_k delta_k da_k/dz_j = delta_j - exp(a_j) sum_k delta_k          delta = dL/da"""
    return delta - namespace(a).exp(a) * delta.sum(-1, keepdims=True)


Derivative = Callable[[Array, Array], Array]
FUNCTIONS: dict[str, tuple[Callable[[Array], Array], Derivative, Derivative]] = {
    "identity": (identity, identity_prime, linear_second),
    "relu": (relu, relu_prime, linear_second),
    "selu": (selu, selu_prime, selu_second),
    "gelu": (gelu, gelu_prime, gelu_second),
    "gelu_tanh": (gelu_tanh, gelu_tanh_prime, gelu_tanh_second),
    "silu": (silu, silu_prime, silu_second),
    "mish": (mish, mish_prime, mish_second),
    "softplus": (softplus, softplus_prime, softplus_second),
    "sigmoid": (sigmoid, sigmoid_prime, sigmoid_second),
    "log_sigmoid": (log_sigmoid, log_sigmoid_prime, log_sigmoid_second),
    "tanh": (tanh, tanh_prime, tanh_second),
}
"""The elementwise activations without a parameter: (function, derivative, second). The tests run over this table."""
