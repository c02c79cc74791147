"""Dates and times of the day: their texts, and the numbers that a network learns from.

    days         days since the earliest date of training, with their fraction
    year         the calendar year
    year_sin     sin and cos of 2 pi (day of the year - 1) / 365.25: the season, where December is next to January
    recurring    the effect of recurring days, where the target is another on some each year, else 0
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
from chainrule.graph.columns import CalendarPart

Array = NDArray[np.float64]
NUMBERS = ("days", "year", "recurring")
"""The parts that are scaled like numbers; recurring is 0 but on recurring days (`chainrule.tables.recurring`)."""
CYCLES = {"year": "year_turn", "weekday": "weekday_turn", "time": "day_turn"}
"""The parts that are a sine and a cosine, each with the part of `CalendarPart` that says what has passed of it."""
LATEST = 2e11
"""The largest distance from 1970 in seconds, some 6,000 years: beyond it a date is taken for missing."""
_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?\s?(?:Z|UTC|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_BARE = re.compile(r"[1-9]\d{3}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?", re.ASCII)
_HALF = r"[AaPp]\.?[Mm]\.?|上午|下午"
_CLOCK = (
    rf"(?:(?P<before>{_HALF}) ?)?(?P<hour>\d{{1,2}}):(?P<minute>\d{{2}})(?::(?P<second>\d{{2}}))?"
    rf"(?: ?(?P<half>{_HALF}))?"
)
_PARTED = re.compile(rf"(\d{{1,4}})([/.-])(\d{{1,2}})\2(\d{{1,4}})(?:[T ]{_CLOCK})?", re.ASCII)
_TIME = re.compile(_CLOCK, re.ASCII)
_EAST = re.compile(
    r"(?P<era>民國 ?)?(?P<year>\d{1,4}) ?年 ?(?P<month>\d{1,2}) ?月(?: ?(?P<day>\d{1,2}) ?[日號号])?(?P<rest>.*)",
    re.ASCII,
)
_ERA = re.compile(r"民國 ?(?P<year>\d{1,3})(?P<rest>([/.-])\d{1,2}\3\d{1,2}(?!\d).*)", re.ASCII)
_TAIWAN = re.compile(r"1(?:[01]\d|20)/\d\d/\d\d(?!\d)", re.ASCII)
_MINGUO = re.compile(r"(0{0,2}[1-9]|0?[1-9]\d|1[0-3]\d)(/\d{1,2}/\d{1,2}(?!\d).*)", re.ASCII)
_SHORT = re.compile(r"\d{1,2}/", re.ASCII)
MINGUO = 1911
"""The year before the first one of Taiwan's calendar, whose years of three digits are 2011 and later."""
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september", "october"),
    *("november", "december"),
)
_NAME = r"(?P<month>[A-Za-z]{3,9})\.?"
_NAMED = {
    "my": re.compile(rf"{_NAME}[ -](?P<year>\d{{4}})", re.ASCII),
    "ym": re.compile(r"(?P<year>[12]\d{3})[/-](?P<month>\d{2})", re.ASCII),
    "dby": re.compile(rf"(?P<day>\d{{1,2}})[ -]{_NAME}[ -](?P<year>\d{{4}}|\d\d)(?: {_CLOCK})?", re.ASCII),
    "bdy": re.compile(rf"{_NAME} (?P<day>\d{{1,2}}),? (?P<year>\d{{4}})(?: {_CLOCK})?", re.ASCII),
}
EXAMPLES = {
    "iso": "2024-12-31",
    "ymd": "2024/12/31",
    "dmy": "31.12.2024",
    "mdy": "12/31/2024",
    "my": "Dec 2024",
    "ym": "2024-12",
    "dby": "31-Dec-2024",
    "bdy": "Dec 31, 2024",
    "time": "23:59",
    "minguo": "57/04/01",
}
"""How a column writes its dates, or times of the day, also as 11:59 PM and 下午 11:59, which are those of 1970-01-01. A
year of two digits is one of 1969 to 2068, as in POSIX. "ymd" is also 2024年12月31日, and by Taiwan's calendar
113年12月31日, 民國 113/12/31 and 113/12/31, of the years 100 to 120 with two digits of month and day; "ym" is also
2024年12月. "minguo" is Taiwan's calendar with years of two digits too, where a column reads in no other way."""
ORDERS = tuple(EXAMPLES)
_SURE = frozenset(ORDERS) - {"dmy", "mdy", "minguo"}


def read_dates(texts: Sequence[str], order: str) -> Array:
    """Return (texts,) seconds since 1970, NaN for missing. Raises ValueError with the first that is no date."""
    if order == "iso" and all(map(_BARE.fullmatch, texts)):  # those that NumPy reads all at once
        return np.asarray(np.array(texts, "M8[us]").astype(np.int64) / 1e6)
    return np.array([math.nan if is_missing(text) else _read_moment(text, order) for text in texts], float)


def orders_of(texts: Sequence[str]) -> list[str]:
    """Return the orders in which all texts are dates or times, missing ones aside.

    There are several where day and month could be either way on every date.
    """
    there = [text for text in texts if not is_missing(text)]
    if not there:
        return []
    fitting = list[str]()
    for order in ORDERS:
        try:
            _read_moment(there[0], order)
            read_dates(there, order)
        except ValueError:
            continue
        if order in _SURE:
            return [order]
        if order != "minguo" or (not fitting and any(map(_SHORT.match, there))):
            fitting.append(order)
    return fitting


def _read_moment(text: str, order: str) -> float:
    if order == "minguo":
        text, order = convert_minguo(text), "ymd"
    text = text if text.isascii() else _with_slashes(text)
    if order == "iso":
        if not _ISO.fullmatch(text):
            raise ValueError(text)
        written = text.replace(",", ".").replace("UTC", "Z")
        written = (
            re.sub(r"\.(\d{6})\d+", r".\1", written).replace(" Z", "Z").replace(" +", "+").replace(" -", "-")
        )
        made = datetime.datetime.fromisoformat(written)
    elif order == "time":
        made = datetime.datetime(1970, 1, 1, *read_clock(_match_date(_TIME, text)))
    elif order in _NAMED:
        found = _match_date(_NAMED[order], text)
        parts = {"day": "1", **found.groupdict()}
        made = datetime.datetime(
            read_year(parts["year"]), read_month(parts["month"]), int(parts["day"]), *read_clock(found)
        )
    else:
        found = _match_date(_PARTED, text)
        parts = dict(zip(order, (found[1], found[3], found[4]), strict=True))
        short = len(parts["y"]) == 2 and order != "ymd"
        if found[2] == "." and short and not (len(parts["d"]) == len(parts["m"]) == 2):
            raise ValueError(text)  # such as the number of a version
        of_taiwan = order == "ymd" and _TAIWAN.match(text) is not None
        if len(parts["y"]) != 4 and not short and not of_taiwan:
            raise ValueError(text)
        made = datetime.datetime(read_year(parts["y"]), int(parts["m"]), int(parts["d"]), *read_clock(found))
    aware = made if made.tzinfo is not None else made.replace(tzinfo=datetime.UTC)
    return (aware - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).total_seconds()


def _match_date(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found


def read_year(digits: str) -> int:
    """Return a year, of two digits one of 1969 to 2068, of three one of Taiwan's calendar."""
    if len(digits) == 2:
        return int(digits) + (1900 if int(digits) > 68 else 2000)
    return int(digits) + MINGUO * (len(digits) == 3)


def convert_minguo(text: str) -> str:
    """Return a date of Taiwan's calendar such as 57/04/01 as 1968/04/01, one that names the calendar as it is."""
    found = _MINGUO.fullmatch(text)
    if found is None and not text.startswith("民國"):
        raise ValueError(text)
    return f"{int(found[1]) + MINGUO}{found[2]}" if found else text


def _with_slashes(text: str) -> str:
    """Return a date such as 2024年1月5日 as 2024/1/5, or as 2024/01 without a day; other text as it is."""
    if found := _ERA.fullmatch(text):
        return f"{int(found['year']) + MINGUO:04}{found['rest']}"
    found = _EAST.fullmatch(text)
    if found is None or (found["era"] is None and len(found["year"]) < 3):
        return text
    year = int(found["year"]) + MINGUO * (found["era"] is not None or len(found["year"]) == 3)
    if found["day"] is None:
        return f"{year:04}/{int(found['month']):02}{found['rest']}"
    return f"{year:04}/{found['month']}/{found['day']}{found['rest'] and ' ' + found['rest'].strip()}"


def read_month(name: str) -> int:
    """Return the number of a month from its name, the first three letters of it, "Sept" or its digits."""
    if name.isdigit():
        return int(name)
    low = name.lower()
    for k, known in enumerate(_MONTHS, 1):
        if low in (known, known[:3]) or (low == "sept" and k == 9):
            return k
    raise ValueError(name)


def read_clock(found: re.Match[str]) -> tuple[int, int, int]:
    """Return hour, minute and second; 0 of what is not written."""
    parts = found.groupdict()
    if parts.get("hour") is None:
        return 0, 0, 0
    hour, half = int(parts["hour"]), (parts["before"] or "") + (parts["half"] or "")
    if half:
        if not 1 <= hour <= 12 or (parts["before"] and parts["half"]):
            raise ValueError(found[0])
        hour = hour % 12 + 12 * (half[0] in "Pp下")
    return hour, int(parts["minute"]), int(parts["second"] or 0)


def cycle(seconds: Array, part: str) -> tuple[Array, Array]:
    """Return the sine and the cosine of a part of dates; 0 and 0 for missing dates."""
    angle, known = 2 * np.pi * turns(seconds, part), ~np.isnan(seconds)
    return np.asarray(np.sin(angle) * known), np.asarray(np.cos(angle) * known)


def turns(seconds: Array, part: str) -> Array:
    """Return which part of a cycle has passed at dates; at missing ones as in 1970."""
    there = np.where(np.isnan(seconds), 0.0, seconds)
    return CalendarPart(CYCLES[part]).compute(there[:, None])[:, 0]


def as_text(seconds: float) -> str:
    """Return a moment as ISO text, to the microsecond."""
    return str(np.datetime64(round(seconds * 1e6), "us"))
