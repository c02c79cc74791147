"""Training: the loops, their callbacks and history, and checkpoints to resume a run from."""

from chainrule.training.callbacks import (
    Callback,
    Checkpoint,
    CSVLog,
    EarlyStopping,
    FunctionCallback,
    Listener,
    StopAt,
    as_callbacks,
)
from chainrule.training.history import History
from chainrule.training.progress import ProgressBar
from chainrule.training.run import Run

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "FunctionCallback",
    "History",
    "Listener",
    "ProgressBar",
    "Run",
    "StopAt",
    "as_callbacks",
]
