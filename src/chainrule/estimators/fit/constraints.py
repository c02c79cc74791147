"""The constraints that an estimator's parameters name by columns, as those of its network's inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from chainrule.errors import ConfigError
from chainrule.estimators.fit.data import FitData
from chainrule.network.constraints import Constraints


class Inputs(NamedTuple):
    """The network's inputs by columns of the table, or of the array, that the user gives."""

    columns: int
    names: list[str] | None
    """of the columns; None without names"""
    sources: Sequence[int]
    """the column of each input"""
    rising: frozenset[int]
    """the inputs that never fall when the number of their column rises"""
    unordered: Mapping[int, str]
    """the columns that cannot have a direction, and what they are"""


def inputs_of(data: FitData) -> Inputs:
    """Return what is known of the inputs of a fit's network."""
    made, width = data.preprocessor, data.samples.X.shape[1]
    if made is None:
        return Inputs(width, data.feature_names, range(width), frozenset(range(width)), {})
    names = getattr(made, "feature_names_in_", None)
    unordered = {
        k: "a date" if each.taken_for == "date" else "a category"
        for k, each in enumerate(made.columns_)
        if each.taken_for in ("date", "category", "boolean") and each.became != "dropped"
    }
    own = None if names is None else [str(name) for name in names]
    return Inputs(int(made.n_features_in_), own, made.sources_, frozenset(made.rising_), unordered)


def constraints_of(values: Mapping[str, Any], data: FitData) -> Constraints | None:
    """Return the constraints that monotonic_cst and interaction_cst ask for; None for none.

    values: the estimator's parameters by name.  Raises ConfigError for what does not fit the data.
    """
    inputs = inputs_of(data)
    directions = _directions(values["monotonic_cst"], inputs)
    if any(directions) and data.targets.task == "multiclass":
        raise ConfigError(
            "monotonic_cst is not supported for more than two classes, whose probabilities cannot all rise; fit one "
            "class against the others."
        )
    sets = _sets(values["interaction_cst"], inputs)
    if not any(directions) and not sets:
        return None
    of_inputs = [directions[column] * (place in inputs.rising) for place, column in enumerate(inputs.sources)]
    of_sets = [tuple(place for place, column in enumerate(inputs.sources) if column in each) for each in sets]
    return Constraints(tuple(of_inputs) if any(of_inputs) else (), tuple(each for each in of_sets if each))


def _directions(given: Mapping[str, int] | Iterable[int] | None, inputs: Inputs) -> list[int]:
    """Return the direction of each column."""
    if given is None:
        return [0] * inputs.columns
    if isinstance(given, Mapping):
        known = dict(zip(_named(inputs, "monotonic_cst"), range(inputs.columns), strict=True))
        unknown = [name for name in given if name not in known]
        if unknown:
            raise ConfigError(f"monotonic_cst contains {unknown[0]!r}, which is no column of X.")
        values = [0] * inputs.columns
        for name, direction in given.items():
            values[known[name]] = direction
    else:
        values = list(np.asarray(given, dtype=object).ravel())
    if len(values) != inputs.columns:
        raise ConfigError(
            f"monotonic_cst has shape ({len(values)},) but the input data X has {inputs.columns} features; give -1, 0 "
            "or 1 for each, or a dict by name."
        )
    wrong = [each for each in values if isinstance(each, (str, bool)) or each not in (-1, 0, 1)]
    if wrong:
        raise ConfigError(f"monotonic_cst must be an array-like or a dict of -1, 0 or 1, not {wrong[0]!r}.")
    for column, what in inputs.unordered.items():
        if values[column]:
            name = repr(inputs.names[column]) if inputs.names else f"number {column}"
            raise ConfigError(
                f"monotonic_cst constrains the column {name}, which is {what}; only numbers can be constrained."
            )
    return [int(each) for each in values]


def _sets(given: str | Iterable[Iterable[int | str]] | None, inputs: Inputs) -> list[frozenset[int]]:
    """Return the sets of columns whose functions are summed; [] for no constraint."""
    if given is None:
        return []
    every = range(inputs.columns)
    if isinstance(given, str):
        return [frozenset(each) for each in combinations(every, 2 if given == "pairwise" else 1)]
    if not isinstance(given, Iterable) or not all(
        isinstance(each, Iterable) and not isinstance(each, str) for each in given
    ):
        raise ConfigError(
            "interaction_cst must be 'pairwise', 'no_interactions', or a sequence of tuples or lists of columns, not "
            f"{given!r}."
        )
    return [frozenset(_place(each, inputs) for each in members) for members in given]


def _place(column: int | str, inputs: Inputs) -> int:
    """Return the index of a column that is given by its index or its name."""
    if isinstance(column, str) and column in (names := _named(inputs, "interaction_cst")):
        return names.index(column)
    is_index = isinstance(column, (int, np.integer)) and not isinstance(column, bool)
    if not is_index or int(column) not in range(inputs.columns):
        raise ConfigError(
            f"interaction_cst must consist of names of columns or of indices in [0, {inputs.columns - 1}], not "
            f"{column!r}."
        )
    return int(column)


def _named(inputs: Inputs, parameter: str) -> list[str]:
    """Return the names of the columns. Raises ConfigError without them."""
    if inputs.names is None:
        raise ConfigError(f"{parameter} names columns, but X has no names; give a data frame, or indices.")
    return inputs.names
