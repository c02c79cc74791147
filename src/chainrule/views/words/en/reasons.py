"""Words about the columns that an answer comes from."""

from __future__ import annotations

from chainrule.views.words.en.phrases import counted
from chainrule.views.words.facts import amount as amount
from chainrule.views.words.facts import size_of

HEADS = ("column", "cell", "typical", "effect")
MISSING = "missing"
CELL = "cell: low to high"
RAISES, LOWERS = "raises", "lowers"


def subject(output: str, label: object, target: str | None) -> str:
    """What an answer is: price, output 1, the probability of yes, the log-odds that churn is yes."""
    if output == "number":
        name = target or "the answer"
        return name if label is None else f"{name}, output {label}"
    quantity = "the probability" if output == "probability" else "the log-odds"
    return f"{quantity} of {label}" if target is None else f"{quantity} that {target} is {label}"


def change(output: str, value: float, places: int | None) -> str:
    """The size of a difference of answers as text: 12.3, or 4.10 points of a probability in percent."""
    return size_of(output, value, places) + (" points" if output == "probability" else "")


def headline(subject: str, answer: str, base: str, typical: bool, rows: int) -> str:
    """The answer for a row, and that for what it is compared with."""
    first = subject[0].upper() + subject[1:] if subject.startswith("the ") else subject
    against = "for a typical row" if typical else f"on average over {counted(rows, 'reference row')}"
    return f"{first} is {answer}; {against} it is {base}. The difference comes from:"


def effect(column: str, cell: str, typical: str | None, change: str, raises: bool) -> str:
    """What a column does to an answer. typical: its cell in the typical row."""
    usual = "" if typical is None else f" (typical: {typical})"
    return f"{column} {cell}{usual} {RAISES if raises else LOWERS} it by {change}"


def no_effect(columns: int) -> str:
    """What is said where no column makes a difference."""
    return f"none of the {counted(columns, 'column')}: they are as in the typical row, or change nothing"


def others(count: int, change: str, raises: bool) -> str:
    """What the columns do that are not listed."""
    which = "1 other column" if count == 1 else f"{count:,} other columns together"
    verb = (RAISES if raises else LOWERS).removesuffix("" if count == 1 else "s")
    return f"{which} {verb} it by {change}"


def other_columns(count: int) -> str:
    """The name of the columns that are not listed."""
    return f"{count:,} other{'s' * (count != 1)}"


def adds_up(error: float) -> str:
    """What is said of the sum."""
    return "The effects add up to the whole difference" + (f" (off by {error:.0e})" if error else "") + "."


def of_row(subject: str, row: int, rows: int) -> str:
    """The title of bars of one row."""
    return f"Why: {subject}" + (f", row {row}" if rows > 1 else "")


def of_rows(subject: str) -> str:
    """The title of the points of all rows."""
    return f"What moves {subject}"


def depends(column: str) -> str:
    """The title of effects over cells."""
    return f"Effect of {column}"


def axis(output: str) -> str:
    """The axis of effects."""
    unit = {"probability": ", points", "log_odds": ", in log-odds"}.get(output, "")
    return f"effect on the answer{unit}"


def several_subjects(output: str) -> str:
    """What is explained where rows have different classes."""
    return (
        "the probability of the predicted class"
        if output == "probability"
        else "the log-odds of the predicted class"
    )


def point(column: str) -> str:
    """What the pointer shows of a row's point: texts and numbers as the figure's template has them."""
    return f"{column} %{{customdata[0]}}<br>effect %{{x:+.4g}}<br>row %{{customdata[1]}}"


def dependence_point(column: str) -> str:
    """What the pointer shows of a row's point over its cell."""
    return f"{column} %{{customdata[0]}}<br>effect %{{y:+.4g}}<br>row %{{customdata[1]}}"


LOSSES = {
    "rmse": "RMSE",
    "pinball": "pinball loss",
    "log_loss": "log loss",
}
"""What is measured, by its code."""
IMPORTANCE, IMPORTANCE_HEADS = "Which columns matter", ("column", "importance", "low", "high")
ICE, MEAN = "single rows", "mean over the rows"
PAIR_HEADS = ("column", "column", "joint effect")
JOINT = "Joint effects of two columns"


SLOPE_HEADS = ("column", "cell", "change")


def slopes(subject: str, answer: str) -> str:
    """The answer for a row, above its changes with each column."""
    first = subject[0].upper() + subject[1:] if subject.startswith("the ") else subject
    unit = ", in points" if answer.endswith("%") else ""
    change = "By one unit more of a column, or by the cell instead of the typical one, it changes"
    return f"{first} is {answer}. {change}{unit}:"


def instead(cell: str, typical: str) -> str:
    """A cell that is compared with the typical one."""
    return f"{cell}, not {typical}"


def a_day(change: str) -> str:
    """A change by one day."""
    return f"{change} a day"


def grows(loss: str, is_score: bool) -> str:
    """The axis of importances."""
    return f"fall of {loss}" if is_score else f"growth of the {LOSSES[loss]}"


def importance(
    loss: str, is_score: bool, base: str, rows: int, repeats: int, level: float, groups: int | None
) -> str:
    """What importances are. base: the loss or the score, as text.  groups: whose rows count as one; None without."""
    as_one = f", in which the rows of each of {counted(groups, 'group')} count as one" if groups else ""
    named, changes = (loss, "falls") if is_score else (f"the {LOSSES[loss]}", "grows")
    return (
        f"By how much {named} ({base} over {counted(rows, 'row')}) {changes} where the cells of one column are "
        f"shuffled, the mean of {counted(repeats, 'shuffle')}, with its {100 * level:g} % interval{as_one}. A column "
        "that says what another says too seems to matter less than it does."
    )


def curve(column: str) -> str:
    """The title of a curve."""
    return f"The answer as {column} changes"


def answer_axis(output: str) -> str:
    """The axis of answers."""
    return {"probability": "probability", "log_odds": "log-odds"}.get(output, "answer")


def middle(share: float) -> str:
    """The name of the range of a column's middle."""
    return f"middle {100 * share:g} % of the rows"


def pair(output: str) -> str:
    """What a cell of joint effects is."""
    return axis(output).replace("effect on the answer", "mean joint effect")


def most_important(shown: int, shuffled: int, columns: int) -> str:
    """How many of the columns are shown, of those that were shuffled; nothing where these are all."""
    if shuffled < columns:
        first = "The" if shown == shuffled else f"The {shown} most important of the"
        return f"{first} {counted(shuffled, 'column')} with the largest effects, of {columns:,}."
    return f"The {shown} most important of {columns:,} columns." if shown < columns else ""


def points(rows: int) -> str:
    """What the points of all rows are."""
    return (
        f"Each point is one of {counted(rows, 'row')} that the network was not trained on: how much its cell raises or "
        "lowers the answer, compared with a typical row."
    )
