"""The predictions of several networks of one architecture, and the outputs that predict their average."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.turns import in_turns
from chainrule.engines import ForwardWalks
from chainrule.network.network import Network

FEW_ROWS = 256
"""Up to so many rows the members are walked one after the other: a thread would take longer to begin."""


def outputs_of_each(
    walks: ForwardWalks, thetas: Sequence[NDArray[Any]], states: Sequence[dict[str, Any]], X: Any
) -> NDArray[Any]:
    """Compute the outputs (members, n, fan_out) for X (n, features): as many members at once as there are cores.

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

    Worked out in float64, member after member, so no bit depends on which of them was ready first.
    """
    with np.errstate(all="ignore"):  # of outputs that are not finite neither is the average
        mean: NDArray[Any] = network.loss.average(out.astype(np.float64))
    return mean.astype(out.dtype)
