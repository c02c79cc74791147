"""The table of epochs as the command shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chainrule.training import ProgressBar, Run

if TYPE_CHECKING:
    from rich.console import Console


class EpochTable(ProgressBar):
    """epoch, losses, metrics, learning rate, seconds.

    watched: what the val_ columns are of: "val", or "test" where the test set is watched.
    """

    def __init__(self, console: Console, watched: str, begin: Callable[[], None], before: int = 0) -> None:
        """A quiet console keeps it silent. begin: called before the first step. before: epochs of earlier trainings."""
        super().__init__(1, console)
        self.watched, self.begin, self.before = watched, begin, before

    def on_train_begin(self, run: Run) -> None:
        """All is in order."""
        self.begin()
        super().on_train_begin(run)

    def title(self, run: Run) -> str:
        """Which epoch of the whole run it is."""
        return f"epoch {self.number(min(run.epoch + 1, run.epochs))}/{self.number(run.epochs)}"

    def number(self, epoch: int) -> int:
        """Those of earlier trainings are counted too."""
        return self.before + epoch

    def head(self, name: str) -> str:
        """val_accuracy is "test accuracy" where the test set is watched."""
        short = {"learning_rate": "lr", "forward_passes": "passes", "val_": f"{self.watched} "}
        for old, new in short.items():
            name = name.replace(old, new)
        return name
