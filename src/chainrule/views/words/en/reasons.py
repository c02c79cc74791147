"""Words about the columns that an answer comes from."""

from __future__ import annotations

from chainrule.views.words.en.phrases import counted, percent

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


def amount(output: str, value: float) -> str:
    """An answer as text."""
    return percent(value) if output == "probability" else f"{value:.6g}"


def change(output: str, value: float) -> str:
    """The size of a difference of answers as text: 12.3, or 4.1 points of a probability in percent."""
    return f"{100 * abs(value):.3g} points" if output == "probability" else f"{abs(value):.4g}"


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
    return f"The effects add up to the whole difference (off by {error:.0e})."


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
    unit = {"probability": ", in percentage points", "log_odds": ", in log-odds"}.get(output, "")
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
