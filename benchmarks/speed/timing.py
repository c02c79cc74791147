"""Time calls in interleaved rounds, and summarize them as medians with spreads."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PAUSE = 0.04
"""The pause between two calls in seconds, after which threads that the previous call left spinning are asleep."""

UNSTEADY = 50.0
"""The spread in percent from which a median depends more on the machine's other work than on the measured call."""


@dataclass(frozen=True)
class Spread:
    """Measured values, in the order of measurement."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        """The smallest value."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest value."""
        return max(self.values)

    @property
    def percent(self) -> float:
        """Half of the range in percent of the median."""
        return 50 * (self.high - self.low) / self.median

    @property
    def is_steady(self) -> bool:
        """Whether the values are close enough to each other to be compared with another peer's."""
        return self.percent <= UNSTEADY


def interleaved(
    calls: Mapping[str, Callable[[], float]],
    rounds: int,
    *,
    pause: float = PAUSE,
    before: Callable[[str], None] = lambda name: None,
) -> dict[str, Spread]:
    """Measure the calls in turn, A B C A B C ..., so that a slow phase of the machine affects all of them.

    calls: return what was measured.  before: is told the name before each call.
    """
    values: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            before(name)
            time.sleep(pause)
            values[name].append(call())
    return {name: Spread(tuple(found)) for name, found in values.items()}


def per_call(call: Callable[[], object], seconds: float) -> float:
    """Return the seconds per call: the median of groups of calls of at least a millisecond each."""
    clock, count, spent = time.perf_counter, 1, 0.0
    for _ in range(3):
        call()
    while spent < 1e-3:
        start = clock()
        for _ in range(count):
            call()
        spent = clock() - start
        count = count if spent >= 1e-3 else 2 * count
    groups, end = list[float](), clock() + seconds
    while clock() < end or not groups:
        start = clock()
        for _ in range(count):
            call()
        groups.append((clock() - start) / count)
    return statistics.median(groups)
