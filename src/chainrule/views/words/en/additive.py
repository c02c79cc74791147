"""Words about an additive model: a sum of what each column and each pair adds."""

from __future__ import annotations

from chainrule.views.words.en.phrases import counted

TITLE = "A model to read"
THE_MODEL = "The model"
IMPORTANCE, SIZE = "What the terms add", "mean size of what it adds"
INTERVAL, MISSING, OTHER = "95 % interval", "missing", "other"
INTERCEPT, TERM, CELL, ADDS, SUM = "intercept", "term", "cell", "adds", "sum"
ROW = "A row, added up"
EACH_LABEL = "each label"
ANSWERS = {"identity": "prediction", "log": "logarithm of the prediction", "softmax": "score"}


def adds(link: str, label: str) -> str:
    """The axis of what a term adds. label: the class that it is of, if there are classes."""
    if link == "log_odds":
        return f"adds to the log-odds of {label}"
    return f"adds to the {ANSWERS[link]}" + (f" of {label}" if label else "")


def about(curves: int, pairs: int) -> str:
    """What the model consists of."""
    both = f" and {counted(pairs, 'table')} of pairs" if pairs else ""
    return f"An intercept, {counted(curves, 'term')} of one column{both}: their sum is the decision."


def how(link: str, label: str, intercept: str) -> str:
    """How a prediction follows from the sum."""
    link_of = {
        "identity": "The sum is the prediction.",
        "log": "The prediction is e to the power of the sum.",
        "log_odds": f"The sum s is the log-odds of {label}, whose probability is 1 / (1 + e^-s).",
        "softmax": "There is a sum for each class; the probabilities are e to the power of each, over their total.",
    }[link]
    return (
        f"Begin with the intercept ({intercept}), find the row's cell in each figure, and add what it says. {link_of} "
        "Nothing else is in the model."
    )


HOW_TO_READ = (
    "The terms with the largest effects come first. Each is 0 on average over the training rows. A curve ends "
    "where the training rows end, and continues as a constant. The band, or the line, is the 95 % interval of a "
    "value: how much it differs between networks that were each trained on their own draw of the rows."
)
"""How the figures are read."""


def more(count: int) -> str:
    """How many terms have no figure."""
    return f"{counted(count, 'smaller term')} without a figure: terms() has them."


def at_cell(column: str) -> str:
    """What the pointer shows of a value of a curve, with the ends of its interval."""
    return f"{column} %{{x}}<br>adds %{{y:.4g}} (%{{customdata[0]:.4g}} to %{{customdata[1]:.4g}})"


AT_NAME = "%{customdata[2]}<br>adds %{y:.4g} (%{customdata[0]:.4g} to %{customdata[1]:.4g})"
"""What the pointer shows of a value of a named cell."""


def in_cell(first: str, second: str) -> str:
    """What the pointer shows of a cell of a pair."""
    return f"{first} %{{y}}<br>{second} %{{x}}<br>adds %{{z:.4g}} (%{{customdata[0]:.4g}} to %{{customdata[1]:.4g}})"


def row_adds_up(link: str, total: str, answer: str, label: str) -> str:
    """What the sum of a row becomes."""
    if link == "identity":
        return f"The sum, {total}, is the prediction."
    if link == "log":
        return f"e to the power of {total} is the prediction, {answer}."
    return f"A log-odds of {total} is a probability of {label} of {answer}."
