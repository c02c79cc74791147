"""Words of a model card."""

from __future__ import annotations

from chainrule.views.words.zh.model import PARTS

DATA, RESULTS, LIMITS, USE, MADE = "資料", "結果", "限制", "如何使用", "如何訓練"
METRIC, VALUE = "指標", "值"
RANGE_HEADS = ("欄位", "類型", "缺值", "訓練時的值")
LICENSE_MISSING = "授權尚未註明：請以 `--license`（例如 `--license apache-2.0`）重新執行命令。"
UNUSED = "適合與不適合的用途，請由了解的人補充。"
IN_PYTHON, ELSEWHERE = "在 Python 裡：", "以命令列、HTTP 或 C 使用："
NOTICED = "訓練時注意到："


def subtitle(task: str, networks: int, parameters: int, data: str) -> str:
    """What the model is."""
    what = "全連接神經網路" if networks == 1 else f"{networks:,} 個全連接神經網路的平均"
    kind = "數值" if task == "regression" else "標籤" if task == "multilabel" else "類別"
    return f"{what}，共 {parameters:,} 個參數，用來預測{kind}。以 Chainrule 在 {data} 上訓練。"


def data(inputs: int, is_table: bool) -> str:
    """What a row has."""
    return f"每一列有 {inputs:,} 個{'欄位' if is_table else '輸入'}。"


def labels(names: str, count: int) -> str:
    """The classes."""
    return f"它區分 {count:,} 個類別：{names}。"


def judged(part: str, samples: int) -> str:
    """On what the figures are."""
    return f"以訓練時沒有看過的 {samples:,} 個{PARTS.get(part, part)}樣本評估。"


BEYOND = (
    "這些值以外的情形，它沒有學過；`chainrule check` 會拿新的資料列與它們比較，`chainrule predict` "
    "會指出不像訓練資料的列。"
)


ACCURACY_ENDS = "這些數字適用於與評估資料相似的列；換了時間、地點或人群，表現可能較差。"
