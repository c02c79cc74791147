"""What is said of an attribution."""

from __future__ import annotations

from chainrule.inspection.attribution.explained import Target
from chainrule.inspection.attribution.result import Attribution

NAMES = {
    "saliency": "顯著圖",
    "input_x_gradient": "輸入 × 梯度",
    "integrated_gradients": "積分梯度",
    "epsilon_lrp": "ε-LRP",
    "deep_lift": "DeepLIFT（重新縮放規則）",
    "occlusion": "遮擋",
}
"""The methods, by the name that code uses, as people write them."""
PROMISES = {
    "saliency": "顯著圖不保證總和：斜率說的是一個特徵能做什麼，不是它做了什麼",
    "input_x_gradient": (
        "輸入 × 梯度不保證總和：它把 f 當成直線；f 在基準與 x 之間是線性時才精確，例如沒有偏置的 ReLU 網路從 0 出發時"
    ),
    "integrated_gradients": "依微積分基本定理，積分梯度加起來等於 f(x) - f（基準）",
    "epsilon_lrp": "相關性、偏置的部分與 ε 的部分加起來等於 f(x)：每一層都不會增加或減少",
    "deep_lift": "貢獻加起來等於 f(x) - f（基準）：每條割線的終點就是激活值所在",
    "occlusion": "遮擋不保證總和：幾個特徵一起才有的作用，會在每個特徵各算一次；f 對它們是線性時才精確",
}
"""What each method promises of the values' sum."""
OF_PATCHES = "以區塊遮擋時不保證總和：區塊裡的每個像素都帶有整個區塊的作用"
"""The same of occlusion by patches."""


HEADS = ("特徵", "數值", "基準", "歸因")
FOR, AGAINST, ATTRIBUTION = "支持", "反對", "歸因"
SIGNS = "+ 支持，- 反對"
INPUT = "輸入"
PIXELS = "各個像素做了什麼：藍色支持，橙色反對"
VALUE_OF_PIXEL = "像素（%{y}, %{x}）<br>數值 %{z:.4g}"
PIXEL = "像素（%{y}, %{x}）<br>歸因 %{z:+.4g}"
"""What the pointer shows of a pixel: numbers as the figure's template has them."""
ADDS_UP = "加起來對嗎？"
CHECK_HEADS = ("換新權重到哪一層", "帶正負號", "絕對值")
NOTHING_TO_COMPARE = "沒有樣本有兩張可以比較的圖：至少要有兩個不同的特徵。"


ABSORBED = {"biases": "偏置", "epsilon": "ε"}
"""Where relevance goes beside the features."""
NOUNS = {"class": "類別", "label": "標籤", "output": "輸出"}


def target(found: Target) -> str:
    """Name what is attributed: class 3, class 3 against 5, not label 2."""
    against = "" if found.against is None else f"（相對於 {found.against}）"
    return f"{'非' if found.is_negated else ''}{NOUNS[found.what]} {found.label}{against}"


def feature(found: Attribution, k: int) -> str:
    """Name feature k: by its own name, by its place in the picture, or by its number."""
    if found.names is not None:
        return found.names[k]
    if found.shape is not None:
        return f"像素（{k // found.shape[1]}, {k % found.shape[1]}）"
    return f"特徵 {k}"


def promise(found: Attribution) -> str:
    """Say what the method promises that the values add up to, or that it promises nothing."""
    if found.method == "occlusion" and found.settings.get("patch") is not None:
        return OF_PATCHES
    return PROMISES[found.method]


def completeness(found: Attribution, row: int) -> str:
    """Say in one sentence what a sample's values add up to, and what the method promises."""
    said = promise(found)
    total, there = float(found.values[row].sum()), float(found.outputs[row])
    if found.method == "saliency":
        return f"f(x) = {there:.6g}。{said}。"
    if found.method == "epsilon_lrp":
        parts = "".join(f" + {float(v[row]):.6g}（{ABSORBED[name]}）" for name, v in found.absorbed.items())
        sums = f"{total:.6g}{parts}，而 f(x) = {there:.6g}".replace("+ -", "- ")
    else:
        change = there - float(found.baseline_outputs[row])
        sums = f"{total:.6g}，而 f(x) - f（基準）是 {change:.6g}"
    rest = f"相差 {float(found.error[row]):.1e}，相對誤差 {float(found.relative_error[row]):.1e}"
    ending = "" if found.is_complete else f"；{said}"
    return f"各個值加起來是 {sums}：{rest}{ending}。"


def others(count: int) -> str:
    """Format the number of other features."""
    return f"其他 {count:,} 個"


def each_pixel(target: str) -> str:
    """The title of a picture of contributions."""
    return f"每個像素對{target}的作用"


def each_feature(target: str) -> str:
    """The title of bars of contributions."""
    return f"每個特徵對{target}的作用"


def title(method: str, target: str, sample: int, of: int) -> str:
    """What was attributed to whom, and by which method: of which sample, where there are several."""
    return f"{target}的{NAMES[method]}" + (f"，第 {sample} 個樣本（共 {of:,} 個）" if of > 1 else "")


def question(target: str) -> str:
    """The heading of a page."""
    return f"為什麼是{target}？"


def subtitle(method: str, features: int, sample: int, of: int) -> str:
    """What a page shows, under its heading."""
    many = f"第 {sample} 個樣本（共 {of:,} 個）。" if of > 1 else ""
    return f"{many}{NAMES[method]}：{features:,} 個特徵各為輸出做了什麼。"


def largest(count: int) -> str:
    """The heading of a table of so many features."""
    return f"最大的 {count} 個"


def check_title(method: str) -> str:
    """What a re-initialization check compares."""
    return f"{NAMES[method]}的重新初始化檢查：與訓練好的網路所得的圖，等級相關是多少"


def verdict(signed: float, absolute: float, passes: bool, alike: float) -> str:
    """What a re-initialization check shows. alike: a rank correlation above which two maps are still alike."""
    found = f"所有層都換新之後，帶正負號的相關是 {signed:.2f}，絕對值的相關是 {absolute:.2f}"
    if passes:
        return f"{found}：圖取決於學到的內容。"
    return f"{found}，高於 {alike}：圖顯示的多半是輸入，而不是網路學到的內容。"
