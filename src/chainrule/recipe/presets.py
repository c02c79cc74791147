"""Carry out a run of a preset, whose model is an estimator that prepares the table and trains on its rows.

The test rows are those of any run with this table and seed. The estimator gets all others, and holds out some itself.
There are no checkpoints: a stopped run starts again.
"""

from __future__ import annotations

import dataclasses
import threading
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from chainrule import distributed
from chainrule.data.checks import check_samples
from chainrule.errors import ConfigError
from chainrule.estimators.base import MLPEstimator
from chainrule.estimators.recipes import BEST
from chainrule.estimators.rows import rows_of
from chainrule.recipe import folder, longer
from chainrule.recipe.data import Data, Parts
from chainrule.recipe.fit import StopOnRequest
from chainrule.recipe.naming import PYTHON, Names
from chainrule.recipe.prepare import Prepared
from chainrule.recipe.settings import Settings, as_json
from chainrule.recipe.tables import TableData, dataset
from chainrule.recipe.to_estimator import estimator
from chainrule.training import CSVLog, History, Listener
from chainrule.training.events import Consumer, Event, Interrupted


class PresetRun(NamedTuple):
    """A run of a preset with its settings checked, before its first file is written."""

    data: Data
    given: Settings
    settings: Settings
    """the given ones, with the preset"""
    estimator: MLPEstimator
    """unfitted; after the start of its fit it has `model_` and `preprocessor_`"""
    place: Path = Path()
    """the folder"""
    before: Prepared | None = None
    """the finished run, if there is one"""

    @property
    def is_race(self) -> bool:
        """Whether several recipes are fitted, none of which reports its epochs."""
        return self.settings.preset == BEST

    @property
    def done(self) -> History | None:
        """The history of a finished run."""
        return None if self.before is None else self.before.model.history

    @property
    def watched(self) -> str:
        """The samples of the val_ columns of the history."""
        return "validation"

    @property
    def command(self) -> str:
        """The command that repeats the run."""
        return self.given.command(self.data.text) if self.data.text else ""

    @property
    def table(self) -> TableData:
        """The table."""
        assert self.data.table is not None
        return self.data.table

    def config(self) -> dict[str, Any]:
        """Return the content of config.json before the training."""
        data = self.data
        return {
            "command": self.command,
            "data": {"name": data.name, "text": data.text, "source": data.source, "fingerprint": 0},
            "settings": as_json(self.given.given()),
            "resolved": as_json(dataclasses.asdict(self.settings)),
            "earlier": [],
            **dict.fromkeys(("network", "optimizer", "schedule", "method")),
        }


def prepare(data: Data, given: Settings, settings: Settings, named: Names = PYTHON) -> PresetRun:
    """Check the settings, and make the estimator. settings: the given ones, with the preset."""
    if given.has_shards or distributed.process_count() > 1:
        raise ConfigError(
            f"{named.given('preset', settings.preset)} trains in one process, without {named('shards')} and "
            f"{named('reduce')}; start it alone."
        )
    if data.table is None:
        raise ConfigError(f"{named('preset')} is for tables, and {data.name} has no named columns; omit it.")
    return PresetRun(data, given, settings, estimator(settings, data.table.target, named))


def with_model(run: PresetRun, estimator: MLPEstimator) -> Prepared:
    """Return the run with its fitted estimator, and the samples that the estimator prepares from the table."""
    data, model = with_preprocessor(run.data, estimator.preprocessor_), estimator.model_
    assert data.test is not None
    train, judged = (
        check_samples(model.network, part.X, part.y, classes=model.classes)[0]
        for part in (data.train, data.test)
    )
    nothing = train.take(np.arange(0))
    return Prepared(
        data,
        Parts(train, nothing, judged, "test", True),
        run.given,
        run.settings,
        model,
        None,
        None,
        None,
        fingerprint=train.fingerprint(),
        place=run.place,
        estimator=estimator,
    )


def with_preprocessor(data: Data, preprocessor: Any) -> Data:
    """Return the data of a table as prepared by another preprocessor."""
    table = data.table
    assert table is not None and data.test is not None
    X = preprocessor.transform(table.inputs)
    train, test = (
        dataset(X[rows], part.y, part.name)
        for rows, part in ((table.train, data.train), (table.test, data.test))
    )
    return data._replace(train=train, test=test, table=dataclasses.replace(table, preprocessor=preprocessor))


def fitted(run: PresetRun, listen: Consumer, stop: threading.Event | None = None) -> tuple[Prepared, History]:
    """Fit the estimator to the rows not used for testing; return the run with it, and its history.

    Ctrl-C ends the training and keeps the result, unless there is no whole epoch.
    """
    interrupted, log = list[bool](), CSVLog(run.place / "history.csv")

    def tell(event: Event) -> None:
        if isinstance(event, Interrupted):
            interrupted.append(True)
        listen(event)
        log.on_event(event)

    estimator, table = run.estimator, run.table
    watchers = [Listener(tell), *([] if stop is None else [StopOnRequest(stop)])]
    if not run.is_race:
        estimator.set_params(callbacks=watchers)
    X = rows_of(table.inputs, table.train)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the epochs are those requested
            warnings.filterwarnings("ignore", "Training interrupted by user")  # the run's end reports it
            estimator.fit(X, run.data.train.y)
    finally:
        estimator.set_params(callbacks=None, verbose=False)  # output is not a setting of the run
    history = estimator.model_.history
    if not run.is_race and not len(history) and (interrupted or history.stopped is None):
        raise KeyboardInterrupt
    if interrupted:
        history = History(history.records, longer.BY_HAND)
    return with_model(run, estimator), history


def done_before(run: PresetRun, asked: int | None, named: Names = PYTHON) -> PresetRun:
    """Return the run of a folder with its estimator, if finished; otherwise it starts again.

    asked: the requested number of epochs.  Raises ConfigError if it differs from the run's.
    """
    if asked is not None and asked != run.given.epochs:
        raise ConfigError(
            f"a run of a preset cannot be trained longer; omit {named('epochs')}, or start another run."
        )
    history = longer.recorded(run.place)
    if history is None or history.stopped == longer.ON_REQUEST:
        return run
    found = type(run.estimator).load(run.place / "model.safetensors")
    found.model_.history = history
    return run._replace(before=with_model(run, found))


def carry_out(
    run: PresetRun, listen: Consumer, stop: threading.Event | None = None
) -> tuple[Prepared, History]:
    """Return the run with its fitted estimator, and its history; a finished run is not trained again."""
    if run.before is not None:
        return run.before, run.before.model.history
    prepared, history = fitted(run, listen, stop)
    folder.write_config(run.place, prepared.config())
    return prepared, history
