"""What a fit is given, where its table is a source: as many of the rows as there is time and memory for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from chainrule.core import hints
from chainrule.data.source import Source, SourceBlock
from chainrule.errors import ConfigError, DataError
from chainrule.fitting.in_time import PREPARED, warn_of_rows
from chainrule.tables.data import FitInput
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.sources import (
    MAX_BYTES,
    SAMPLE,
    ReadTable,
    check_source,
    drawn,
    joined,
    prepared,
    rows_in,
)

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
        return _given(given, joined(drawn(source, 1.0, how.seed, how.keep_labels)))
    begin, most = time.monotonic(), RACED if how.is_race else SAMPLE
    block = joined(drawn(source, min(1.0, most / max(1, n)), how.seed, how.keep_labels))
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
        block = prepared(drawn(source, share, how.seed, how.keep_labels), preprocessor, room)
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
