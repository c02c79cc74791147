"""Who is told of a fit: the callbacks of an estimator, and scikit-learn's own.

scikit-learn's callback protocol is in its releases from 1.9 on; each epoch is a task of the fit.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from chainrule.fitting.held import HoldsResult, result_of
from chainrule.fitting.parameters import given
from chainrule.model import Ensemble, Model
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
def tell_of_fit(estimator: HoldsResult) -> Iterator[None]:
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


class FitTasks(Callback):
    """The epochs of a fit as scikit-learn's callbacks see them; a callback that returns True ends the fit."""

    def __init__(self, estimator: HoldsResult) -> None:
        """Keep the estimator, whose callbacks are told."""
        self.estimator = estimator

    def begin(self, epochs: int, X: Any, y: Any, sample_weight: Any) -> None:
        """Set up the callbacks of the estimator, and begin the fit's own task."""
        self.data = {"X": X, "y": y, "metadata": {"sample_weight": sample_weight}}
        self.context = self.estimator._init_callback_context(max_subtasks=epochs)
        self.context.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        self.task: Any = None

    def on_train_begin(self, run: Run) -> None:
        """Begin the first epoch."""
        self.begin_epoch()

    def begin_epoch(self) -> None:
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
            self.begin_epoch()

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
