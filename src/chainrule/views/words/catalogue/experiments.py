"""Words shared by all reports of the laboratory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import say
from .phrases import spoken

LABS = {
    "vanishing": say(
        "Vanishing gradients by depth, with four cures side by side.", "梯度隨深度消失，並列四種對策。"
    ),
    "without-backprop": say(
        "The same network with and without backpropagation: loss, seconds, passes, cosines.",
        "同一個網路，有無反向傳播：損失、秒數、次數、餘弦。",
    ),
    "universality": say(
        "The error of approximating a function as the network grows wider.",
        "網路越寬，逼近函數的誤差如何變小。",
    ),
    "optimizers": say(
        "Gradient descent and its variants on the same network.", "同一個網路上的梯度下降法與各種變形。"
    ),
    "regularization": say(
        "Overfitting on a small sample, with and without its remedies.",
        "小樣本上的過度擬合，以及有無對策的差別。",
    ),
    "features": say(
        "What each layer of a trained network responds to.", "訓練好的網路，每一層對什麼有反應。"
    ),
}
"""Every experiment, with a one-line description."""
FOUND = say("What was found", "發現")
HELD_FIXED = say("What was held fixed", "固定不變的條件")
LIMITS = say("What this does not show", "這個實驗沒有說明的事")
IN_NUMBERS = say("In numbers", "數值")
SETTINGS = say("Settings", "設定")
SECONDS = say("seconds", "秒")
FIGURES = say("figures", "圖")
"""The current activity at the end."""


def footnote(settings: Mapping[str, Any], seconds: float) -> str:
    """The settings in one line: seed 0, repeats 5, budget 1.0; 41.2 s"""
    said = say(
        ", ".join(f"{spoken(name)} {value}" for name, value in settings.items()),
        "、".join(f"{spoken(name)} {value}" for name, value in settings.items()),
    )
    return say(f"{said}; {seconds:.1f} s", f"{said}；用時 {seconds:.1f} 秒")


def of_seed(what: str, seed: int) -> str:
    """The current activity, and its seed."""
    return say(f"{what}, seed {seed}", f"{what}，亂數種子 {seed}")
