"""The fits that answer together, and tables as each of them takes them: which column each prepared input is of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ShapeError
from chainrule.fitting.lookup import Lookup
from chainrule.fitting.result import FitResult
from chainrule.formulas.layers import Context, Link
from chainrule.inspection.attribution.explained import Floats, neutral
from chainrule.model import Model
from chainrule.tables.cells import ReadColumn, cells, typical_row
from chainrule.tables.crossed import Crossed
from chainrule.tables.preprocessor import TablePreprocessor

MAX_REFERENCE = 100
"""The rows of a reference at most: the work is in proportion to them."""
Inputs = tuple[NDArray[np.floating], ...]
"""Rows as each part's networks take them, and then as the lookup does where there is one, (rows, inputs) each."""


@dataclass(frozen=True)
class TakenColumns:
    """What takes prepared rows.

    columns: the column of each input (inputs,), among those that anything uses.
    preprocessor: what prepares the rows; None without a table.
    """

    columns: NDArray[np.int64]
    preprocessor: TablePreprocessor | None

    @property
    def crossed(self) -> tuple[Crossed, ...]:
        """The pairs of columns with an input of their own, the last inputs."""
        return () if self.preprocessor is None else self.preprocessor.crossed_

    def by_column(self, values: Floats, columns: int) -> Floats:
        """Add up the values of the inputs (n, inputs) that a column became: (n, columns). A pair's is halved."""
        own = len(self.columns) - len(self.crossed)
        places, starts = np.unique(self.columns[:own], return_index=True)
        found = np.zeros((len(values), columns))
        found[:, places] = np.add.reduceat(values[:, :own], starts, axis=1)
        known = {place: column for place, column in zip(starts.tolist(), places.tolist(), strict=True)}
        for k, pair in enumerate(self.crossed):
            for side in (pair.first, pair.second):
                found[:, known[side.start]] += values[:, own + k] / 2
        return found

    def with_columns(
        self, inputs: NDArray[np.floating], other: NDArray[np.floating], columns: list[int]
    ) -> NDArray[np.floating]:
        """Return inputs with those of some columns taken from other rows, as many or one, and their pairs anew."""
        own = len(self.columns) - len(self.crossed)
        changed = np.array(inputs)
        chosen = np.flatnonzero(np.isin(self.columns[:own], columns))
        changed[:, chosen] = other[:, chosen]
        for k, pair in enumerate(self.crossed):
            changed[:, own + k] = pair.codes(changed[:, :own])
        return changed


def sources_of(preprocessor: TablePreprocessor | None, features: int) -> NDArray[np.int64]:
    """Return the column of the table that each input is of (inputs,). features: how many there are without a table."""
    if preprocessor is None:
        return np.arange(features)
    return np.array(preprocessor.sources_, np.int64)


class PreparedTable(NamedTuple):
    """Rows as each part takes them, and the lookup, and their cells."""

    inputs: Inputs
    cells: tuple[ReadColumn, ...]

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.inputs[0])


@dataclass(frozen=True)
class AnswerPart(TakenColumns):
    """A fit of an average, and the columns of its inputs."""

    weight: float
    result: FitResult

    @cached_property
    def networks(self) -> tuple[ExactNetwork, ...]:
        """Its networks in float64."""
        return tuple(exact_network(model) for model in self.result.members)

    def predicted(self, rows: NDArray[np.floating], engine: str) -> Floats:
        """Return what it predicts for prepared rows (n, outputs)."""
        return np.asarray(self.result.predicted(rows, engine), np.float64)


@dataclass(frozen=True)
class AnswerLookup(TakenColumns):
    """The lookup of an average, and the columns of its inputs."""

    lookup: Lookup


class AnswerParts:
    """The fits of an estimator's answers: one, or those of the average of a race.

    check: checks samples where no table is prepared.  engine: by which they predict.
    """

    def __init__(
        self, result: FitResult, check: Callable[[object], NDArray[np.floating]], engine: str
    ) -> None:
        """Find the columns that any of them uses."""
        self.result, self.check, self.engine = result, check, engine
        self.temperature, pairs, lookup = result.temperature, result.weighted, result.lookup
        takers = [each.preprocessor for _, each in pairs] + ([] if lookup is None else [lookup.preprocessor])
        sources = [sources_of(each, result.n_features) for each in takers]
        used = np.unique(np.concatenate(sources))
        places = [np.searchsorted(used, own) for own in sources]
        self.all = tuple(
            AnswerPart(own, each.preprocessor, weight, each)
            for (weight, each), own in zip(pairs, places, strict=False)
        )
        self.lookup = None if lookup is None else AnswerLookup(places[-1], lookup.preprocessor, lookup)
        self.takers: tuple[TakenColumns, ...] = (*self.all, *([] if self.lookup is None else [self.lookup]))
        """what takes prepared rows, in the order of `Inputs`"""
        known = names_of(result)
        self.names = tuple(known[k] for k in used.tolist())

    @cached_property
    def different_takers(self) -> list[TakenColumns]:
        """One of those that take the same prepared rows."""
        return list({id(each.preprocessor): each for each in reversed(self.takers)}.values())

    def rows_of(self, inputs: Inputs) -> list[NDArray[np.floating]]:
        """Return the prepared rows that each of `different_takers` takes."""
        own = {id(each.preprocessor): rows for each, rows in zip(self.takers, inputs, strict=False)}
        return [own[id(each.preprocessor)] for each in self.different_takers]

    @property
    def exclusive(self) -> bool:
        """Whether the outputs are probabilities of classes of which a row has one."""
        return self.result.targets.task == "multiclass"

    @property
    def preprocessors(self) -> list[TablePreprocessor]:
        """The preprocessors, each once."""
        found = {id(each.preprocessor): each.preprocessor for each in self.takers}
        return [each for each in found.values() if each is not None]

    def table(self, X: object) -> PreparedTable:
        """Prepare a table, once for the parts that share a preprocessor, and read its cells."""
        if not self.preprocessors:
            numbers = self.check(X)
            columns = np.asarray(numbers, np.float64).T
            own = (ReadColumn(name, "number", each) for name, each in zip(self.names, columns, strict=True))
            return PreparedTable((numbers,), tuple(own))
        made = {id(each): each.transform(X) for each in self.preprocessors}
        found: dict[str, ReadColumn] = {}
        for each in self.preprocessors:
            if any(column.became != "dropped" and column.name not in found for column in each.learned_):
                own_cells = cells(each.learned_, hasattr(each, "feature_names_in_"), X)
                found = {column.name: column for column in own_cells} | found
        inputs = tuple(made[id(each.preprocessor)] for each in self.takers)
        return PreparedTable(inputs, tuple(found[name] for name in self.names))

    def reference(self, reference: object) -> PreparedTable:
        """Return the rows to compare with: those given, or the typical row. Raises ShapeError for none and too many."""
        if reference is None:
            return self.table(self.typical())
        table = self.table(reference)
        if not 0 < table.rows <= MAX_REFERENCE:
            raise ShapeError(
                f"reference must have 1 to {MAX_REFERENCE} rows, not {table.rows:,}, because each answer is compared "
                f"with each of them; pass a sample, such as X.sample({MAX_REFERENCE // 2})."
            )
        return table

    def typical(self) -> object:
        """Return the typical row, as a table: of each column what the first part that uses it says."""
        if not self.preprocessors:
            return self.all[0].networks[0].neutral
        row: dict[str, NDArray[np.generic]] = {}
        for each in reversed(self.preprocessors):
            own = typical_row(each.learned_, each.impute)
            kept = {column.name for column in each.learned_ if column.became != "dropped"}
            row = own | row | {name: own[name] for name in kept}
        return {each.name: row[each.name] for each in self.preprocessors[0].learned_}

    def typical_with(self, column: str, cells: NDArray[np.generic]) -> object:
        """Return the typical row as often as there are cells, with these in a column."""
        row = self.typical()
        if isinstance(row, dict):
            return {
                name: cells if name == column else np.repeat(own, len(cells)) for name, own in row.items()
            }
        rows = np.repeat(np.asarray(row), len(cells), axis=0)
        rows[:, self.names.index(column)] = cells
        return rows

    def with_columns(self, inputs: Inputs, other: Inputs, columns: list[int]) -> Inputs:
        """Return prepared rows whose inputs of some columns are those of other rows, as many or one."""
        each = zip(self.takers, inputs, other, strict=True)
        return tuple(taker.with_columns(own, theirs, columns) for taker, own, theirs in each)

    def predicted(self, inputs: Inputs) -> Floats:
        """Return what is predicted for prepared rows, (n, outputs), by the engine."""
        each = [
            part.predicted(rows, self.engine)
            for part, rows in zip(self.all, inputs, strict=False)  # the last may be those of the lookup
        ]
        return self.combined(each, inputs)

    def combined(self, each: Sequence[Floats], inputs: Inputs) -> Floats:
        """Return the answer of all parts (n, outputs) from what each predicts for prepared rows."""
        return self.result.combined(each, None if self.lookup is None else inputs[-1])


def names_of(result: FitResult) -> list[str]:
    """Return the names of a table's columns; x0, x1, ... for those of arrays."""
    if (names := result.feature_names) is not None:
        return [str(name) for name in names]
    if result.preprocessor is not None:
        return [each.name for each in result.preprocessor.learned_]
    return [f"x{k}" for k in range(result.n_features)]


@dataclass(frozen=True)
class ExactNetwork:
    """A trained network in float64."""

    links: tuple[Link, ...]
    params: tuple[Any, ...]
    ctx: Context

    @property
    def neutral(self) -> Floats:
        """The input (1, inputs) to compare with without a table: the mean, if the network standardizes, else 0."""
        return neutral(self.links, self.ctx, self.links[0].fan_in)[None]


def exact_network(model: Model) -> ExactNetwork:
    """Return the network of a model in float64."""
    exact = model.in_float64()
    ctx = Context(training=False, seed=exact.seed, states=exact.states)
    return ExactNetwork(exact.network.links, exact.network.unflatten(exact.theta), ctx)
