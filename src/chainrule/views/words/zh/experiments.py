"""Words that all reports of the laboratory share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.views.words.zh.phrases import spoken

LABS = {
    "vanishing": "梯度隨深度消失，並列四種對策。",
    "without-backprop": "同一個網路，有無反向傳播：損失、秒數、次數、餘弦。",
    "universality": "網路越寬，逼近函數的誤差如何變小。",
    "optimizers": "同一個網路上的梯度下降法與各種變形。",
    "regularization": "小樣本上的過度擬合，以及有無對策的差別。",
    "features": "訓練好的網路，每一層對什麼有反應。",
}
FOUND = "發現"
HELD_FIXED = "固定不變的條件"
LIMITS = "這個實驗沒有說明的事"
IN_NUMBERS = "數值"
SETTINGS = "設定"
SECONDS = "秒"
FIGURES = "圖"


def footnote(settings: Mapping[str, Any], seconds: float) -> str:
    """The settings in one line."""
    said = "、".join(f"{spoken(name)} {value}" for name, value in settings.items())
    return f"{said}；用時 {seconds:.1f} 秒"


def of_seed(what: str, seed: int) -> str:
    """The current activity, and its seed."""
    return f"{what}，亂數種子 {seed}"
