"""`chainrule train`: train a network, and print the run."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chainrule import distributed
from chainrule.cli import options, output
from chainrule.cli.output import TIGHT, plain
from chainrule.cli.subcommand import (
    REPEATED,
    InterruptedRun,
    guard_subcommand,
    hidden_widths,
    set_on_command_line,
    with_options,
)
from chainrule.cli.train_words import TRAIN
from chainrule.errors import ConfigError
from chainrule.recipe.settings import NAMES, Settings
from chainrule.views import words

if TYPE_CHECKING:
    from rich.console import Console

    from chainrule.recipe.baselines import BaselineComparison
    from chainrule.recipe.prepare import Prepared
    from chainrule.recipe.run import Outcome
    from chainrule.tracking.tracker import Tracker
    from chainrule.training.events import Event


@guard_subcommand
@with_options((Settings, TRAIN))
def train(
    context: typer.Context,
    data: options.TrainData,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    resume: options.Resume = False,
    report: options.Report = False,
    lang: options.RunLanguage = "en",
    track: options.Track = None,
    as_json: options.RunAsJson = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    debug: options.RunDebug = False,
    **settings: Any,
) -> None:
    """Train a network, and write a folder with the model and its results.

    Bytes are treated as pixels, other numbers are standardized; the loss follows from y. Options override this.
    """
    text = as_one_text(data)
    given = Settings(**join_words(settings) | {"hidden": hidden_widths(settings["hidden"])})
    language = lang if report else None
    trackers_of(track)  # an unknown one is an error before data are read
    if distributed.is_one_of_several() or given.has_shards:
        distributed.initialize()
    from chainrule.recipe import run as recipe

    progress = output.console(quiet=quiet or as_json)
    if resume and overwrite:
        raise ConfigError("--resume continues a run, --overwrite replaces it; choose one.")
    place = (out or Path(text)) if resume else None
    if not distributed.is_first():
        follow(text, given, place, out, set_on_command_line(context, NAMES))
        return
    if place is not None and (place / "config.json").is_file():
        chosen = set_on_command_line(context, NAMES)
        begun = recipe.resumed(place, given, chosen, None if out is None else text)
    elif place is not None and out is None:
        raise ConfigError(f"{place} contains no run to continue; name its folder, or give DATA and --out.")
    else:
        begun = recipe.begun(text, given, out, overwrite)
    with begun as run:
        if run.settings.has_shards and not distributed.is_initialized():
            distributed.initialize()  # a run of several processes, resumed in one
        outcome, page = carry_out(run, progress, verbose, language, trackers_of(track, run.place))
    if as_json:
        output.print_json(as_data(outcome, page))
    else:
        show(outcome, page, progress)
    if outcome.reached is False:
        raise typer.Exit(1)
    from chainrule.recipe.folder import can_go_on
    from chainrule.recipe.longer import BY_HAND
    from chainrule.recipe.prepare import resume_command

    if outcome.history.stopped == BY_HAND:
        again = resume_command(outcome.folder) if can_go_on(outcome.folder) else None
        raise InterruptedRun(words.running.interrupted_with_results(str(outcome.folder), again))


def join_words(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with those of several values as one text; None for none."""
    many = {name: settings[name] for name in REPEATED if name in settings}
    return {**settings, **{name: _as_list(values) if values else None for name, values in many.items()}}


def _as_list(texts: list[str]) -> str:
    """Return several values as one: area:+1,minutes:-1, with a comma in quotes; a single one may be such a list."""
    import csv
    import io

    if len(texts) == 1:
        return texts[0]
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="").writerow(texts)
    return line.getvalue()


def as_one_text(data: list[str]) -> str:
    """Join several files of DATA by commas. Raises ConfigError unless all are Parquet or Arrow files."""
    if len(data) == 1:
        return data[0]
    from chainrule.datasets.column_files import ENDINGS

    other = next((each for each in data if not each.lower().endswith(ENDINGS) or "," in each), None)
    if other is not None:
        raise ConfigError(
            f"several DATA must be Parquet or Arrow files without a comma in their names, not {other}; name "
            "one, or a folder."
        )
    return ",".join(data)


def follow(text: str, given: Settings, place: Path | None, out: Path | None, chosen: list[str]) -> None:
    """Train the run that process 0 carries out, prints and writes; here in a temporary folder, without a word.

    place: the folder of a run to continue, which all processes must see.
    """
    import shutil
    from tempfile import TemporaryDirectory

    from chainrule.recipe import run as recipe
    from chainrule.recipe.folder import LOCK

    warnings.simplefilter("ignore")
    try:
        with TemporaryDirectory(prefix="chainrule-") as own:
            folder = Path(own) / "run"
            if place is not None and (place / "config.json").is_file():
                shutil.copytree(place, folder, ignore=shutil.ignore_patterns(LOCK))
                context = recipe.resumed(folder, given, chosen, None if out is None else text)
            else:
                context = recipe.begun(text, given, folder)
            with context as run:
                recipe.trained(run, lambda event: None)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def trackers_of(texts: list[str] | None, place: Path | None = None) -> list[Tracker]:
    """Return the trackers of --track. place: the folder of the run.  Raises ConfigError."""
    if not texts:
        return []
    from chainrule.recipe.tracked import tracker_of

    return [tracker_of(text, place) for text in texts]


def carry_out(
    run: Prepared,
    out: Console,
    verbose: bool,
    language: str | None,
    trackers: Sequence[Tracker] = (),
) -> tuple[Outcome, Path | None]:
    """Carry out a run and print its progress; return its outcome, and the path of its report if there is one.

    language: of the report; None for no report.
    """
    from chainrule.cli.introduce import EpochTable, introduce, introduce_race
    from chainrule.recipe import run as recipe
    from chainrule.recipe.prepare import resume_command
    from chainrule.training.events import Started

    training = run.training
    if training.is_race and training.estimator is not None and run.done is None:
        introduce_race(out, run)
        training.estimator.set_params(verbose=not out.quiet)  # one line per fit
    watched = training.watched
    table = EpochTable(out, "val" if watched == "validation" else watched)
    page = run.place / "report.html" if language else None
    if run.done is not None:
        say_done(run, out)
    try:
        with ExitStack() as status:

            def listen(event: Event) -> None:
                status.close()
                if isinstance(event, Started):
                    introduce(out, run, event, verbose)
                elif isinstance(event, recipe.Judging):
                    status.enter_context(out.status(words.running.EVALUATING))
                table.on_event(event)

            outcome = recipe.carry_out(run, listen, trackers=trackers)
        if page is not None and language is not None:
            with out.status(words.running.WRITING):
                from chainrule.views import report

                report.write_run(outcome, page, language)
    except KeyboardInterrupt:
        raise InterruptedRun(words.running.interrupted(resume_command(run.place))) from None
    return outcome, page


def say_done(run: Prepared, out: Console) -> None:
    """Print that a run is finished, and how to train it longer."""
    from chainrule.recipe.prepare import resume_command

    assert run.done is not None
    done, said = run.done.history, words.running
    asked, again = (
        run.settings.epochs,
        resume_command(run.place, 2 * max(len(done), run.settings.epochs or 0)),
    )
    lines = [said.finished(len(done), asked, done.stopped), said.FINISHED]
    if run.training.can_grow(run):
        lines.append(said.train_longer(again))
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


def show(outcome: Outcome, page: Path | None, progress: Console) -> None:
    """Print the result in readable form."""
    from rich.text import Text

    from chainrule.views.text.verdict import headlines

    out = output.console()
    judgement = outcome.judgement
    progress.print()
    notices = getattr(outcome.run.estimator, "notices_", None)
    for each in headlines(judgement, outcome.comparison, notices):
        label = output.plain(each.label[0].upper() + each.label[1:])
        beside = f"  {output.plain(each.beside)}" if each.beside else ""
        out.print(
            Text.assemble((f"{label} {each.value}", "bold" if each.is_good else "bold orange1"), beside)
        )
    said = words.running
    out.print(said.after(judgement.n, len(outcome.history), outcome.seconds), style="dim")
    if outcome.run.settings.time_limit is not None and not len(outcome.history):
        out.print(said.TOO_SHORT, style="orange1")
    if best := getattr(outcome.run.estimator, "n_iter_refit_", 0):
        out.print(said.trained_again(outcome.run.parts.train.n, best), style="dim")
    if outcome.reached is False:
        out.print(said.missed_target(outcome.run.settings.target or 0), style="orange1")
    output.show_judgement(out, judgement)
    output.show_decision(out, judgement)
    if outcome.comparison is not None:
        from chainrule.views.text.verdict import in_short

        preset = outcome.run.settings.preset
        comparison_table(out, outcome.comparison, in_short(judgement, outcome.comparison, notices, preset))
        if judgement.decision is not None:
            out.print(words.tables.COMPARED_BY_LIKELIEST, style="dim")
    out.print(said.run_folder(str(outcome.folder)), markup=False, soft_wrap=True)
    if page is not None:
        out.print(said.report(str(page)), markup=False, soft_wrap=True)


def comparison_table(out: Console, comparison: BaselineComparison, in_short: Sequence[str]) -> None:
    """Print the network's metrics beside those of simpler models, the best in bold, and sentences about them."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from chainrule.views.words.facts import metrics_alike

    said = words.tables
    out.print(f"\n[bold]{said.COMPARISON}[/bold]{said.same_rows(comparison.rows, comparison.constant)}")
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    grid.add_column("")
    for name in comparison.names:
        grid.add_column(words.phrases.spoken(name), justify="right", no_wrap=True)
    if out.width >= TIGHT:
        grid.add_column(said.SECONDS, justify="right", no_wrap=True, style="dim")
    found = [comparison.values(name) for name in comparison.names]
    shown = [(metrics_alike(values, best), best) for values, best in found]
    for k, each in enumerate(comparison.models):
        cells = [Text(texts[k], "bold" if k == best else "") for texts, best in shown]
        seconds = [f"{each.seconds:.1f}"] if out.width >= TIGHT else []
        grid.add_row(Text(said.MODELS[each.model]), *cells, *seconds)
    out.print(grid)
    is_good = comparison.verdict.code in ("best", "close")
    for sentence in in_short:
        out.print(plain(sentence), style="bold" if is_good else "orange1", markup=False)
    out.print()


def as_data(outcome: Outcome, page: Path | None) -> dict[str, Any]:
    """Return the result as data for JSON."""
    run = outcome.run
    return {
        "run": str(outcome.folder),
        "model": str(outcome.folder / "model.safetensors"),
        "report": None if page is None else str(page),
        "data": run.data.name,
        "task": run.model.task,
        "parameters": run.model.theta.size,
        "epochs": len(outcome.history),
        "stopped": outcome.history.stopped,
        "seconds": outcome.seconds,
        "target": run.settings.target,
        "reached": outcome.reached,
        **outcome.judgement.to_json(),
        **({} if outcome.comparison is None else outcome.comparison.of_run()),
    }
