"""A fit that follows another one: the same training on other rows, for as many epochs as were best in the other."""

from __future__ import annotations

import copy
import threading
from dataclasses import replace
from typing import Any

from chainrule.core.settings import is_count
from chainrule.data.samples import Samples
from chainrule.errors import DataError, FormatError, NonFiniteError
from chainrule.estimators.fit import loop
from chainrule.estimators.fit.begin import FitStart, as_rates
from chainrule.estimators.fit.curve import LearningCurve
from chainrule.estimators.fit.plan import FitPlan
from chainrule.estimators.fit.result import Records
from chainrule.estimators.fit.start import copied_model
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run
from chainrule.training.time_limit import TimeLimit


class FollowedFit(Callback):
    """How a fit goes, for the one that follows it: the epochs that are judged, and the best of them so far."""

    looks_inside = False

    def __init__(self) -> None:
        """Begin without an epoch."""
        self.condition = threading.Condition()
        self.curve: LearningCurve | None = None
        self.epochs = self.best = 0
        self.is_over = self.is_dropped = False

    def follow(self, curve: LearningCurve) -> None:
        """Take the curve of the fit that is followed."""
        self.curve = curve

    def on_train_begin(self, run: Run) -> None:
        """Note the epochs that a checkpoint has behind it."""
        if run.epoch:
            self.on_epoch_end(run)

    def on_epoch_end(self, run: Run) -> None:
        """Note that an epoch was judged, and which is the best one so far."""
        assert self.curve is not None
        with self.condition:
            self.epochs, self.best = run.epoch, self.curve.best_epoch
            self.condition.notify_all()

    def end(self, is_dropped: bool) -> None:
        """Note that no further epoch comes; is_dropped: and that nobody needs the fit that follows."""
        with self.condition:
            self.is_over, self.is_dropped = True, self.is_dropped or is_dropped
            self.condition.notify_all()

    def judged(self, epoch: int) -> bool:
        """Wait until an epoch is judged, and return whether it is the best so far."""
        with self.condition:
            self.condition.wait_for(lambda: self.is_over or self.epochs >= epoch)
            return epoch == self.best

    def ends_at(self, epoch: int) -> bool:
        """Return whether the fit that follows has come to its end."""
        return self.is_dropped or (self.is_over and epoch >= self.best)


class Following(LearningCurve):
    """The order and the settings of each epoch of a fit that follows another, and the parameters of the best one."""

    def __init__(self, followed: FollowedFit, plan: FitPlan, start: FitStart, is_weighted: bool) -> None:
        """Begin as any curve."""
        super().__init__(plan, start, is_weighted)
        self.followed = followed
        self.trained = 0, 0
        """the epochs and steps of the model at the end of the best epoch"""
        self.error: Exception | None = None
        """of training that diverged"""

    @property
    def is_complete(self) -> bool:
        """Whether the parameters of the best epoch were reached."""
        return self.best_epoch == self.followed.best and not self.followed.is_dropped

    @property
    def is_dropped(self) -> bool:
        """Whether nobody needs this fit."""
        return self.followed.is_dropped

    def state(self) -> dict[str, Any]:
        """Return the state of a curve, and how far the model of the best epoch was trained."""
        return super().state() | {"trained": list(self.trained)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from it. Raises FormatError for what is none."""
        super().load_state(state)
        epochs, steps = state["trained"]
        if not (is_count(epochs) and is_count(steps)):
            raise FormatError("the best epoch is not that of a fit")
        self.trained = epochs, steps

    def on_epoch_end(self, run: Run) -> None:
        """Keep the parameters of the best epoch so far, and stop behind the last one that is needed."""
        self.n_iter += 1
        self.t += run.rows_per_epoch
        if self.followed.judged(run.epoch):
            run.synchronize()
            self.best, self.best_epoch, self.trained = run.snapshot(), run.epoch, run.trained
        self.rates.after_epoch(self.t)
        if self.followed.ends_at(run.epoch):
            run.stop("the epochs of the best score are over")

    def diverged(self, error: NonFiniteError) -> None:
        """Note the error, which matters where the best epoch was still to come."""
        self.error = error

    def on_steps(self, run: Run) -> None:
        """Stop within an epoch that is not needed any more."""
        if self.followed.ends_at(run.epoch) and run.history.stopped is None:
            run.stop("the epochs of the best score are over")


class Follower:
    """A training that follows a fit, of a network of its own."""

    def __init__(
        self, plan: FitPlan, start: FitStart, samples: Samples, followed: FollowedFit, is_copy: bool = True
    ) -> None:
        """Keep the start, before the fit that is followed trains its network.

        plan: without callbacks and early stopping.  is_copy: whether a copy of the network is trained, or itself.
        """
        self.plan, self.samples = plan, samples
        self.model = copied_model(start.result.model) if is_copy else start.result.model
        rates = as_rates(plan.parameters)
        # Its curves are not those of the fit that is followed, which is at another epoch when a checkpoint is written.
        self.result = replace(start.result, model=self.model, rates=rates, records=Records())
        own = start._replace(result=self.result, random=copy.deepcopy(start.random))
        self.curve = Following(followed, plan, own, loop.is_weighted(samples))
        self.is_cut = False
        """whether Ctrl-C ended it"""

    def train(self, size: int, threads: int | None, limits: tuple[TimeLimit, ...]) -> None:
        """Train the network until the best epoch is behind it. size: samples of a batch.  threads: None for all."""
        plan = replace(self.plan, conditions=self.plan.conditions._replace(threads=threads))
        epochs, optimizer = int(plan.parameters.max_iter), self.curve.rates.optimizer
        try:
            history, _ = loop.run(
                plan, self.model, optimizer, self.samples, None, size, epochs, self.curve, limits
            )
        except DataError as error:
            self.curve.error = error
        else:
            self.is_cut = history is None and self.curve.error is None
