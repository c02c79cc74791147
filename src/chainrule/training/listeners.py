"""Callbacks that only listen, to a run's events: a CSV file, and a progress bar with a table of the epochs."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chainrule import distributed
from chainrule.core.files import write_whole
from chainrule.core.wide import rjust, width_of
from chainrule.training.callbacks import Callback
from chainrule.training.events import Consumer, Ended, EpochEnd, Event, Progress, Started, Stopped, ended
from chainrule.training.run import Run


class Listener(Callback):
    """A callback that passes each event to a function: `Listener(queue.put)`.

    The function runs in the training thread, between two steps, so it should be short. Its errors end the run.
    Unlike other callbacks it neither sees nor changes the run itself.
    """

    looks_inside = False

    def __init__(self, consume: Consumer) -> None:
        """Store the function."""
        self.consume = consume

    def on_event(self, event: Event) -> None:
        """Call the function; a subclass may override this."""
        self.consume(event)

    def on_train_begin(self, run: Run) -> None:
        """Send the event `Started`."""
        event = Started(
            run.epoch,
            run.epochs,
            step=run.position,
            steps_per_epoch=run.steps_per_epoch,
            samples=run.samples.n,
            batch_size=run.plan.batch_size,
            engine=run.engine.name,
            records=tuple(map(dict, run.history.records)),
            compiles=run.session.compiles,
        )
        self.on_event(event)

    def on_steps(self, run: Run) -> None:
        """Send the event `Progress`."""
        loss, weight = run.session.sums[:2].tolist()
        event = Progress(
            run.epoch,
            run.epochs,
            step=run.position,
            of=run.steps_per_epoch,
            loss=loss / weight if weight > 0 else None,
            rate=run.rate,
            seconds=run.seconds,
        )
        self.on_event(event)

    def on_epoch_end(self, run: Run) -> None:
        """Send the event `EpochEnd`."""
        self.on_event(EpochEnd(run.epoch, run.epochs, dict(run.logs)))

    def on_train_end(self, run: Run) -> None:
        """Send the event `Finished`, `Stopped`, `Interrupted` or `Failed`."""
        self.on_event(ended(run.epoch, run.epochs, run.error, run.history.stopped))

    def identity(self) -> Any:
        """Return None, because it does not change the run."""
        return None


class CSVLog(Listener):
    """Write the history to a CSV file, one line per epoch; a resumed run continues the file.

    In a run of several processes only process 0 writes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Store the path."""
        super().__init__(self.write)
        self.path, self.records = Path(path), list[Mapping[str, float]]()

    def write(self, event: Event) -> None:
        """Write all records after each epoch, so that the file is complete at any end of the run."""
        if isinstance(event, Started):
            self.records = list(event.records)
        elif isinstance(event, EpochEnd):
            self.records.append(event.record)
            text, names = io.StringIO(newline=""), [name for record in self.records for name in record]
            writer = csv.DictWriter(text, list(dict.fromkeys(["epoch", *names])))
            writer.writeheader()
            writer.writerows({"epoch": i, **record} for i, record in enumerate(self.records, 1))
            if distributed.is_first():
                write_whole(self.path, text.getvalue().encode())


FORMATS = {"learning_rate": ".3g", "forward_passes": ",.0f", "seconds": ".1f"}
DECIMALS = ((1e4, 4), (1e5, 2), (1e6, 1))
"""The decimals of a loss or a score below a number, so that falling values are not longer than the first."""
WIDEST = {"learning_rate": len("8.01e-09")}
"""The widths, in characters, of columns whose later numbers are longer than the first."""
WIDE = 80
"""The minimum width of a terminal, in characters, for the samples per second."""
MIN_SECONDS = 0.5
"""The minimum seconds of training before the time left is estimated."""


class Layout(NamedTuple):
    """The layout of a table: its columns and their positions."""

    columns: tuple[int, ...]
    heads: tuple[tuple[str, ...], ...]
    """the lines of the heading, one text per column"""
    widths: tuple[int, ...]
    gap: int

    def line(self, cells: Sequence[str]) -> str:
        """Return one line of cells of the shown columns."""
        return (" " * self.gap).join(
            rjust(cells[k], w) for k, w in zip(self.columns, self.widths, strict=True)
        )

    def heading(self) -> list[str]:
        """Return the heading lines of the table."""
        gap = " " * self.gap
        return [gap.join(map(rjust, texts, self.widths)) for texts in self.heads]


def lay_out(names: Sequence[str], heads: Sequence[str], cells: Sequence[str], width: int | None) -> Layout:
    """Return the widest layout that fits into `width` characters, or the widest of all for None.

    A table that does not fit gets narrower gaps, then two-line headings, and then loses columns: seconds, the learning
    rate, the passes, and the last ones.
    """
    columns = list(range(len(names)))
    leaves = [names.index(name) for name in ("seconds", "learning_rate", "forward_passes") if name in names]
    leaves += [k for k in reversed(columns) if k not in leaves and k > 1]
    while True:
        for gap, is_split in ((3, False), (2, False), (2, True)):
            split = [_split(heads[k]) if is_split else (heads[k],) for k in columns]
            rows = max(map(len, split))
            lines = [("",) * (rows - len(lines)) + lines for lines in split]
            widths = [
                max(*map(width_of, text), len(cells[k]), WIDEST.get(names[k], 0))
                for k, text in zip(columns, lines, strict=True)
            ]
            if width is None or sum(widths) + gap * (len(widths) - 1) <= width or (is_split and not leaves):
                return Layout(tuple(columns), tuple(zip(*lines, strict=True)), tuple(widths), gap)
        columns.remove(leaves.pop(0))


def _split(head: str) -> tuple[str, ...]:
    """Split a heading of two words into two lines."""
    first, separator, rest = head.partition(" " if " " in head else "_")
    return (first + separator.strip(), rest) if rest else (head,)


def figure(name: str, value: float) -> str:
    """Return a number of the history as text, large ones in groups of three digits: 0.0193, 4,765,255,328."""
    if name in FORMATS:
        return f"{value:{FORMATS[name]}}"
    size = abs(value)
    decimals = next((places for above, places in DECIMALS if size < above), 0)
    return f"{value:,.{decimals}f}" if size >= DECIMALS[0][0] else f"{value:.4f}"


def duration(seconds: float) -> str:
    """Format seconds as 0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class ProgressBar(Listener):
    """A progress bar of the current epoch with the time left (verbose=1), and a line per epoch (verbose=1 and 2).

    The table is at most as wide as the terminal, and has all columns if there is no terminal.
    """

    compiling = "compiling"

    def __init__(self, verbose: int = 1, console: Any = None) -> None:
        """Store the settings. console: a rich console, for tests and the command."""
        super().__init__(self.show)
        self.verbose, self.console, self.bar = verbose, console, None
        self.layout: Layout | None = None

    def show(self, event: Event) -> None:
        """Draw the changes of an event."""
        if isinstance(event, Started):
            self.begin(event)
        elif isinstance(event, Progress):
            self.move(event, event.step)
        elif isinstance(event, EpochEnd):
            self.add_line(event)
        elif isinstance(event, Ended):
            self.end(event)

    def begin(self, event: Started) -> None:
        """Open the bar, if there is a terminal."""
        from rich.console import Console

        self.console, self.layout = self.console or Console(), None
        self.steps_per_epoch, self.samples = event.steps_per_epoch, event.samples
        self.batch_size = event.batch_size
        self.first_row = self.rows(event, event.step)
        self.start, self.first_step = time.monotonic(), self.step(event, event.step)
        if self.verbose == 1 and self.console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(None if self.console.width < 80 else 40),
                MofNCompleteColumn(),
                TextColumn("{task.fields[left]}"),
            )
            bar: Any = Bar(*columns, console=self.console, transient=True)
            self.task = bar.add_task(
                self.compiling if event.compiles else self.title(event), total=event.steps_per_epoch, left=""
            )
            bar.start()
            self.bar = bar

    def step(self, event: Event, position: int = 0) -> int:
        """Return the number of steps completed in the whole run. position: those within the current epoch."""
        return event.epoch * self.steps_per_epoch + position

    def rows(self, event: Event, position: int = 0) -> int:
        """Return the number of samples trained on in the whole run. position: the steps within the current epoch."""
        return event.epoch * self.samples + min(position * self.batch_size, self.samples)

    def pace(self, event: Event, position: int = 0) -> str:
        """Return the samples per second, if the terminal is wide enough, and the time left; empty if unknown."""
        left, rate = self.left(event, position), None
        if left and self.console.width >= WIDE:
            rate = (self.rows(event, position) - self.first_row) / (time.monotonic() - self.start)
        return self.time_left(left, rate) if left else ""

    def time_left(self, time: str, rate: float | None) -> str:
        """Return the time left as text, and the samples per second if known."""
        return f"{time} left" if rate is None else f"{rate:,.0f} rows/s, {time} left"

    def title(self, event: Event) -> str:
        """Return the number of the current epoch as text."""
        return f"epoch {min(event.epoch + 1, event.epochs)}/{event.epochs}"

    def left(self, event: Event, position: int = 0) -> str:
        """Estimate the time left from the rate so far; an empty string if unknown."""
        step = self.step(event, position)
        spent, done = time.monotonic() - self.start, step - self.first_step
        if spent < MIN_SECONDS or done == 0:
            return ""
        return duration(spent / done * (event.epochs * self.steps_per_epoch - step))

    def move(self, event: Event, position: int = 0) -> None:
        """Move the bar to a step of the current epoch."""
        if self.bar is not None:
            self.bar.update(
                self.task,
                completed=position,
                description=self.title(event),
                left=self.pace(event, position),
            )

    def add_line(self, event: EpochEnd) -> None:
        """Print the record and restart the bar."""
        from rich.text import Text

        for line in self.lines(event):
            self.console.print(Text(line), soft_wrap=True)
        self.move(event)

    def lines(self, event: EpochEnd) -> list[str]:
        """Return the record of an epoch as lines, with the headings before the first one.

        epoch of 4     loss   accuracy   learning_rate   val_loss   val_accuracy   seconds
                 1   0.2861     0.9160         0.00433     0.1391         0.9573       1.2
        """
        cells = [f"{event.epoch}"]
        cells += [figure(name, value) for name, value in event.record.items()]
        above: list[str] = []
        if self.layout is None:
            heads = [self.first_head(event.epochs), *map(self.head, event.record)]
            has_width = self.console.is_terminal or self.console.is_jupyter
            self.layout = lay_out(
                ["epoch", *event.record], heads, cells, self.console.width if has_width else None
            )
            above = self.layout.heading()
        return [*above, self.layout.line(cells)]

    def first_head(self, epochs: int) -> str:
        """Return the heading of the column of epochs."""
        return f"epoch of {epochs}"

    def head(self, name: str) -> str:
        """Return the heading of a column of the history."""
        return name

    def end(self, event: Ended) -> None:
        """Remove the bar, and print why the run was stopped."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
        if isinstance(event, Stopped):
            from rich.text import Text

            self.console.print(Text(self.ending(event.reason)))

    def ending(self, reason: str) -> str:
        """Return why the run was stopped."""
        return f"Stopped: {reason}."
