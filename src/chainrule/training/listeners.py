"""Callbacks that only listen: they get a run's events."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainrule import distributed
from chainrule.core.files import write_whole
from chainrule.training import events
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run


class Listener(Callback):
    """A callback that passes each event to a function: `Listener(queue.put)`.

    The function runs in the training thread, between two steps, so it should be short. Its errors end the run.
    Unlike other callbacks it neither sees nor changes the run itself.
    """

    looks_inside = False

    def __init__(self, consume: events.Consumer) -> None:
        """Store the function."""
        self.consume = consume

    def on_event(self, event: events.Event) -> None:
        """Call the function; a subclass may override this."""
        self.consume(event)

    def on_train_begin(self, run: Run) -> None:
        """Send the event `Started`."""
        self.on_event(events.started(run))

    def on_steps(self, run: Run) -> None:
        """Send the event `Progress`."""
        self.on_event(events.progress(run))

    def on_epoch_end(self, run: Run) -> None:
        """Send the event `EpochEnd`."""
        self.on_event(events.epoch_end(run))

    def on_train_end(self, run: Run) -> None:
        """Send the event `Finished`, `Stopped`, `Interrupted` or `Failed`."""
        self.on_event(events.ended(run))

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

    def write(self, event: events.Event) -> None:
        """Write all records after each epoch, so that the file is complete at any end of the run."""
        if isinstance(event, events.Started):
            self.records = list(event.records)
        elif isinstance(event, events.EpochEnd):
            self.records.append(event.record)
            text, names = io.StringIO(newline=""), [name for record in self.records for name in record]
            writer = csv.DictWriter(text, list(dict.fromkeys(["epoch", *names])))
            writer.writeheader()
            writer.writerows({"epoch": i, **record} for i, record in enumerate(self.records, 1))
            if distributed.is_first():
                write_whole(self.path, text.getvalue().encode())
