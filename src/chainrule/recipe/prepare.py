"""Prepare a run: check its settings and data and build its model, before the first file is written."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from chainrule.core.arrays import distinct
from chainrule.core.settings import describe
from chainrule.data.checks import check_seed
from chainrule.errors import ConfigError
from chainrule.model import Ensemble, Model
from chainrule.recipe import build, commands
from chainrule.recipe.data import Data, Parts, check, divide, image_shape, is_held_out, split
from chainrule.recipe.judge import positive_class
from chainrule.recipe.naming import PYTHON, Names
from chainrule.recipe.settings import Settings, as_json
from chainrule.trained.persistence import network_config
from chainrule.training import History
from chainrule.training.without_backprop import Search


class Prepared(NamedTuple):
    """A run with its settings and data checked and its model built, before its first file is written."""

    data: Data
    parts: Parts
    given: Settings
    settings: Settings
    """with all defaults that depend on the data"""
    model: Model | Ensemble
    optimizer: Any
    """None, like the schedule, if the method makes its own steps"""
    schedule: Any
    method: Any
    """None for backpropagation"""
    earlier: tuple[commands.Earlier, ...] = ()
    """trainings that were finished before the run was trained longer"""
    records: tuple[dict[str, float], ...] = ()
    """their records, one per epoch"""
    fingerprint: int = 0
    """a checksum of the samples, including held-out ones"""
    place: Path = Path()
    """the folder"""
    done: History | None = None
    """the history of a finished run"""
    estimator: Any = None
    """the fitted estimator of a preset, whose model it is; None for other runs"""

    @property
    def command(self) -> str:
        """The command that repeats the run; several if it was trained longer; empty for arrays."""
        if not self.data.text:
            return ""
        return commands.command(self.given, self.data.text, self.place, self.earlier)

    @property
    def image(self) -> tuple[int, int] | None:
        """(height, width) of a sample; None if the samples are not images."""
        return image_shape(self.data.train)

    @property
    def training_rows(self) -> int:
        """The number of samples that the network is trained on."""
        stream = self.data.stream
        return self.parts.train.n if stream is None or stream.sizes is None else int(stream.sizes.sum())

    @property
    def watched(self) -> str:
        """The samples of the val_ columns of the history: validation or test."""
        return "validation" if self.parts.held_out else self.parts.judged_name

    def config(self) -> dict[str, Any]:
        """Return the content of config.json."""
        return {
            "command": self.command,
            "data": {
                "name": self.data.name,
                "text": self.data.text,
                "source": self.data.source,
                "fingerprint": self.fingerprint,
            },
            "settings": as_json(self.given.given()),
            "resolved": as_json(dataclasses.asdict(self.settings)),
            "earlier": [each._asdict() for each in self.earlier],
            "network": network_config(self.model.network),
            "optimizer": None if self.optimizer is None else describe(self.optimizer),
            "schedule": None if self.schedule is None else describe(self.schedule),
            "method": None if self.method is None else describe(self.method),
        }


def prepare(data: Data, given: Settings, resolved: Settings | None = None, named: Names = PYTHON) -> Prepared:
    """Check the settings and the data, and build the model.

    resolved: the settings as resolved by an earlier start of the same run.
    """
    given.check_types(named)
    check_seed(given.seed, named("seed"))
    if given.members is not None:
        raise ConfigError(
            f"{named('members')} belongs to a preset, and this is a plain network; omit it, or train a table with "
            f"{named.given('preset', 'fast')}."
        )
    for option in ("target_column", "exclude_columns"):
        if getattr(given, option) is not None and data.table is None:
            raise ConfigError(
                f"{named(option)} is for tables, and {data.name} has no named columns; omit it."
            )
    if given.augment and image_shape(data.train) is None:
        raise ConfigError(f"{named('augment')} distorts images, and {data.name} has none; omit it.")
    rows = split(data, given.validation_fraction, given.seed, named)
    held_out = is_held_out(data, rows)
    settings = build.resolve(
        given if resolved is None else resolved, data.train, named, is_table=data.table is not None
    )
    build.check(settings, held_out, named)
    if settings.positive is not None:
        is_label = (
            build.make_loss(settings, named).targets in ("binary", "classes") and data.train.y.ndim == 1
        )
        positive_class(settings.positive, distinct(data.train.y).tolist() if is_label else [], named)
    prepared = None if data.table is None else data.table.preprocessor
    codes = None if prepared is None else prepared.embedded_
    network = build.network(settings, data.train, named, codes)
    model = Model(network, seed=settings.seed, dtype=settings.dtype)
    if prepared is not None:
        model.feature_names = prepared.get_feature_names_out().tolist()
    checked = check(data, model.network)
    model.classes = checked.classes
    method = build.method(settings, named)
    is_search = isinstance(method, Search)
    return Prepared(
        data,
        divide(checked, rows),
        given,
        settings,
        model,
        optimizer=None if is_search else build.optimizer(settings, named),
        schedule=None if is_search else build.schedule(settings, held_out, named),
        method=method,
        fingerprint=checked.train.fingerprint(),
    )
