"""Trackers of trainings: callbacks that write the settings and the course of each fit for TensorBoard and others.

    from chainrule.tracking import TensorBoard

    model.fit(X, y, validation_fraction=0.2, callbacks=[TensorBoard("runs/board")])

Each name is loaded on first use, and the library behind it when a tracker is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.tracking.mlflow import MLflow
    from chainrule.tracking.tensorboard import TensorBoard
    from chainrule.tracking.tracker import Tracker
    from chainrule.tracking.wandb import WandB

__all__ = ["MLflow", "TensorBoard", "Tracker", "WandB"]

_FILES = {"mlflow": "MLflow", "tensorboard": "TensorBoard", "tracker": "Tracker", "wandb": "WandB"}
__getattr__, __dir__ = lazy(__name__, _FILES)
