"""Input x gradient: the gradient at the sample times its difference from the baseline."""

from __future__ import annotations

from chainrule.core.arrays import Array, RowsLike
from chainrule.inspection.attribution.explained import explained
from chainrule.inspection.attribution.result import Attribution, result
from chainrule.trained.trained import Trained


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
