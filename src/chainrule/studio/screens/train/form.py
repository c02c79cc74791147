"""The form of the screen Train: the rows and settings of a run, by a preset or as it is filled in."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from chainrule.core.arrays import distinct, evenly_spaced
from chainrule.data.advice import on_targets
from chainrule.data.checks import check_count, check_samples, check_seed
from chainrule.errors import ConfigError
from chainrule.fitting.held import result_of
from chainrule.fitting.plan import few_of
from chainrule.fitting.plan import resolved as plan_of
from chainrule.formulas.optimizers import OPTIMIZERS, Solver
from chainrule.model import Model
from chainrule.network.network import Network
from chainrule.presets import BEST
from chainrule.recipe import build, preset_choice
from chainrule.recipe.by_estimator import with_preprocessor
from chainrule.recipe.columns import excluded, tied_rows
from chainrule.recipe.data import Data, Parts, check, divide, is_held_out, split
from chainrule.recipe.preset_choice import estimator
from chainrule.recipe.settings import ABOUT, NAMES, TIES, Settings
from chainrule.recipe.table_data import prepared
from chainrule.tables.data import FitData, FitInput
from chainrule.trained.persistence import LAYERS, encode, network_from_config
from chainrule.training.callbacks import Callback, EarlyStopping
from chainrule.training.history import History
from chainrule.training.run import Run, samples_of
from chainrule.trust.notice import Notices, asked


def fewer(data: Data, samples: int | None) -> Data:
    """Return the data with this many of the training samples, of all classes if sorted by class; None for all."""
    if samples is None:
        return data
    n = len(data.train)
    if check_count(samples, "samples") > n:
        raise ConfigError(f"samples must be at most {n:,}, which is all of {data.name}, not {samples:,}.")
    if samples == n:
        return data
    rows = evenly_spaced(n, samples)
    table = data.table
    if table is not None:
        table = dataclasses.replace(table, train=table.train[rows])
    return data._replace(train=data.train.take(rows), table=table)


def divided(data: Data, given: Settings) -> Data:
    """Return a table's data without the columns that the settings leave out, its test rows held out as they say."""
    table = data.table
    if table is None or not any(getattr(given, name) is not None for name in ("exclude_columns", *TIES)):
        return data
    target = table.target
    tied = tied_rows(table.columns, target.name, given, data.name)
    out = {*excluded(given.exclude_columns, table.columns, target.name, data.name), tied.names.get("groups")}
    columns = {name: values for name, values in table.columns.items() if name not in out}
    if len(columns) < 2:
        raise ConfigError(f"{target.name!r} is the only column that is left; leave fewer out.")
    maker = clone(table.preprocessor)
    train, test, made = prepared(Path(data.name), columns, target, maker, 0, 0.0, tied)
    return data._replace(train=train, test=test, table=made, features=tuple(maker.get_feature_names_out()))


# --- A run on a table by an estimator's preset, as in `chainrule train`: its rows, its resolved settings, its samples

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
        if few_of(made, FitInput(**table.to_fit(self.data.train.y))) is not None:
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


# --- the form of the screen Train, checked and converted to objects of the library -----------------------------------

MAX_PARAMETERS = 20_000_000
"""The maximum parameters of a network in the studio: 80 MB in float32, and three times that with Adam's moments."""
MAX_LAYERS = 64
MAX_EPOCHS = 10_000
OWN = ("layers", "samples")
"""The fields of the form besides the settings of `chainrule.recipe`."""
FIELDS = (
    *("loss", "optimizer", "lr", "momentum", "weight_decay", "schedule", "batch_size", "epochs", "samples"),
    *("seed", "l2", "clip_norm", "validation_fraction", "patience"),
    *("groups", "time", "gap", "exclude_columns"),
)
"""The fields of the panel "training" in order; everything else about a field follows from its setting."""
FROM_DATA = ("rescale", "standardize")
"""Layers that depend on the data: the first of the network is one of them."""


class Planned(NamedTuple):
    """A training before its start: its settings with all defaults, its network, optimizer and schedule.

    begun: for a table trained by a preset.
    """

    settings: Settings
    network: Network
    optimizer: Any
    schedule: Any
    data: Data
    """with the training samples that are used, if these are fewer than all"""
    samples: int | None
    """the requested number of training samples; None for all"""
    held_out: bool
    advice: tuple[str, ...]
    """sentences about unusual combinations of layers and losses"""
    begun: Begun | None = None
    rows: int = 0
    """all training samples"""


class Fresh(NamedTuple):
    """A training at its start: an untrained model, and its checked samples."""

    plan: Planned
    model: Model
    parts: Parts
    advice: tuple[str, ...]

    def fit(self, callbacks: list[Callback]) -> tuple[History, bool]:
        """Train, and return the history, and whether the validation samples were learned too in the end.

        The history is that of the model, or of an estimator, whose callbacks have it in `run.model`.
        """
        with warnings.catch_warnings():
            if self.advice or self.plan.begun is not None:  # the page shows them
                warnings.simplefilter("ignore")
            if self.plan.begun is not None:
                return self.plan.begun.fit(callbacks)
            settings = self.plan.settings
            if settings.patience is not None:
                callbacks = [EarlyStopping("val_loss", settings.patience), *callbacks]
            history = self.model.fit(
                self.parts.train,
                epochs=settings.epochs or 1,
                batch_size=settings.batch_size,
                optimizer=self.plan.optimizer,
                schedule=self.plan.schedule,
                validation_data=self.parts.watched,
                scale_targets=True if self.plan.network.loss.targets == "real" else None,
                callbacks=callbacks,
                clip=settings.clip_norm,
            )
            return history, False


def defaults(data: Data | None = None) -> dict[str, Any]:
    """Return the initial form: 784-128-32-10 for MNIST, the same hidden layers for any array.

    A table has the command's preset and its values.
    """
    if data is not None and data.table is not None:
        form = {name: None for name in defaults() if name not in ("layers", "seed")}
        return {"preset": preset_choice.DEFAULT, **form, "layers": defaults()["layers"], "seed": 0}
    return {
        "layers": [
            layer for units in (128, 32) for layer in ({"kind": "dense", "units": units}, {"kind": "relu"})
        ],
        "loss": None,
        "optimizer": "adam",
        "lr": None,
        "schedule": "constant",
        "batch_size": 128,
        "epochs": 5,
        "seed": 0,
        "samples": None,
    }


def plan(data: Data, form: dict[str, Any]) -> Planned:
    """Build everything of a training but its parameters. Raises ConfigError, DataError or ShapeError."""
    form = defaults(data) | form
    for name in form:
        if name not in NAMES and name not in OWN:
            raise ConfigError(f"there is no setting {name[:64]!r}; reload the page.")
    given = settings_of(form)
    given.check_types()
    check_seed(given.seed, "seed")
    if issubclass(OPTIMIZERS.get(given.optimizer, object), Solver):
        raise ConfigError(
            f"{given.optimizer} uses all samples at once, so there are no batches to show; "
            "use `chainrule train --optimizer lbfgs`, or choose another optimizer."
        )
    samples = form["samples"]
    if given.has_preset:
        data = divided(data, given)
        return by_preset(fewer(data, samples), given, samples)._replace(rows=len(data.train))
    for name in NAMES:
        if "table" in ABOUT[name].of and getattr(given, name) is not None:
            raise ConfigError(f"{name} is for a table that a preset trains; choose one, or omit it.")
    rows, data = len(data.train), fewer(data, samples)
    held_out = is_held_out(data, split(data, given.validation_fraction, given.seed))
    settings = build.resolve(given, data.train, is_table=data.table is not None)
    build.check(settings, held_out)
    if settings.epochs is not None and settings.epochs > MAX_EPOCHS:
        raise ConfigError(f"epochs must be at most {MAX_EPOCHS:,}, not {settings.epochs:,}.")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network = network_of(form["layers"], settings, data)
    check_size(network)
    return Planned(
        settings,
        network,
        build.optimizer(settings),
        build.schedule(settings, held_out),
        data,
        samples,
        held_out,
        tuple(str(warning.message) for warning in caught),
        rows=rows,
    )


def settings_of(form: dict[str, Any]) -> Settings:
    """Return the settings of a form. An unset optimizer is the preset's, or the default."""
    return Settings(
        **{
            name: value
            for name, value in form.items()
            if name in NAMES and (name, value) != ("optimizer", None)
        }
    )


def by_preset(data: Data, given: Settings, samples: int | None) -> Planned:
    """Return the training of a table by a preset."""
    if data.table is None:
        raise ConfigError(f"presets are for tables, not for {data.name}; omit preset.")
    found = begun(data, given)
    if found.run.epochs > MAX_EPOCHS:
        raise ConfigError(f"epochs must be at most {MAX_EPOCHS:,}, not {found.run.epochs:,}.")
    begun_plan = found.run.plan
    check_size(begun_plan.network)
    return Planned(
        found.settings,
        begun_plan.network,
        begun_plan.optimizer,
        found.run.settings.schedule,
        found.data,
        samples,
        found.run.validation is not None,
        (),
        found,
    )


def check_size(network: Network) -> None:
    """Raise ConfigError for a network that is too large for the studio."""
    if network.size > MAX_PARAMETERS:
        raise ConfigError(
            f"this network has {network.size:,} parameters; the studio trains up to {MAX_PARAMETERS:,}. "
            "Use narrower layers."
        )


def network_of(layers: Any, settings: Settings, data: Data) -> Network:
    """Build the network: a link for the data's units, the layers of the form, and the output for the loss."""
    check_layers(layers)
    codes = None if data.table is None else data.table.preprocessor.embedded_
    bare = build.network(
        dataclasses.replace(settings, hidden=(), input_dropout=0.0, residual=False, dropout=0.0),
        data.train,
        codes,
    )
    made = [encode(layer) for layer in bare.layers]
    first = [layer for layer in made[:1] if layer["kind"] in (*FROM_DATA, "embedding")]
    config = {
        "inputs": bare.inputs,
        "layers": [*first, *layers, *made[len(first) :]],
        "loss": encode(bare.loss),
    }
    try:
        return network_from_config(config | {name: getattr(bare, name) for name in ("l2", "l1", "max_norm")})
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"the layers cannot be built: {error}.") from error


def check_layers(layers: object) -> None:
    """Check the layers of a form before they are built. Raises ConfigError."""
    if not isinstance(layers, list):
        raise ConfigError(f"layers must be a list of layers, not {layers!r:.60}.")
    for count, layer in enumerate(nested(layers), 1):
        if count > MAX_LAYERS:
            raise ConfigError(f"the studio trains up to {MAX_LAYERS} layers; remove some.")
        kind = layer.get("kind") if isinstance(layer, dict) else None
        if not isinstance(kind, str) or kind not in LAYERS or kind in FROM_DATA:
            known = ", ".join(kind for kind in LAYERS if kind not in FROM_DATA)
            raise ConfigError(f"there is no layer {kind!r:.60}; choose from {known}.")
        names = [f.name for f in dataclasses.fields(LAYERS[kind]) if f.init]
        for name in layer:
            if name != "kind" and name not in names:
                raise ConfigError(f"{kind} has no setting {name!r:.60}; it has {', '.join(names) or 'none'}.")
        for f in dataclasses.fields(LAYERS[kind]):
            if f.init and f.default is dataclasses.MISSING and f.name not in layer:
                raise ConfigError(f"{kind} needs {f.name}.")


def nested(layers: Sequence[Any], depth: int = 0) -> Iterator[Any]:
    """Iterate over layers, including those inside blocks."""
    if depth > 8:
        raise ConfigError("blocks are nested more than 8 deep; remove some.")
    for layer in layers:
        yield layer
        if isinstance(layer, dict) and isinstance(layer.get("layers"), list):
            yield from nested(layer["layers"], depth + 1)


def prepare(found: Planned) -> Fresh:
    """Check the values of the data and draw the model's parameters."""
    if found.begun is not None:
        return Fresh(found, found.begun.run.model, found.begun.parts, found.advice)
    rows = split(found.data, found.settings.validation_fraction, found.settings.seed)
    checked = check(found.data, found.network)
    model = Model(found.network, seed=found.settings.seed, dtype=found.settings.dtype)
    model.classes, model.feature_names = checked.classes, found.data.features
    parts = divide(checked, rows)
    labels = None if checked.classes is None else checked.classes.tolist()
    advice = on_targets(found.network.layers, found.network.loss, parts.train, labels, True)
    return Fresh(found, model, parts, (*found.advice, *advice))


def outputs_of(data: Data) -> int:
    """Return the number of distinct labels, or outputs, of the targets."""
    y = data.train.y
    return int(y.shape[1]) if y.ndim == 2 else len(distinct(y))
