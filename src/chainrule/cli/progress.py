"""A table that grows by a line an epoch, over the bar of the epoch under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chainrule.training import ProgressBar, Run

if TYPE_CHECKING:
    from rich.console import Console

FORMATS = {"learning_rate": ".3g", "forward_passes": ",.0f", "seconds": ".1f"}


class EpochTable(ProgressBar):
    """epoch, losses, metrics, learning rate, seconds; aligned.

    watched: what the val_ columns are of: "validation", or "test" where the test set is watched.
    """

    def __init__(self, console: Console, watched: str, begin: Callable[[], None], before: int = 0) -> None:
        """A quiet console keeps it silent. begin: called before the first step. before: epochs of earlier trainings."""
        super().__init__(1, console)
        self.watched, self.begin, self.before, self.widths = watched, begin, before, list[int]()

    def on_train_begin(self, run: Run) -> None:
        """All is in order."""
        self.begin()
        super().on_train_begin(run)

    def line(self, run: Run) -> str:
        """The record just completed, the names of its columns before the first."""
        heads = [f"epoch of {self.before + run.epochs}", *(self.head(name) for name in run.logs)]
        epoch = self.before + run.epoch
        cells = [f"{epoch}", *(f"{value:{FORMATS.get(name, '.4f')}}" for name, value in run.logs.items())]
        first = not self.widths
        self.widths = self.widths or [max(map(len, pair)) for pair in zip(heads, cells, strict=True)]
        lines = [heads, cells] if first else [cells]
        return "\n".join("   ".join(map(str.rjust, line, self.widths)) for line in lines)

    def head(self, name: str) -> str:
        """val_accuracy is "test accuracy" where the test set is watched."""
        short = {"learning_rate": "lr", "forward_passes": "passes", "val_": f"{self.watched} "}
        for old, new in short.items():
            name = name.replace(old, new)
        return name
