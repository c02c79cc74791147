"""The progress of a fit in one line: what is fitted, how much of it is done, how good it is so far, and the time left.

A race tells of itself by `RaceProgress`, a single fit by the events of training. With verbose=1 both are shown on
standard error as a bar that the end of the fit removes, where that is a terminal or a notebook; elsewhere, and with
verbose=2, as a line on standard output for each fit of a race, or each epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from chainrule.training.events import Ended, EpochEnd, Event, Progress, Started
from chainrule.training.listeners import Listener, duration

if TYPE_CHECKING:
    from rich.console import Console

MIN_SECONDS = 0.5
"""The seconds of training before the time left is estimated."""


class RaceProgress(NamedTuple):
    """Where a race is, when one of its fits begins, ends or fails."""

    doing: str
    """the recipe, and its fold or "all rows" """
    fitted: int
    """fits that have ended"""
    planned: int
    """these, and those that are to come if there is time for all"""
    best: float | None
    """the least loss on rows held out so far"""
    seconds: float
    """since the beginning of the fit"""
    said: str = ""
    """how the fit went, when it has ended"""

    def line(self) -> str:
        """Return the line of a fit that has ended."""
        return f"{self.seconds:6.1f} s  {self.doing}: {self.said}"

    def text(self) -> str:
        """Return the text beside the bar."""
        best = "" if self.best is None else f" · least loss {self.best:.5g}"
        return f"{self.doing} · {self.fitted} of {self.planned} fits{best}"


RaceWatcher = Callable[[RaceProgress], object]


class ProgressLine:
    """One line of a terminal or a notebook: a text, a bar, and the time left.

    console: of rich.  limit: the seconds that a fit may take, whose part that is over the bar shows; None if the bar
    shows the part that `show` is told.
    """

    def __init__(
        self, console: Console, title: str, limit: float | None = None, begun: float | None = None
    ) -> None:
        """Open the line. begun: the `time.monotonic()` from which the limit counts; None for now."""
        from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
        from rich.progress import Progress as Rich
        from rich.text import Text

        class Left(ProgressColumn):
            """The time left, which goes on between two events."""

            def render(_, task: Task) -> Text:
                return Text(self.left(task.completed))

        self.limit, self.begun = limit, time.monotonic() if begun is None else begun
        self.first: tuple[float, float] | None = None
        """the time, and the part that was done, when the work began"""
        columns = (TextColumn("{task.description}", markup=False), BarColumn(20), Left())
        self.shown = Rich(*columns, console=console, transient=True)
        self.task = self.shown.add_task(title, total=1.0)
        self.shown.start()

    def show(self, text: str, done: float = 0.0) -> None:
        """Show a text, and the part that is done, from 0 to 1."""
        if self.limit is not None:
            done = (time.monotonic() - self.begun) / self.limit
        if self.first is None:
            self.first = time.monotonic(), done
        self.shown.update(self.task, description=text, completed=min(1.0, done))

    def left(self, done: float) -> str:
        """Return the time left as text: of the limit, or by the speed since the first step; empty if unknown."""
        now = time.monotonic()
        if self.limit is not None:
            return f"{duration(max(0.0, self.begun + self.limit - now))} left"
        begun, before = self.first or (now, done)
        spent, made = now - begun, done - before
        return f"{duration(spent / made * (1 - done))} left" if spent > MIN_SECONDS and made > 0 else ""

    def close(self) -> None:
        """Remove the line."""
        self.shown.stop()


class FitBar(Listener):
    """The bar of a single fit, by the events of its training."""

    def __init__(self, bar: ProgressLine, name: str) -> None:
        """Keep the bar. name: of what is fitted."""
        super().__init__(self.show)
        self.bar, self.name, self.steps, self.least = bar, name, 1, math.inf

    def show(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, Started):
            self.steps = event.steps_per_epoch
        elif isinstance(event, EpochEnd) and "val_loss" in event.record:
            self.least = min(self.least, event.record["val_loss"])
        if isinstance(event, Ended):
            return
        within = event.step / self.steps if isinstance(event, Progress) else 0.0
        epoch = min(event.epoch + 1, event.epochs)
        best = f" · least loss {self.least:.5g}" if math.isfinite(self.least) else ""
        done = (event.epoch + within) / event.epochs
        self.bar.show(f"{self.name} · epoch {epoch} of {event.epochs}{best}", done)


def console_of(verbose: int) -> Console | None:
    """Return the console of rich for a bar; None where lines are printed, or nothing."""
    if int(verbose) != 1:
        return None
    from rich.console import Console

    console = Console(stderr=True)
    return console if console.is_terminal or console.is_jupyter else None


@contextmanager
def shown(title: str, verbose: int, limit: float | None, begun: float) -> Iterator[ProgressLine | None]:
    """Give the line of a fit that is shown as a bar; None where lines are printed, or nothing.

    title: what it says first.  limit: the seconds of the fit, from `begun` on.
    """
    console = console_of(verbose)
    if console is None:
        yield None
        return
    line = ProgressLine(console, title, limit, begun)
    try:
        yield line
    finally:
        line.close()


def watcher_of_race(line: ProgressLine | None, verbose: int) -> RaceWatcher | None:
    """Return what shows a race as far as verbose asks for it; None for nothing. line: of its bar, if it has one."""
    if line is None:
        return print_line if verbose else None
    return lambda event: line.show(event.text(), event.fitted / max(1, event.planned))


def print_line(event: RaceProgress) -> None:
    """Print the line of a fit that has ended."""
    if event.said:
        print(event.line())
