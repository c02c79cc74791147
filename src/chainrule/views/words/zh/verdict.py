"""Words about how good a network of a table is: beside simpler models, for its worst class, and on other rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.views.words.facts import set_off
from chainrule.views.words.zh.phrases import percent, spoken
from chainrule.views.words.zh.tables import MODELS

if TYPE_CHECKING:
    from chainrule.trust.notice import Notice

IN_SHORT, FOR_SPECIALISTS = "重點", "給專業人員的細節"
BY_COLUMN = "各欄位如何改變答案"
IS_BETTER = {
    "constant": "永遠給相同的答案反而比較好",
    "linear": "這份資料上線性模型比較好",
    "boosting": "這份資料上梯度提升樹比較好",
}


def verdict(code: str, model: str, metric: str, network: str, other: str) -> str:
    """How the network stands beside simpler models. model: the best of them.  metric: as it is spoken."""
    if code == "nothing":
        return f"沒有模型明顯勝過永遠相同的答案（{metric} {network} 與 {other}）：這些欄位幾乎無法說明要預測的目標。"
    if code == "best":
        return f"這個網路是四者中最好的：{metric} {network}，{MODELS[model]}為 {other}。"
    if code == "close":
        return f"這個網路與四者中最好的{MODELS[model]}差不多：{metric} {network} 與 {other}。"
    if code == "labels":
        return f"這個網路給的機率比每列都給相同的機率好：{metric} {network}，{always_the_same(other)}。"
    return f"{IS_BETTER[model]}：{metric} {other}，這個網路為 {network}。"


def always_the_same(figure: str) -> str:
    """A metric of the constant model, beside that of a network."""
    return f"{MODELS['constant']}為 {figure}"


def poor_labels(accuracy: str, constant: str) -> str:
    """What is added where the likeliest class is right no more often than the same class for all rows."""
    return f"但它預測的標籤並不比永遠給同一個標籤更準：{spoken('accuracy')} {accuracy}，{always_the_same(constant)}。"


LESS_IS_BETTER = "，越小越好"
BETWEEN = ""
"""What is between two sentences."""


def may_be_chance(groups: int | None) -> str:
    """What is added where a difference between two models may be chance. groups: of the test rows; None without."""
    few = "測試列太少" if groups is None else f"測試列只屬於 {groups:,} 個群組，太少了"
    return f"{few}，這個差距可能只是偶然。"


TRY_BEST = "可以改用該模型，或試試 --preset best，取數個最佳網路的平均。"


def worst_class(label: str, found: int, rows: int) -> str:
    """The class of which a network recognizes the smallest share of the rows."""
    return f"最認不出的類別是{set_off(label).rstrip()}：{rows:,} 個中認出 {found:,} 個（{percent(found / rows)}）。"


def worst_part(low: str, high: str, there: str, overall: str) -> str:
    """The range of predictions with the largest errors."""
    return f"預測值在 {low} 到 {high} 之間時誤差最大：RMSE 為 {there}，所有列則為 {overall}。"


def is_right(accuracy: str, constant: str) -> str:
    """How much more often the predicted class is right than the most frequent one."""
    return f"預測的類別有 {accuracy} 正確，永遠猜最常見的類別則有 {constant} 正確。"


def smaller_errors(metric: str, network: str, constant: str, share: str) -> str:
    """How much smaller the error of a network is than that of one number for every row."""
    return f"誤差比每列都給相同的答案小 {share}：{metric} 為 {network} 與 {constant}。"


def no_better(metric: str, network: str, constant: str) -> str:
    """What is said of a network that one answer for every row equals."""
    return f"每列都給相同的答案並不比這個網路差：{metric} 為 {constant} 與 {network}。"


def reaches(name: str, figure: str) -> str:
    """A metric of a network that nothing is compared with."""
    return f"{set_off(name).strip()}為 {figure}。"


def judged_by(metric: str) -> str:
    """The title of the models in order of the metric that judges them."""
    return f"以{set_off(metric).rstrip()}評比"


JUDGED = "所有模型都在同樣的列上，只以這個數值評比：越小越好。"
BESIDE_CONSTANT = "與永遠相同的答案相比"


def others(count: int) -> str:
    """What opens the rest of a table."""
    return f"其餘 {count:,} 列"


def on_other_rows(notice: Notice) -> str:
    """What a small model's score is of, without what makes scores too good."""
    names = "、".join(map(repr, notice.columns))
    where = {
        "repeated": "在訓練時沒看過相同列的資料上",
        "groups": f"對新的 {names} ",
        "time": "在較晚的列上",
        "order": "在最後的列上",
    }
    without = f"{'在有值的列上' * (notice.share < 1)}沒有 {names} 時"
    return f"小型模型{where.get(notice.what, without)}的{set_off(spoken(notice.score)).rstrip()}"


def otherwise(notice: Notice, figure: str) -> str:
    """The score with what makes it too good, beside the other."""
    return f"{'有它時' if notice.what in ('target', 'row_number') else '在隨機抽出的列上'}為 {figure}"


def too_good(score: str, without: str, otherwise: str) -> str:
    """What is said first where the fit noticed what makes scores too good. score: what they are of."""
    return f"分數可能過於樂觀：{set_off(score).strip()} 為 {without}，{otherwise}。"
