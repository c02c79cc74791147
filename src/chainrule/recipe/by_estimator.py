"""Train a run on a table as the fit of an estimator, which prepares the table and trains on its rows.

The test rows are those of any run with this table and seed. The estimator gets all others, and holds out some itself.
"""

from __future__ import annotations

import dataclasses
import json
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from chainrule import distributed
from chainrule.core.files import open_regular
from chainrule.data.checks import check_samples
from chainrule.data.samples import checksum
from chainrule.errors import ConfigError, FormatError, option
from chainrule.estimators.base import MLPEstimator, fit_on, fit_under
from chainrule.fitting.held import result_of
from chainrule.fitting.parameters import is_stochastic
from chainrule.fitting.plan import Conditions, KeptFit
from chainrule.formulas.schedules import SCHEDULES
from chainrule.model import Ensemble, Model
from chainrule.presets import BEST
from chainrule.race.files import plan_in, saved, saver
from chainrule.race.plan import RacePlan
from chainrule.race.repeat import repeating
from chainrule.recipe import by_model, demands, longer, preset_choice
from chainrule.recipe.data import Data, Parts
from chainrule.recipe.folder import CHECKPOINT, RACE, can_go_on, write_config
from chainrule.recipe.longer import BY_HAND, ON_REQUEST, PauseOnRequest, StopOnRequest
from chainrule.recipe.messages import with_value
from chainrule.recipe.prepare import Prepared, TrainedRun
from chainrule.recipe.preset_choice import estimator
from chainrule.recipe.settings import NO_PRESET, Settings
from chainrule.recipe.table_data import TableData, dataset
from chainrule.tables.data import FitInput
from chainrule.tables.exposure import as_rates
from chainrule.tables.times import Times
from chainrule.trained.persistence import network_config
from chainrule.training import Callback, CSVLog, History, Listener
from chainrule.training.events import Consumer, Event, Interrupted, Started

MAX_PLAN_BYTES = 1 << 24
"""Those of a plan that are read."""


class ByEstimator(NamedTuple):
    """A training as the fit of an estimator."""

    estimator: MLPEstimator
    """unfitted; from the start of its fit on it has `model_` and `preprocessor_`"""
    plan: RacePlan | None = None
    """of the race to repeat, if there is one"""

    @property
    def watched(self) -> str:
        """The samples of the val_ columns of the history."""
        return "validation"

    @property
    def is_race(self) -> bool:
        """Whether several recipes are fitted, none of which reports its epochs."""
        return bool(self.estimator.preset == BEST)

    @property
    def model(self) -> Model | Ensemble:
        """The model, from the start of the fit on."""
        return self.estimator.model_

    def table(self, run: Prepared) -> TableData:
        """Return the table of a run with the preprocessor of the estimator."""
        return dataclasses.replace(run.table, preprocessor=self.estimator.preprocessor_)

    def held_out(self, run: Prepared, trained: int) -> tuple[int, int]:
        """Return the samples to validate on, 0 where some may be in neither part, and those to test on."""
        table = run.table
        return (len(table.train) - trained) * (table.tied.time is None), len(table.test)

    def config(self) -> dict[str, Any]:
        """Return its entries of config.json: after the fit the network."""
        network = network_config(self.model.network) if self.estimator.__sklearn_is_fitted__() else None
        return {
            "network": network,
            **dict.fromkeys(("optimizer", "schedule", "method")),
            "training": "estimator",
        }

    def train(self, run: Prepared, listen: Consumer, stop: threading.Event | None = None) -> TrainedRun:
        """Fit the estimator to the rows not used for testing, from the last checkpoint if there is one.

        Ctrl-C ends the training and keeps the result, unless there is no whole epoch.
        """
        interrupted, log, estimator = list[bool](), CSVLog(run.place / "history.csv"), self.estimator
        path = run.place / CHECKPOINT

        def tell(event: Event) -> None:
            if isinstance(event, Interrupted):
                interrupted.append(True)
            if isinstance(event, Started):
                run.write_changes()
            listen(event)
            log.on_event(event)

        callbacks: list[Callback] = [Listener(tell)]
        if stop is not None:
            is_one = (run.settings.members or 1) == 1 or estimator.preset == "tabm"
            pause = PauseOnRequest(stop, path, is_one) if is_stochastic(estimator) else StopOnRequest(stop)
            callbacks.append(pause)
        given = FitInput(**run.table.to_fit(run.data.train.y))
        if (exposure := run.table.exposure) is not None:
            given = as_rates(given, exposure, estimator.target_type, estimator.get_params(deep=False))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # the epochs are those requested
                warnings.filterwarnings("ignore", "Training interrupted by user")  # the run's end reports it
                if self.is_race:
                    run.write_changes()
                    race = run.place / RACE, estimator, checksum_of(run.data)
                    start = saved(*race)._replace(plan=self.plan)
                    result = fit_on(estimator, given, start, saver(*race))
                else:
                    estimator.set_params(callbacks=callbacks)
                    kept = KeptFit(path, run.settings.checkpoint_steps)
                    result = fit_under(estimator, given, Conditions(kept=kept))
            if result.is_cut:  # perhaps in the training on all rows, which sends no events
                interrupted.append(True)
        finally:
            estimator.set_params(callbacks=None, verbose=False)  # output is not a setting of the run
        if run.settings.has_demands:
            demands.decide(estimator, demands.demanded(run.settings, run.table.target))
        with suppress(ConfigError):  # the networks may have no dense layers
            estimator.quantize(given.X)
        history = estimator.model_.history
        if not self.is_race and not len(history) and (interrupted or history.stopped is None):
            raise KeyboardInterrupt
        if interrupted:
            history = History(history.records, BY_HAND)
        made = trained(run, estimator, history)
        write_config(run.place, made.run.config())
        return made

    def can_grow(self, run: Prepared) -> bool:
        """Return whether a finished run can have more epochs: if no schedule is over those that it had."""
        schedule = SCHEDULES.get(run.settings.schedule or "")
        return not run.settings.has_preset and schedule is not None and not schedule.looks_ahead

    def taken_up(self, run: Prepared, config: dict[str, Any], epochs: int | None) -> Prepared:
        """Return the run of a folder with its estimator if it is finished; a plain network may have more epochs."""
        history = longer.recorded(run.place)
        goes_on = can_go_on(run.place)
        if self.is_race and run.settings.time_limit != config["resolved"].get("time_limit"):
            return run  # with more time, which is all that may differ
        if epochs is not None and epochs != (run.settings.epochs or run.given.epochs):
            if not self.can_grow(run) or not goes_on or (history is not None and history.stopped is not None):
                raise ConfigError(
                    f"the run in {run.place} cannot be trained longer: its training was for its own number of epochs; "
                    f"omit {option('epochs')}, or start another run."
                )
            given, settings = (dataclasses.replace(each, epochs=epochs) for each in (run.given, run.settings))
            parameters = self.estimator.get_params(deep=False) | {"max_iter": epochs}
            longer_fit = ByEstimator(type(self.estimator)(**parameters))
            return run._replace(given=given, settings=settings, training=longer_fit)
        if history is None or history.stopped == ON_REQUEST or (history.stopped == BY_HAND and goes_on):
            return run
        found = type(self.estimator).load(run.place / "model.safetensors")
        return run._replace(done=trained(run, found, history))


def prepare(
    data: Data,
    given: Settings,
    settings: Settings,
    resolved: Settings | None = None,
) -> Prepared:
    """Check the settings, and make the estimator.

    data: a table.  settings: the given ones, with the preset.  resolved: those of an earlier start of the same run.
    """
    if given.has_shards or distributed.process_count() > 1:
        raise ConfigError(
            f"{with_value('preset', settings.preset)} trains in one process, without {option('shards')} and "
            f"{option('reduce')}; start it alone."
        )
    assert data.table is not None, "the caller checks it"
    target = data.table.target
    settings.check_types()
    rising = None
    if settings.has_demands:
        demands.demanded(settings, target)  # an error is raised before the training
        rising = demands.directions(settings, data.table.inputs, data.name)
    if settings.has_preset:
        made = estimator(settings, target, rising)
        return Prepared(data, given, settings, ByEstimator(made, plan_to_repeat(settings, made)))
    if settings.plan is not None:
        raise ConfigError(f"{option('plan')} repeats a race of {with_value('preset', BEST)}; omit it.")
    settings = dataclasses.replace(by_model.check_run(data, given, resolved).settings, preset=NO_PRESET)
    made = preset_choice.plain(settings, target, len(data.table.train), rising)
    return Prepared(data, given, settings, ByEstimator(made))


def plan_to_repeat(settings: Settings, estimator: MLPEstimator) -> RacePlan | None:
    """Return the plan that settings name: of a run's folder, of an estimator's file, or as JSON. None for none.

    Raises ConfigError for a place without one, and where the estimator has other parameters than its race had.
    """
    if settings.plan is None:
        return None
    if settings.preset != BEST:
        raise ConfigError(
            f"{option('plan')} repeats a race of {with_value('preset', BEST)}; name that preset."
        )
    place = Path(settings.plan)
    place = place / "model.safetensors" if place.is_dir() else place
    if not place.is_file():
        raise ConfigError(
            f"{option('plan')} must be the folder of a finished race, an estimator's file or a plan as JSON, and there "
            f"is none at {settings.plan}."
        )
    data = read_plan(place) if place.suffix == ".json" else plan_in(place)
    if data is None:
        raise ConfigError(f"{place} has no plan of a race; name a run of {with_value('preset', BEST)}.")
    return repeating(estimator, data).plan


def read_plan(path: Path) -> object:
    """Return the data of a plan as JSON. Raises FormatError."""
    try:
        with open_regular(path) as file:
            data: object = json.loads(file.read(MAX_PLAN_BYTES))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no JSON ({error}); write plan_ with json.dump.") from error
    return data


def trained(run: Prepared, estimator: MLPEstimator, history: History) -> TrainedRun:
    """Return the run with its fitted estimator, and the samples that the estimator prepares from the table."""
    data, model = with_preprocessor(run.data, estimator.preprocessor_), estimator.model_
    assert data.test is not None
    train, judged = (
        check_samples(model.network, part.X, as_targets(estimator, part.y), classes=model.classes)[0]
        for part in (data.train, data.test)
    )
    parts = Parts(train, train.take(np.arange(0)), judged, "test", True)
    run = run._replace(data=data, fingerprint=train.fingerprint())
    return TrainedRun(run, model, parts, history, estimator)


def as_targets(estimator: MLPEstimator, y: NDArray[Any]) -> NDArray[Any]:
    """Return the targets of a run as its networks take them: of times to an event what is known of each interval."""
    targets = result_of(estimator).targets
    return targets.encode(y) if isinstance(targets, Times) else y


def checksum_of(data: Data) -> int:
    """Return a checksum of the table of a run, as it is prepared before a race."""
    y = data.train.y
    return checksum(np.frombuffer(repr(y.tolist()).encode(), np.uint8), checksum(data.train.X, 0))


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
