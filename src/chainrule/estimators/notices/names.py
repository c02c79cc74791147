"""What a column's name says: that it is of time, or that it tells persons and things apart."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
TIMES = frozenset(
    (
        *(
            "age",
            "date",
            "datetime",
            "day",
            "days",
            "dteday",
            "dt",
            "epoch",
            "hour",
            "hours",
            "hr",
            "hrs",
            "min",
        ),
        *(
            "minute",
            "mnth",
            "mon",
            "month",
            "months",
            "period",
            "qtr",
            "quarter",
            "round",
            "season",
            "sec",
            "second",
        ),
        *("t", "time", "timestamp", "visit", "wave", "week", "weeks", "wk", "year", "years", "yr", "yrs"),
    )
)
THINGS = frozenset(
    (
        *(
            "account",
            "animal",
            "batch",
            "bird",
            "case",
            "child",
            "class",
            "client",
            "code",
            "company",
            "customer",
        ),
        *(
            "device",
            "driver",
            "family",
            "firm",
            "household",
            "id",
            "idcode",
            "ids",
            "individual",
            "key",
            "lot",
        ),
        *(
            "machine",
            "member",
            "mouse",
            "name",
            "no",
            "nr",
            "participant",
            "patient",
            "person",
            "pid",
            "plant",
        ),
        *(
            "player",
            "plot",
            "pupil",
            "rat",
            "school",
            "sensor",
            "shop",
            "site",
            "station",
            "store",
            "student",
        ),
        *("subj", "subject", "teacher", "tree", "uid", "unit", "user"),
    )
)
RANKS = frozenset(("place", "pos", "position", "rank", "ranking"))
"""Words of numbers that are the order of a quantity."""


def words_of(name: str) -> frozenset[str]:
    """Return the words of a name, in small letters: of time_hour and timeHour, time and hour."""
    return frozenset(word.lower() for word in _WORD.findall(name))


def is_of_time(name: str) -> bool:
    """Return whether a name is of a moment or of a count of units of time."""
    return not TIMES.isdisjoint(words_of(name))


def is_of_thing(name: str) -> bool:
    """Return whether a name is of an identifier, or of what has several rows: a person, a shop, a machine."""
    return not THINGS.isdisjoint(words_of(name))


def is_of_rank(name: str) -> bool:
    """Return whether a name is of a place in the order of a quantity."""
    return not RANKS.isdisjoint(words_of(name))
