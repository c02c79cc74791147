"""The two columns of times to an event in a table: when each row was last seen, and whether its event came then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.core.arrays import distinct
from chainrule.errors import ConfigError, DataError, option
from chainrule.recipe.columns import Event, TargetColumn, pick, read_target
from chainrule.recipe.messages import with_value
from chainrule.recipe.settings import Settings
from chainrule.tables.rows import in_rows
from chainrule.tables.times import EVENTS, name_says

YES, NO = ("1", "true", "yes", "y", "t", "是", "有"), ("0", "false", "no", "n", "f", "否", "無")
"""Words for an event, and for none."""
LABELS = "softmax_cross_entropy"
"""A loss of labels: those of a column are read as for it."""


def read_event(columns: Mapping[str, Any], settings: Settings, source: str) -> TargetColumn:
    """Return the times and events (n, 2) of the columns that the settings of a run name.

    Raises ConfigError for a column that does not exist, and DataError for negative times and for rows without any
    event; rows without a time, or of which nothing says whether it came, are left out.
    """
    names = {each: getattr(settings, each) for each in ("time_to_event", "event")}
    for name, other in (("time_to_event", "event"), ("event", "time_to_event")):
        if names[name] is None:
            raise ConfigError(
                f"{option(other)} names one of two columns; also name, with {option(name)}, that of "
                f"{'the time at which each row was last seen' if other == 'event' else 'whether it came then'}."
            )
    if settings.target_column is not None or settings.loss is not None:
        which = "target_column" if settings.target_column is not None else "loss"
        raise ConfigError(f"{option('time_to_event')} says what is predicted; omit {option(which)}.")
    when, whether = (pick(asked, columns, source, name) for name, asked in names.items())
    if when == whether:
        raise ConfigError(
            f"{option('event')} names {when!r}, the column of the times; name that of whether it came."
        )
    told = _event_of(columns[whether], whether, source, settings.positive)
    made = with_times(columns, when, told, source)
    if not made.y[:, 1].any():
        raise DataError(
            f"no row of {source} has an event: {whether!r} is never {told.label!r} where there is a time. All are "
            "censored, from which nothing can be learned; check which rows have one."
        )
    return made


def _event_of(values: object, name: str, source: str, asked: str | None) -> Event:
    """Return which of a column's values counts as the event: the one asked for, or the one that says so."""
    where = f"the column {name!r} of {source}"
    labels = [str(each) for each in distinct(read_target(name, values, source, LABELS, to_learn=False).y)]
    if len(labels) > 2:
        raise DataError(
            f"{where} has {len(labels):,} different values, such as {labels[2]!r:.60}, but must say whether the event "
            "came: 1 or 0, true or false, yes or no, or two words."
        )
    if asked is not None:
        if asked not in labels:
            raise ConfigError(f"{option('positive')} must be {' or '.join(labels)}, not {asked!r}.")
        found = [asked]
    else:
        found = [each for each in labels if each.lower() in YES]
        if not found and not any(each.lower() in NO for each in labels):
            found = [
                each for each in labels if name_says(each, EVENTS) and not each.lower().startswith("censor")
            ]
    others = [each for each in labels if each not in found]
    if len(found) == 1:
        return Event(name, found[0], others[0] if others else "")
    if len(labels) == 1 and labels[0].lower() in NO:
        raise DataError(
            f"{where} is {labels[0]!r} in all rows: no event came, all are censored, and nothing can be learned; check "
            "which rows have one."
        )
    raise ConfigError(
        f"{where} has {' and '.join(map(repr, labels))}; say which is the event, such as "
        f"{with_value('positive', labels[0])}."
    )


def with_times(columns: Mapping[str, Any], when: str, event: Event, source: str) -> TargetColumn:
    """Return the times and events of the rows of a table that have both, by the column of the times.

    Raises DataError for a table without these columns, for negative times, and for another value of the event.
    """
    for name in (when, event.column):
        if name not in columns:
            raise DataError(
                f"{source} lacks the column {name!r}, which says when or whether the event came; add it."
            )
    times = read_target(when, columns[when], source, "mean_squared_error", to_learn=False)
    came = read_target(event.column, columns[event.column], source, LABELS, to_learn=False)
    whole = np.full((len(columns[when]), 2), np.nan)
    whole[times.rows, 0] = times.y
    if (negative := whole[:, 0] < 0).any():
        raise DataError(
            f"the times in the column {when!r} of {source} must be at least 0, and are negative "
            f"{in_rows(negative)}; correct them, or leave the cells empty."
        )
    said = {event.label.lower(): 1.0, (event.other or "0").lower(): 0.0}
    whole[came.rows, 1] = [said.get(f"{each}".lower(), -1.0) for each in came.y.tolist()]
    if (strange := whole[:, 1] < 0).any():
        cell = columns[event.column][int(strange.argmax())]
        raise DataError(
            f"the column {event.column!r} of {source} must be {event.label!r} where the event came, and "
            f"{event.other!r} where it did not, not {f'{cell}':.40} {in_rows(strange)}."
        )
    rows = np.flatnonzero(~np.isnan(whole).any(1))
    if not len(rows):
        raise DataError(f"no row of {source} has both a time and whether the event came then; add some.")
    return TargetColumn(when, whole[rows], rows, True, "asked", event)
