"""What a fit is asked for, and its data: the rows in memory, those that there is time for, and what prepares them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.data.source import Source, SourceBlock
from chainrule.errors import ConfigError, DataError
from chainrule.fitting import additive
from chainrule.fitting.held import HoldsResult, check_samples
from chainrule.fitting.in_time import PREPARED, rows_again, rows_in_time, warn_of_rows
from chainrule.fitting.parameters import values_of
from chainrule.fitting.plan import ALONE, Conditions, few_of, table_settings
from chainrule.fitting.result import FitResult
from chainrule.fitting.start import Trunk
from chainrule.presets import ADDITIVE, BEST
from chainrule.presets.base import OfFewRows
from chainrule.tables import reading
from chainrule.tables.data import FitData, FitInput, checked, fitted_preprocessor, of_table, structure_of
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import Targets
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.reading import RawTable
from chainrule.tables.rows import as_matrix
from chainrule.tables.sources import (
    MAX_BYTES,
    SAMPLE,
    ReadTable,
    check_source,
    drawn,
    join_blocks,
    prepare_blocks,
    rows_in,
)
from chainrule.tables.structure import FREE, RowStructure
from chainrule.trust import notices
from chainrule.trust.notice import Notices
from chainrule.trust.seen import SeenColumn, summarize_fit, summarize_result

EARLY = 0.25
"""The part of the limit after which a fit only does what it must."""


@dataclass(frozen=True)
class FitRequest:
    """The rows of a fit, and what else was known when it began: made once, and passed on whole."""

    given: FitInput
    """the table, the targets, and what belongs to each row"""
    begun: float
    """the `time.monotonic()` at which the fit began"""
    limit: float | None = None
    """the seconds that it may take; None for any"""
    seed: int = 0
    """draws the rows that there is time for"""
    rows: int | None = None
    """how many rows a race had that is gone on with or repeated, which are drawn again; None for another fit"""
    before: FitResult | None = None
    """the result that the fit goes on from; None for a new one"""
    trunk: Trunk | None = None
    """the hidden layers that it begins with; None for new ones"""
    start: Mapping[str, Iterable[NDArray[np.floating]]] = field(default_factory=dict)
    """the parameters that it begins with, `coefs_` and `intercepts_`; empty for drawn ones"""
    labels: Targets | None = None
    """the targets, where they are known before y is read, as the labels passed to `partial_fit`"""
    conditions: Conditions = ALONE
    incremental: bool = False
    """whether it is one epoch, by `partial_fit`"""
    structure: RowStructure = FREE
    """what ties the given rows together"""
    of_few: OfFewRows | None = None
    """what a recipe does with these rows, which are few; None where they are many"""

    @property
    def is_new(self) -> bool:
        """Whether the networks learn nothing before this fit."""
        return self.before is None and self.trunk is None

    @property
    def is_noticed(self) -> bool:
        """Whether its user hears what is noticed of the table: no search or race asks for it, and it sees all rows."""
        return self.conditions.is_alone and not self.incremental

    @property
    def is_early(self) -> bool:
        """Whether there is time, when its table is prepared, for what a fit can do without."""
        return self.limit is None or time.monotonic() - self.begun < EARLY * self.limit


class PreparedFit(NamedTuple):
    """A fit whose data are there."""

    request: FitRequest
    """for the rows that there was time for"""
    data: FitData
    notices: Notices
    """what it notices of its table, or what the fit did that it goes on from"""
    seen: tuple[SeenColumn, ...]
    """what is kept of the columns, as the preprocessor of all rows reads them"""

    def described(self, result: FitResult) -> FitResult:
        """Return the result of the fit, with what is kept of its table."""
        table = self.request.given.X if self.data.raw is None else self.data.raw
        seen = summarize_result(self.seen, table, self.data, result.preprocessor)
        return replace(result, notices=self.notices, seen=seen, exposure=self.request.given.exposure)


def read_rows(estimator: HoldsResult, request: FitRequest) -> FitRequest:
    """Return a request for rows in memory, those of a source too, with what ties them together."""
    given = request.given
    if isinstance(given.X, Source):
        learn = None
        if estimator.prepares_tables:
            learn = partial(preprocessor_of_sample, estimator, request)
        is_race, keeps_labels = estimator.preset == BEST, estimator.target_type is Labels
        how = Reading(request.seed, keeps_labels, learn, is_race, request.limit, request.begun)
        request = replace(request, given=read_source(given, how))
    return with_structure(estimator, request)


def prepare(estimator: HoldsResult, request: FitRequest) -> PreparedFit:
    """Return the data of a fit, of the rows that there is time for, and what is noticed of them."""
    request = decide_few(estimator, take_rows_in_time(estimator, request))
    data = prepare_data(estimator, request)
    if request.before is None:
        noticed = notices.of_fit(request.given, data, request.is_noticed and request.is_early)
        seen = summarize_fit(data, request.is_noticed)
    else:
        noticed, seen = request.before.notices, request.before.seen
    if estimator.preset == ADDITIVE:
        data = add_pairs(estimator, request, data)
    if estimator.preset != BEST:  # whose recipes read the table once more
        data = replace(data, raw=None)
    return PreparedFit(request, data, noticed, seen)


def with_structure(estimator: HoldsResult, request: FitRequest) -> FitRequest:
    """Return a request with what ties its rows together."""
    if request.incremental:
        return request
    structure = structure_of(request.given, estimator.gap, estimator.prepares_tables)
    return replace(request, structure=structure)


def take_rows_in_time(estimator: HoldsResult, request: FitRequest) -> FitRequest:
    """Return a request for only those rows of its table that its time limit leaves time to prepare."""
    given, limit, drawn = request.given, request.limit, (request.seed, estimator.target_type is Labels)
    if request.rows is not None:
        found = rows_again(given, request.rows, *drawn)
    elif limit is None or not estimator.prepares_tables:
        return request
    else:
        found = rows_in_time(given, request.begun + limit, partial(prepare_some, estimator, request), *drawn)
        if found is not given:
            warn_of_rows(limit, len(found.y), len(given.y))
    return request if found is given else with_structure(estimator, replace(request, given=found))


def decide_few(estimator: HoldsResult, request: FitRequest) -> FitRequest:
    """Return a request that says whether its rows are few, for what prepares them and for the plan."""
    if not estimator.prepares_tables or isinstance(request.given.X, ReadTable):
        return request
    return replace(request, of_few=few_of(estimator, request.given, request.conditions))


def prepare_some(estimator: HoldsResult, request: FitRequest, given: FitInput) -> FitData:
    """Return the data of some rows of a request, which nothing ties together."""
    return prepare_data(estimator, replace(request, given=given, structure=FREE))


def prepare_data(estimator: HoldsResult, request: FitRequest) -> FitData:
    """Return the checked data of all rows of a request, of a table as its preprocessor makes them."""
    given, before = request.given, request.before
    kind, parameters, warm = estimator.target_type, values_of(estimator), estimator.warm_start
    known = request.labels if before is None else before.targets
    if isinstance(read := given.X, ReadTable):
        data = of_table(kind, given, parameters, read.preprocessor, known, warm, read)
    elif estimator.prepares_tables:
        table = reading.read(given.X)
        made = preprocessor_of(estimator, request, table)
        data = of_table(kind, given, parameters, made, known, warm, table)
    else:
        check = partial(as_matrix, estimator, reset=before is None)
        data = checked(kind, given, parameters, check, partial(check_samples, estimator), known, warm)
        if (names := getattr(estimator, "feature_names_in_", None)) is not None:
            data = replace(data, feature_names=names.tolist())
    return replace(data, structure=request.structure.checked(data.samples.n))


def preprocessor_of(estimator: HoldsResult, request: FitRequest, table: RawTable) -> TablePreprocessor:
    """Return the preprocessor of the table: the earlier one, or one fitted to this table."""
    given, before, trunk = request.given, request.before, request.trunk
    if before is not None and before.preprocessor is not None:
        return before.preprocessor
    if trunk is not None and trunk.preprocessor is not None:
        return trunk.preprocessor
    settings = table_settings(estimator, request.conditions.variant, given.time is not None, request.of_few)
    y = estimator.target_type.read(given.y, is_new=before is None and request.labels is None)
    return fitted_preprocessor(estimator.preprocess, given, table, y, estimator.dtype, settings)


def preprocessor_of_sample(estimator: HoldsResult, request: FitRequest, given: FitInput) -> TablePreprocessor:
    """Return the preprocessor of a request, where it has to learn some rows of a source."""
    return preprocessor_of(estimator, replace(request, given=given), reading.read(given.X))


def add_pairs(estimator: HoldsResult, request: FitRequest, data: FitData) -> FitData:
    """Return the data of an additive fit with the pairs of columns that it chooses."""
    given, table = request.given, data.raw
    is_source, has_structure = isinstance(given.X, ReadTable), not data.structure.is_free
    additive.check(estimator, request.incremental, request.trunk is not None, has_structure, is_source)
    if table is None:  # which the plan refuses
        return data

    def prepare(made: TablePreprocessor) -> FitData:
        return of_table(estimator.target_type, given, values_of(estimator), made, read=table)

    return additive.with_pairs(estimator, data, prepare, request.conditions, request.begun)


# --- what a fit is given, where its table is a source: as many of the rows as there is time and memory for -----------

RACED = 200_000
"""The most rows of a race."""


class Reading(NamedTuple):
    """How a fit reads a source."""

    seed: int
    keep_labels: bool
    """whether a row of each label is kept"""
    learn: Callable[[FitInput], TablePreprocessor] | None
    """returns a preprocessor fitted to some rows; None where nothing prepares them"""
    is_race: bool
    limit: float | None
    """in seconds; None for none"""
    begun: float
    """the `time.monotonic()` from which these count"""


def read_source(given: FitInput, how: Reading) -> FitInput:
    """Return what a fit is given, in memory, of one whose X is a source.

    Raises ConfigError for what needs the rows as they are stored.
    """
    source, n = _checked(given), rows_in(given.X)
    if not n:
        raise DataError("the source has no rows; check its files.")
    if how.learn is None:
        return _given(given, join_blocks(drawn(source, 1.0, how.seed, how.keep_labels)))
    begin, most = time.monotonic(), RACED if how.is_race else SAMPLE
    block = join_blocks(drawn(source, min(1.0, most / max(1, n)), how.seed, how.keep_labels))
    sample, reading = _given(given, block), time.monotonic() - begin
    if how.is_race:
        _warn_of_sample(f"preset='best' races on {len(block.y):,}", len(block.y), n, "use preset='fast'")
        return sample
    preprocessor, begin = how.learn(sample), time.monotonic()
    block = block._replace(X=preprocessor.transform(block.X))
    share = min(
        MAX_BYTES / (block.X.shape[1] * block.X.itemsize * max(1, n)),
        1.0
        if how.limit is None
        else _share_in_time(how, reading, (time.monotonic() - begin) / len(block.y) * n),
    )
    if len(block.y) < min(1.0, share) * n:
        room = (
            n if share >= 1 else min(n, int(share * n + 6 * np.sqrt(n)) + len(block.y))
        )  # six deviations, and labels
        block = prepare_blocks(drawn(source, share, how.seed, how.keep_labels), preprocessor, room)
    if how.limit is not None:
        warn_of_rows(how.limit, len(block.y), n)
    else:
        said = f"{MAX_BYTES >> 30} GiB of inputs are those of {len(block.y):,}"
        _warn_of_sample(said, len(block.y), n, "omit columns")
    return _given(given, block._replace(X=ReadTable(block.X, preprocessor)))


def _checked(given: FitInput) -> Source:
    source = given.X
    assert isinstance(source, Source)
    check_source(source, given.y)
    if given.sample_weight is not None:
        raise ConfigError(
            "sample_weight is not supported with a source; name the column of weights in the source."
        )
    if isinstance(given.X_val, Source):
        raise ConfigError("X_val must be a table in memory, not a source; read some of its rows.")
    return source


def _given(given: FitInput, block: SourceBlock) -> FitInput:
    return given._replace(X=block.X, y=block.y, sample_weight=block.weight)


def _share_in_time(how: Reading, reading: float, preparing: float) -> float:
    """Return the share of the rows that can be read and prepared in a part of the time left, 0 for none.

    reading, preparing: the seconds that this takes for all rows.
    """
    assert how.limit is not None
    spare = PREPARED * (how.begun + how.limit - time.monotonic()) - reading
    return max(0.0, spare / preparing)


def _warn_of_sample(said: str, used: int, of: int, remedy: str) -> None:
    """Warn of rows of a source that are not learned from."""
    if used < of:
        hints.give(f"{said} of the {of:,} rows of the source, drawn at random; {remedy} to learn from more.")
