"""The rows and the columns of the data that a run has: some of the samples, and of a table what its form says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from sklearn.base import clone

from chainrule.core.arrays import evenly_spaced
from chainrule.data.checks import check_count
from chainrule.errors import ConfigError
from chainrule.recipe.columns import excluded, tied_rows
from chainrule.recipe.data import Data
from chainrule.recipe.settings import TIES, Settings
from chainrule.recipe.table_data import prepared


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


def is_alike(one: Data, other: Data) -> bool:
    """Return whether two data of a table have the same inputs and test rows."""
    assert one.table is not None and other.table is not None
    return one.features == other.features and np.array_equal(one.table.test, other.table.test)
