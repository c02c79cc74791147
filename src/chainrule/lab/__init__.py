"""The laboratory: the lesson's experiments, run on real data. `chainrule lab NAME`, or `lab.run("vanishing")`.

Every experiment is a function `NAME(*, seed, repeats, budget, progress, ...)` that returns a `Report`: the table, the
figure, the finding, the controlled variables, and the limits of the result.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule.core.settings import check_number
from chainrule.data import checks
from chainrule.errors import ConfigError
from chainrule.views import words
from chainrule.views.experiments import Report
from chainrule.views.tables import Table

__all__ = ["LABS", "Progress", "Report", "Table", "check_options", "run"]

if TYPE_CHECKING:
    LABS: dict[str, str]
    """Every experiment, with a one-line description."""


def __getattr__(name: str) -> Any:
    """Return LABS in the language in use."""
    if name != "LABS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return words.experiments.LABS


def run(name: str, **options: Any) -> Report:
    """Run an experiment by name. options: seed, repeats, budget, progress, and the experiment's own.

    Raises ConfigError for an unknown name.
    """
    known = words.experiments.LABS
    if name not in known:
        raise ConfigError(f"there is no experiment {name!r}; choose from {', '.join(known)}.")
    function = name.replace("-", "_")
    result: Report = getattr(import_module(f"chainrule.lab.{function}"), function)(**options)
    return result


# --- what all experiments share

Progress = Callable[[float, str], None]
"""progress(share, what): the completed share, 0 to 1, and the current activity"""


def check_options(seed: int, repeats: int, budget: float) -> None:
    """Check the options shared by all experiments. Raises ConfigError."""
    checks.check_seed(seed)
    checks.check_count(repeats, "repeats")
    check_number(budget, "budget", above=0, maximum=1000, hint="1 is the default work")


def scaled(amount: int, budget: float, least: int = 1) -> int:
    """Multiply an amount of work by the budget, rounded, with a minimum of `least`."""
    return max(least, round(amount * budget))


def part(progress: Progress | None, start: float, stop: float) -> Progress:
    """Return the progress function for one part of the work."""

    def tell(share: float, what: str) -> None:
        if progress is not None:
            progress(start + (stop - start) * min(max(share, 0.0), 1.0), what)

    return tell
