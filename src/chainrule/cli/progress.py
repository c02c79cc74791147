"""The table of epochs as the command shows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from chainrule.training import ProgressBar
from chainrule.training.events import Event, Started

if TYPE_CHECKING:
    from rich.console import Console


class EpochTable(ProgressBar):
    """epoch, losses, metrics, learning rate, seconds.

    watched: what the val_ columns are of: "val", or "test" where the test set is watched.
    """

    def __init__(self, console: Console, watched: str, begin: Callable[[], None], before: int = 0) -> None:
        """A quiet console keeps it silent. begin: called before the first step. before: epochs of earlier trainings."""
        super().__init__(1, console)
        self.watched, self.begin_run, self.before = watched, begin, before

    def show(self, event: Event) -> None:
        """Epochs are those of the whole run, earlier trainings included."""
        if isinstance(event, Started):
            self.begin_run()
        super().show(
            dataclasses.replace(event, epoch=event.epoch + self.before, epochs=event.epochs + self.before)
        )

    def head(self, name: str) -> str:
        """val_accuracy is "test accuracy" where the test set is watched."""
        short = {"learning_rate": "lr", "forward_passes": "passes", "val_": f"{self.watched} "}
        for old, new in short.items():
            name = name.replace(old, new)
        return name
