"""Print what is about to be trained, the data of a run and its network, and then the table of its epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.cli import output
from chainrule.training import ProgressBar
from chainrule.views import words

if TYPE_CHECKING:
    from rich.console import Console

    from chainrule.model import Ensemble, Model
    from chainrule.recipe.prepare import Prepared
    from chainrule.training.events import Event, Started


def introduce(out: Console, run: Prepared, started: Started, verbose: bool) -> None:
    """Print the data and the model of a run, when its training begins."""
    model, settings, table = run.training.model, run.settings, run.training.table(run)
    network, batch = model.network, started.batch_size
    held, tested = run.training.held_out(run, started.samples)
    parts = words.running.parts(started.samples, held, tested)
    out.print(f"[bold]{output.plain(run.data.name)}[/bold]  {parts}")
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
    said = words.running
    rate = "" if settings.lr is None else said.at_rate(settings.lr)
    how = f"{settings.optimizer}{rate}, {settings.schedule}, "
    if settings.method != "backpropagation":
        how = f"{settings.method}, " + (how if run.training.config()["optimizer"] is not None else "")
    batches = said.batches(None if settings.optimizer == "lbfgs" else settings.batch_size)
    parameters = words.model.parameters_of(network.size)
    lines = [f"{'-'.join(map(str, widths))}, {parameters}, {network.loss.kind}", f"{how}{batches}"]
    if run.earlier:
        lines += [said.new_training(len(run.records) + 1, settings.epochs or 0)]
    if run.data.table is not None and run.given.preset is None and run.data.stream is None:
        from chainrule.recipe.preset_choice import plain_because
        from chainrule.recipe.settings import flag

        if (why := plain_because(run.given)) is not None:
            lines.insert(0, said.plain_network(flag(why)))
    return lines


def of_preset(run: Prepared, model: Model | Ensemble, started: Started) -> list[str]:
    """Return lines about the network of a preset and its training."""
    settings, network, said = run.settings, model.network, words.running
    count = len(getattr(model, "members", [model]))
    return [
        said.of_preset(settings.preset or "", count, network.size, network.loss.kind),
        said.batches_and_epochs(started.batch_size, started.epochs, settings.time_limit),
    ]


def introduce_race(out: Console, run: Prepared) -> None:
    """Print the table before recipes race on it."""
    from chainrule.race.state import SECONDS

    table, said = run.table, words.running
    parts = said.parts_of_race(len(table.train), len(table.test))
    out.print(f"[bold]{output.plain(run.data.name)}[/bold]  {parts}")
    labels = [] if table.target.is_number else sorted({str(label) for label in run.data.train.y.tolist()})
    output.introduce_table(out, table, labels)
    limit, plan = run.settings.time_limit, run.settings.plan
    what = said.race(SECONDS if limit is None else limit) if plan is None else said.race_again(plan)
    out.print(f"{output.plain(what)}\n", style="dim", markup=False)


def cost(model: Model | Ensemble, batch_size: int) -> str:
    """Return the costs of the network, in one line."""
    from chainrule.network.summary import as_bytes

    costs = model.summary(batch_size)
    memory = as_bytes(costs.training_bytes)
    return str(words.running.cost(memory, costs.training_operations, costs.operations))


class EpochTable(ProgressBar):
    """A progress bar with a table: epoch, losses, metrics, learning rate, seconds.

    watched: the prefix of the validation columns: "val", or "test" if the test set is evaluated each epoch.
    """

    def __init__(self, console: Console, watched: str) -> None:
        """Print to a console; a quiet one prints nothing."""
        super().__init__(1, console)
        self.watched, self.compiling = watched, words.running.COMPILING

    def head(self, name: str) -> str:
        """Return the heading of a column: val_accuracy is "test accuracy" if the test set is evaluated each epoch."""
        heads = words.running.HEADS
        plain = name.removeprefix("val_")
        said = heads.get(plain, plain)
        return said if plain == name else str(words.running.watched(heads[self.watched], said))

    def first_head(self, epochs: int) -> str:
        """Return the heading of the column of epochs."""
        return str(words.running.epoch_of(epochs))

    def title(self, event: Event) -> str:
        """Return the number of the current epoch."""
        return str(words.running.in_epoch(min(event.epoch + 1, event.epochs), event.epochs))

    def time_left(self, time: str, rate: float | None) -> str:
        """Return the time left, and the rows per second if known."""
        return str(words.running.left(time, rate))

    def ending(self, reason: str) -> str:
        """Return why the run was stopped."""
        return str(words.running.ended(reason))
