"""Options and progress shared by all experiments."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.core.settings import check_count, check_number, check_seed

Progress = Callable[[float, str], None]
"""progress(share, what): the completed share, 0 to 1, and the current activity"""


def check_options(seed: int, repeats: int, budget: float) -> None:
    """Check the options shared by all experiments. Raises ConfigError."""
    check_seed(seed)
    check_count(repeats, "repeats")
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
