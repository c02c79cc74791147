"""The predictions of several networks of one architecture, and the outputs that predict their average."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike
from chainrule.core.threads import in_turns
from chainrule.engines import ForwardWalks
from chainrule.network.answers import decide, probabilities, task_of
from chainrule.network.network import Network

FEW_ROWS = 256
"""The maximum rows for which the members are computed one after the other, because starting threads takes longer."""


def outputs_of_each(
    walks: ForwardWalks, thetas: Sequence[NDArray[Any]], states: Sequence[dict[str, Any]], X: RowsLike
) -> NDArray[Any]:
    """Compute the outputs (members, n, fan_out) for X (n, features), as many members at once as there are cores.

    thetas, states: those of each member.
    """
    out = np.empty((len(thetas), X.shape[0], walks.network.fan_out), thetas[0].dtype)
    workers = walks.engine.workers() if X.shape[0] > FEW_ROWS else 1
    threads = max(1, workers // len(thetas))

    def job(i: int) -> Iterator[None]:
        out[i] = walks.predict(thetas[i], states[i], X, threads)
        yield

    in_turns(map(job, range(len(thetas))), workers)
    return out


def average(network: Network, out: NDArray[Any]) -> NDArray[Any]:
    """Return the outputs (n, fan_out) that predict the mean over the members of out (members, n, fan_out).

    Computed in float64, in the members' order, so that no bit depends on which of them finishes first, or on how many
    rows there are: NumPy adds up a single number of each member in another order than several.
    """
    added = np.repeat(out, 2, 1) if out[0].size == 1 else out
    with np.errstate(all="ignore"):  # non-finite outputs have a non-finite average
        mean: NDArray[Any] = network.loss.average(added.astype(np.float64))
    return mean[: out.shape[1]].astype(out.dtype)


def disagreement(network: Network, out: NDArray[Any]) -> NDArray[Any]:
    """Return the standard deviation over the members of what outputs (members, n, fan_out) in the units of y predict.

    Of numbers (n,) or (n, outputs); in classification of probabilities, see `Ensemble.spread`.
    """
    loss = network.loss
    if task_of(loss, network.outputs) == "regression":
        each = np.stack([np.asarray(decide(loss, one), np.float64) for one in out])
    else:
        each = np.stack([probabilities(loss, one.astype(np.float64)) for one in out])
    spread: NDArray[Any] = each.std(0)
    return spread
