"""Training: the loops, their callbacks and history, and checkpoints to resume a run from.

Each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.training.augmentation import Augment
    from chainrule.training.callbacks import (
        Callback,
        Checkpoint,
        EarlyStopping,
        FunctionCallback,
        StopAt,
        as_callbacks,
    )
    from chainrule.training.history import History
    from chainrule.training.listeners import CSVLog, Listener, ProgressBar
    from chainrule.training.options import Clip, Compute, Schedules
    from chainrule.training.run import Run
    from chainrule.training.time_limit import TimeLimit

__all__ = [
    "Augment",
    "CSVLog",
    "Callback",
    "Checkpoint",
    "Clip",
    "Compute",
    "EarlyStopping",
    "FunctionCallback",
    "History",
    "Listener",
    "ProgressBar",
    "Run",
    "Schedules",
    "StopAt",
    "TimeLimit",
    "as_callbacks",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "augmentation": "Augment",
        "callbacks": "Callback Checkpoint EarlyStopping FunctionCallback StopAt as_callbacks",
        "history": "History",
        "listeners": "CSVLog Listener ProgressBar",
        "options": "Clip Compute Schedules",
        "run": "Run",
        "time_limit": "TimeLimit",
    },
)
