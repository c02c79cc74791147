"""Sentences about attributions."""

from __future__ import annotations

from chainrule.inspection.attribution.explained import Target
from chainrule.inspection.attribution.result import Attribution

from . import say

NAMES = {
    "saliency": say("Saliency", "顯著圖"),
    "input_x_gradient": say("Input x gradient", "輸入 × 梯度"),
    "integrated_gradients": say("Integrated gradients", "積分梯度"),
    "epsilon_lrp": say("Epsilon-LRP", "ε-LRP"),
    "deep_lift": say("DeepLIFT (rescale rule)", "DeepLIFT（重新縮放規則）"),
    "occlusion": say("Occlusion", "遮擋"),
}
"""The methods' display names, by their names in code."""
PROMISES = {
    "saliency": say(
        "saliency guarantees no sum: a slope is the effect of a change, not a contribution",
        "顯著圖不保證總和：斜率說的是一個特徵能做什麼，不是它做了什麼",
    ),
    "input_x_gradient": (
        say(
            "input x gradient guarantees no sum: it treats f as linear; exact if f is linear between the "
            "baseline and x, like a ReLU network without biases from 0",
            "輸入 × 梯度不保證總和：它把 f 當成直線；f 在基準與 x 之間是線性時才精確，如無偏置的 ReLU 網路從 0 出發時",
        )
    ),
    "integrated_gradients": say(
        "integrated gradients add up to f(x) - f(baseline), by the fundamental theorem of calculus",
        "依微積分基本定理，積分梯度加起來等於 f(x) - f（基準）",
    ),
    "epsilon_lrp": (
        say(
            "relevances, with the shares of biases and epsilon, add up to f(x): every layer conserves relevance",
            "相關性、偏置的部分與 ε 的部分加起來等於 f(x)：每一層都不會增加或減少",
        )
    ),
    "deep_lift": say(
        "contributions add up to f(x) - f(baseline), because each chord ends at the activation's values",
        "貢獻加起來等於 f(x) - f（基準）：每條割線的終點就是激活值所在",
    ),
    "occlusion": (
        say(
            "occlusion guarantees no sum: a joint effect of features counts for each; exact if f is linear in "
            "them",
            "遮擋不保證總和：幾個特徵一起才有的作用，會在每個特徵各算一次；f 對它們是線性時才精確",
        )
    ),
}
"""The guaranteed sum of each method's values."""
OF_PATCHES = say(
    "occlusion with patches guarantees no sum: every pixel of a patch has the effect of the whole patch",
    "以區塊遮擋時不保證總和：區塊裡的每個像素都帶有整個區塊的作用",
)
"""The same for occlusion with patches."""


HEADS = say(("feature", "value", "baseline", "attribution"), ("特徵", "數值", "基準", "歸因"))
FOR, AGAINST, ATTRIBUTION = say(("for", "against", "attribution"), ("支持", "反對", "歸因"))
SIGNS = say("+ for, - against", "+ 支持，- 反對")
INPUT = say("the input", "輸入")
PIXELS = say("contribution of each pixel: blue for, orange against", "各個像素做了什麼：藍色支持，橙色反對")
VALUE_OF_PIXEL = say("pixel (%{y}, %{x})<br>value %{z:.4g}", "像素（%{y}, %{x}）<br>數值 %{z:.4g}")
PIXEL = say("pixel (%{y}, %{x})<br>attribution %{z:+.4g}", "像素（%{y}, %{x}）<br>歸因 %{z:+.4g}")
"""Hover text for a pixel, with the numbers of the figure's template."""
ADDS_UP = say("Does it add up?", "加起來對嗎？")
CHECK_HEADS = say(("new weights down to", "signed", "absolute"), ("換新權重到哪一層", "帶正負號", "絕對值"))
NOTHING_TO_COMPARE = say(
    "No sample has two maps to compare, because each needs at least two different features.",
    "沒有樣本有兩張可以比較的圖：至少要有兩個不同的特徵。",
)


ABSORBED = {"biases": say("biases", "偏置"), "epsilon": say("epsilon", "ε")}
"""Relevance absorbed besides the features."""
NOUNS = {"class": say("class", "類別"), "label": say("label", "標籤"), "output": say("output", "輸出")}


def target(found: Target) -> str:
    """Name the target: class 3, class 3 against 5, not label 2."""
    against = "" if found.against is None else say(f" against {found.against}", f"（相對於 {found.against}）")
    return say(
        f"{'not ' if found.is_negated else ''}{NOUNS[found.what]} {found.label}{against}",
        f"{'非' if found.is_negated else ''}{NOUNS[found.what]} {found.label}{against}",
    )


def feature(found: Attribution, k: int) -> str:
    """Name feature k: by name, by position in the picture, or by index."""
    if found.names is not None:
        return found.names[k]
    if found.shape is not None:
        return say(
            f"pixel ({k // found.shape[1]}, {k % found.shape[1]})",
            f"像素（{k // found.shape[1]}, {k % found.shape[1]}）",
        )
    return say(f"feature {k}", f"特徵 {k}")


def promise(found: Attribution) -> str:
    """Return the method's guaranteed sum of the values, or that there is none."""
    if found.method == "occlusion" and found.settings.get("patch") is not None:
        return OF_PATCHES
    return PROMISES[found.method]


def completeness(found: Attribution, row: int) -> str:
    """Return one sentence on a sample's sum of values and the method's guarantee."""
    said = promise(found)
    total, there = float(found.values[row].sum()), float(found.outputs[row])
    if found.method == "saliency":
        return say(f"f(x) = {there:.6g}. {said[0].upper()}{said[1:]}.", f"f(x) = {there:.6g}。{said}。")
    if found.method == "epsilon_lrp":
        parts = "".join(
            say(f" + {float(v[row]):.6g} ({ABSORBED[name]})", f" + {float(v[row]):.6g}（{ABSORBED[name]}）")
            for name, v in found.absorbed.items()
        )
        sums = say(
            f"{total:.6g}{parts}, of f(x) = {there:.6g}".replace("+ -", "- "),
            f"{total:.6g}{parts}，而 f(x) = {there:.6g}".replace("+ -", "- "),
        )
    else:
        change = there - float(found.baseline_outputs[row])
        sums = say(
            f"{total:.6g}, and f(x) - f(baseline) = {change:.6g}",
            f"{total:.6g}，而 f(x) - f（基準）是 {change:.6g}",
        )
    rest = say(
        f"off by {float(found.error[row]):.1e}, relative {float(found.relative_error[row]):.1e}",
        f"相差 {float(found.error[row]):.1e}，相對誤差 {float(found.relative_error[row]):.1e}",
    )
    ending = "" if found.is_complete else say(f"; {said}", f"；{said}")
    return say(f"The values add up to {sums}: {rest}{ending}.", f"各個值加起來是 {sums}：{rest}{ending}。")


def others(count: int) -> str:
    """Format the number of other features: 1 other, 2 others."""
    return say(f"{count:,} other{'s' * (count != 1)}", f"其他 {count:,} 個")


def each_pixel(target: str) -> str:
    """The title of a picture of contributions."""
    return say(f"Each pixel, for {target}", f"每個像素對{target}的作用")


def each_feature(target: str) -> str:
    """The title of bars of contributions."""
    return say(f"Each feature, for {target}", f"每個特徵對{target}的作用")


def title(method: str, target: str, sample: int, of: int) -> str:
    """The method, the target and, if there are several, the sample."""
    return say(
        f"{NAMES[method]} of {target}" + (f", sample {sample} of {of:,}" if of > 1 else ""),
        f"{target}的{NAMES[method]}" + (f"，第 {sample} 個樣本（共 {of:,} 個）" if of > 1 else ""),
    )


def question(target: str) -> str:
    """The heading of a page."""
    return say(f"Why {target}?", f"為什麼是{target}？")


def subtitle(method: str, features: int, sample: int, of: int) -> str:
    """The description of a page, under its heading."""
    many = say(f"Sample {sample} of {of:,}. ", f"第 {sample} 個樣本（共 {of:,} 個）。") if of > 1 else ""
    return say(
        f"{many}{NAMES[method]}: the contribution of each of {features:,} features to the output.",
        f"{many}{NAMES[method]}：{features:,} 個特徵各為輸出做了什麼。",
    )


def largest(count: int) -> str:
    """The heading of a table with this many features."""
    return say(f"The {count} largest", f"最大的 {count} 個")


def check_title(method: str) -> str:
    """The title of a re-initialization check."""
    return say(
        f"Re-initialization check of {NAMES[method]}: rank correlation with the trained network's map",
        f"{NAMES[method]}的重新初始化檢查：與訓練好的網路所得的圖，等級相關是多少",
    )


def verdict(signed: float, absolute: float, passes: bool, alike: float) -> str:
    """The conclusion of a re-initialization check. alike: the rank correlation above which two maps are similar."""
    found = say(
        f"With all layers re-initialized, {signed:.2f} signed and {absolute:.2f} absolute",
        f"所有層都換新之後，帶正負號的相關是 {signed:.2f}，絕對值的相關是 {absolute:.2f}",
    )
    if passes:
        return say(f"{found}: the maps depend on the trained parameters.", f"{found}：圖取決於學到的內容。")
    return say(
        f"{found}, above {alike}: the maps reflect the input more than the trained parameters.",
        f"{found}，高於 {alike}：圖顯示的多半是輸入，而不是網路學到的內容。",
    )
