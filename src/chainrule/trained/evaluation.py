"""Compute the outputs of networks outside training, of several and of their average, and the loss and the metrics.

An engine prepares a network before it computes, which takes longer than some rows of a small network: `KeptWalks`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.core.arrays import RowsLike
from chainrule.core.threads import in_turns
from chainrule.data.checks import check_choice
from chainrule.data.samples import Samples, one_hot
from chainrule.data.stream import Stream
from chainrule.engines import Engine, ForwardWalks, Plan, select
from chainrule.engines.native.engine import ROWS_PER_THREAD
from chainrule.errors import ConfigError
from chainrule.formulas import metrics
from chainrule.formulas.losses import Loss
from chainrule.network.answers import decide, probabilities, scores, task_of, true_labels
from chainrule.network.network import Network

BATCH = 1024
"""The samples per pass outside training: enough for efficient arithmetic, few enough for the cache."""
FEW_ROWS = 256
"""The maximum rows for which the members are computed one after the other, because starting threads takes longer."""
ENGINES_KEPT = ("auto", "native")
"""The engines whose forward passes are kept."""
MOST_WORK = 1 << 25
"""The maximum rows times parameters for which they are; beyond it the preparation is a small part of the time."""
MOST_KEPT = 1 << 20
"""The maximum numbers that one keeps, its parameters and the values of the rows that it computes at once: 4 MB."""
EACH_EPOCH = {"regression": ("rmse",)}
"""The metric that is recorded after each epoch, by task; accuracy for the others."""


class KeptWalks:
    """Forward passes for few rows. They are handed the parameters at each prediction, since these may change.

    Threads may share it. A copy of a model may use it too, a deep copy and a pickle begin without.
    """

    _kept: tuple[tuple[DTypeLike, str | None], ForwardWalks] | None = None
    _other: tuple[Any, Any] | None = None

    def of(
        self, network: Network, dtype: DTypeLike, engine: str, rows: int, precision: str | None = None
    ) -> ForwardWalks | None:
        """Return those of a network for so many rows; None of many rows, and of another engine than the native one."""
        if engine not in ENGINES_KEPT or rows * network.size > MOST_WORK:
            return None
        if self._kept is not None:
            of, walks = self._kept
            if of == (dtype, precision) and walks.network is network and rows <= walks.capacity:
                return walks
        chosen = select(engine, Plan(network, dtype=dtype, precision=precision))
        widths = network.inputs + sum(link.fan_out for link in network.walk())
        at_once = min(rows, ROWS_PER_THREAD * chosen.workers())
        if chosen.name != "native" or network.size + at_once * widths > MOST_KEPT:
            return None
        walks = ForwardWalks(chosen, network, 1 << max(rows - 1, 0).bit_length(), precision)
        self._kept = (dtype, precision), walks
        return walks

    def other(self, is_same: Callable[[Any], bool], make: Callable[[], tuple[Any, Any]]) -> Any:
        """Return the forward pass that was kept last, or make it anew, with what it is of, unless that is the same."""
        if (kept := self._other) is None or not is_same(kept[0]):
            kept = self._other = make()
        return kept[1]

    def __reduce__(self) -> tuple[type[KeptWalks], tuple[Any, ...]]:
        """Return how a deep copy and a pickle are made."""
        return KeptWalks, ()


def metric_names(
    names: Iterable[str] | None, task: str, loss: Loss, each_epoch: bool = False
) -> tuple[str, ...]:
    """Check the names of metrics for a task; None for all of the task, or for the one recorded after each epoch."""
    known = metrics.names_for(task, loss)
    if names is None:
        return EACH_EPOCH.get(task, ("accuracy",)) if each_epoch else tuple(known)
    names = (names,) if isinstance(names, str) else tuple(names)
    for name in names:
        check_choice(name, metrics.METRICS, "metrics")
        if name not in known:
            of = f"{type(loss).__name__}" if metrics.METRICS[name].of_loss else task
            raise ConfigError(f"the metric {name!r} is not for {of}; choose from {', '.join(known)}.")
    return names


def evaluate(
    network: Network,
    engine: Engine,
    theta: NDArray[Any],
    states: dict[str, Any],
    samples: Samples | Stream,
    names: tuple[str, ...],
) -> dict[str, float]:
    """Compute the training objective as "loss", and the named metrics; all are NaN if an output is not finite.

    For a stream the features are read block by block, and the outputs and targets of all rows are kept.
    """
    out, samples = samples.evaluated(lambda X: engine.predict(network, theta, states, X, BATCH))
    return evaluate_outputs(network, theta, out, samples, names)


@np.errstate(over="ignore", invalid="ignore")
def evaluate_outputs(
    network: Network,
    theta: NDArray[Any],
    out: NDArray[Any],
    samples: Samples,
    names: tuple[str, ...],
    positive: int | None = None,
) -> dict[str, float]:
    """Compute the same from outputs (n, outputs). A loss or metric that overflows is inf or NaN, without a warning.

    theta: (size,), or (members, size) of an ensemble, whose penalty is the mean of its members'.

    positive: with two classes, the index of the positive one for precision, recall and so on; 1 for None. For two
    outputs of a multiclass loss these metrics are means over both classes unless it is given.
    """
    if not np.isfinite(out).all():
        return dict.fromkeys(("loss", *names), math.nan)
    sums = _weighted_losses(network, theta.dtype, out, samples)
    penalty = np.mean([network.penalty(network.unflatten(own)) for own in np.atleast_2d(theta)])
    loss = sum(map(float, sums)) / float(samples.weight.sum()) + float(penalty)
    task = task_of(network.loss, network.outputs)
    y, predicted, score = samples.y, out, scores(network.loss, out)
    if samples.scale is not None:  # metrics are in the targets' own units, unlike the loss
        y, predicted = samples.scale.restore(y), samples.scale.clamp(samples.scale.restore(out))
    y, predicted = true_labels(task, y), decide(network.loss, predicted)
    weight = None if (samples.weight == 1).all() else samples.weight
    if positive is not None and task == "multiclass":
        task, score = "binary", score[:, 1]
    found = metrics.evaluate(
        task, y, predicted, score, weight, names, 1 if positive is None else positive, network.loss
    )
    return {"loss": loss} | found


def _weighted_losses(network: Network, dtype: DTypeLike, out: NDArray[Any], samples: Samples) -> list[Any]:
    """Return sum_i s_i loss_i of successive pieces of the samples."""
    found = []
    for start in range(0, samples.n, BATCH):
        rows = slice(start, start + BATCH)
        y = samples.y[rows]
        y = one_hot(y, samples.outputs, dtype) if y.ndim == 1 else y.astype(dtype)
        found.append(samples.weight[rows] @ network.loss.value(out[rows], y))
    return found


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
