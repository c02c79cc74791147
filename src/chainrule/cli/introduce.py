"""Print what is about to be trained, the data of a run and its network, and then the table of its epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.cli import output
from chainrule.training import ProgressBar

if TYPE_CHECKING:
    from rich.console import Console

    from chainrule.model import Ensemble, Model
    from chainrule.recipe.prepare import Prepared
    from chainrule.training.events import Started


def introduce(out: Console, run: Prepared, started: Started, verbose: bool) -> None:
    """Print the data and the model of a run, when its training begins."""
    model, settings, table = run.training.model, run.settings, run.training.table(run)
    network, batch = model.network, started.batch_size
    held, tested = run.training.held_out(run, started.samples)
    parts = f", {held:,} to validate on" * (held > 0) + f", {tested:,} to test on" * (tested > 0)
    out.print(f"[bold]{output.plain(run.data.name)}[/bold]  {started.samples:,} samples to train on{parts}")
    if table is not None:
        output.introduce_table(
            out, table, [] if model.classes is None else [f"{each}" for each in model.classes]
        )
    lines = of_preset(run, model, started) if settings.has_preset else of_network(run, started)
    if table is not None and not settings.has_preset:
        lines += [cost(model, settings.batch_size or 128)]
    out.print("\n".join(lines) + "\n", style="dim", markup=False)
    if verbose:
        network = model.members[0] if hasattr(model, "members") else model
        out.print(f"{output.summary(out, network, batch)}\n", markup=False, soft_wrap=not out.is_terminal)


def of_network(run: Prepared, started: Started) -> list[str]:
    """Return lines about a plain network and its training."""
    settings, network = run.settings, run.training.model.network
    widths = [network.inputs, *(link.fan_out for link in network.walk() if link.name.startswith("dense_"))]
    rate = "" if settings.lr is None else f" at {settings.lr:g}"
    how = f"{settings.optimizer}{rate}, {settings.schedule}, "
    if settings.method != "backpropagation":
        how = f"{settings.method}, " + (how if run.training.config()["optimizer"] is not None else "")
    batches = "all samples per step" if settings.optimizer == "lbfgs" else f"batches of {settings.batch_size}"
    lines = [
        f"{'-'.join(map(str, widths))}, {network.size:,} parameters, {network.loss.kind}",
        f"{how}{batches}",
    ]
    if run.earlier:
        lines += [f"epochs {len(run.records) + 1} to {settings.epochs}: a new training from the run's model"]
    if run.data.table is not None and run.given.preset is None and run.data.stream is None:
        from chainrule.recipe.preset_choice import plain_because
        from chainrule.recipe.settings import flag

        if (why := plain_because(run.given)) is not None:
            lines.insert(0, f"a plain network, because presets do not support {flag(why)}")
    return lines


def of_preset(run: Prepared, model: Model | Ensemble, started: Started) -> list[str]:
    """Return lines about the network of a preset and its training."""
    from chainrule.errors import counted

    settings, network = run.settings, model.network
    count = len(getattr(model, "members", [model]))
    several = f"{count} networks, {network.size:,} parameters each" if count > 1 else ""
    limit = "" if settings.time_limit is None else f", {settings.time_limit:g} s at most"
    return [
        f"preset {settings.preset}: {several or f'{network.size:,} parameters'}, {network.loss.kind}",
        f"batches of {started.batch_size}, {counted(started.epochs, 'epoch')} at most{limit}",
    ]


def introduce_race(out: Console, run: Prepared) -> None:
    """Print the table before recipes race on it."""
    from chainrule.estimators.best.state import SECONDS

    table = run.table
    out.print(
        f"[bold]{output.plain(run.data.name)}[/bold]  {len(table.train):,} samples to train and validate on, "
        f"{len(table.test):,} to test on"
    )
    labels = [] if table.target.is_number else sorted({str(label) for label in run.data.train.y.tolist()})
    output.introduce_table(out, table, labels)
    limit, plan = run.settings.time_limit, run.settings.plan
    what = f"recipes race for {SECONDS if limit is None else limit:g} s; the average of the best predicts"
    if plan is not None:
        what = f"the race of {output.plain(plan)} is repeated, however long it takes"
    out.print(f"preset best: {what}\n", style="dim")


def cost(model: Model | Ensemble, batch_size: int) -> str:
    """Return the costs of the network, in one line."""
    from chainrule.network.summary import as_bytes

    costs = model.summary(batch_size)
    return (
        f"{as_bytes(costs.training_bytes)} to train, {costs.training_operations:,} operations per row; "
        f"to predict {costs.operations:,}"
    )


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
