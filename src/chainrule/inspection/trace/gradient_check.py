"""Compare backpropagation with central differences: (L(theta + h e) - L(theta - h e)) / 2h."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.core import records
from chainrule.core.arrays import RowsLike, TargetsLike, states_in
from chainrule.core.random import generator
from chainrule.data.samples import Samples
from chainrule.engines import Plan
from chainrule.engines.step import gradient
from chainrule.errors import counted
from chainrule.formulas.optimizers import GradientDescent
from chainrule.network.network import Network
from chainrule.trained.trained import Trained

STEP_SIZES = (1e-4, 1e-5, 1e-6)
"""The steps h tried for each number; the closest result is used. Kinks spoil large steps, rounding small ones."""


@records.kind("gradient_comparison")
class ParameterCheck(NamedTuple):
    """One component of the gradient, computed in two ways."""

    at: tuple[int, ...]
    gradient: float
    numeric: float
    error: float  # |gradient - numeric| / max(|gradient|, |numeric|, floor)

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


@records.kind("gradient_check")
class GradientCheck(records.Shown, records.TextResult, dict[str, ParameterCheck]):
    """The comparison with the largest error per parameter: check["dense_1.W"].error. Print it for a table."""

    @property
    def worst(self) -> str:
        """The name of the parameter with the largest error."""
        return max(self, key=lambda name: self[name].error)

    @property
    def error(self) -> float:
        """The largest relative error; 0 for a network without parameters."""
        return max((comparison.error for comparison in self.values()), default=0.0)

    def place(self, name: str) -> str:
        """Return the component of a parameter that was compared: dense_1.W[3,1]"""
        return f"{name}[{','.join(map(str, self[name].at))}]"

    def to_data(self) -> dict[str, Any]:
        """Return error, the name of the worst parameter, and the comparisons as JSON-safe data; see `core.records`."""
        worst = self.worst if self else None
        return records.labeled(self, {"error": self.error, "worst": worst, "parameters": dict(self)})

    def __repr__(self) -> str:
        """Return the component with the largest error, and its error."""
        worst = f": worst {self.place(self.worst)}, relative error {self.error:.1e}" if self else ""
        return f"<GradientCheck of {counted(len(self), 'parameter')}{worst}>"


def loss_and_gradient(
    model: Trained, theta: NDArray[Any], samples: Samples, training: bool
) -> tuple[float, NDArray[Any]]:
    """Compute L over the samples in one batch and dL/dtheta (size,), in the dtype of theta (size,).

    training: like the next training step, or in prediction mode.
    """
    plan = Plan(model.network, GradientDescent(), samples.n, model.seed, theta.dtype, frozen=model.frozen)
    batch = samples.batch(slice(None), theta.dtype)
    states = states_in(theta.dtype, model.states)
    params = model.network.unflatten(theta)
    objective, g = gradient(plan, params, states, batch, model.steps_trained + 1, training=training)
    return float(objective.loss), g


def check_gradients(
    model: Trained,
    X: RowsLike,
    y: TargetsLike,
    *,
    sample_weight: ArrayLike | None = None,
    entries: int | None = 8,
    samples: int = 64,
    training: bool = True,
) -> GradientCheck:
    """Compare a model's gradients on some samples with central differences, like `Model.check_gradients`."""
    checked = model.check_samples(X, y, sample_weight=sample_weight)
    few = checked.take(np.arange(min(checked.n, samples)))
    return check_gradient(
        model.network,
        model.theta.astype(np.float64),
        lambda theta: loss_and_gradient(model, theta, few, training),
        entries,
        model.seed,
        model.frozen,
    )


def check_gradient(
    network: Network,
    theta: NDArray[np.float64],
    objective: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    entries: int | None,
    seed: int,
    frozen: frozenset[str] = frozenset(),
) -> GradientCheck:
    """Compare each parameter's gradient with central differences, in float64.

    objective: loss and gradient (size,) at theta (size,).  entries: the number of components drawn per parameter, None
    for all.  frozen: links with gradient 0, which are not compared.
    Errors are relative to the larger of the two values, but at least to 1e-3 of the gradient's root mean square, below
    which a central difference has no correct digits; if either is NaN the error is infinite.
    """
    _, g = objective(theta)
    floor = max(1e-3 * float(np.sqrt(np.mean(g**2))) if g.size else 0.0, 1e-10)
    found = GradientCheck()
    for number, slot in enumerate(network.slots):
        if slot.link.name in frozen:
            continue
        size = slot.stop - slot.start
        chosen: Any = np.arange(size)
        if entries is not None and entries < size:
            chosen = np.sort(generator(seed, "split", number).choice(size, entries, replace=False))
        worst = None
        for offset in chosen.tolist():
            comparison = _compare(theta, objective, g, slot.start + offset, floor)
            if worst is None or comparison.error > worst.error:
                at = tuple(int(i) for i in np.unravel_index(offset, slot.parameter.shape))
                worst = comparison._replace(at=at)
        if worst is not None:
            found[f"{slot.link.name}.{slot.field}"] = worst
    return found


def _compare(
    theta: NDArray[np.float64],
    objective: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    g: NDArray[np.float64],
    k: int,
    floor: float,
) -> ParameterCheck:
    best = None
    for h in STEP_SIZES:
        high, low = theta.copy(), theta.copy()
        high[k] += h
        low[k] -= h
        numeric = (objective(high)[0] - objective(low)[0]) / (high[k] - low[k])
        error = abs(g[k] - numeric) / max(abs(g[k]), abs(numeric), floor)
        error = math.inf if np.isnan(error) else error  # NaN would never be the maximum
        if best is None or error < best.error:
            best = ParameterCheck((), float(g[k]), float(numeric), float(error))
        if best.error < 1e-9:
            break
    assert best is not None
    return best
