"""How sure the members of an ensemble may be, and how often two classes are, by what they predict out of fold.

    the temperature T with the least loss of q where each member's logits z are center + (z - center) / T, and center is
                    half the logits of the shares of the classes

The center is between two: with the logits of the shares a doubtful row has the shares, which is right where a class is
rare, and with 0 all classes alike, which is a little better where none is.

T is at least 1 where it says which epoch is the best, and for networks of two classes. Those of several classes may be
made surer too: with a linear part by a second T, of at most 1, since a mean of both is less sure than it is right. What
is predicted stays within the bound of the logits: they are divided by a T below 1 inside of it, see `Bound`.

Out of fold two members are averaged. The mean of all is right more often, and less sure. So of very few rows of several
classes, with which members differ most, each T is divided by FOR_ALL, the first one down to 1 at least.

    the shift d of the logit of two classes, inside of its bound, such that sum_i v_i q_i = sum_i v_i y_i, with the
                    weights v of the rows

A logistic regression has this by its intercept, and a network that stops early or is cooled has not. Where a class is
rare, how often it is predicted is most of what a probability may be wrong by.

Sources: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017; for the shift, which is
calibration in the large, Cox, "Two further applications of a model for binary regression", Biometrika 1958.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from chainrule.data.samples import Samples, in_rows
from chainrule.estimators.fit.linear_part import Bound
from chainrule.estimators.fit.start import dense_slots
from chainrule.formulas.layers import Scale, Shift
from chainrule.formulas.losses import CrossEntropy, Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy
from chainrule.model import Model

TEMPERATURES = (1.0, 8.0)
"""The least and the largest temperature of networks."""
OF_ALL = (0.5, 1.0)
"""Those of networks of several classes with their linear parts."""
OF_SEVERAL = (0.5, 8.0)
"""Those of networks of several classes without."""
FOR_ALL = 1.1
"""Of very few rows of several classes, how many times smaller the temperatures of all members are than those of two."""
CENTER = 0.5
"""Of the logits of the shares, the part that is the center of the logits."""
NEAR = 0.02
"""How near the logarithm of a temperature is to the best one."""
MOST_SHIFT = 1.0
"""The largest shift of the logits."""
NEAR_SHIFT = 1e-4
"""How near a shift is to the right one."""


def cooled(
    out: NDArray[Any], center: NDArray[np.float64], temperature: float, bound: Bound | None = None
) -> NDArray[Any]:
    """center + (out - center) / temperature; with a temperature below 1 inside of the bound of the outputs, if any."""
    if temperature >= 1 or bound is None:
        return center + (out - center) / temperature
    middle = bound.undone(center)
    return bound(middle + (bound.undone(out) - middle) / temperature)


def loss_of(out: NDArray[Any], loss: Loss, samples: Samples) -> float:
    """Return the weighted mean of the loss of outputs; infinity where they are not finite, NaN without any."""
    if not len(out):
        return float("nan")
    if not np.isfinite(out).all():
        return float("inf")
    y, weight = samples.targets_of()
    return float(np.average(loss.value(out, y), weights=weight if weight.any() else None))


def temperature_of(
    out: NDArray[np.float64],
    center: NDArray[np.float64],
    loss: Loss,
    samples: Samples,
    bound: Bound | None = None,
    ends: tuple[float, float] = TEMPERATURES,
) -> float:
    """Return the temperature, 1 for other losses than a cross-entropy of logits.

    out: those of `out_of_fold`.  center: (outputs,).  samples: the m rows.  bound: of the outputs, if any.
    ends: the least and the largest.
    """
    if not has_logits(loss):
        return 1.0

    def of(log: float) -> float:
        return loss_of(loss.average(cooled(out, center, float(np.exp(log)), bound)), loss, samples)

    low, high = (float(np.log(end)) for end in ends)
    found = minimize_scalar(of, bounds=(low, high), method="bounded", options={"xatol": NEAR})
    return float(np.exp(found.x)) if of(found.x) < of(0.0) else 1.0


def has_logits(loss: Loss) -> bool:
    """Return whether outputs are logits of probabilities."""
    return isinstance(loss, CrossEntropy) and loss.domain != "probability"


def of_shares(loss: Loss, samples: Samples) -> NDArray[np.float64]:
    """Return the logits (outputs,) of the shares of the classes, each with half a row more."""
    y, weight = samples.targets_of()
    weight = in_rows(weight)
    shares = (weight @ y + 0.5) / (weight.sum() + 0.5 * (y.shape[1] if y.shape[1] > 1 else 2))
    log = np.log(shares)
    found: NDArray[np.float64] = log if isinstance(loss, SoftmaxCrossEntropy) else log - np.log1p(-shares)
    return found


def center_of(loss: Loss, samples: Samples) -> NDArray[np.float64]:
    """Return what logits come nearer to with the temperature (outputs,); 0 for other outputs."""
    return CENTER * of_shares(loss, samples) if has_logits(loss) else np.zeros(samples.outputs)


def cool(model: Model, center: NDArray[np.float64], temperature: float) -> None:
    """Let a network's outputs be those of `cooled`, by a Scale and a Shift at its end, or else by its last Dense."""
    by_name = {slot.link.name: slot for slot in model.network.slots}
    *_, scale, shift = model.network.links
    is_bounded = isinstance(scale.layer, Scale) and isinstance(shift.layer, Shift)
    if is_bounded and temperature >= 1:
        factors, biases = [by_name[scale.name]], by_name[shift.name]
    else:
        bound = Bound.of(model)
        center = center if bound is None else bound.before(center)
        W, biases = (dense_slots(model.network, field)[-1] for field in ("W", "b"))
        factors = [W, biases]
    for slot in factors:
        model.theta[slot.start : slot.stop] /= temperature
    model.theta[biases.start : biases.stop] += center * (1 - 1 / temperature)


def shifted(out: NDArray[np.float64], shift: float, bound: Bound | None = None) -> NDArray[np.float64]:
    """out + shift, inside of the bound of the outputs, if any."""
    return out + shift if bound is None else bound(bound.undone(out) + shift)


def shift_of(out: NDArray[np.float64], loss: Loss, samples: Samples, bound: Bound | None = None) -> float:
    """Return the shift d; 0 for other outputs than the one logit of two classes, and where only one class counts.

    out: outputs of members for rows that these leave out, (dealings, m, outputs).  samples: the m rows.
    """
    if not isinstance(loss, SigmoidCrossEntropy) or out.shape[2] != 1 or not np.isfinite(out).all():
        return 0.0
    y, weight = samples.targets_of()
    weight = in_rows(weight)
    counted = y[weight > 0]
    if not len(counted) or counted.min() == counted.max():
        return 0.0

    def excess(shift: float) -> float:
        predicted = loss.predict(loss.average(shifted(out, shift, bound)))
        return float(weight @ (predicted - y)[:, 0])

    if excess(-MOST_SHIFT) >= 0 or excess(MOST_SHIFT) <= 0:
        return -MOST_SHIFT if excess(0.0) > 0 else MOST_SHIFT
    return float(brentq(excess, -MOST_SHIFT, MOST_SHIFT, xtol=NEAR_SHIFT))


def shift(model: Model, by: float) -> None:
    """Let a network's outputs be those of `shifted`, by the bias of its last Dense."""
    bound, b = Bound.of(model), dense_slots(model.network, "b")[-1]
    model.theta[b.start : b.stop] += by if bound is None else by / (bound.s * bound.f)
