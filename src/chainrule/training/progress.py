"""What a run shows in the terminal: a bar while an epoch is under way, a line when it is done."""

from __future__ import annotations

from typing import Any

from chainrule.training.callbacks import Callback
from chainrule.training.run import Run


class ProgressBar(Callback):
    """A bar of the epoch under way (verbose=1) and a line an epoch (verbose=1 and 2)."""

    looks_inside = False

    def __init__(self, verbose: int = 1, console: Any = None) -> None:
        """console: rich's, for tests and the command."""
        self.verbose, self.console, self.bar = verbose, console, None

    def on_train_begin(self, run: Run) -> None:
        """Open the bar, where there is a terminal to draw it in."""
        from rich.console import Console

        self.console = self.console or Console()
        if self.verbose == 1 and self.console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            bar: Any = Progress(*columns, console=self.console, transient=True)
            self.task = bar.add_task(self.title(run), total=run.steps_per_epoch)
            bar.start()
            self.bar = bar

    def title(self, run: Run) -> str:
        """Which epoch it is."""
        return f"epoch {min(run.epoch + 1, run.epochs)}/{run.epochs}"

    def on_steps(self, run: Run) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.update(self.task, completed=run.position, description=self.title(run))

    def on_epoch_end(self, run: Run) -> None:
        """Print the record and start the bar anew."""
        from rich.text import Text

        self.console.print(Text(self.line(run)))
        if self.bar is not None:
            self.bar.update(self.task, completed=0, description=self.title(run))

    def line(self, run: Run) -> str:
        """epoch 1/4  loss 0.2861  accuracy 0.9160  val_loss 0.1391  ...  1.2 s"""
        formats = {"learning_rate": ".4g", "forward_passes": ",.0f"}
        values = [
            f"{name} {value:{formats.get(name, '.4f')}}"
            for name, value in run.logs.items()
            if name != "seconds"
        ]
        width = len(str(run.epochs))
        return "  ".join(
            [f"epoch {run.epoch:>{width}}/{run.epochs}", *values, f"{run.logs['seconds']:.1f} s"]
        )

    def on_train_end(self, run: Run) -> None:
        """Take the bar away; say why the run was stopped."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
        if run.history.stopped:
            from rich.text import Text

            self.console.print(Text(f"Stopped: {run.history.stopped}."))
