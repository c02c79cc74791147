"""The elementwise functions of a graph in ONNX: its own words in float32, and from simpler ones in float64.

ONNX Runtime has no float64 for LeakyRelu, Elu, Selu, Softplus, PRelu and Erf.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from chainrule.export.approximations import (
    ERF_NEAR,
    ERF_SPLIT,
    ERFC_FAR,
    MIDDLE,
    NORMAL_MIDDLE,
    NORMAL_TAIL,
    Polynomial,
    Quotient,
)
from chainrule.export.as_onnx.writer import DOUBLE, OnnxWriter
from chainrule.formulas.activations import GELU_CUBIC, GELU_RATE, SELU_ALPHA, SELU_SCALE

Constants = Mapping[str, float]
Function = Callable[[OnnxWriter, str, Constants], str]


def add(w: OnnxWriter, x: str, number: object) -> str:
    """x + number"""
    return w.node("Add", x, w.like(number, x))


def times(w: OnnxWriter, x: str, number: object) -> str:
    """number x"""
    return w.node("Mul", x, w.like(number, x))


def above(w: OnnxWriter, x: str) -> str:
    """max(x, 0)"""
    return w.node("Relu", x)


def below(w: OnnxWriter, x: str) -> str:
    """min(x, 0)"""
    return w.node("Min", x, w.like(0.0, x))


def polynomial(w: OnnxWriter, t: str, coefficients: Polynomial) -> str:
    """Horner's scheme: ((a t + b) t + c) ..."""
    first, second, *rest = coefficients
    made = add(w, times(w, t, first), second)
    for each in rest:
        made = add(w, w.node("Mul", made, t), each)
    return made


def quotient(w: OnnxWriter, t: str, q: Quotient) -> str:
    """above(t) / below(t)"""
    return w.node("Div", polynomial(w, t, q.above), polynomial(w, t, q.below))


def leaky_relu(w: OnnxWriter, x: str, constants: Constants) -> str:
    """max(x, 0) + slope min(x, 0)"""
    slope = constants["slope"]
    if w.types[x] != DOUBLE:
        return w.node("LeakyRelu", x, alpha=slope)
    return w.node("Add", above(w, x), times(w, below(w, x), slope))


def elu(w: OnnxWriter, x: str, constants: Constants) -> str:
    """max(x, 0) + alpha (exp(min(x, 0)) - 1)"""
    alpha = constants["alpha"]
    if w.types[x] != DOUBLE:
        return w.node("Elu", x, alpha=alpha)
    return w.node("Add", above(w, x), times(w, add(w, w.node("Exp", below(w, x)), -1.0), alpha))


def selu(w: OnnxWriter, x: str, constants: Constants) -> str:
    """scale elu(x, alpha)"""
    if w.types[x] != DOUBLE:
        return w.node("Selu", x, alpha=SELU_ALPHA, gamma=SELU_SCALE)
    return times(w, elu(w, x, {"alpha": SELU_ALPHA}), SELU_SCALE)


def softplus(w: OnnxWriter, x: str, constants: Constants) -> str:
    """max(x, 0) + log(1 + exp(-|x|))"""
    small = w.node("Log", add(w, w.node("Exp", w.node("Neg", w.node("Abs", x))), 1.0))
    return w.node("Add", above(w, x), small)


def log_sigmoid(w: OnnxWriter, x: str, constants: Constants) -> str:
    """-softplus(-x)"""
    return w.node("Neg", softplus(w, w.node("Neg", x), constants))


def erf(w: OnnxWriter, x: str) -> str:
    """erf(x), in float64 from `chainrule.export.approximations`."""
    if w.types[x] != DOUBLE:
        return w.node("Erf", x)
    size = w.node("Abs", x)
    near = w.node("Mul", x, quotient(w, w.node("Mul", x, x), ERF_NEAR))
    decay = w.node("Exp", w.node("Neg", w.node("Mul", size, size)))
    bounded = w.node("Min", size, w.like(30.0, x))
    far = add(w, w.node("Neg", w.node("Mul", decay, quotient(w, bounded, ERFC_FAR))), 1.0)
    is_near = w.node("LessOrEqual", size, w.like(ERF_SPLIT, x))
    return w.node("Where", is_near, near, w.node("Mul", w.node("Sign", x), far), dtype=DOUBLE)


def gelu(w: OnnxWriter, x: str, constants: Constants) -> str:
    """x (1 + erf(x / sqrt(2))) / 2"""
    half = times(w, add(w, erf(w, times(w, x, math.sqrt(1 / 2))), 1.0), 0.5)
    return w.node("Mul", x, half)


def gelu_tanh(w: OnnxWriter, x: str, constants: Constants) -> str:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2"""
    cubic = add(w, times(w, w.node("Mul", x, x), GELU_CUBIC), 1.0)
    u = times(w, w.node("Mul", x, cubic), GELU_RATE)
    return w.node("Mul", x, times(w, add(w, w.node("Tanh", u), 1.0), 0.5))


def silu(w: OnnxWriter, x: str, constants: Constants) -> str:
    """x sigmoid(x)"""
    return w.node("Mul", x, w.node("Sigmoid", x))


def mish(w: OnnxWriter, x: str, constants: Constants) -> str:
    """x tanh(softplus(x))"""
    return w.node("Mul", x, w.node("Tanh", softplus(w, x, constants)))


def soft_clip(w: OnnxWriter, x: str, constants: Constants) -> str:
    """x / sqrt(1 + (x / 3)^2)"""
    third = times(w, x, 1 / 3)
    return w.node("Div", x, w.node("Sqrt", add(w, w.node("Mul", third, third), 1.0)))


def sin_turns(w: OnnxWriter, x: str, constants: Constants) -> str:
    """sin(2 pi x)"""
    return w.node("Sin", times(w, x, 2 * math.pi))


def cos_turns(w: OnnxWriter, x: str, constants: Constants) -> str:
    """cos(2 pi x)"""
    return w.node("Cos", times(w, x, 2 * math.pi))


def normal_quantile(w: OnnxWriter, p: str, constants: Constants) -> str:
    """Phi^-1(p), from `chainrule.export.approximations`; in float64, as the preparation of a table is."""
    d = add(w, p, -0.5)
    rest = add(w, w.node("Neg", w.node("Mul", d, d)), MIDDLE**2)
    middle = w.node("Mul", d, quotient(w, rest, NORMAL_MIDDLE))
    tail = w.node("Min", p, add(w, w.node("Neg", p), 1.0))
    r = w.node("Sqrt", w.node("Neg", w.node("Log", tail)))
    far = w.node("Mul", w.node("Sign", d), quotient(w, add(w, r, -1.6), NORMAL_TAIL))
    is_middle = w.node("LessOrEqual", w.node("Abs", d), w.like(MIDDLE, p))
    return w.node("Where", is_middle, middle, far, dtype=w.types[p])


def word(operator: str) -> Function:
    """Return a function that is one of ONNX's own words in both precisions."""
    return lambda w, x, constants: w.node(operator, x)


FUNCTIONS: dict[str, Function] = {
    "relu": word("Relu"),
    "sigmoid": word("Sigmoid"),
    "tanh": word("Tanh"),
    "exp": word("Exp"),
    "log": word("Log"),
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "softplus": softplus,
    "log_sigmoid": log_sigmoid,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "silu": silu,
    "mish": mish,
    "soft_clip": soft_clip,
    "sin_turns": sin_turns,
    "cos_turns": cos_turns,
    "normal_quantile": normal_quantile,
}
"""How each function of `Elementwise` is written."""
