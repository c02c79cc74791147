"""Words about what a fit notices of its table by itself."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule.views.words.en.phrases import several, spoken
from chainrule.views.words.facts import LEAST_NOTICED_SHIFT, NOTICED_COLUMNS

if TYPE_CHECKING:
    from chainrule.trust.notice import Notice

TITLE = "What the fit noticed"
NOTHING = "The fit noticed nothing about the table."
HEADS = ("noticed", "column", "with it", "without it", "what to pass")
KINDS = {
    "target": "knows the target",
    "row_number": "numbers the rows",
    "repeated": "equal rows",
    "groups": "rows belong together",
    "time": "in order of time",
    "order": "neighbors are alike",
}


def score(name: str, value: float) -> str:
    """A score with its name: R² 0.91."""
    return f"{spoken(name)} {value:.3f}"


def sentence(notice: Notice, to: str = "fit") -> str:
    """What was noticed, what it does to a score, and what to do. to: a "fit", the "command", or the studio's "form"."""
    names = several([repr(name) for name in notice.columns[:NOTICED_COLUMNS]])
    with_it, without = score(notice.score, notice.score_with), f"{notice.score_without:.3f}"
    advice = {"fit": to_pass, "command": options, "form": fields}[to](notice)
    if to != "form":
        advice = f"pass {advice}"
    if notice.what == "target":
        is_one = len(notice.columns) == 1
        they = "it" if is_one else "they"
        found = f"column {names} nearly gives" if is_one else f"columns {names} nearly give"
        found += " the target away"
        if notice.share < 1:
            have = "has" if is_one else "have"
            found += f" in the {100 * notice.share:.1f} % of the rows where {they} {have} a value"
        if is_one:
            found += f": alone it explains {100 * notice.figure:.1f} % of it"
            found += " there" * (notice.share < 1)
        return (
            f"{found}, and a small model has {with_it} with {_it(notice.columns)} and {without} without; if {they} "
            f"would not be known when predicting, {advice}."
        )
    if notice.what == "row_number":
        return (
            f"column {names} numbers the rows, which says nothing about other rows: a small model has {with_it} with "
            f"it and {without} without; to leave it out, {advice}."
        )
    if notice.what == "repeated":
        return (
            f"{100 * notice.figure:.0f} % of the rows have the same inputs as another row: a small model has {with_it} "
            f"on rows whose equals it was trained on, and {without} on others; if equal rows are of one person or "
            f"thing, {advice}."
        )
    if notice.what == "groups":
        return (
            f"rows with the same {names} are alike: a small model has {with_it} where it was trained on other rows of "
            f"the same {names}, and {without} where it was not; if it is to predict new ones, {advice}."
        )
    lead = (
        f"rows near each other in {names}"
        if names and notice.columns
        else "rows near each other in the table"
    )
    drift = ""
    if abs(notice.shift) >= LEAST_NOTICED_SHIFT:
        drift = f", and the target's mean moves by {notice.shift:+.1f} standard deviations from the first fifth to it"
    last = "the last fifth of the time" if notice.columns else "the last fifth of the rows"
    when = "if it is to predict what comes later" if notice.columns else "if they are in order of time"
    return (
        f"{lead} have similar targets: on {last} a small model has {with_it} if it was trained on some of it, and "
        f"{without} if only on what is before{drift}; {when}, {advice}."
    )


def _it(columns: Sequence[str]) -> str:
    return "it" if len(columns) == 1 else "them"


def to_pass(notice: Notice) -> str:
    """The arguments that make a fit heed what was noticed."""
    if notice.what in ("target", "row_number"):
        dropped = ", ".join(f"{name!r}: 'drop'" for name in notice.columns[:NOTICED_COLUMNS])
        return f"preprocess=TablePreprocessor(kinds={{{dropped}}})"
    if notice.what == "repeated":
        return "fit(groups=...) with what each row is of"
    if notice.what == "groups":
        return f"fit(groups={notice.columns[0]!r})"
    if notice.what == "time":
        return f"fit(time={notice.columns[0]!r})"
    return "fit(time=range(len(X))), or fit(groups=...) if neighbors are of one person or thing"


def options(notice: Notice) -> str:
    """The options of the command that do the same."""
    if notice.what in ("target", "row_number"):
        return f"--exclude-columns {shlex.quote(','.join(notice.columns))}"
    if notice.what == "repeated":
        return "--groups with the column of what each row is of"
    if notice.what in ("groups", "time"):
        return f"--{notice.what} {shlex.quote(notice.columns[0])}"
    return "--time with a column of times, or --groups if neighbors are of one person or thing"


def fields(notice: Notice) -> str:
    """The fields of the studio's form that do the same."""
    if notice.what in ("target", "row_number"):
        return f"leave {several([repr(name) for name in notice.columns])} out"
    if notice.what == "repeated":
        return "set Groups to the column of what each row is of"
    if notice.what in ("groups", "time"):
        return f"set {'Groups' if notice.what == 'groups' else 'Time'} to {notice.columns[0]!r}"
    return "set Time to a column of times, or Groups if neighbors are of one person or thing"
