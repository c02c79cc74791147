"""Search for the settings of a network for a table, and write the folder of a run with the best one.

The test rows are those of any run with this table and seed, and no trial uses them. The folder has the journal of the
search, from which it can be resumed, its trials as a table, and the files of a run of a preset.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from chainrule.core import hints
from chainrule.core.files import cells, write_whole
from chainrule.errors import ConfigError, option
from chainrule.estimators.tuning.search import TrialRecord, Tuned, tune
from chainrule.presets import DEFAULT
from chainrule.recipe import by_estimator, folder, longer
from chainrule.recipe.data import check_is_table, load
from chainrule.recipe.prepare import Prepared
from chainrule.recipe.run import Outcome, distinct, judged
from chainrule.recipe.settings import SEARCH, SearchSettings, Settings, flag, given

JOURNAL, TABLE = "journal.log", "trials.csv"
Listen = Callable[[TrialRecord], object]


class TuneRun(NamedTuple):
    """A search with its settings checked."""

    run: Prepared
    settings: SearchSettings

    @property
    def command(self) -> str:
        """The command that repeats the search."""
        words = self.run.given.command(self.run.data.text).split(" ", 2)
        more = [word for name, value in given(self.settings).items() for word in (flag(name), f"{value}")]
        return " ".join(["chainrule tune", *words[2:], shlex.join(more)]).strip()

    def config(self) -> dict[str, Any]:
        """Return the content of config.json before the search."""
        return self.run.config() | self.of_search()

    def of_search(self) -> dict[str, Any]:
        """Return the entries of config.json that differ from those of a run."""
        return {"command": self.command, "search": dataclasses.asdict(self.settings)}


class TuneOutcome(NamedTuple):
    """The result of a search, and of the run with its best settings."""

    outcome: Outcome
    tuned: Tuned
    command: str


@contextmanager
def begun(
    data: str,
    given: Settings,
    how: SearchSettings,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> Iterator[TuneRun]:
    """Prepare a new search in its folder, which is locked within the `with`."""
    search = prepared(data, given, how)
    place = folder.choose(out, f"{search.run.data.name}-tuned")
    search = search._replace(run=search.run._replace(place=place))
    with folder.in_new_folder(place, search.config(), overwrite):
        yield search


@contextmanager
def resumed(
    place: Path,
    given: Settings,
    chosen: Sequence[str],
    how: Mapping[str, Any],
    data: str | None = None,
) -> Iterator[TuneRun]:
    """Prepare to continue the search of a folder.

    chosen: names of the given settings, which must equal the search's own.  how: changed values of the
    `SearchSettings`.  data: None for those named in the folder.
    """
    config = folder.read_config(place)
    if "search" not in config:
        raise ConfigError(
            f"{place} has a run but no search; continue it with: chainrule train {place} --resume."
        )
    asked = longer.agreed(place, config, given, chosen, data, "search")
    known = {name: value for name, value in config["search"].items() if name in SEARCH}
    search = prepared(config["data"]["source"], asked, SearchSettings(**{**known, **how}))
    found = search.run.data._replace(text=config["data"]["text"])
    search = search._replace(run=search.run._replace(place=place, data=found))
    with folder.locked(place):
        folder.clean(place)
        (place / f"{JOURNAL}.lock").unlink(missing_ok=True)  # left by a killed process
        folder.write_config(place, search.config())
        try:
            yield search
        except folder.REFUSED:
            folder.write_config(place, config)  # without the rejected settings
            raise


def prepared(data: str, given: Settings, how: SearchSettings) -> TuneRun:
    """Read the table, and check the settings."""
    given = dataclasses.replace(given, preset=given.preset or DEFAULT)
    with hints.once() as told:
        table = load(data, given)
        check_is_table(table, "preset")
        if given.exposure is not None:
            raise ConfigError(f"a search supports no {option('exposure')}; train with it.")
        run = by_estimator.prepare(table, given, given, None)
    return TuneRun(run._replace(warnings=told.kept), how)


def carry_out(
    search: TuneRun,
    listen: Listen | None = None,
    judging: Callable[[], object] | None = None,
) -> TuneOutcome:
    """Search, fit the best settings to all rows not used for testing, evaluate on the test rows, and write the results.

    listen: called with each trial as it ends.  judging: called when the search has ended.
    """
    run, how = search.run, search.settings
    place, unfitted = run.place, run.training.estimator
    assert unfitted is not None, "a search is for a table"
    with hints.once() as told:
        tuned = tune(
            unfitted,
            **run.table.to_fit(run.data.train.y),
            **dataclasses.asdict(how),
            seed=run.given.seed,
            journal=place / JOURNAL,
            listen=listen,
        )
    write_trials(place / TABLE, tuned.trials)
    if judging is not None:
        judging()
    done = by_estimator.trained(run, tuned.estimator, tuned.estimator.model_.history)
    folder.write_config(place, done.run.config() | search.of_search())
    warnings = distinct([*run.warnings, *told.kept])
    outcome = judged(done, {"search": as_data(tuned)}, warnings)
    return TuneOutcome(outcome, tuned, search.command)


def as_data(tuned: Tuned) -> dict[str, Any]:
    """Return the result of a search for metrics.json."""
    default = tuned.default
    return {
        "metric": tuned.metric,
        "best": tuned.best.value,
        "default": None if default is None else default.value,
        "settings": tuned.best.settings,
        "trials": len(tuned.trials),
        "seconds": tuned.seconds,
        "stopped": tuned.stopped,
        "importances": tuned.importances,
    }


def write_trials(path: Path, trials: Sequence[TrialRecord]) -> None:
    """Write one row per trial: its number, state, value, epochs and seconds, and its settings."""
    names = list(dict.fromkeys(name for each in trials for name in each.settings))
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["trial", "state", "value", "epochs", "seconds", *cells(names)])
    for each in trials:
        settings = [each.settings.get(name, "") for name in names]
        value = "" if each.value is None else each.value
        writer.writerow([each.number, each.state, value, each.epochs, f"{each.seconds:.3f}", *settings])
    write_whole(path, text.getvalue().encode())
