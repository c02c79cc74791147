"""Words about tables: their columns, and runs on them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from chainrule.views.words.en.phrases import counted, spoken

HEADS = ("column", "taken for", "because", "missing", "categories", "becomes")
KINDS = {
    "number": "number",
    "boolean": "boolean",
    "category": "category",
    "date": "date",
    "duration": "duration",
}
WHYS = {
    "numbers": "its values are numbers",
    "text_numbers": "its text reads as numbers",
    "booleans": "its values are true or false",
    "texts": "its values are text",
    "dates": "its values are dates",
    "text_dates": "its text reads as dates or times",
    "durations": "its values are durations",
    "asked": "it was asked for",
    "declared": "its type is of categories",
    "code_texts": "its text is of whole numbers that come again",
    "mostly_numbers": "its text reads as numbers but for some words",
    "all_missing": "every value is missing",
    "constant": "every value is the same",
    "near_constant": "nearly every value is the same",
    "every_value_differs": "no text occurs twice",
    "identifier": "it numbers the rows",
}


def decided(code: str, facts: Mapping[str, object], said: str) -> str:
    """What a read of a table decided, see `chainrule.errors.TableWarning`. said: the sentence of the warning."""
    return said.replace("pass TablePreprocessor", "fit in Python, with TablePreprocessor")


def became(outcome: str, outputs: int, size: int, merged: int, days: Sequence[str] = ()) -> str:
    """What became of a column. days: the names of the recurring days, those that were found first at the beginning."""
    recurring = (
        f", {counted(len(days), 'recurring day')} ({', '.join([*days[:3], *['…'] * (len(days) > 3)])})"
    )
    said = {
        "scaled": f"{counted(outputs, 'number')}",
        "parts": f"{counted(outputs, 'number')}: days, year, cycles{recurring * bool(days)}",
        "binary": "1 number: -1 or 1",
        "one_hot": f"{counted(outputs, 'number')}: one-hot",
        "embedded": f"an embedding of {counted(size, 'number')}",
        "indicator": "1 number: whether it is missing",
        "dropped": "dropped",
    }[outcome]
    return said + (
        f", {counted(merged, 'rare category').replace('categorys', 'categories')} as one" if merged else ""
    )


def missing(share: str, infinite: int, marks: Sequence[str]) -> str:
    """The share of missing values, how many of these were infinite, and the numbers that stand for others."""
    more = [*([f"{infinite:,} infinite"] if infinite else []), *(f"{mark} for missing" for mark in marks)]
    return f"{share} ({', '.join(more)})" if more else share


def totals(columns: int, dropped: int, outputs: int) -> str:
    """The sums of a table in one sentence."""
    left = f", {dropped:,} of them dropped" if dropped else ""
    return f"{counted(columns, 'column')}{left}; {counted(outputs, 'input')} for a network."


COMPARISON, SECONDS = "Compared", "seconds"
MODELS = {
    "network": "this network",
    "constant": "always the same",
    "linear": "linear model",
    "boosting": "boosted trees",
}
REASONS = {
    "asked": ", as the loss asks",
    "few_whole_numbers": "; with --loss mean_squared_error a number",
}
"""What is added where the task could be another."""
MODELS_HEAD = "model"
COLUMNS = "The columns"
CALIBRATION, CALIBRATED = "Are the probabilities right?", "as predicted"
PREDICTED_SHARE, OBSERVED_SHARE = "predicted probability", "share that came true"
INTERVALS = "Intervals"
INSIDE, OUTSIDE = "inside", "outside"
RESIDUALS, RESIDUAL = "Errors by prediction", "predicted - true"
PREDICTED = "predicted"
ROW, TRUE, ERROR, PROBABILITY = "row", "true", "error", "probability"


def more(columns: int) -> str:
    """How many columns are not shown."""
    return f"... and {counted(columns, 'column')} more; chainrule info lists all of a run's."


def like_identifiers(names: Sequence[str]) -> str:
    """What is said of columns in which no two rows have the same whole number."""
    told = "has" if len(names) == 1 else "have"
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    option = ",".join(f'"{name}"' if "," in name else name for name in names[:5])
    return (
        f"{shown} {told} a different whole number in every row. A number that only tells rows apart, as an identifier "
        f"does, says nothing of others: exclude it with --exclude-columns {shlex.quote(option)}"
    )


def predicts(target: str, task: str) -> str:
    """The column to predict, and what it has."""
    return f"predicts {target}: {task}"


def numbers(why: str) -> str:
    """What is predicted where the targets are numbers."""
    return f"a number (regression){REASONS.get(why, '')}"


def classes(why: str, labels: Sequence[str]) -> str:
    """What is predicted where the targets are classes."""
    shown = ", ".join(labels[:5]) + (", ..." if len(labels) > 5 else "")
    return f"one of {len(labels)} classes (classification): {shown}{REASONS.get(why, '')}"


def left_out(rows: int) -> str:
    """What becomes of the rows without a target."""
    return f"{counted(rows, 'row')} without a target {'is' if rows == 1 else 'are'} left out"


def held_out_by(names: Mapping[str, str], gap: float | str) -> str:
    """How the rows to test on were chosen, where rows are tied. names: the columns of the groups and of the time."""
    apart = f", at least {gap} apart" if gap else ""
    later = f"come later by {names['time']!r}{apart}" if "time" in names else ""
    other = f"have other values of {names['groups']!r}" if "groups" in names else ""
    how = " and ".join(part for part in (other, later) if part)
    return f"The rows to test and to validate on {how} than those trained on."


def same_rows(rows: int) -> str:
    """What the simpler models learned from."""
    return f": scikit-learn's models, from {rows:,} rows of the same inputs"


def compared(rows: int, groups: int | None) -> str:
    """What the table of models shows. groups: of the test rows; None where each row counts by itself."""
    of_groups = ""
    if groups is not None:
        of_groups = (
            f" Whether a difference may be chance is judged by the means of {counted(groups, 'group')}, because "
            "rows of a group resemble each other."
        )
    return (
        f"The same rows judge all of them. Always the same: the mean, or the share of each class. Linear model: ridge "
        f"or logistic regression. Boosted trees: histogram gradient boosting. All three are scikit-learn's as they "
        f"come, and learned from {counted(rows, 'row')}.{of_groups}"
    )


def calibration(
    label: str | None, rows: int, bins: int, confidence: int, outside: int, error: str, chance: str
) -> str:
    """What the points of calibration show. label: the positive class; None for the predicted one."""
    of = "the class that was predicted" if label is None else f"class {label}"
    if bins == 1:
        line = "does not contain" if outside else "contains"
        return (
            f"The point is all {counted(rows, 'row')}, which are too few for several points: the mean probability of "
            f"{of}, and how often it came true, with its {confidence} % interval, which {line} the line on which both "
            f"are equal. They are {error} apart; with right probabilities it would be about {chance} by chance."
        )
    parts = f"one of {bins} equal parts of {rows:,} rows"
    off = "The intervals of all points contain the line."
    if outside:
        off = f"The intervals of {outside} of {counted(bins, 'point')} do not contain the line."
    return (
        f"Each point is {parts}, by the probability of {of}, with its {confidence} % interval. On the line they come "
        f"true as often as they were predicted. {off} The mean distance (ECE) is {error}; with right probabilities it "
        f"would be about {chance} by chance."
    )


def point(count: str, low: str, high: str) -> str:
    """What the pointer shows of a point of calibration: numbers as the figure's template has them."""
    return f"predicted %{{x:.1%}}<br>came true %{{y:.1%}} ({low} to {high})<br>{count} rows"


RESIDUAL_POINT = "predicted %{x:.5g}<br>off by %{y:+.5g}"
"""What the pointer shows of an error."""


def interval(low: str, high: str) -> str:
    """What the pointer shows of an interval."""
    return f"predicted %{{x:.5g}}<br>true %{{y:.5g}}<br>interval {low} to {high}"


def intervals(asked: float, share: str, rows: int, width: str) -> str:
    """How many of the judged rows are in intervals that are to contain a share of rows."""
    return (
        f"Intervals made to contain {100 * asked:.0f} % of new rows contain {share} of these {rows:,}. On average they "
        f"are {width} wide; where errors were large on the rows held out of the training, they are wider."
    )


def worst_rows(shown: int, columns: int) -> str:
    """What the table of the worst rows shows."""
    which = "all columns" if shown == columns else f"the {counted(shown, 'column')} that matter most"
    return (
        f"Rows of the table, counted from 0 as predict and explain count them, with their cells of {which}."
    )


def decision(at: str, by: str | None, interval: str, confidence: int) -> str:
    """By which threshold labels are chosen. by: the score that chose it; None where it was given."""
    if by is None:
        return f"Threshold {at}, as given."
    if by == "cost":
        return f"Threshold {at}, at which both classes have the same expected cost."
    return f"Threshold {at} ({confidence} % interval {interval}), which has the highest {spoken(by)}."


def decision_by_costs(classes: int) -> str:
    """By which costs labels are chosen."""
    return f"Of {classes} classes the one with the least expected cost is chosen."


def expected(by: str, score: str, interval: str, confidence: int, rows: int, positives: int) -> str:
    """What score, or cost of a row, a decision is expected to have. positives: rows of the class; 0 for none to say."""
    what = "cost of a row" if by == "cost" else spoken(by)
    of = f", {positives:,} of them positive" if positives else ""
    return f"Expected {what}: {score} ({confidence} % interval {interval}), by {counted(rows, 'row')} held out{of}."


DECIDED, BY_LIKELIEST = "Which label is predicted", "likeliest class"
THRESHOLD, CHOSEN, HALF = "threshold", "chosen", "0.5"
TRUE_AND_PREDICTED = "true → predicted"


def over_thresholds(by: str) -> str:
    """The title of a score, or of costs, over the thresholds."""
    return "Mean cost of a row by threshold" if by == "cost" else f"{spoken(by)} by threshold"


def valued(by: str) -> str:
    """The axis of a score or of costs."""
    return "mean cost of a row" if by == "cost" else spoken(by)


def at_threshold(at: str) -> str:
    """The column of a threshold's counts."""
    return f"at {at}"


def on_judged_rows(by: str, value: str, other: str, rows: int) -> str:
    """What a decision reaches on the rows that judge a run, and the likeliest class."""
    return f"On the {counted(rows, 'row')} of the test: {valued(by)} {value}; of the likeliest class {other}."


THRESHOLD_CURVE = (
    "The line is of the test rows; the threshold was chosen on other rows, which were held out of the training. "
    "The shaded band is the interval of the best threshold: the wider it is, the less it matters which is taken."
)
"""What the curve of thresholds shows."""


COMPARED_BY_LIKELIEST = "All models, this network too, are compared by the likeliest class."
"""By which labels the models beside a network with a threshold are compared."""


def threshold_point(by: str) -> str:
    """What the pointer shows of a threshold."""
    return f"threshold %{{x:.3f}}<br>{valued(by)} %{{y:.4g}}"
