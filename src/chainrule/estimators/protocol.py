"""scikit-learn's callback protocol, where the release has it: each epoch is a task of the fit."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chainrule.estimators.held import HoldsResult, result_of
from chainrule.model import Ensemble, Model
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Base class for releases without callbacks."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method as it is."""
        return method


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


def tasks(estimator: HoldsResult, epochs: int, X: Any, y: Any, sample_weight: Any) -> Tasks | None:
    """Return the bridge to scikit-learn's callbacks for at most so many epochs; None if nobody would be called.

    A search hands its context to each estimator, also one without callbacks; a task an epoch is a sixth of a short fit.
    """
    parent = getattr(estimator, "_parent_callback_ctx", None)
    if not (getattr(estimator, "_skl_callbacks", None) or getattr(parent, "_callbacks", parent)):
        return None
    return Tasks(estimator, epochs, X, y, sample_weight)


__all__ = ["CallbackSupportMixin", "Tasks", "tasks", "with_callbacks"]
