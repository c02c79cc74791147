"""Days that come again each year, on which the target is another: holidays as the data themselves show them.

A date has one number for them, the sum of the effects of all that it is; it is 0 on other days. They are of five kinds:

    day       a day of the year, such as December 25
    workday   the same from Monday to Friday
    weekday   a day of the week in seven days of the year: November 22 to 28 have the fourth Thursday of November
    easter    a number of days before or after Easter, of the years 1900 to 2099
    moon      a number of days before or after the lunar new year, of the same years

Of each day d with rows, with the mean target v_d of these (of several outputs, or classes, the sum of them by which
candidates differ most; of two rows a day and more, each in deviations from the mean of its category, so that it does
not matter which categories have rows on a day),

    r_d = v_d - effects of d - median of the same at d - 21, d - 14, d - 7, d + 7, d + 14 and d + 21 days

so that neither the season nor the weekday nor a trend is in it. With s, the robust deviation of all r_d, and with m, u
and n, the mean, the deviation and the number of the r_d of one candidate, each of another year,

    gain = |m| sqrt(n) / s        t = |m| sqrt(n) / max(u, s)        z = sum Phi^-1(share of smaller r_d) / sqrt(n)

The candidate with the largest gain, of those with t >= 2.5 (1 + 1 / (n - 1)), which holds if the years agree, and with
|z| >= 5 - 1 / (n - 1), which a target of few values or with far outliers does not reach by chance, gets the effect
m (1 - 1 / t^2), shrunk to 0 by what it is not sure of; then all r_d are computed again, and so on until no gain is 5.
So an ordinary day has no effect, whatever its target, and of a recurring day's effect a row's own target is 1 / n,
which the other years have confirmed. There are none in less than about two years.

RMSE of "fast" without and with it, the last quarter held out by time, mean of two seeds: Chicago's trains 2.61 and 1.21
(CatBoost 1.74; 1.46 with day of the year and nth weekday as categories), births of a day in the United States 1969 to
1988 638 and 558, 1994 to 2003 789 and 386, 2000 to 2014 784 and 345. On twelve other tables with dates of two years or
more, split by time and at random, it is 0.88 to 1.00 of that without, and the same bits where no day is found.

Sources: of Easter, the new moons and the longitude of the sun, Meeus, "Astronomical Algorithms" (1998), chapters 8, 49
and 25; of the rule of the lunar new year, Reingold and Dershowitz, "Calendrical Calculations" (2018), chapter 19.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from chainrule.core import codec
from chainrule.core.codec import from_to, one_of
from chainrule.graph.columns import DAY, CalendarPart
from chainrule.tables.statistics import Array

REACH = 63
"""The days before and after a feast that are looked at."""
YEARS = np.arange(1900.0, 2100.0)
"""The years whose feasts are known."""
NO_DAY = 1e9
"""in place of the feast of other years"""
DAYS, WEEK = 366, 7
FEASTS = ("easter", "moon")
PLACES = {"day": DAYS, "workday": DAYS, "weekday": WEEK * DAYS, **dict.fromkeys(FEASTS, 2 * REACH + 1)}
"""How many days there are of each kind. The place of one is its day of a leap year, from 0; of a weekday, Monday 0,
that of the first of the seven days, DAYS more for each day of the week; REACH for a feast itself."""
EPOCH, J2000, CENTURY = 2440587.5, 2451545.0, 36525.0
"""The Julian days of 1970 and of noon on January 1, 2000; the days of a century."""
MOON = (
    *((-0.40720, 0, 1, 0), (0.17241, 1, 0, 0), (0.01608, 0, 2, 0), (0.01039, 0, 0, 2), (0.00739, -1, 1, 0)),
    *((-0.00514, 1, 1, 0), (0.00208, 2, 0, 0), (-0.00111, 0, 1, -2), (-0.00057, 0, 1, 2)),
    *((0.00056, 1, 2, 0), (-0.00042, 0, 3, 0), (0.00042, 1, 0, 2), (0.00038, 1, 0, -2), (-0.00024, -1, 2, 0)),
)
"""The largest changes of a new moon in days, with the multiples of the anomalies of the sun and of the moon and of the
moon's argument of latitude in their sines: it is right to a minute."""
MONTHS = np.cumsum([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
"""The first day of each month of a leap year, and the end of the last one."""
FEWEST_DAYS, SHORTEST = 100, 700
"""The days that can be compared with others, and from the first to the last one."""
FEWEST_ROWS, FEWEST_OF_CATEGORY, LEAST_EXPLAINED = 2.0, 20, 0.05
"""The rows of a day from which their categories count; those of a category; the share of the variance of y."""
LEAST_GAIN, LEAST_T, LEAST_RANK = 5.0, 2.5, 5.0
PREFERRED = 1.06
"""times its gain has a day with a name: a day of the year, and the nth or the last weekday of a month"""
MOST = 100


@codec.as_list
class RecurringDay(NamedTuple):
    """A day that comes again each year, and its effect."""

    kind: Annotated[str, one_of(PLACES)]
    place: Annotated[int, from_to(0, WEEK * DAYS - 1)]
    effect: Annotated[float, from_to(-1e300, 1e300)]
    """in the units in which a preprocessor knows targets"""

    def requires(self) -> dict[str, bool]:
        """Return what must hold of it."""
        return {"a place of its kind": self.place < PLACES[self.kind]}

    @property
    def since_feast(self) -> int:
        """The days since the feast, of a place beside it."""
        return self.place - REACH

    @property
    def first(self) -> tuple[int, int]:
        """The month and day, from 1; of a weekday, those of the first of its seven days."""
        return month_and_day(self.place % DAYS)

    @property
    def last(self) -> tuple[int, int]:
        """The month and day of the last of its seven days."""
        return month_and_day((self.place + WEEK - 1) % DAYS)

    @property
    def weekday(self) -> int:
        """Its day of the week, Monday 0."""
        return self.place // DAYS

    @property
    def nth(self) -> int:
        """Which of the weekdays of a month it is: 1 to 4, -1 for the last one, 0 where its seven days are others."""
        return weekday_of_month(self.place % DAYS)


def month_and_day(place: int) -> tuple[int, int]:
    """Return month and day, from 1, of a day of a leap year, from 0."""
    month = int(np.searchsorted(MONTHS, place, side="right"))
    return month, place - int(MONTHS[month - 1]) + 1


def codes_of(seconds: Array) -> list[NDArray[np.int64]]:
    """Return codes of dates (n,): the day of the week times DAYS plus that of a leap year, and the place by each feast.

    A date that is in no place by a feast has -1. No date may be missing.
    """
    weekday, day, year, days = (
        CalendarPart(part).compute(seconds[:, None])[:, 0]
        for part in ("weekday_turn", "leap_day", "year", "days")
    )
    codes = [np.rint(weekday * (WEEK * DAYS) + day).astype(np.int64)]
    own = np.clip(year - YEARS[0], -1, len(YEARS)).astype(np.int64) + 1
    for dates in days_of_feasts():
        place = np.floor(days - np.concatenate([[NO_DAY], dates, [NO_DAY]])[own]) + REACH
        codes.append(np.where((place >= 0) & (place <= 2 * REACH), place, -1).astype(np.int64))
    return codes


@cache
def days_of_feasts() -> tuple[Array, ...]:
    """Return the days since 1970 of each of FEASTS in YEARS."""
    return easters(), lunar_new_years()


def easters() -> Array:
    """Return the Easter Sundays of YEARS by the Gregorian calendar, in days since 1970."""
    century, of_19 = YEARS // 100, YEARS % 19
    moon = (19 * of_19 + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (YEARS % 100 // 4) - moon - YEARS % 4) % 7
    since = moon + weekday - 7 * ((of_19 + 11 * moon + 22 * weekday) // 451)  # March 22
    first = np.array([f"{year:.0f}-03-22" for year in YEARS], "M8[D]")
    return np.asarray((first + since.astype(np.int64)).astype(np.float64))


def lunar_new_years() -> Array:
    """Return the days since 1970 on which the lunar years begin in YEARS, in China's time, before 1929 that of Beijing.

    A month begins on the day of a new moon. The eleventh one has the winter solstice; where thirteen begin from one to
    the next, the first in which the sun enters no twelfth of its circle is a leap month. The year begins two months
    behind the eleventh, not counting a leap month.
    """
    k = np.arange(-1252.0, 1262.0)  # new moons, from 1898 to 2101
    century = k / 1236.85
    later = (64 + 60 * century) / 86400  # days by which clocks of even time are ahead of the earth
    clock = np.where(k < -878, 116.39 / 360, 1 / 3) - later
    sun, moon, latitude = (
        np.radians(start + each * k + faster * century**2)
        for start, each, faster in (
            (2.5534, 29.1053567, 0.0),
            (201.5643, 385.81693528, 0.0107582),
            (160.7108, 390.67050284, -0.0016118),
        )
    )
    day = J2000 + 5.09766 + 29.530588861 * k + 0.00015437 * century**2
    for size, of_sun, of_moon, of_latitude in MOON:
        angle = of_sun * sun + of_moon * moon + of_latitude * latitude
        day = day + size * (1 - 0.002516 * century) ** abs(of_sun) * np.sin(angle)
    begins = np.floor(day + clock - EPOCH)
    century = (begins + EPOCH - clock - J2000) / CENTURY  # at midnight
    anomaly = np.radians(357.52911 + 35999.05029 * century)
    longitude = 280.46077 + 36000.76983 * century + 0.0003032 * century**2  # less the aberration
    longitude += (1.914602 - 0.004817 * century) * np.sin(anomaly) + 0.019993 * np.sin(2 * anomaly)
    twelfth = np.floor(longitude / 30)
    eleventh = np.searchsorted(twelfth, 12 * (np.append(YEARS, YEARS[-1] + 1) - 2000) + 9) - 1
    months, eleventh = np.diff(eleventh), eleventh[:-1]
    enters = np.diff(twelfth) > 0
    is_late = (months == 13) & ~(enters[eleventh + 1] & enters[eleventh + 2])
    return np.asarray(begins[eleventh + 2 + is_late])


def effects_by_code(days: Sequence[RecurringDay]) -> list[Array]:
    """Return the effect of each code, of each array of codes that `codes_of` returns."""
    by_day, by_feast = np.zeros((WEEK, DAYS)), {feast: np.zeros(PLACES[feast]) for feast in FEASTS}
    for kind, place, effect in days:
        if kind in by_feast:
            by_feast[kind][place] += effect
        elif kind == "weekday":
            by_day[place // DAYS, (place % DAYS + np.arange(WEEK)) % DAYS] += effect
        else:
            by_day[: 5 if kind == "workday" else WEEK, place] += effect
    return [by_day.ravel(), *by_feast.values()]


def effects(seconds: Array, days: Sequence[RecurringDay]) -> Array:
    """Return the sum of the effects of each date (n,); 0 of a missing one."""
    there = ~np.isnan(seconds)
    made = np.zeros(len(seconds))
    for codes, by_code in zip(codes_of(seconds[there]), effects_by_code(days), strict=True):
        made[there] += np.append(by_code, 0.0)[codes]
    return made


def find(
    seconds: Array,
    outputs: Iterable[Array],
    weights: Array | None = None,
    categories: Sequence[Array] = (),
) -> tuple[RecurringDay, ...]:
    """Return the recurring days of dates (n,), NaN for missing, on which the outputs (n,) of a target are others.

    weights: (n,), or None.  categories: the codes (n,) of columns of categories, NaN for missing.
    """
    there = ~np.isnan(seconds)
    days, of = np.unique(np.floor(seconds[there] / DAY), return_inverse=True)
    if days[-1] - days[0] < SHORTEST or len(days) < FEWEST_DAYS:
        return ()
    mass = np.ones(len(of)) if weights is None else weights[there]
    total = np.bincount(of, mass)
    among = [each[there] for each in categories] if len(of) >= FEWEST_ROWS * len(days) else []
    kept = (within_categories(each[there], among) for each in outputs)
    means = np.stack([np.bincount(of, mass * each) / total for each in kept], 1)
    around, codes = neighbors(days), codes_of(days * DAY)
    if means.shape[1] > 1:
        means = means @ direction_of(np.stack([each - usual(each, around) for each in means.T]), codes)
    mean = means[:, 0]
    found: dict[tuple[str, int], float] = {}
    for _ in range(MOST):
        left = mean - effects(days * DAY, recurring_days(found))
        best = strongest(left - usual(left, around), codes)
        if best is None:
            break
        found[best[:2]] = found.get(best[:2], 0.0) + best.effect
    return recurring_days(found)


def within_categories(y: Array, categories: Iterable[Array]) -> Array:
    """Return targets (n,) in deviations from the means of categories, those of the column that explains most of them.

    They stay as they are where no column explains LEAST_EXPLAINED. Categories of few rows are taken together.
    """
    most, made = LEAST_EXPLAINED * float(np.var(y)) * len(y), y
    for each in categories:
        code = np.where(np.isnan(each), 0, each + 1).astype(np.int64)
        code = np.where(np.bincount(code)[code] >= FEWEST_OF_CATEGORY, code + 1, 0)
        count = np.maximum(np.bincount(code), 1)
        mean = np.bincount(code, y) / count
        left = y - mean[code]
        explained = float(np.var(y) - np.var(left)) * len(y)
        if explained > most:
            deviation = np.sqrt(np.bincount(code, left**2) / count)
            most, made = explained, left / np.where(deviation > 0, deviation, np.inf)[code]
    return made


def direction_of(rest: Array, codes: Sequence[NDArray[np.int64]]) -> Array:
    """Return the sum of several outputs (outputs, 1) by which candidates differ most, by what is left of each."""
    there = np.isfinite(rest).all(0)
    x, codes = rest[:, there], [each[there] for each in codes]
    spread = np.array([robust_deviation(each) for each in x])
    x = x / np.where(spread > 0, spread, np.inf)[:, None]
    n = by_kind(np.ones(x.shape[1]), codes)
    gains = np.stack([by_kind(each, codes) for each in x], 1) / np.sqrt(np.maximum(n, 1))[:, None]
    sure = np.where((np.abs(gains) >= LEAST_GAIN) & (n >= 2)[:, None], gains, 0.0)
    largest = np.linalg.svd(sure, full_matrices=False)[2][0]
    made: Array = largest / np.where(spread > 0, spread, np.inf) * (-1.0 if largest[-1] < 0 else 1.0)
    return made[:, None]


def robust_deviation(x: Array) -> float:
    """Return the deviation from 0 of numbers, each counted as four deviations by their median at most."""
    middle = 1.4826 * float(np.median(np.abs(x))) if len(x) else 0.0
    return float(
        np.sqrt(np.sum(np.minimum(np.abs(x), 4 * middle if middle else np.inf) ** 2) / max(len(x), 1))
    )


def recurring_days(found: Mapping[tuple[str, int], float]) -> tuple[RecurringDay, ...]:
    """Return days by their effects, without those whose effects came to nothing."""
    return tuple(RecurringDay(*each, effect) for each, effect in found.items() if effect)


def neighbors(days: Array) -> NDArray[np.int64]:
    """Return the places of the days one to three weeks before and after each (days, 6); their number for none."""
    wanted = days[:, None] + WEEK * np.array([-3, -2, -1, 1, 2, 3])
    place = np.searchsorted(days, wanted)
    return np.where(np.append(days, np.nan)[place] == wanted, place, len(days))


def usual(values: Array, around: NDArray[np.int64]) -> Array:
    """Return the median of the values around each day; NaN where there are less than two."""
    beside = np.sort(np.append(values, np.nan)[around], axis=1)
    count = (around < len(values)).sum(1)
    rows, middle = np.arange(len(values)), np.maximum(count - 1, 0)
    median = (beside[rows, middle // 2] + beside[rows, np.minimum((middle + 1) // 2, 5)]) / 2
    return np.where(count >= 2, median, np.nan)


def strongest(rest: Array, codes: Sequence[NDArray[np.int64]]) -> RecurringDay | None:
    """Return the candidate with the largest gain and its effect, by what is left (days,); None where none is sure."""
    there = np.isfinite(rest)
    x, codes = rest[there], [each[there] for each in codes]
    if len(x) < FEWEST_DAYS:
        return None
    s = robust_deviation(x)
    if s == 0:
        return None
    ranks = ndtri((rankdata(x) - 0.5) / len(x))
    n, total, squares, by_rank = (by_kind(each, codes) for each in (np.ones(len(x)), x, x * x, ranks))
    some = np.maximum(n, 2)
    mean = total / some
    u = np.sqrt(np.maximum(squares / some - mean**2, 0.0) * some / (some - 1))
    gain = np.abs(mean) * np.sqrt(some)
    t = gain / np.maximum(u, s)
    z = by_rank * np.sign(total) / np.sqrt(some)
    is_sure = (t >= LEAST_T * (1 + 1 / (some - 1))) & (z >= LEAST_RANK - 1 / (some - 1))
    gain = np.where((n >= 2) & is_sure, gain / s, 0.0) * preference()
    best = int(np.argmax(gain))
    if gain[best] < LEAST_GAIN:
        return None
    ends = np.cumsum([0, *PLACES.values()])
    kind = int(np.searchsorted(ends, best, side="right")) - 1
    effect = float(mean[best] * (1 - 1 / t[best] ** 2))
    return RecurringDay(tuple(PLACES)[kind], best - int(ends[kind]), effect)


def by_kind(values: Array, codes: Sequence[NDArray[np.int64]]) -> Array:
    """Return the sums of values (days,) by place, for all kinds one after the other."""
    cells = np.bincount(codes[0], values, WEEK * DAYS).reshape(WEEK, DAYS)
    windows = sum(np.roll(cells, -k, axis=1) for k in range(WEEK))
    feasts = (
        np.bincount(place[place >= 0], values[place >= 0], PLACES[feast])
        for feast, place in zip(FEASTS, codes[1:], strict=True)
    )
    return np.concatenate([cells.sum(0), cells[:5].sum(0), np.ravel(windows), *feasts])


def weekday_of_month(first: int) -> int:
    """Return the nth weekdays of a month that seven days have, from one of a leap year: 1 to 4, -1 the last, else 0."""
    month, day = month_and_day(first)
    if day % WEEK == 1 and day < 4 * WEEK:
        return 1 + day // WEEK
    return -1 if first + WEEK == MONTHS[month] and month != 2 else 0


@cache
def preference() -> Array:
    """Return PREFERRED for each day with a name, 1 for others."""
    made = {kind: np.ones(count) for kind, count in PLACES.items()}
    made["day"][:] = PREFERRED
    named = [weekday_of_month(first) != 0 for first in range(DAYS)]
    made["weekday"][np.tile(named, WEEK)] = PREFERRED
    return np.concatenate(list(made.values()))
