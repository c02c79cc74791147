"""Find where NaN or infinity first appears in a training step, by repeating the step and watching every link."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Params
from chainrule.data.samples import Batch
from chainrule.engines.step import gradient
from chainrule.engines.step.base import Plan
from chainrule.errors import NonFiniteError, instead, option
from chainrule.formulas.layers import Link
from chainrule.network.network import Network


def of_gradient(
    plan: Plan,
    params: Params,
    states: dict[str, Any],
    batch: Batch,
    step_offset: int,
    t: int,
    lr: float,
    dropout: float = 1.0,
    penalty: float = 1.0,
    smoothing: float = 1.0,
) -> NonFiniteError:
    """Return the error of step t with a non-finite loss or gradient; it names the first such link.

    params, states: before the step.  step_offset: the number of steps before the run.
    lr, dropout, penalty, smoothing: of the step.
    """
    bad: dict[str, str] = {}  # pass: its first link with a non-finite number

    def watch(walk: str, link: Link, value: NDArray[Any]) -> None:
        if not np.isfinite(value).all():
            bad.setdefault(walk, link.name)

    with np.errstate(all="ignore"):
        objective, _ = gradient(
            plan, params, states, batch, step_offset + t, watch, True, None, dropout, penalty, smoothing
        )
    if not np.isfinite(batch.a).all():
        where = "input"
    elif "forward" in bad or not np.isfinite(objective.loss):
        where = bad.get("forward", "loss")
    else:
        where = f"gradient of {bad['backward']}" if "backward" in bad else "gradient"
    return not_finite(t, where, lr)


def of_update(network: Network, theta: NDArray[Any], t: int, lr: float) -> NonFiniteError:
    """Return the error of step t, after which theta is not finite; it names the first link with such parameters."""
    bad = next(slot for slot in network.slots if not np.isfinite(theta[slot.start : slot.stop]).all())
    return not_finite(t, f"update of {bad.link.name}", lr)


def not_finite(t: int, where: str, lr: float) -> NonFiniteError:
    """Return the error of step t at learning rate lr. where: the location of the first non-finite number."""
    return NonFiniteError(
        f"Training produced NaN or infinity at step {t}, first in {where}, at a learning rate of {lr:.3g}; "
        f"lower {option('learning_rate', 'the learning rate')}, "
        f"{instead('clip the gradient to a norm of ', 'give ')}{option('clip_norm', '1', '1')}, "
        "or scale the input.",
        step=t,
        link=where,
    )
