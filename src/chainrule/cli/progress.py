"""The table of epochs in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.training import ProgressBar

if TYPE_CHECKING:
    from rich.console import Console


class EpochTable(ProgressBar):
    """A progress bar with a table: epoch, losses, metrics, learning rate, seconds.

    watched: the prefix of the validation columns: "val", or "test" if the test set is evaluated each epoch.
    """

    def __init__(self, console: Console, watched: str) -> None:
        """Print to a console; a quiet one prints nothing."""
        super().__init__(1, console)
        self.watched = watched

    def head(self, name: str) -> str:
        """Return the heading of a column: val_accuracy is "test accuracy" if the test set is evaluated each epoch."""
        short = {"learning_rate": "lr", "forward_passes": "passes", "val_": f"{self.watched} "}
        for old, new in short.items():
            name = name.replace(old, new)
        return name
