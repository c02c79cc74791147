"""Training: the loops, their callbacks and history, and checkpoints to resume a run from.

Each name is loaded when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.training.callbacks import (
        Callback,
        Checkpoint,
        EarlyStopping,
        FunctionCallback,
        StopAt,
        as_callbacks,
    )
    from chainrule.training.history import History
    from chainrule.training.listeners import CSVLog, Listener
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

_MODULES = {
    "callbacks": ("Callback", "Checkpoint", "EarlyStopping", "FunctionCallback", "StopAt", "as_callbacks"),
    "history": ("History",),
    "listeners": ("CSVLog", "Listener"),
    "progress": ("ProgressBar",),
    "run": ("Run",),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            value: object = getattr(import_module(f"chainrule.training.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
