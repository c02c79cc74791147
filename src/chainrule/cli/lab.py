"""`chainrule lab`: run an experiment of the laboratory, in the terminal and as a page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.cli import options, output
from chainrule.cli.subcommand import guard_subcommand
from chainrule.errors import ConfigError
from chainrule.views import words

if TYPE_CHECKING:
    from rich.console import Console

    from chainrule.lab import Report


@guard_subcommand
def lab(
    name: options.Experiment = None,
    seed: options.LabSeed = 0,
    repeats: options.Repeats = None,
    budget: options.Budget = 1.0,
    out: options.LabFolder = Path("runs/lab"),
    lang: options.Language = "en",
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Run an experiment: a table, a figure, the findings, and their limits. Without NAME, list the experiments."""
    from chainrule.lab import LABS, check_options

    if name is None:
        listing(LABS, as_json)
        return
    if name not in LABS:
        raise ConfigError(f"NAME must be one of {', '.join(LABS)}, not {name!r}.")
    chosen: dict[str, Any] = {"seed": seed, "budget": budget}
    if repeats is not None:
        chosen["repeats"] = repeats
    check_options(seed, 1 if repeats is None else repeats, budget)
    prepare(out)
    console = output.console(quiet=as_json)
    report = carry_out(name, chosen)
    page = out / f"{name}.html"
    report.write(page)
    report.write(page.with_suffix(".json"))
    if as_json:
        output.print_json(report.to_json())
        return
    report.show(console)
    console.print(f"\n{page}", style="bold", markup=False, soft_wrap=True)


def prepare(folder: Path) -> None:
    """Create the folder and check that it is writable, before there are results to lose."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        from tempfile import TemporaryFile

        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"--out must be a writable folder, not {folder} ({error.strerror}); choose another."
        ) from error


def listing(labs: dict[str, str], as_json: bool) -> None:
    """Print one line per experiment."""
    if as_json:
        output.print_json(labs)
        return
    from rich.table import Table

    table = Table.grid(padding=(0, 3))
    table.add_column(style="bold", no_wrap=True)
    for name, what in labs.items():
        table.add_row(name, what)
    console = output.console()
    console.print(table)
    console.print(f"\n{words.command.LIST_OF_LABS}")


def carry_out(name: str, chosen: dict[str, Any]) -> Report:
    """Run an experiment with a progress bar on standard error, or a line every half minute if that is no terminal."""
    from rich.console import Console

    from chainrule.lab import run

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        return run(name, progress=lines(console, name), **chosen)
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.percentage:>3.0f} %"), BarColumn(), TimeElapsedColumn(), TextColumn("/"))
    with Progress(
        *columns,
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=1.0)
        return run(
            name, progress=lambda share, what: bar.update(task, completed=share, description=what), **chosen
        )


def lines(console: Console, name: str, every: float = 30.0) -> Any:
    """Return a progress function that prints a line every `every` seconds."""
    last = time.monotonic()

    def progress(share: float, what: str) -> None:
        nonlocal last
        if time.monotonic() - last >= every:
            last = time.monotonic()
            console.print(f"{name}: {100 * share:.0f} %, {what}", markup=False, soft_wrap=True)

    return progress
