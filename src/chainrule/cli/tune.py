"""`chainrule tune`: search for the best settings of a network for a table, and print the search."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chainrule.cli import options, output
from chainrule.cli.subcommand import (
    InterruptedRun,
    guarded,
    language_of_report,
    set_on_command_line,
    with_options,
)
from chainrule.cli.train_words import SEARCH, TUNE
from chainrule.errors import ConfigError
from chainrule.recipe.settings import SEARCH as SEARCH_NAMES
from chainrule.recipe.settings import SearchSettings, Settings

if TYPE_CHECKING:
    from rich.console import Console

    from chainrule.estimators.tuning.study import TrialRecord
    from chainrule.recipe.tune import TuneOutcome, TuneRun

SETTINGS = tuple(name for panel in TUNE.values() for name in panel)
"""The options that are settings of a run."""


@guarded
@with_options((Settings, TUNE), (SearchSettings, SEARCH))
def tune(
    context: typer.Context,
    data: options.TunedData,
    out: options.TunedOut = None,
    overwrite: options.TunedOverwrite = False,
    resume: options.TunedResume = False,
    report: options.Report = False,
    lang: options.ReportLanguage = None,
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
    language = language_of_report(report, lang)
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
        raise InterruptedRun(f"Interrupted; continue with: {again(search)}")


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
                status.enter_context(out.status("evaluating"))

            def listen(record: TrialRecord) -> None:
                status.close()
                lines.add(record)
                status.enter_context(out.status("trying settings"))

            found = recipe.carry_out(search, listen, judging)
            if page is not None and language is not None:
                from chainrule.views import report

                report.write_run(found.outcome, page, language, found.command)
    except KeyboardInterrupt:
        raise InterruptedRun(f"Interrupted; continue with: {again(search)}") from None
    return found, page


def introduce(search: TuneRun, out: Console) -> None:
    """Print the table and how it is searched."""
    from chainrule.errors import counted
    from chainrule.estimators.tuning.search import HELD_OUT, TRIALS

    run, how = search.run, search.settings
    table = run.table
    out.print(
        f"[bold]{output.plain(run.data.name)}[/bold]  {len(table.train):,} samples to search on, "
        f"{len(table.test):,} to test on"
    )
    y = run.data.train.y
    labels = [] if table.target.is_number else sorted({str(label) for label in y.tolist()})
    output.introduce_table(out, table, labels)
    ends = [] if how.time_limit is None else [f"{how.time_limit:g} s"]
    if how.trials is not None or not ends:
        ends.insert(0, counted(TRIALS if how.trials is None else how.trials, "trial"))
    held = f"one row of {HELD_OUT} held out" if how.folds is None else f"{how.folds} folds"
    at_once = f", {how.jobs} at a time" if how.jobs > 1 else ""
    out.print(
        f"preset {run.given.preset}: {' or '.join(ends)}, {held}, pruner {how.pruner}{at_once}\n",
        style="dim",
        markup=False,
    )


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
            self.out.print(f"{'trial':>5} {'value':>10} {'best':>10} {'seconds':>8}  settings", style="dim")
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
    from chainrule.errors import counted

    tuned, out = found.tuned, output.console()
    progress.print()
    count = counted(len(tuned.trials), "trial")
    out.print(f"[bold]{count}[/bold] in {tuned.seconds:.1f} s, ended by: {tuned.stopped}")
    value, metric = tuned.best.value or 0.0, tuned.metric.replace("_", " ")
    line = f"best {metric} on held-out rows {value:.5g}"
    if tuned.default is not None and tuned.default.value:
        change = 100 * (value / tuned.default.value - 1)
        line += f", of the unchanged preset {tuned.default.value:.5g} ({change:+.1f} %)"
    out.print(line, markup=False)
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), show_edge=False)
    shown = tuned.importances
    for head in ("setting", "best", "preset", *(["importance"] if shown else [])):
        grid.add_column(head, justify="left" if head == "setting" else "right")
    default = {} if tuned.default is None else tuned.default.settings
    for name in sorted(tuned.best.settings, key=lambda each: -shown.get(each, 0.0)):
        cells = [_cell(tuned.best.settings[name]), _cell(default.get(name, ""))]
        grid.add_row(name, *cells, *([output.percent(shown.get(name, 0.0))] if shown else []))
    out.print(grid)
    show_run(found.outcome, page, progress)


def _cell(value: object) -> str:
    return (
        ("yes" if value else "no")
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
