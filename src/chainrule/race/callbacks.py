"""Who is told of a fit: the callbacks of an estimator, also of each fit of a race, and scikit-learn's own callbacks.

scikit-learn's callback protocol is in its releases from 1.9 on; each epoch is a task of the fit.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from chainrule.fitting.held import HoldsResult, result_of
from chainrule.fitting.parameters import given
from chainrule.model import Ensemble, Model
from chainrule.race.judge import Judge
from chainrule.race.report import RaceReport
from chainrule.race.state import RaceFit, Task
from chainrule.training.callbacks import Callback, as_callbacks
from chainrule.training.run import Run

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupportMixin
    from sklearn.callback import with_callbacks as with_callbacks
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Base class for releases without callbacks."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method as it is."""
        return method


@contextmanager
def told(estimator: HoldsResult) -> Iterator[None]:
    """Tell the callbacks of an estimator of the beginning and the end of its fit, which is the body of the `with`."""
    callbacks, fitted = as_callbacks(estimator.callbacks), None
    settings = {"estimator": type(estimator).__name__, **given(estimator)} if callbacks else {}
    try:
        for each in callbacks:
            each.on_fit_begin(settings)
        yield
        fitted = estimator
    finally:
        for each in callbacks:
            each.on_fit_end(fitted)


class FollowedTask:
    """The callbacks of one fit of a race, and the figures that they are told at its end."""

    def __init__(self, callbacks: Sequence[Callback], task: Task, judges: Mapping[int, Judge]) -> None:
        """Make the callbacks. callbacks: those of the race.  judges: of the rows held out, by fold."""
        rows = "all" if task.is_of_all or task.candidate.deals else f"without fold {task.fold + 1}"
        own = {"recipe": task.candidate.name, "rows": rows, "seed": task.seed, **task.candidate.changed}
        name = name_of(task) + f" {task.fold + 1}" * task.is_of_all
        self.callbacks = tuple(each.part(name, own) for each in callbacks)
        self.judge = None if task.is_of_all else judges.get(task.fold)
        self.figures = dict[str, float]()

    def made(self, fit: RaceFit | None) -> None:
        """Take the figures of the fit, if there is one: its seconds, and its loss on the rows that were held out."""
        if fit is None:
            return
        self.figures["seconds"], judge = fit.seconds, self.judge
        if judge is not None and len(fit.predicted):
            self.figures["loss_held_out"] = judge.mean_loss(judge.truth(fit.predicted))


@contextmanager
def followed(
    callbacks: Sequence[Callback], task: Task, judges: Mapping[int, Judge]
) -> Iterator[FollowedTask]:
    """Give the callbacks of a fit of a race, and tell them of its end, also if it fails."""
    made = FollowedTask(callbacks, task, judges)
    try:
        yield made
    finally:
        for each in made.callbacks:
            if made.figures:
                each.on_judged(made.figures)
            each.on_fit_end(None)


def name_of(task: Task) -> str:
    """Return the name of a fit: its recipe, and its fold or that it is of all rows, unless all fits of it are."""
    if task.candidate.deals:
        return task.candidate.name
    return f"{task.candidate.name}, {'all rows' if task.is_of_all else f'fold {task.fold + 1}'}"


def tell_report(callbacks: Sequence[Callback], report: RaceReport) -> None:
    """Tell callbacks what a race found of each recipe: its loss, its score and its weight, as loss_held_out/fast."""
    found = {
        f"{name}/{each.recipe}": value
        for each in report
        for name, value in (
            ("loss_held_out", each.loss),
            ("score_held_out", each.score),
            ("weight", each.weight),
        )
        if value is not None and math.isfinite(value)
    }
    for callback in callbacks:
        callback.on_judged(found)


class Tasks(Callback):
    """The epochs of a fit as scikit-learn's callbacks see them; a callback that returns True ends the fit."""

    def __init__(self, estimator: HoldsResult, epochs: int, X: Any, y: Any, sample_weight: Any) -> None:
        """Set up the callbacks of the estimator, and begin the fit's own task."""
        self.estimator = estimator
        self.data = {"X": X, "y": y, "metadata": {"sample_weight": sample_weight}}
        self.context = estimator._init_callback_context(max_subtasks=epochs)
        self.context.call_on_fit_task_begin(estimator=estimator, **self.data)
        self.task: Any = None

    def on_train_begin(self, run: Run) -> None:
        """Begin the first epoch."""
        self.begin()

    def begin(self) -> None:
        """Begin the task of an epoch."""
        self.task = self.context.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def on_epoch_end(self, run: Run) -> None:
        """End the task of the epoch, and begin the next one's unless the fit is over."""

        def fitted() -> dict[str, Any]:
            run.synchronize()
            return reconstruction(self.estimator, run)

        stop = self.task.call_on_fit_task_end(
            estimator=self.estimator, **self.data, reconstruction_attributes=fitted
        )
        if stop and run.history.stopped is None:
            run.stop("a callback asked to stop")
        if run.history.stopped is None and run.epoch < run.epochs:
            self.begin()

    def finish(self) -> None:
        """End the fit's own task."""
        self.context.call_on_fit_task_end(
            estimator=self.estimator,
            **self.data,
            reconstruction_attributes=lambda: {"_result": result_of(self.estimator)},
        )


def reconstruction(estimator: HoldsResult, run: Run) -> dict[str, Any]:
    """Return what prediction needs of an estimator in training: its result, with a copy of the model."""
    result = result_of(estimator)
    if isinstance(result.model, Ensemble):
        model: Model | Ensemble = copy.deepcopy(result.model)
        model.states = dict(run.states)
    else:
        model = copy.copy(result.model)
        model.take(run.theta.copy(), dict(run.states), run.trained)
    return {"_result": replace(result, model=model)}
