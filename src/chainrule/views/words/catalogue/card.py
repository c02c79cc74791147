"""Words of a model card."""

from __future__ import annotations

from . import say
from .model import PARTS, parameters_of
from .phrases import counted

DATA, RESULTS, LIMITS, USE, MADE = say(
    ("Data", "Results", "Limits", "How to use it", "How it was made"),
    ("資料", "結果", "限制", "如何使用", "如何訓練"),
)
METRIC, VALUE = say(("metric", "value"), ("指標", "值"))
RANGE_HEADS = say(("column", "type", "missing", "values in training"), ("欄位", "類型", "缺值", "訓練時的值"))
LICENSE_MISSING = say(
    "No license is named yet: repeat the command with `--license`, such as `--license apache-2.0`.",
    "授權尚未註明：請以 `--license`（例如 `--license apache-2.0`）重新執行命令。",
)
UNUSED = say(
    "What the model is meant for, and what it must not be used for, is for its authors to add here.",
    "適合與不適合的用途，請由了解的人補充。",
)
IN_PYTHON, ELSEWHERE = say(
    ("In Python:", "At the command, over HTTP, and as C:"), ("在 Python 裡：", "以命令列、HTTP 或 C 使用：")
)
NOTICED = say("What its training noticed:", "訓練時注意到：")


def subtitle(task: str, networks: int, parameters: int, data: str) -> str:
    """What the model is."""
    what = (
        say("A fully connected network", "全連接神經網路")
        if networks == 1
        else say(
            f"An average of {networks:,} fully connected networks", f"{networks:,} 個全連接神經網路的平均"
        )
    )
    kinds = {
        "regression": say("numbers", "數值"),
        "survival": say("when an event comes", "事件發生的時間"),
        "multilabel": say("labels", "標籤"),
    }
    kind = kinds.get(task, say("classes", "類別"))
    return say(
        f"{what} of {parameters_of(parameters)}, which predicts {kind}. Trained on {data} with Chainrule.",
        f"{what}，共 {parameters:,} 個參數，用來預測{kind}。以 Chainrule 在 {data} 上訓練。",
    )


def data(inputs: int, is_table: bool) -> str:
    """What a row has."""
    return say(
        f"A row has {counted(inputs, 'column' if is_table else 'input')}.",
        f"每一列有 {inputs:,} 個{'欄位' if is_table else '輸入'}。",
    )


def labels(names: str, count: int) -> str:
    """The classes."""
    return say(f"It tells {count:,} classes apart: {names}.", f"它區分 {count:,} 個類別：{names}。")


def judged(part: str, samples: int) -> str:
    """On what the figures are."""
    return say(
        f"On {counted(samples, f'{PARTS.get(part, part)} sample')} that training has not seen.",
        f"以訓練時沒有看過的 {samples:,} 個{PARTS.get(part, part)}樣本評估。",
    )


BEYOND = say(
    "Outside of these values it has learned nothing; `chainrule check` compares later rows with them, and "
    "`chainrule predict` names the rows that look like nothing in training.",
    "這些值以外的情形，它沒有學過；`chainrule check` 會拿新的資料列與它們比較，`chainrule predict` "
    "會指出不像訓練資料的列。",
)
"""Why the ranges matter."""


ACCURACY_ENDS = say(
    "The figures hold for rows like those that judged it: from another time, place or group of people they may be "
    "worse.",
    "這些數字適用於與評估資料相似的列；換了時間、地點或人群，表現可能較差。",
)
"""What the figures do not say."""
