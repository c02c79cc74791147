"""Numbers, lists and names in English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule.views.words.facts import percent as percent

if TYPE_CHECKING:
    from chainrule.tables.recurring import RecurringDay

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December"),
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FEASTS = {"easter": "Easter", "moon": "the lunar new year"}
YES, NO, NONE, NOTHING = "yes", "no", "none", "-"
UNDEFINED = "undefined"
ACRONYMS = {"f1": "F1", "auc": "AUC", "mse": "MSE", "rmse": "RMSE", "mae": "MAE", "r2": "R²", "d2": "D²"}


def several(names: Sequence[str]) -> str:
    """a, b and c"""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else NONE


def first_listed(shown: int, count: int) -> str:
    """How many rows of a list a table has, where these are not all."""
    return f"The first {shown:,} are listed." if shown < count else ""


def more(count: int) -> str:
    """At the end of a list that is cut: so many others."""
    return f"{count:,} more"


def counted(count: int, noun: str) -> str:
    """1 epoch, 2 epochs"""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def spoken(name: str) -> str:
    """The display name of a setting, a metric or a column: learning_rate is learning rate, rmse is RMSE."""
    return ACRONYMS.get(name, name.replace("_", " "))


def logarithmic(name: str) -> str:
    """The name of a logarithmic axis."""
    return f"{name} (logarithmic)"


def duration(seconds: float) -> str:
    """4.1 s, or 3 min 12 s."""
    return f"{seconds:.1f} s" if seconds < 100 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def samples(count: int) -> str:
    """1 sample, 1,000 samples"""
    return counted(count, "sample")


def neurons(count: int) -> str:
    """8 neurons"""
    return f"{count} neurons"


def output(k: int) -> str:
    """The name of one of several outputs."""
    return f"output {k}"


def between(low: str, high: str) -> str:
    """0.21 to 0.34"""
    return f"{low} to {high}"


def recurring_day(day: RecurringDay) -> str:
    """December 25, 4th Thursday of November, 2 days before Easter"""
    if day.kind in _FEASTS:
        name, since = _FEASTS[day.kind], day.since_feast
        return f"{counted(abs(since), 'day')} {'before' if since < 0 else 'after'} {name}" if since else name
    first, last = (f"{_MONTHS[month - 1]} {of_month}" for month, of_month in (day.first, day.last))
    if day.kind == "weekday":
        name = _WEEKDAYS[day.weekday]
        nth = {-1: "last", 1: "1st", 2: "2nd", 3: "3rd", 4: "4th"}.get(day.nth)
        return f"{nth} {name} of {_MONTHS[day.first[0] - 1]}" if nth else f"{name} from {first} to {last}"
    return first + " on a weekday" * (day.kind == "workday")
