"""Carry out a run from its settings to its folder: build, train, evaluate, write.

    from chainrule.recipe.data import load
    from chainrule.recipe.run import run
    from chainrule.recipe.settings import Settings

    outcome = run(load("mnist"), Settings(hidden=(256,), epochs=4), out="runs/mnist", listen=print)

`run` is the command `chainrule train` without its terminal. It calls `listen` with events: those of
`chainrule.training.events`, then `Judging` and `Judged`. An invalid setting is a ConfigError that names it in the
caller's notation. `begun` and `resumed` prepare a run in its folder, and `carry_out` trains it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chainrule.core import hints, records
from chainrule.errors import ChainruleError, ConfigError, option
from chainrule.model import Ensemble, Model
from chainrule.recipe import by_model, folder, longer, preset_choice
from chainrule.recipe.data import Data, check_is_table, load
from chainrule.recipe.judge import Judgement, decided, judge, judge_times, positive_of
from chainrule.recipe.messages import told, with_value
from chainrule.recipe.prepare import Prepared, TrainedRun
from chainrule.recipe.settings import DEMANDS, NAMES, TIES, Settings
from chainrule.recipe.tracked import followers
from chainrule.tracking.tracker import Tracker
from chainrule.training import History
from chainrule.training.events import Consumer, Event, ended

if TYPE_CHECKING:
    from chainrule.recipe.baselines import BaselineComparison


@records.kind("run_judging")
@dataclass(frozen=True)
class Judging(Event):
    """The training has ended, and the model is being evaluated."""

    part: str
    """the samples of the evaluation: test or validation"""
    samples: int


@records.kind("run_judged")
@dataclass(frozen=True)
class Judged(Event):
    """The results were written to the run's folder."""

    part: str
    samples: int
    metrics: Mapping[str, float]


@records.kind("run_outcome", fields=("path", "reached", "seconds", "history", "judgement", "comparison"))
class Outcome(NamedTuple):
    """The result of a run."""

    folder: Path
    model: Model | Ensemble
    judgement: Judgement
    history: History
    reached: bool | None
    """whether the target was reached; None without one"""
    run: TrainedRun
    """the run as it was carried out"""
    comparison: BaselineComparison | None = None
    """with simpler models, for a table; None for other data"""
    warnings: tuple[Warning | str, ...] = ()
    """what reading the data and the training warned of, besides the notices of the estimator"""

    @property
    def path(self) -> str:
        """The path of the folder as text."""
        return str(self.folder)

    def to_data(self) -> dict[str, Any]:
        """Return history and results as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)

    @property
    def seconds(self) -> float:
        """The seconds of all epochs, including those before an interruption."""
        return sum(record["seconds"] for record in self.history)


def run(
    data: Data | str,
    settings: Settings | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    listen: Consumer | None = None,
    stop: threading.Event | None = None,
    trackers: Sequence[Tracker] = (),
) -> Outcome:
    """Train a network, evaluate it, and write the model and its results to a folder.

    data: from `chainrule.recipe.data.load` or `from_arrays`, or text for `load`.
    out: the folder; by default a new one under runs/.  overwrite: replace the run in it.
    resume: continue the run in it, with the same data and settings, and end with the same bits as if it had never
    stopped; with more epochs, or for a race a longer time limit, train a finished run longer.
    listen: called with each event, in this thread.  stop: once it is set, from any thread, the run stops within about a
    tenth of a second; it is evaluated as it stands, and can be resumed there.
    trackers: those of `chainrule.tracking`, which keep the settings, the course and the results of the run.
    Raises ConfigError, DataError or ShapeError for unsuitable settings and data, before anything is written;
    NonFiniteError if the training overflows, and KeyboardInterrupt: the folder then keeps its last checkpoint.
    """
    settings = Settings() if settings is None else settings
    if resume and overwrite:
        raise ConfigError(
            f"{with_value('resume', True)} continues a run, {with_value('overwrite', True)} replaces it; "
            "choose one."
        )
    if resume and out is not None and (Path(out) / "config.json").is_file():
        context = resumed(Path(out), settings, NAMES, data)
    else:
        context = begun(data, settings, out, overwrite)
    try:
        with context as prepared:
            return carry_out(prepared, listen, stop, trackers)
    except ChainruleError as error:
        in_words_of(error)
        raise


def in_words_of(error: ChainruleError) -> None:
    """Rewrite an error's message in place, with the names of a run's settings."""
    error.args = (told(error), *error.args[1:])


@contextmanager
def begun(
    data: Data | str,
    given: Settings,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> Iterator[Prepared]:
    """Prepare a new run in its folder, which is locked within the `with`."""
    with hints.once() as told:
        found = load(data, given) if isinstance(data, str) else data
        is_table = found.table is not None and found.stream is None
        settings = preset_choice.chosen(given) if is_table else given
        of_estimator = settings.has_preset or (is_table and preset_choice.is_of_estimator(settings))
        prepared = _prepared(found, given, None, settings, of_estimator)
    placed = prepared._replace(place=folder.choose(out, found.name), warnings=told.kept)
    with folder.in_new_folder(placed.place, placed.config(), overwrite):
        yield placed


@contextmanager
def resumed(
    place: Path,
    given: Settings,
    chosen: Sequence[str],
    data: Data | str | None = None,
) -> Iterator[Prepared]:
    """Prepare to continue the run of a folder, which is locked within the `with`.

    chosen: names of the settings that must equal the run's own; only the epochs may be more, or the seconds of a race.
    data: None for those named in the folder.
    """
    with folder.in_folder(place):
        with hints.once() as told:
            prepared = _agreed(place, given, chosen, data)
        earlier = folder.read_metrics(place).get("warnings", ()) if prepared.done is not None else ()
        prepared = prepared._replace(warnings=distinct([*earlier, *told.kept]))
        folder.clean(place)
        with folder.unless_rejected(place):
            yield prepared


def _agreed(place: Path, given: Settings, chosen: Sequence[str], data: Data | str | None) -> Prepared:
    """Check the given settings and data against those of the run in a folder, and return that run."""
    config = folder.read_config(place)
    if "search" in config:
        raise ConfigError(f"{place} has a search; continue it with: chainrule tune {place} --resume")
    resolved = Settings.from_json(config["resolved"], f"{place / 'config.json'}")
    asked = longer.agreed(place, config, given, chosen, data, resolved=resolved)
    source, text = config["data"]["source"], config["data"]["text"]
    was = preset_choice.as_it_was(asked, resolved)
    of_estimator = folder.is_of_estimator(config, was.has_preset)
    found = data if isinstance(data, Data) else load(source, was, of_estimator)._replace(text=text)
    prepared = _prepared(found, asked, resolved, was, of_estimator)
    epochs = given.epochs if "epochs" in chosen else None
    return prepared.training.taken_up(prepared._replace(place=place), config, epochs)


def _prepared(
    data: Data,
    given: Settings,
    resolved: Settings | None,
    settings: Settings,
    of_estimator: bool,
) -> Prepared:
    """Return the run of the settings; the modules of the estimators are imported only for one of theirs.

    resolved: the settings of a resumed run.  settings: the given ones, with the preset.
    """
    if not of_estimator:
        for name in (*TIES, *DEMANDS, "exposure", "time_to_event", "event", "plan"):
            if getattr(given, name) is not None:
                raise ConfigError(
                    f"{option(name)} is for a table in memory and a fit that holds out rows itself, of a preset or a "
                    "plain network; omit it, or the options that these do not support."
                )
        return by_model.prepare(data, given, resolved)
    check_is_table(data, "preset")  # before the imports, which are many
    from chainrule.recipe import by_estimator

    return by_estimator.prepare(data, given, settings, resolved)


def carry_out(
    begun: Prepared,
    listen: Consumer | None = None,
    stop: threading.Event | None = None,
    trackers: Sequence[Tracker] = (),
) -> Outcome:
    """Train to the end, from the last checkpoint if there is one, evaluate, and write the results to the folder.

    A finished run is evaluated again. listen, stop, trackers: as in `run`.
    """
    following = followers(begun, trackers) if trackers and begun.done is None else ()

    def tell(event: Event) -> None:
        if listen is not None:
            listen(event)
        for each in following:
            each.on_event(event)

    outcome = None
    try:
        with hints.once() as told:
            found = trained(begun, tell, stop)
        epochs, parts = (len(found.history), begun.settings.epochs or 0), found.parts
        try:
            tell(Judging(*epochs, parts.judged_name, parts.judged.n))
            outcome = judged(found, warnings=distinct([*begun.warnings, *told.kept]))
        except BaseException as error:
            tell(ended(*epochs, error))
            raise
        judgement = outcome.judgement
        for each in following:
            each.on_judged({f"{judgement.part}_{name}": value for name, value in judgement.metrics.items()})
        tell(Judged(*epochs, judgement.part, judgement.n, dict(judgement.metrics)))
    finally:
        for each in following:
            each.close(None if outcome is None else outcome.run.estimator or outcome.model)
    return outcome


def trained(begun: Prepared, listen: Consumer, stop: threading.Event | None = None) -> TrainedRun:
    """Train a run unless it is finished."""
    return begun.training.train(begun, listen, stop) if begun.done is None else begun.done


def distinct(warnings: Sequence[Warning | str]) -> tuple[Warning | str, ...]:
    """Return those of each sentence once."""
    return tuple({f"{each}": each for each in warnings}.values())


def judged(
    found: TrainedRun, more: Mapping[str, Any] | None = None, warnings: tuple[Warning | str, ...] = ()
) -> Outcome:
    """Evaluate a trained run, and write its results to its folder.

    more: more entries of metrics.json.  warnings: what reading the data and the training warned of.
    """
    settings, parts, history, table = found.settings, found.parts, found.history, found.data.table
    outputs = comparison = None
    if table is not None and found.estimator is not None and found.is_average:
        from chainrule.recipe import averages

        outputs = averages.outputs_of_rows(found.estimator, table.columns, table.target.name, table.test)
    elif table is not None and table.exposure is not None:
        from chainrule.recipe.table_data import log_exposure

        offset = log_exposure(table.columns, table.exposure, table.test)
        outputs = found.model.outputs(parts.judged, engine=settings.engine) + offset
    if (estimator := found.survival) is not None and table is not None and found.data.test is not None:
        from chainrule.tables.rows import rows_of

        rows, y = rows_of(table.inputs, table.test), found.data.test.y
        judgement = judge_times(estimator, rows, y, parts.judged_name)
    else:
        judgement = judge(
            found.model,
            parts.judged,
            part=parts.judged_name,
            positive=positive_of(found.model, settings.positive),
            engine=settings.engine,
            outputs=outputs,
        )
    if table is not None:
        from chainrule.recipe import baselines

        comparison = baselines.compare(found, judgement)
    if (decision := getattr(found.estimator, "decision_", None)) is not None:
        judgement = decided(judgement, parts.judged.weight, decision, found.model.network.loss)
    compared = {} if comparison is None else comparison.of_run()
    if warnings:
        compared["warnings"] = list(map(str, warnings))
    found.write(judgement, compared | dict(more or {}))
    reached = None
    if settings.target is not None:
        reached = bool(history.records) and history[-1].get("val_accuracy", 0.0) >= settings.target
    return Outcome(found.place, found.model, judgement, history, reached, found, comparison, warnings)
