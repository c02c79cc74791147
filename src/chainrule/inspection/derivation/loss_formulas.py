"""Write out dL/d out, the end of every derivation: the sample's weight times the derivative of the loss."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chainrule.formulas.activations import sigmoid
from chainrule.formulas.losses import (
    LOSSES,
    BinaryCrossEntropy,
    CategoricalCrossEntropy,
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    Quantile,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from chainrule.inspection.derivation.letters import Letters
from chainrule.inspection.derivation.local_derivatives import Variable
from chainrule.inspection.derivation.markup import (
    Expression,
    Fraction,
    FunctionCall,
    Number,
    Product,
    Sum,
    Symbol,
)
from chainrule.inspection.trace.walk import Walk

TINY = float(np.finfo(np.float64).tiny)
Floats = NDArray[np.float64]


def share(trace: Walk, letters: Letters, i: int) -> Expression:
    """s_i / sum_i s_i: 1 for one sample, 1/n for n samples without weights."""
    s = trace.s
    if trace.n == 1:
        return Number(float(trace.share[0]))
    if (s == 1).all():
        return Fraction(Number(1.0), Number(float(trace.n)))
    return Fraction(letters.weight(i, float(s[i])), Symbol("Σs", "Sigma", "", "s", float(s.sum())))


def derivative(trace: Walk, out: Variable, gradient: Floats, i: int, k: int) -> Expression:
    """d loss_i / d out_i,k as a formula; gradient (batch, fan_out): its values.

    For an ensemble, 1 / members times that of the member's loss, whose outputs are n of the columns.
    """
    members, loss, n = trace.network.loss.members, trace.network.loss.of_member, trace.network.outputs
    letters, a, number = out.letters, out.symbol(i, k), float(gradient[i, k]) * members
    first, k = k // n * n, k % n
    targets = loss.smooth(trace.y)
    y = letters.target(i, k, n, float(targets[i, k]), targets is not trace.y)
    made: Expression | None = None
    if LOSSES.get(loss.kind) is type(loss):
        if isinstance(loss, SoftmaxCrossEntropy):
            own = loss.predict(out.value[i : i + 1, first : first + n])
            row = letters.row(out.link, i, f"{first}:{first + n}" if members > 1 else "")
            made = Sum(FunctionCall("softmax", row, float(own[0, k]), below=str(k)), (-1, y))
        else:
            made = formula(loss, a, y, k)
    # A custom loss, or a probability clamped by `clamped_log`.
    made = made or FunctionCall("loss", a, number, prime=True)
    return made if members == 1 else Product(Fraction(Number(1.0), Number(float(members))), made)


def formula(loss: Loss, a: Symbol, y: Symbol, k: int) -> Expression | None:
    """d loss / da of output k and its target, for an elementwise loss; None if clamped."""
    one, r = Number(1.0), Sum(a, (-1, y))
    match loss:
        case MeanSquaredError():
            return r if loss.half else Product(Number(2.0), r)
        case Huber():
            return r if abs(r.value) <= loss.delta else Number(math.copysign(loss.delta, r.value))
        case MeanAbsoluteError():
            return _sign(r)
        case Quantile():
            rest = 0.5 - (loss.q[k] if isinstance(loss.q, tuple) else loss.q)
            half = Fraction(_sign(r), Number(2.0))
            return Sum(half, (1 if rest > 0 else -1, Number(abs(rest)))) if rest else half
        case Poisson():
            return Sum(FunctionCall("exp", a, math.exp(a.value)), (-1, y))
        case SigmoidCrossEntropy():
            return Sum(FunctionCall("sigmoid", a, float(sigmoid(np.asarray(a.value)))), (-1, y))
        case CategoricalCrossEntropy() if a.value > TINY:
            return Sum((-1, Fraction(y, a)))
        case BinaryCrossEntropy() if a.value > TINY and 1 - a.value > TINY:
            return Sum(Fraction(Sum(one, (-1, y)), Sum(one, (-1, a))), (-1, Fraction(y, a)))
    return None


def _sign(r: Sum) -> Expression:
    """sign(out - y), 0 at 0"""
    return FunctionCall("sign", r, (r.value > 0) - (r.value < 0))
