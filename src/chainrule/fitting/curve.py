"""The curve of a fit: what scikit-learn records after each epoch, the score that is watched, and when it stops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from chainrule.core import hints
from chainrule.engines import StepSettings
from chainrule.errors import FormatError, NonFiniteError
from chainrule.fitting.begin import FitStart
from chainrule.fitting.plan import FitPlan
from chainrule.fitting.result import Records, checked
from chainrule.formulas.losses import LogLink, Loss, MeanSquaredError
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run, samples_of

COUNTED = ("n_iter", "t", "loss", "best_loss", "no_improvement")
"""The records that a curve has as attributes of the same names."""


class LearningCurve(Callback):
    """The order, settings and records of each epoch, as scikit-learn's MLP has them.

    loss is the mean over the samples of each batch's loss at its own step, penalty included; of several outputs of a
    squared error it has the mean, while the gradient is that of their sum.
    """

    looks_inside = False
    judged_share = 0.0
    """the rows that `score` judges, if they are left out of some members, for each row that these train on"""

    def __init__(
        self, plan: FitPlan, start: FitStart, is_weighted: bool, score: Callable[[Run], float] | None = None
    ) -> None:
        """Begin with the rows in order; score(run): what early stopping watches, higher is better."""
        rates, before = start.result.rates, start.result.records
        assert rates is not None, "a fit by batches has an optimizer"
        self.plan, self.fit, self.random, self.score = plan, plan.parameters, start.random, score
        self.rates, self.is_weighted, self.members = rates, is_weighted, len(start.result.members)
        self.is_new = start.is_new
        self.rows: NDArray[np.int64] | None = None
        self.offset: NDArray[np.float64] | None = None
        """(n,) what the reported loss of each sample has more than the trained one"""
        self.factors: NDArray[np.float64] | None = None
        self.best: dict[str, Any] | None = None
        self.best_epoch = 0
        self.message = ""
        scores = [] if before.validation_scores is None and score is not None else before.validation_scores
        self.begun = replace(before, validation_scores=scores)
        """the records of the start, whose curves grow"""
        self.n_iter, self.t, self.loss = 0, before.t, before.loss
        self.best_loss, self.best_score = before.best_loss, before.best_validation_score
        self.no_improvement = before.no_improvement

    @property
    def records(self) -> Records:
        """What was recorded so far: made when asked for, since an epoch of a small network takes 50 us."""
        counted = {name: getattr(self, name) for name in COUNTED}
        return replace(self.begun, best_validation_score=self.best_score, **counted)

    # --- in a checkpoint ------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return what was recorded, and the parameters of the best epoch. The orders are drawn again."""
        found = {name: getattr(self, name) for name in ("best", "best_epoch", "message")}
        return found | {"records": asdict(self.records), "rate": self.rates.learning_rate}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on with what was recorded. Raises FormatError for what no fit records."""
        kept = {name: checked(f"{name}_", value) for name, value in state["records"].items()}
        best, epoch, message, rate = (state[name] for name in ("best", "best_epoch", "message", "rate"))
        fits = type(epoch) is int and isinstance(message, str) and type(rate) is float and 0 < rate < np.inf
        if not fits or not (best is None or best.keys() == {"theta", "states"}):
            raise FormatError("the best epoch is not that of a fit")
        self.best, self.best_epoch, self.message, self.rates.learning_rate = best, epoch, message, rate
        for name in ("loss_curve", "validation_loss_curve", "validation_scores"):
            curve = getattr(self.begun, name)
            if curve is not None:  # others read it while the network trains
                curve[:] = kept[name]
        self.best_score = kept["best_validation_score"]
        for name in COUNTED:
            setattr(self, name, kept[name])

    def on_train_begin(self, run: Run) -> None:
        """Draw the orders of the epochs that a checkpoint has behind it."""
        for _ in range(run.epoch):
            self.order(run)

    # --- before an epoch -----------------------------------------------------------------------------------------

    def order(self, run: Run) -> NDArray[np.int64]:
        """Return the samples of the next epoch in order (n,), each shuffle made on the one before it.

        Of an ensemble with batches of its members' own it is (n, members), drawn for one member after the other.
        """
        if self.rows is None:
            own = self.members if self.fit.own_batches else 1
            self.rows = np.repeat(np.arange(run.samples.n)[:, None], own, 1)
            if self.plan.proposal.resamples and own > 1:
                self.rows = self.random.randint(run.samples.n, size=self.rows.shape)
        if self.fit.shuffle:
            for member in range(self.rows.shape[1]):
                drawn = np.arange(run.samples.n)
                self.random.shuffle(drawn)
                self.rows[:, member] = self.rows[drawn, member]
        rows = self.rows
        if (groups := run.plan.network.loss.group_of(samples_of(run).y)) is not None:
            rows = np.stack([whole_groups(own, groups, run.plan.batch_size) for own in rows.T], 1)
        return rows[:, 0] if rows.shape[1] == 1 else rows

    def settings(self, run: Run, rows: NDArray[np.int64]) -> StepSettings:
        """Return the rate of the epoch, and each step's factor of the penalty: samples / sum of the batch's weights."""
        rate = np.full(run.steps_per_epoch, self.rates.learning_rate)
        if self.fit.optimizer is not None or self.fit.schedule is not None:
            rate = np.array(run.learning_rates())
        if self.factors is None or self.is_weighted:
            nominal = float(run.plan.batch_size)
            weights = self.by_batch(run, samples_of(run).weight[rows])
            self.factors = np.where(weights > 0, nominal / np.where(weights > 0, weights, 1.0), 0.0)
        factors = {name: run.factors(name, each) for name, each in self.plan.proposal.factors.items()}
        return StepSettings.of(rate, penalty=self.factors, **factors)

    def by_batch(self, run: Run, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of each batch (steps,), from values (n,) in the epoch's order; of (n, members) their mean."""
        starts = np.arange(0, run.rows_per_epoch, run.plan.batch_size)
        total: NDArray[np.float64] = np.add.reduceat(values[: run.rows_per_epoch], starts)
        return total if total.ndim == 1 else total.mean(1)

    # --- after an epoch ------------------------------------------------------------------------------------------

    def on_epoch_end(self, run: Run) -> None:
        """Record the epoch, change the rate, and stop the run when nothing improves."""
        fit, self.loss = self.fit, self.mean_loss(run)
        self.n_iter += 1
        self.t += run.rows_per_epoch
        self.begun.loss_curve.append(self.loss)
        if fit.verbose:
            print(f"Iteration {self.n_iter}, loss = {self.loss:.8f}")
        self.watch(run)
        rate = self.rates.learning_rate
        self.rates.after_epoch(self.t)
        if self.no_improvement > fit.n_iter_no_change:
            what = "Validation score" if fit.early_stopping else "Training loss"
            least, epochs = f" more than tol={fit.tol:g}" if fit.tol else "", fit.n_iter_no_change
            self.message = f"{what} did not improve{least} for {epochs} consecutive epochs."
            if self.rates.at_plateau():
                run.stop(self.message.rstrip("."))  # a sentence of its own is made of it
            else:
                self.no_improvement = 0
            if fit.verbose:
                print(f"{self.message} {self.ending(run)}")
        if self.rates.learning_rate != rate and self.rates.mode != "constant":
            run.scale_velocity(rate / self.rates.learning_rate)  # scikit-learn's velocity contains the rate

    def ending(self, run: Run) -> str:
        """Say what happens after a plateau."""
        if run.history.stopped is None:
            return f"Setting learning rate to {self.rates.learning_rate:f}"
        return "Learning rate too small. Stopping." if self.rates.mode == "adaptive" else "Stopping."

    def mean_loss(self, run: Run, rows: int | None = None) -> float:
        """Return the mean over the samples of the loss of their batch, as scikit-learn reports it."""
        n = run.rows_per_epoch if rows is None else rows
        total, penalty = run.session.row_sums.tolist()
        loss, outputs = run.plan.network.loss, run.plan.network.outputs
        if is_mean_over_outputs(loss, outputs):
            total = (total - penalty) / outputs + penalty
        if isinstance(loss, LogLink) and self.rows is not None:
            if self.offset is None:
                self.offset = loss.saturated(samples_of(run).y)
            weight = samples_of(run).weight[self.rows]
            sums = self.by_batch(run, weight), self.by_batch(run, weight * self.offset[self.rows])
            counts = self.by_batch(run, np.ones(len(self.rows)))
            total += float((sums[1] / np.where(sums[0] > 0, sums[0], 1) * counts).sum())
        return float(total / n)

    def watch(self, run: Run) -> None:
        """Count the epochs without an improvement by tol, of the validation score or else of the training loss."""
        fit, begun, value = self.fit, self.begun, -np.inf
        if run.validation is not None:
            begun.validation_loss_curve.append(run.logs["val_loss"])
        if self.score is not None and begun.validation_scores is not None:
            value = self.score(run)
            begun.validation_scores.append(value)
            if fit.verbose:
                print(f"Validation score: {value:f}")
        if fit.early_stopping:
            best = self.best_score
            assert best is not None
            is_worse, is_equal = value < best + fit.tol, self.plan.proposal.last_best and value == best
            if value > best or is_equal:
                self.best_score, self.best, self.best_epoch = value, run.snapshot(), run.epoch
        else:
            assert self.loss is not None and self.best_loss is not None
            is_worse = self.loss > self.best_loss - fit.tol
            self.best_loss = min(self.best_loss, self.loss)
        self.no_improvement = self.no_improvement + 1 if is_worse else 0

    def diverged(self, error: NonFiniteError) -> None:
        """Record NaN for the epoch in which training diverged, and warn that the best parameters before it are kept."""
        self.n_iter += 1
        self.loss, begun = float("nan"), self.begun
        for curve in (begun.loss_curve, begun.validation_scores, begun.validation_loss_curve):
            if curve is not None:
                curve.append(float("nan"))
        hints.give(f"training diverged, so it returned to its best epoch: {error}", ConvergenceWarning)

    def on_train_end(self, run: Run) -> None:
        """Keep what the optimizer remembers; restore the parameters of the best epoch with early stopping."""
        if self.n_iter == 0:  # ended within its first epoch
            self.loss = self.mean_loss(run, max(1, run.session.taken * run.plan.batch_size))
        self.rates.keep(run)
        if run.shortened is not None and run.position and run.error is None and run.validation is not None:
            judge_again(run)
            self.watch(run)  # the last part of an epoch, at which the schedule is complete
        if self.best is not None:
            run.restore(self.best)

    def score_again(self, run: Run) -> None:
        """Record the score of parameters that were changed behind the last step, in place of that before it."""
        scores, is_first = self.begun.validation_scores, self.n_iter == 0
        if run.validation is None or self.score is None or not (scores and (is_first or self.best)):
            return
        judge_again(run)
        value = self.score(run)
        if is_first:
            scores[-1], self.begun.validation_loss_curve[-1] = value, run.logs["val_loss"]
        if self.best is not None:
            self.best_score = value


def whole_groups(rows: NDArray[np.int64], groups: NDArray[Any], size: int) -> NDArray[np.int64]:
    """Return rows (n,) with those of a group together, in batches of `size` rows that end between groups.

    Groups follow each other as their first rows do. Where the next does not fit into a batch, the largest of those left
    that does comes before it; where none does, it is cut.  groups: by row.
    """
    _, first, own = np.unique(groups[rows], return_index=True, return_inverse=True)
    order = np.argsort(first[own], kind="stable")
    cuts = np.flatnonzero(np.diff(first[own][order])) + 1
    waiting = dict(enumerate(np.split(rows[order], cuts)))
    lengths, by_size = [*map(len, waiting.values())], dict[int, deque[int]]()
    for number, length in enumerate(lengths):
        by_size.setdefault(length, deque()).append(number)
    found, room = list[NDArray[np.int64]](), size
    while waiting:
        number = next(iter(waiting))
        if len(waiting[number]) > room:
            fitting = max((length for length in by_size if length <= room), default=None)
            number = number if fitting is None else by_size[fitting][0]
        each = waiting[number]
        if len(each) > room:
            found.append(each[:room])
            waiting[number], room = each[room:], size
            continue
        found.append(waiting.pop(number))
        length = lengths[number]  # whose first one it is
        by_size[length].popleft()
        if not by_size[length]:
            del by_size[length]
        room = room - len(each) or size
    return np.concatenate(found)


def judge_again(run: Run) -> None:
    """Judge the rows held out by the parameters as they are now."""
    run.logs = run.logs | {f"val_{name}": value for name, value in run.trainer.validate(run).items()}


def is_mean_over_outputs(loss: Loss, outputs: int) -> bool:
    """Return whether scikit-learn reports the mean over several outputs, though its gradient is that of their sum."""
    return isinstance(loss, MeanSquaredError) and outputs > 1
