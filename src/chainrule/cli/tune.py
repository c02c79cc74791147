"""`chainrule tune`: search for the best settings of a network for a table, and print the search."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chainrule.cli import options, output
from chainrule.cli.subcommand import (
    InterruptedRun,
    guard_subcommand,
    set_on_command_line,
    with_options,
)
from chainrule.cli.train_words import SEARCH, TUNE
from chainrule.core.wide import rjust
from chainrule.errors import ConfigError
from chainrule.recipe.settings import SEARCH as SEARCH_NAMES
from chainrule.recipe.settings import SearchSettings, Settings
from chainrule.views import words

if TYPE_CHECKING:
    from rich.console import Console

    from chainrule.estimators.tuning.search import TrialRecord
    from chainrule.recipe.tune import TuneOutcome, TuneRun

SETTINGS = tuple(name for panel in TUNE.values() for name in panel)
"""The options that are settings of a run."""


@guard_subcommand
@with_options((Settings, TUNE), (SearchSettings, SEARCH))
def tune(
    context: typer.Context,
    data: options.TunedData,
    out: options.TunedOut = None,
    overwrite: options.TunedOverwrite = False,
    resume: options.TunedResume = False,
    report: options.Report = False,
    lang: options.RunLanguage = "en",
    as_json: options.RunAsJson = False,
    quiet: options.Quiet = False,
    debug: options.RunDebug = False,
    **settings: Any,
) -> None:
    """Search for the best settings of a network for a table, and write a folder with it.

    Each setting is evaluated on held-out rows; the best is trained on all rows not used for testing.
    """
    from chainrule.recipe import tune as recipe

    given = Settings(**{name: settings[name] for name in SETTINGS})
    how = SearchSettings(**{name: settings[name] for name in SEARCH_NAMES})
    language = lang if report else None
    if resume and overwrite:
        raise ConfigError("--resume continues a search, --overwrite replaces it; choose one.")
    place = (out or Path(data)) if resume else None
    if place is not None and (place / "config.json").is_file():
        anew = {name: settings[name] for name in set_on_command_line(context, SEARCH_NAMES)}
        chosen = set_on_command_line(context, SETTINGS)
        begun = recipe.resumed(place, given, chosen, anew, None if out is None else data)
    elif place is not None and out is None:
        raise ConfigError(f"{place} contains no search to continue; name its folder, or give DATA and --out.")
    else:
        begun = recipe.begun(data, given, how, out, overwrite)
    console = output.console(quiet=quiet or as_json)
    with begun as search:
        found, page = carry_out(search, console, language)
    if as_json:
        output.print_json(as_result(found, page))
    else:
        show(found, page, console)
    if found.tuned.stopped == "interrupted":
        raise InterruptedRun(words.running.interrupted(again(search)))


def again(search: TuneRun) -> str:
    """Return the command that continues a search."""
    import shlex

    return shlex.join(["chainrule", "tune", str(search.run.place), "--resume"])


def carry_out(search: TuneRun, out: Console, language: str | None) -> tuple[TuneOutcome, Path | None]:
    """Carry out a search and print its trials; return its outcome, and the path of its report if there is one.

    language: of the report; None for no report.
    """
    from chainrule.recipe import tune as recipe

    introduce(search, out)
    lines, page = TrialLines(out), search.run.place / "report.html" if language else None
    try:
        with ExitStack() as status:

            def judging() -> None:
                status.close()
                status.enter_context(out.status(words.running.EVALUATING))

            def listen(record: TrialRecord) -> None:
                status.close()
                lines.add(record)
                status.enter_context(out.status(words.running.TRYING))

            found = recipe.carry_out(search, listen, judging)
            if page is not None and language is not None:
                from chainrule.views import report

                report.write_run(found.outcome, page, language, found.command)
    except KeyboardInterrupt:
        raise InterruptedRun(words.running.interrupted(again(search))) from None
    return found, page


def introduce(search: TuneRun, out: Console) -> None:
    """Print the table and how it is searched."""
    from chainrule.estimators.tuning.search import HELD_OUT, TRIALS

    run, how = search.run, search.settings
    table = run.table
    said = words.running
    parts = said.parts_of_search(len(table.train), len(table.test))
    out.print(f"[bold]{output.plain(run.data.name)}[/bold]  {parts}")
    y = run.data.train.y
    labels = [] if table.target.is_number else sorted({str(label) for label in y.tolist()})
    output.introduce_table(out, table, labels)
    trials = TRIALS if how.trials is None and how.time_limit is None else how.trials
    line = said.search(f"{run.given.preset}", trials, how.time_limit, how.folds, HELD_OUT, how.pruner)
    out.print(f"{line}{said.at_once(how.jobs) if how.jobs > 1 else ''}\n", style="dim", markup=False)


class TrialLines:
    """Print one line per trial: its number, its value, the best so far, seconds and settings."""

    def __init__(self, out: Console) -> None:
        """Print to a console."""
        self.out, self.best = out, float("inf")
        self.is_new = True

    def add(self, record: TrialRecord) -> None:
        """Print a trial."""
        from rich.text import Text

        if self.is_new:
            *heads, settings = words.running.TRIAL_HEADS
            above = " ".join(map(rjust, heads, (5, 10, 10, 8)))
            self.out.print(f"{above}  {settings}", style="dim")
            self.is_new = False
        is_best = record.value is not None and record.value < self.best
        self.best = record.value if is_best and record.value is not None else self.best
        value = record.state if record.value is None else f"{record.value:.5g}"
        best = "" if self.best == float("inf") else f"{self.best:.5g}"
        line = Text(f"{record.number:>5} {value:>10} {best:>10} {record.seconds:>8.1f}  ")
        line.append(settings_text(record.settings), "bold" if is_best else "dim")
        self.out.print(line, no_wrap=True, overflow="ellipsis", crop=self.out.is_terminal)


def settings_text(settings: dict[str, Any]) -> str:
    """Return settings in one line: their values, with the names of numbers."""
    said = []
    for name, value in settings.items():
        if isinstance(value, bool):
            said += [name] if value else []
        elif isinstance(value, str):
            said.append(value)
        else:
            said.append(f"{name} {value:.2g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(said)


def show(found: TuneOutcome, page: Path | None, progress: Console) -> None:
    """Print the result of the search, and that of the run with the best settings."""
    from rich import box
    from rich.table import Table

    from chainrule.cli.train import show as show_run

    tuned, out = found.tuned, output.console()
    progress.print()
    said = words.running
    out.print(said.searched(len(tuned.trials), tuned.seconds, tuned.stopped), style="bold", markup=False)
    value, metric = tuned.best.value or 0.0, words.phrases.spoken(tuned.metric)
    default = tuned.default
    out.print(said.best_of_search(metric, value, None if default is None else default.value), markup=False)
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), show_edge=False)
    shown = tuned.importances
    for k, head in enumerate(said.SETTING_HEADS[: 4 if shown else 3]):
        grid.add_column(head, justify="right" if k else "left")
    by_default = {} if default is None else default.settings
    for name in sorted(tuned.best.settings, key=lambda each: -shown.get(each, 0.0)):
        cells = [_cell(tuned.best.settings[name]), _cell(by_default.get(name, ""))]
        grid.add_row(name, *cells, *([output.percent(shown.get(name, 0.0))] if shown else []))
    out.print(grid)
    show_run(found.outcome, page, progress)


def _cell(value: object) -> str:
    return (
        str(words.phrases.YES if value else words.phrases.NO)
        if isinstance(value, bool)
        else f"{value:.3g}"
        if isinstance(value, float)
        else f"{value}"
    )


def as_result(found: TuneOutcome, page: Path | None) -> dict[str, Any]:
    """Return the result as data for JSON."""
    from chainrule.cli.train import as_data
    from chainrule.recipe import tune as recipe

    return as_data(found.outcome, page) | {"search": recipe.as_data(found.tuned)}
