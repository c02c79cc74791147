"""Options and progress shared by all experiments."""

from __future__ import annotations

import math
from collections.abc import Callable

from chainrule.data import checks
from chainrule.errors import ConfigError, option

Progress = Callable[[float, str], None]
"""progress(share, what): the completed share, 0 to 1, and the current activity"""


def check_options(seed: int, repeats: int, budget: float) -> None:
    """Check the options shared by all experiments. Raises ConfigError."""
    checks.check_seed(seed)
    checks.check_count(repeats, "repeats")
    if isinstance(budget, (bool, str)) or not (math.isfinite(budget) and 0 < budget <= 1000):
        raise ConfigError(
            f"{option('budget')} must be a share of the default work, above 0 and at most 1000, not {budget!r}."
        )


def scaled(amount: int, budget: float, least: int = 1) -> int:
    """Multiply an amount of work by the budget, rounded, with a minimum of `least`."""
    return max(least, round(amount * budget))


def part(progress: Progress | None, start: float, stop: float) -> Progress:
    """Return the progress function for one part of the work."""

    def tell(share: float, what: str) -> None:
        if progress is not None:
            progress(start + (stop - start) * min(max(share, 0.0), 1.0), what)

    return tell
