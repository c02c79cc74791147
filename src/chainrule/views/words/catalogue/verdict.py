"""Words about how good a network of a table is: beside simpler models, for its worst class, and on other rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.views.words.facts import set_off

from . import say
from .phrases import percent, spoken
from .tables import MODELS

if TYPE_CHECKING:
    from chainrule.trust.notice import Notice

IN_SHORT, FOR_SPECIALISTS = say(("In short", "For specialists"), ("重點", "給專業人員的細節"))
BY_COLUMN = say("How each column changes the answer", "各欄位如何改變答案")
IS_BETTER = {
    "constant": say("Always the same answer is better here", "永遠給相同的答案反而比較好"),
    "linear": say("The linear model is better here", "這份資料上線性模型比較好"),
    "boosting": say("Boosted trees are better here", "這份資料上梯度提升樹比較好"),
}


def verdict(code: str, model: str, metric: str, network: str, other: str) -> str:
    """How the network stands beside simpler models. model: the best of them.  metric: as it is spoken."""
    if model == "kaplan_meier":
        same = code == "nothing"
        return say(
            f"This network is {'not clearly ' * same}better than the same curve for all (Kaplan-Meier): {metric} "
            f"{network} and {other}{': these columns say little about when the event comes' * same}.",
            f"這個網路{'沒有明顯' * same}勝過所有列共用一條曲線（Kaplan-Meier）：{metric} 為 {network} 與 {other}"
            f"{'：這些欄位幾乎無法說明事件何時發生' * same}。",
        )
    if code == "nothing":
        return say(
            f"No model is clearly better than always the same answer ({metric} {network} and {other}): these columns "
            "say little about what is predicted.",
            f"沒有模型明顯勝過永遠相同的答案（{metric} {network} 與 {other}）：這些欄位幾乎無法說明要預測的目標。",
        )
    if code == "best":
        return say(
            f"This network is the best of the four: {metric} {network}; next, {MODELS[model]}: {other}.",
            f"這個網路是四者中最好的：{metric} {network}，{MODELS[model]}為 {other}。",
        )
    if code == "close":
        return say(
            f"This network is about as good as the best of the four: {metric} {network}; {MODELS[model]}: {other}.",
            f"這個網路與四者中最好的{MODELS[model]}差不多：{metric} {network} 與 {other}。",
        )
    if code == "labels":
        return say(
            f"The probabilities of this network are better than the same ones for every row: {metric} {network}; "
            f"{always_the_same(other)}.",
            f"這個網路給的機率比每列都給相同的機率好：{metric} {network}，{always_the_same(other)}。",
        )
    return say(
        f"{IS_BETTER[model]}: {metric} {other}; this network: {network}.",
        f"{IS_BETTER[model]}：{metric} {other}，這個網路為 {network}。",
    )


def always_the_same(figure: str, model: str = "constant") -> str:
    """A metric of the constant model, beside that of a network."""
    return say(f"{MODELS[model]}: {figure}", f"{MODELS[model]}為 {figure}")


def poor_labels(accuracy: str, constant: str) -> str:
    """What is added where the likeliest class is right no more often than the same class for all rows."""
    return say(
        f"But its labels are right no more often than always the same one: {spoken('accuracy')} {accuracy}; "
        f"{always_the_same(constant)}.",
        f"但它預測的標籤並不比永遠給同一個標籤更準：{spoken('accuracy')} {accuracy}，{always_the_same(constant)}。",
    )


LESS_IS_BETTER = say("; less is better", "，越小越好")
BETWEEN = say(" ", "")
"""What is between two sentences."""


def may_be_chance(groups: int | None) -> str:
    """What is added where a difference between two models may be chance. groups: of the test rows; None without."""
    if groups is None:
        return say("The test rows are too few to be sure of that.", "測試列太少，這個差距可能只是偶然。")
    those = "one group, which is" if groups == 1 else f"{groups:,} groups, which are"
    return say(
        f"The test rows are of {those} too few to be sure of that.",
        f"測試列只屬於 {groups:,} 個群組，太少了，這個差距可能只是偶然。",
    )


TRY_BEST = say(
    "Use that model, or try --preset best, which averages the best of several networks.",
    "可以改用該模型，或試試 --preset best，取數個最佳網路的平均。",
)
"""What to try where a simpler model is better."""


def worst_class(label: str, found: int, rows: int) -> str:
    """The class of which a network recognizes the smallest share of the rows."""
    return say(
        f"Class {label!r} is recognized least: {found:,} of {rows:,} ({percent(found / rows)}).",
        f"最認不出的類別是{set_off(label).rstrip()}：{rows:,} 個中認出 {found:,} 個（{percent(found / rows)}）。",
    )


def worst_part(low: str, high: str, there: str, overall: str) -> str:
    """The range of predictions with the largest errors."""
    return say(
        f"Errors are largest where predictions are {low} to {high}: RMSE {there}; of all rows {overall}.",
        f"預測值在 {low} 到 {high} 之間時誤差最大：RMSE 為 {there}，所有列則為 {overall}。",
    )


def is_right(accuracy: str, constant: str) -> str:
    """How much more often the predicted class is right than the most frequent one."""
    return say(
        f"The predicted class is right in {accuracy} of cases; always the most frequent class, in {constant}.",
        f"預測的類別有 {accuracy} 正確，永遠猜最常見的類別則有 {constant} 正確。",
    )


def smaller_errors(metric: str, network: str, constant: str, share: str) -> str:
    """How much smaller the error of a network is than that of one number for every row."""
    return say(
        f"Errors are {share} smaller than with the same answer for every row: {metric} {network} and {constant}.",
        f"誤差比每列都給相同的答案小 {share}：{metric} 為 {network} 與 {constant}。",
    )


def no_better(metric: str, network: str, constant: str) -> str:
    """What is said of a network that one answer for every row equals."""
    return say(
        f"The same answer for every row is no worse than this network: {metric} {constant} and {network}.",
        f"每列都給相同的答案並不比這個網路差：{metric} 為 {constant} 與 {network}。",
    )


def reaches(name: str, figure: str) -> str:
    """A metric of a network that nothing is compared with."""
    return say(f"The {name} is {figure}.", f"{set_off(name).strip()}為 {figure}。")


def judged_by(metric: str) -> str:
    """The title of the models in order of the metric that judges them."""
    return say(f"Judged by {metric}", f"以{set_off(metric).rstrip()}評比")


JUDGED = say(
    "The same rows judge all models, by this number alone: less is better.",
    "所有模型都在同樣的列上，只以這個數值評比：越小越好。",
)
BESIDE_CONSTANT = say("beside always the same", "與永遠相同的答案相比")


def others(count: int) -> str:
    """What opens the rest of a table."""
    return say(f"{count:,} more", f"其餘 {count:,} 列")


def on_other_rows(notice: Notice) -> str:
    """What a small model's score is of, without what makes scores too good."""
    names = say(", ".join(map(repr, notice.columns)), "、".join(map(repr, notice.columns)))
    where = {
        "repeated": say("on rows without an equal in training", "在訓練時沒看過相同列的資料上"),
        "groups": say(f"for a new {names}", f"對新的 {names} "),
        "time": say("on later rows", "在較晚的列上"),
        "order": say("on the last rows", "在最後的列上"),
    }
    without = say(
        f"without {names}{' on the rows with a value' * (notice.share < 1)}",
        f"{'在有值的列上' * (notice.share < 1)}沒有 {names} 時",
    )
    return say(
        f"{spoken(notice.score)} of a small model {where.get(notice.what, without)}",
        f"小型模型{where.get(notice.what, without)}的{set_off(spoken(notice.score)).rstrip()}",
    )


def otherwise(notice: Notice, figure: str) -> str:
    """The score with what makes it too good, beside the other."""
    return say(
        f"{'with it' if notice.what in ('target', 'row_number') else 'on rows drawn at random'}: {figure}",
        f"{'有它時' if notice.what in ('target', 'row_number') else '在隨機抽出的列上'}為 {figure}",
    )


def too_good(score: str, without: str, otherwise: str) -> str:
    """What is said first where the fit noticed what makes scores too good. score: what they are of."""
    return say(
        f"The scores may be too good: {score} is {without}; {otherwise}.",
        f"分數可能過於樂觀：{set_off(score).strip()} 為 {without}，{otherwise}。",
    )
