"""The laboratory: the lesson's experiments, run for real. `chainrule lab NAME`, or `lab.run("vanishing")`.

Every experiment is a function `NAME(*, seed, repeats, budget, progress, ...)` that returns a `Report`: the table, the
figure, what was found, what was held fixed, what the result does not show.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from chainrule.errors import ConfigError
from chainrule.lab.base import Progress, check_options
from chainrule.views.experiments import Report
from chainrule.views.tables import Table

__all__ = ["LABS", "Progress", "Report", "Table", "check_options", "run"]

LABS: dict[str, str] = {
    "vanishing": "Vanishing gradients by depth, and the four cures, side by side.",
    "without-backprop": "The same network with and without backpropagation: loss, seconds, passes, cosines.",
    "universality": "How the error of approximating a function falls as the network grows wider.",
    "optimizers": "Gradient descent and its variants on the same network.",
    "regularization": "Overfitting on a small sample, with and without its remedies.",
    "features": "What each layer of a trained network responds to.",
}
"""Every experiment, with what it shows in one line."""


def run(name: str, **options: Any) -> Report:
    """Run an experiment by name. options: seed, repeats, budget, progress, and the experiment's own.

    Raises ConfigError for an unknown name.
    """
    if name not in LABS:
        raise ConfigError(f"there is no experiment {name!r}; choose from {', '.join(LABS)}.")
    function = name.replace("-", "_")
    made: Report = getattr(import_module(f"chainrule.lab.{function}"), function)(**options)
    return made
