"""Words about an additive model: a sum of what each column and each pair adds."""

from __future__ import annotations

from . import say
from .phrases import counted

TITLE = say("A model to read", "可以讀懂的模型")
THE_MODEL = say("The model", "模型本身")
IMPORTANCE, SIZE = say(
    ("What the terms add", "mean size of what it adds"), ("各項加了多少", "所加數值的平均大小")
)
INTERVAL, MISSING, OTHER = say(("95 % interval", "missing", "other"), ("95 % 區間", "缺值", "其他"))
INTERCEPT, TERM, CELL, ADDS, SUM = say(
    ("intercept", "term", "cell", "adds", "sum"), ("截距", "項", "值", "加上", "總和")
)
ROW = say("A row, added up", "把一列加起來")
EACH_LABEL = say("each label", "每個標籤")
ANSWERS = {
    "identity": say("prediction", "預測值"),
    "log": say("logarithm of the prediction", "預測值的對數"),
    "softmax": say("score", "分數"),
}


def adds(link: str, label: str) -> str:
    """The axis of what a term adds. label: the class that it is of, if there are classes."""
    if link == "log_odds":
        return say(f"adds to the log-odds of {label}", f"對 {label} 的對數勝算加上")
    return say(
        f"adds to the {ANSWERS[link]}" + (f" of {label}" if label else ""),
        f"對{f' {label} 的' if label else ''}{ANSWERS[link]}加上",
    )


def about(curves: int, pairs: int) -> str:
    """What the model consists of."""
    both = say(f" and {counted(pairs, 'table')} of pairs", f"與 {pairs:,} 個兩欄的表格") if pairs else ""
    return say(
        f"An intercept, {counted(curves, 'term')} of one column{both}: their sum is the decision.",
        f"一個截距、{curves:,} 個單欄的項{both}，全部加起來就是結果。",
    )


def how(link: str, label: str, intercept: str) -> str:
    """How a prediction follows from the sum."""
    link_of = {
        "identity": say("The sum is the prediction.", "總和就是預測值。"),
        "log": say("The prediction is e to the power of the sum.", "e 的總和次方就是預測值。"),
        "log_odds": say(
            f"The sum s is the log-odds of {label}, whose probability is 1 / (1 + e^-s).",
            f"總和 s 是 {label} 的對數勝算，其機率為 1 / (1 + e^-s)。",
        ),
        "softmax": say(
            "There is a sum for each class; the probabilities are e to the power of each, over their total.",
            "每個類別各有一個總和；e 的各總和次方除以全部的合計，就是機率。",
        ),
    }[link]
    return say(
        f"Begin with the intercept ({intercept}), find the row's cell in each figure, and add what it says. {link_of} "
        "Nothing else is in the model.",
        f"從截距（{intercept}）開始，在每張圖上找到這一列的值，把圖上的數字加起來。{link_of}模型裡沒有別的東西。",
    )


HOW_TO_READ = say(
    "The terms with the largest effects come first. Each is 0 on average over the training rows. A curve ends "
    "where the training rows end, and continues as a constant. The band, or the line, is the 95 % interval of a "
    "value: how much it differs between networks that were each trained on their own draw of the rows.",
    "影響最大的項排在最前面。每一項在訓練資料上的平均都是 0。曲線只畫到訓練資料的範圍，範圍之外維持不變。"
    "色帶或線段是數值的 95 % 區間：各以自己抽出的資料訓練的網路之間相差多少。",
)
"""How the figures are read."""


def more(count: int) -> str:
    """How many terms have no figure."""
    return say(
        f"{counted(count, 'smaller term')} without a figure: terms() has them.",
        f"另有 {count:,} 個較小的項沒有圖，可由 terms() 取得。",
    )


def at_cell(column: str) -> str:
    """What the pointer shows of a value of a curve, with the ends of its interval."""
    return say(
        f"{column} %{{x}}<br>adds %{{y:.4g}} (%{{customdata[0]:.4g}} to %{{customdata[1]:.4g}})",
        f"{column} %{{x}}<br>加上 %{{y:.4g}}（%{{customdata[0]:.4g}} 到 %{{customdata[1]:.4g}}）",
    )


AT_NAME = say(
    "%{customdata[2]}<br>adds %{y:.4g} (%{customdata[0]:.4g} to %{customdata[1]:.4g})",
    "%{customdata[2]}<br>加上 %{y:.4g}（%{customdata[0]:.4g} 到 %{customdata[1]:.4g}）",
)
"""What the pointer shows of a value of a named cell."""


def in_cell(first: str, second: str) -> str:
    """What the pointer shows of a cell of a pair."""
    return say(
        f"{first} %{{y}}<br>{second} %{{x}}<br>adds %{{z:.4g}} (%{{customdata[0]:.4g}} to %{{customdata[1]:.4g}})",
        f"{first} %{{y}}<br>{second} %{{x}}<br>加上 %{{z:.4g}}（%{{customdata[0]:.4g}} 到 %{{customdata[1]:.4g}}）",
    )


def row_adds_up(link: str, total: str, answer: str, label: str) -> str:
    """What the sum of a row becomes."""
    if link == "identity":
        return say(f"The sum, {total}, is the prediction.", f"總和 {total} 就是預測值。")
    if link == "log":
        return say(
            f"e to the power of {total} is the prediction, {answer}.", f"e 的 {total} 次方是預測值 {answer}。"
        )
    return say(
        f"A log-odds of {total} is a probability of {label} of {answer}.",
        f"對數勝算 {total} 相當於 {label} 的機率 {answer}。",
    )
