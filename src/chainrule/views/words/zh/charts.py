"""The labels of figures about any model, and what all figures say alike."""

from __future__ import annotations

from chainrule.views.words.zh.phrases import spoken

TRAINING, VALIDATION = "訓練", "驗證"
EPOCH = "週期"
CONFUSION = "混淆矩陣"
PREDICTED, TRUE = "預測", "實際"
PREDICTED_AGAINST_TRUE = "預測與實際"
DIAGONAL = "預測 = 實際"
SAMPLES = "樣本"
LABELS = "找到、漏掉與誤報的標籤"
FOUND, MISSED, FALSE_ALARM = "找到", "漏掉", "誤報"
LABEL = "標籤"
POINT = "實際 %{x:.5g}<br>預測 %{y:.5g}"
"""What the pointer shows of a sample: numbers as the figure's template has them."""


def titled(name: str) -> str:
    """The name of a column as a title: 驗證損失."""
    plain = name.removeprefix("val_")
    return VALIDATION * (plain != name) + spoken(plain)


def at_epoch(label: str, name: str) -> str:
    """What the pointer shows of a learning curve. label: training or validation.  name: of the column."""
    return f"週期 %{{x}}<br>{label}{spoken(name)} %{{y:.4f}}"


def cell(true: str, predicted: str) -> str:
    """What the pointer shows of a cell of the confusion matrix."""
    said = f"實際 {true}，預測 {predicted}"
    return f"{said}<br>%{{customdata[0]}} 個樣本，占實際的 %{{customdata[1]:.2f}} %"


def label_count(name: str) -> str:
    """What the pointer shows of a label's bar. name: found, missed or false alarm."""
    return f"標籤 %{{x}}<br>{name} %{{y}} 次"


def ranged(name: str, middle: str, low: str, high: str) -> str:
    """What the pointer shows of a line with a band: its number, and from where to where the others reach."""
    return f"{name}<br>{middle}（{low} 到 {high}）"
