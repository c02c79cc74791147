"""Dates: their texts, and the numbers that a network learns from.

    days         days since the earliest date of training, with their fraction
    year         the calendar year
    year_sin     sin and cos of 2 pi (day of the year - 1) / 365.25: the season, where December is next to January
    weekday_sin  sin and cos of 2 pi (day of the week) / 7, Monday 0
    time_sin     sin and cos of 2 pi (seconds since midnight) / 86400

All in universal time. The parts that are the same on all dates of training are left out.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets.numerals import is_missing

Array = NDArray[np.float64]
DAY = 86400.0
NUMBERS = ("days", "year")
"""The parts that are scaled like numbers."""
CYCLES = ("year", "weekday", "time")
"""The parts that are a sine and a cosine."""
LATEST = 2e11
"""The largest distance from 1970 in seconds, some 6,000 years: beyond it a date is taken for missing."""
_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?\s?(?:Z|UTC|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_BARE = re.compile(r"[1-9]\d{3}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?", re.ASCII)
_PARTED = re.compile(r"(\d{1,4})([/.-])(\d{1,2})\2(\d{1,4})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2}))?)?", re.ASCII)
ORDERS = ("iso", "ymd", "dmy", "mdy")
"""How a column writes its dates: 2024-12-31, 2024/12/31, 31.12.2024 or 12/31/2024."""


def read_dates(texts: Sequence[str], order: str) -> Array:
    """Return (texts,) seconds since 1970, NaN for missing. Raises ValueError with the first that is no date."""
    if order == "iso" and all(map(_BARE.fullmatch, texts)):  # those that NumPy reads all at once
        return np.asarray(np.array(texts, "M8[us]").astype(np.int64) / 1e6)
    return np.array([math.nan if is_missing(text) else _read(text, order) for text in texts], float)


def order_of(texts: Sequence[str]) -> str | None:
    """Return the one order in which all texts are dates, missing ones aside.

    None if there is none, and where day and month could be either way on every date.
    """
    there = [text for text in texts if not is_missing(text)]
    if not there or not (_ISO.fullmatch(there[0]) or _PARTED.fullmatch(there[0])):
        return None
    fitting = []
    for order in ORDERS:
        try:
            read_dates(there, order)
        except ValueError:
            continue
        fitting.append(order)
    return fitting[0] if fitting and (len(fitting) == 1 or fitting[0] in ("iso", "ymd")) else None


def _read(text: str, order: str) -> float:
    if order == "iso":
        if not _ISO.fullmatch(text):
            raise ValueError(text)
        written = text.replace(",", ".").replace("UTC", "Z")
        written = (
            re.sub(r"\.(\d{6})\d+", r".\1", written).replace(" Z", "Z").replace(" +", "+").replace(" -", "-")
        )
        made = datetime.datetime.fromisoformat(written)
    else:
        found = _PARTED.fullmatch(text)
        if found is None:
            raise ValueError(text)
        parts = dict(zip(order, (found[1], found[3], found[4]), strict=True))
        if len(parts["y"]) != 4:
            raise ValueError(text)
        clock = (int(found[5] or 0), int(found[6] or 0), int(found[7] or 0))
        made = datetime.datetime(int(parts["y"]), int(parts["m"]), int(parts["d"]), *clock)
    aware = made if made.tzinfo is not None else made.replace(tzinfo=datetime.UTC)
    return (aware - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).total_seconds()


def in_range(seconds: Array) -> Array:
    """Return the dates, NaN for those beyond LATEST."""
    return np.where(np.abs(seconds) <= LATEST, seconds, np.nan)


def number(seconds: Array, part: str, origin: float) -> Array:
    """Return a part of dates as numbers; NaN for missing dates."""
    if part == "days":
        return (seconds - origin) / DAY
    years, _ = _years(seconds)
    return np.where(np.isnan(seconds), np.nan, years)


def cycle(seconds: Array, part: str) -> tuple[Array, Array]:
    """Return the sine and the cosine of a part of dates; 0 and 0 for missing dates."""
    there = np.where(np.isnan(seconds), 0.0, seconds)
    if part == "year":
        turns = _years(seconds)[1] / 365.25
    elif part == "weekday":
        turns = (np.floor(there / DAY) + 3) % 7 / 7  # 1970 began on a Thursday
    else:
        turns = there % DAY / DAY
    known = ~np.isnan(seconds)
    return np.asarray(np.sin(2 * np.pi * turns) * known), np.asarray(np.cos(2 * np.pi * turns) * known)


def _years(seconds: Array) -> tuple[Array, Array]:
    """Return the year and the days since it began; those of 1970 for missing dates."""
    days = np.floor(np.where(np.isnan(seconds), 0.0, seconds) / DAY).astype("M8[D]")
    years = days.astype("M8[Y]")
    since = (days - years.astype("M8[D]")).astype(np.float64)
    return years.astype(np.float64) + 1970.0, np.asarray(since)


def as_text(seconds: float) -> str:
    """Return a moment as ISO text, to the microsecond."""
    return str(np.datetime64(round(seconds * 1e6), "us"))


def from_text(text: str) -> float:
    """Return the seconds since 1970 of what `as_text` wrote. Raises ValueError for other text."""
    if not re.fullmatch(r"-?\d{4,5}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}", text, re.ASCII):
        raise ValueError(text[:40])
    return float(np.datetime64(text, "us").astype(np.int64)) / 1e6
