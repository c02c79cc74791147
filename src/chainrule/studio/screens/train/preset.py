"""A run on a table by an estimator's preset, as in `chainrule train`: its rows, its resolved settings, its samples."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any, NamedTuple

import numpy as np

from chainrule.data.checks import check_samples
from chainrule.errors import ConfigError
from chainrule.fitting.held import result_of
from chainrule.fitting.plan import ALONE, few_of
from chainrule.fitting.plan import resolved as plan_of
from chainrule.presets import BEST
from chainrule.recipe.by_estimator import with_preprocessor
from chainrule.recipe.data import Data, Parts
from chainrule.recipe.preset_choice import estimator
from chainrule.recipe.settings import Settings
from chainrule.tables.data import FitData, FitInput
from chainrule.training.callbacks import Callback
from chainrule.training.history import History
from chainrule.training.run import Run, samples_of
from chainrule.trust.notice import Notices, asked

STARTED = "only the start was asked for"


class Start(Callback):
    """Store a run at its start, and stop it there."""

    looks_inside = False
    run: Run | None = None

    def on_train_begin(self, run: Run) -> None:
        """Store it."""
        self.run = run
        run.stop(STARTED)


class Begun(NamedTuple):
    """A fit that was stopped before its first step, with the properties of the one to come."""

    data: Data
    """with the inputs that the preset prepares from the table"""
    given: Settings
    settings: Settings
    """with the preset's values for those that were not given"""
    run: Run
    notices: Notices
    """what the fit noticed of its table"""

    @property
    def parts(self) -> Parts:
        """The training samples of the fit, its validation samples, and the test samples of the table."""
        model, test = self.run.model, self.data.test
        assert test is not None
        judged = check_samples(model.network, test.X, test.y, classes=model.classes)[0]
        held_out = judged if self.run.validation is None else self.run.validation
        return Parts(self.run.samples, held_out, judged, "test", self.run.validation is not None)  # type: ignore[arg-type]

    def estimator(self, callbacks: list[Callback]) -> Any:
        """Return the estimator of the fit, of one network, with the callbacks."""
        table = self.data.table
        assert table is not None
        made = estimator(self.given, table.target).set_params(callbacks=callbacks)
        # the pages show one network at its steps: of few rows the preset would average several
        if few_of(made, FitInput(**table.to_fit(self.data.train.y)), ALONE) is not None:
            made.set_params(n_members=1)
        # the pages show the network that is validated: of tied rows, one of all rows has other inputs
        return made.set_params(refit=False) if table.tied.names else made

    def fit(self, callbacks: list[Callback]) -> tuple[History, bool]:
        """Fit it to the rows not used for testing; return the history, and whether held-out rows were learned too."""
        assert self.data.table is not None
        made = self.estimator(callbacks).fit(**self.data.table.to_fit(self.data.train.y))
        return made.model_.history, made.n_iter_refit_ > 0


def begun(data: Data, given: Settings) -> Begun:
    """Start the fit of a preset on a table. Raises ConfigError or DataError."""
    assert data.table is not None
    if given.preset == BEST or given.members is not None:
        raise ConfigError(
            f"the studio trains one network; use `chainrule train --preset {BEST}` or `--members` for several."
        )
    start = Start()
    made = estimator(given, data.table.target).set_params(callbacks=[start], refit=False)
    with warnings.catch_warnings(), asked():  # the page shows what the fit notices
        warnings.simplefilter("ignore")
        made.fit(**data.table.to_fit(data.train.y))
    run, start.run = start.run, None  # referenced by the run: a cycle would keep both
    assert run is not None, "an estimator that trains by batches calls back"
    shown = with_preprocessor(data, made.preprocessor_)
    if np.array_equal(shown.train.X, data.train.X):
        shown = data
    else:
        shown = shown._replace(features=tuple(made.preprocessor_.get_feature_names_out()))
    result = result_of(made)
    fit = plan_of(made, FitData(samples_of(run), result.targets, result.preprocessor)).parameters
    patience = int(fit.n_iter_no_change) if fit.early_stopping else None
    settings = dataclasses.replace(resolved(given, run), patience=patience)
    return Begun(shown, given, settings, run, made.notices_)


def resolved(given: Settings, run: Run) -> Settings:
    """Return the settings with the values of a run."""
    n, held_out = run.samples.n, 0 if run.validation is None else run.validation.n
    return dataclasses.replace(
        given,
        loss=run.plan.network.loss.kind,
        optimizer=run.plan.optimizer.kind,
        lr=float(getattr(run.plan.optimizer, "learning_rate", 0.0)),
        schedule=run.settings.schedule.kind,
        epochs=run.epochs,
        batch_size=run.plan.batch_size,
        clip_norm=run.plan.clip_norm,
        validation_fraction=round(held_out / (n + held_out), 4) if held_out else None,
    )
