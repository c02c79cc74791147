"""Words about how good a network of a table is: beside simpler models, for its worst class, and on other rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.views.words.en.phrases import percent, spoken
from chainrule.views.words.en.tables import MODELS

if TYPE_CHECKING:
    from chainrule.trust.notice import Notice

IN_SHORT, FOR_SPECIALISTS = "In short", "For specialists"
BY_COLUMN = "How each column changes the answer"
IS_BETTER = {
    "constant": "Always the same answer is better here",
    "linear": "The linear model is better here",
    "boosting": "Boosted trees are better here",
}


def verdict(code: str, model: str, metric: str, network: str, other: str) -> str:
    """How the network stands beside simpler models. model: the best of them.  metric: as it is spoken."""
    if code == "nothing":
        return (
            f"No model is clearly better than always the same answer ({metric} {network} and {other}): these columns "
            "say little about what is predicted."
        )
    if code == "best":
        return f"This network is the best of the four: {metric} {network}; next, {MODELS[model]}: {other}."
    if code == "close":
        return f"This network is about as good as the best of the four: {metric} {network}; {MODELS[model]}: {other}."
    if code == "labels":
        return (
            f"The probabilities of this network are better than the same ones for every row: {metric} {network}; "
            f"{always_the_same(other)}."
        )
    return f"{IS_BETTER[model]}: {metric} {other}; this network: {network}."


def always_the_same(figure: str) -> str:
    """A metric of the constant model, beside that of a network."""
    return f"{MODELS['constant']}: {figure}"


def poor_labels(accuracy: str, constant: str) -> str:
    """What is added where the likeliest class is right no more often than the same class for all rows."""
    return (
        f"But its labels are right no more often than always the same one: {spoken('accuracy')} {accuracy}; "
        f"{always_the_same(constant)}."
    )


LESS_IS_BETTER = "; less is better"
BETWEEN = " "
"""What is between two sentences."""


def may_be_chance(groups: int | None) -> str:
    """What is added where a difference between two models may be chance. groups: of the test rows; None without."""
    if groups is None:
        return "The test rows are too few to be sure of that."
    those = "one group, which is" if groups == 1 else f"{groups:,} groups, which are"
    return f"The test rows are of {those} too few to be sure of that."


TRY_BEST = "Use that model, or try --preset best, which averages the best of several networks."
"""What to try where a simpler model is better."""


def worst_class(label: str, found: int, rows: int) -> str:
    """The class of which a network recognizes the smallest share of the rows."""
    return f"Class {label!r} is recognized least: {found:,} of {rows:,} ({percent(found / rows)})."


def worst_part(low: str, high: str, there: str, overall: str) -> str:
    """The range of predictions with the largest errors."""
    return f"Errors are largest where predictions are {low} to {high}: RMSE {there}; of all rows {overall}."


def is_right(accuracy: str, constant: str) -> str:
    """How much more often the predicted class is right than the most frequent one."""
    return (
        f"The predicted class is right in {accuracy} of cases; always the most frequent class, in {constant}."
    )


def smaller_errors(metric: str, network: str, constant: str, share: str) -> str:
    """How much smaller the error of a network is than that of one number for every row."""
    return f"Errors are {share} smaller than with the same answer for every row: {metric} {network} and {constant}."


def no_better(metric: str, network: str, constant: str) -> str:
    """What is said of a network that one answer for every row equals."""
    return f"The same answer for every row is no worse than this network: {metric} {constant} and {network}."


def reaches(name: str, figure: str) -> str:
    """A metric of a network that nothing is compared with."""
    return f"The {name} is {figure}."


def judged_by(metric: str) -> str:
    """The title of the models in order of the metric that judges them."""
    return f"Judged by {metric}"


JUDGED = "The same rows judge all models, by this number alone: less is better."
BESIDE_CONSTANT = "beside always the same"


def others(count: int) -> str:
    """What opens the rest of a table."""
    return f"{count:,} more"


def on_other_rows(notice: Notice) -> str:
    """What a small model's score is of, without what makes scores too good."""
    names = ", ".join(map(repr, notice.columns))
    where = {
        "repeated": "on rows without an equal in training",
        "groups": f"for a new {names}",
        "time": "on later rows",
        "order": "on the last rows",
    }
    without = f"without {names}{' on the rows with a value' * (notice.share < 1)}"
    return f"{spoken(notice.score)} of a small model {where.get(notice.what, without)}"


def otherwise(notice: Notice, figure: str) -> str:
    """The score with what makes it too good, beside the other."""
    return f"{'with it' if notice.what in ('target', 'row_number') else 'on rows drawn at random'}: {figure}"


def too_good(score: str, without: str, otherwise: str) -> str:
    """What is said first where the fit noticed what makes scores too good. score: what they are of."""
    return f"The scores may be too good: {score} is {without}; {otherwise}."
