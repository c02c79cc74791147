"""Attributions by the gradient at the sample: saliency, and the gradient times the difference from the baseline."""

from __future__ import annotations

import numpy as np

from chainrule.core.arrays import Array, RowsLike
from chainrule.inspection.attribution.explained import explained
from chainrule.inspection.attribution.result import Attribution, result
from chainrule.trained.trained import Trained


def saliency(
    model: Trained,
    X: RowsLike,
    *,
    target: object = None,
    against: object = None,
    baseline: Array = None,
    shape: tuple[int, int] | None = None,
    signed: bool = False,
) -> Attribution:
    """|df/dx_k|, or with signed=True df/dx_k: the backward pass down to the input.

    X: (n, inputs).  The baseline is stored but not used.  At a kink the derivative is the activation's own.
    Source: Simonyan, Vedaldi, Zisserman, "Deep inside convolutional networks", arXiv:1312.6034, section 3.
    """
    f = explained(model, X, target=target, against=against, baseline=baseline, shape=shape).behind_codes()
    gradient = f.gradient(f.X, f.V)  # (n, inputs)
    return result(
        "saliency", f, gradient if signed else np.abs(gradient), is_complete=False, signed=bool(signed)
    )


def input_x_gradient(
    model: Trained,
    X: RowsLike,
    *,
    target: object = None,
    against: object = None,
    baseline: Array = None,
    shape: tuple[int, int] | None = None,
) -> Attribution:
    """(x_k - baseline_k) df/dx_k: the contribution of feature k if f were linear with this gradient.

    X: (n, inputs).  With a baseline of 0, as published: x_k df/dx_k.
    Source: Shrikumar, Greenside, Shcherbina, Kundaje, "Not just a black box", arXiv:1605.01713.
    """
    f = explained(model, X, target=target, against=against, baseline=baseline, shape=shape).behind_codes()
    values = (f.X - f.baseline) * f.gradient(f.X, f.V)  # (n, inputs)
    return result("input_x_gradient", f, values, is_complete=False)
