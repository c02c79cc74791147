"""The sentences of the experiment `without_backprop`, built from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.network.network import Network
from chainrule.views.words.facts import Found, MethodResults, best_forward, chance

from . import say
from .phrases import several

TITLE = say("With and without backpropagation", "有無反向傳播")
QUESTION = say(
    "What does the same network learn from the same data in the same number of passes without "
    "backpropagating errors?",
    "同一個網路、同樣的資料、同樣的計算次數，不把誤差往回傳，能學到多少？",
)
METHODS = {
    "backpropagation": say("backpropagation", "反向傳播"),
    "central_differences": say("central differences", "中央差分"),
    "forward_differences": say("forward differences", "前向差分"),
    "forward_gradient": say("forward gradient", "前向梯度"),
    "spsa": "SPSA",
    "openai_es": "OpenAI-ES",
    "cma_es": "CMA-ES",
    "random_search": say("random search", "隨機搜尋"),
    "feedback_alignment": say("feedback alignment", "回饋對齊"),
    "random_features": say("last layer only", "只訓練最後一層"),
    "none": say("no training", "不訓練"),
}
SOURCES = {
    "backpropagation": say("chain rule, one backward pass", "連鎖律，一次反向計算"),
    "central_differences": say("loss on both sides of each parameter", "每個參數兩側的損失"),
    "forward_differences": say("loss on one side of each parameter", "每個參數一側的損失"),
    "forward_gradient": say("exact slope, one random direction", "精確的斜率，一個隨機方向"),
    "spsa": say("loss on both sides, random signs", "兩側的損失，隨機的正負號"),
    "openai_es": say("ranks of 16 mirrored pairs", "16 對鏡像的名次"),
    "cma_es": say("only the ranks of a population", "只用一群候選者的名次"),
    "random_search": say("only better or worse", "只看變好或變差"),
    "feedback_alignment": say("a backward pass through random weights", "經由隨機權重的反向計算"),
    "random_features": say("only the last layer's, no backward pass", "只有最後一層的，沒有反向計算"),
    "none": say("none", "無"),
}
"""The source of each method's gradient."""
HEADS = say(
    ("method", "size", "passes a step", "ms a step", "cosine", "steps", "loss", "right %", "backprop at"),
    ("方法", "步伐", "每步計算", "每步毫秒", "餘弦", "步數", "損失", "答對 %", "反向傳播於"),
)
CAPTION = say(
    "Means over the seeds. size: of its steps, as tuned. cosine: to the true gradient of the same batch. "
    "loss: on all training samples at the end. right: on the test images. backprop at: passes after which "
    "backpropagation had that loss.",
    "各種子的平均。步伐：調整後的大小。餘弦：與同一批次真正梯度的餘弦。損失：最後在全部訓練樣本上的。"
    "答對：在測試影像上的。反向傳播於：反向傳播在第幾次計算後達到這個損失。",
)
UNITS = {"passes": say("forward passes", "前向計算次數"), "seconds": say("seconds of training", "訓練秒數")}
COUNTED = {"passes": say("passes", "次計算"), "seconds": say("seconds", "秒")}
CURVES = {
    "passes": say("Loss by forward passes", "損失與前向計算次數"),
    "seconds": say("Loss by seconds", "損失與秒數"),
}
LOSS = say("training loss", "訓練損失")
COSINES = say("Along the gradient (1), or orthogonal to it (0)", "沿著梯度（1），或與它垂直（0）")
COSINE = say("cosine to the true gradient", "與真正梯度的餘弦")
COSINE_OF = say("%{y}<br>cosine %{text}", "%{y}<br>餘弦 %{text}")
"""Hover text for a bar."""


def trying(method: str, size: float) -> str:
    """The current activity."""
    return say(f"{METHODS[method]}, trying a step size of {size:g}", f"{METHODS[method]}，嘗試步伐 {size:g}")


def course_of(label: str, unit: str) -> str:
    """Hover text for a curve, with the numbers of the figure's template. unit: passes or seconds."""
    return say(
        f"{label}<br>%{{x:.3s}} {COUNTED[unit]}<br>loss %{{y:.3f}}",
        f"{label}<br>%{{x:.3s}} {COUNTED[unit]}<br>損失 %{{y:.3f}}",
    )


def random_direction(cosine: float) -> str:
    """The note at the cosine of a random direction."""
    return say(f"a random direction: {cosine:.3f}", f"隨機方向：{cosine:.3f}")


def answer(found: Found, passes: int) -> str:
    """The answer in one sentence."""
    backprop, best = found["backpropagation"], best_forward(found)
    if best is None:
        return say(
            f"After {passes:,} forward passes, backpropagation, run alone, classifies {percent(backprop)} correctly.",
            f"只執行反向傳播：{passes:,} 次前向計算之後，答對 {percent(backprop)}。",
        )
    gap = 100 * (backprop.accuracy - best.accuracy)
    amount = (
        say(
            f"{'less' if gap > 0 else 'more'}, by {abs(gap):.1f} points",
            f"{'少' if gap > 0 else '多'} {abs(gap):.1f} 個百分點",
        )
        if abs(gap) >= 0.05
        else say("as much", "一樣多")
    )
    at = backprop.passes_to(best.loss)
    spent = (
        ""
        if at is None
        else say(
            f", and backpropagation had its loss after {at:,.0f} of the {passes:,} passes",
            f"，而反向傳播在 {passes:,} 次計算中的第 {at:,.0f} 次就達到它的損失",
        )
    )
    return say(
        f"It learns {amount}: the best method without backpropagated errors, {METHODS[best.arm.name]}, "
        f"classifies {percent(best)} of the test images correctly, and backpropagation "
        f"{percent(backprop)}{spent}.",
        f"學到的{amount}：不把誤差往回傳的方法中，最好的是{METHODS[best.arm.name]}，在測試影像上答對 {percent(best)}，"
        f"反向傳播答對 {percent(backprop)}{spent}。",
    )


def finding(found: Found, P: int, passes: int) -> str:
    """The results of the run."""
    backprop = found["backpropagation"]
    said = say(
        [
            f"After {passes:,} forward passes, backpropagation has a training loss of {backprop.loss:.2f} and "
            f"classifies {percent(backprop)} of the test images correctly."
        ],
        [
            f"{passes:,} 次前向計算之後，反向傳播的訓練損失為 {backprop.loss:.2f}，"
            f"在測試影像上答對 {percent(backprop)}。"
        ],
    )
    best = best_forward(found)
    if best is not None:
        at = backprop.passes_to(best.loss)
        there = (
            say("a loss that backpropagation never had", "反向傳播從未停在這個損失")
            if at is None
            else say(
                f"where backpropagation was after {at:,.0f}", f"反向傳播在第 {at:,.0f} 次計算後就到了那裡"
            )
        )
        said.append(
            say(
                f"The best method without backpropagated errors, {METHODS[best.arm.name]}, has {best.loss:.2f} "
                f"({percent(best)}), {there}.",
                f"不把誤差往回傳的方法中，最好的是{METHODS[best.arm.name]}，"
                f"損失 {best.loss:.2f}（{percent(best)}），{there}。",
            )
        )
    said += [
        numerical(found, P),
        directions(found, P),
        alignment(found),
    ]
    if "none" in found:
        none = found["none"]
        said.append(
            say(
                f"Untrained, the network has a loss of {none.loss:.2f} and classifies {percent(none)} correctly.",
                f"未訓練的網路損失為 {none.loss:.2f}，答對 {percent(none)}。",
            )
        )
    return say(" ".join(filter(None, said)), "".join(filter(None, said)))


def numerical(found: Found, P: int) -> str:
    """Describe the numerical gradients."""
    central = found.get("central_differences")
    if central is None or central.cosine is None:
        return ""
    backprop = found["backpropagation"]
    return say(
        f"Central differences give the same gradient (cosine {near_one(central.cosine)}) at "
        f"{central.passes_a_step:,.0f} passes per step for {P} parameters (2P = {2 * P:,}), "
        f"{central.passes_a_step / backprop.passes_a_step:,.0f} times backpropagation's "
        f"{backprop.passes_a_step:.2f}: {steps(central)} against {steps(backprop)}.",
        f"中央差分得到相同的梯度（餘弦 {near_one(central.cosine)}），但 {P} 個參數每步要 {central.passes_a_step:,.0f} "
        f"次計算（2P = {2 * P:,}），是反向傳播 {backprop.passes_a_step:.2f} 次的 "
        f"{central.passes_a_step / backprop.passes_a_step:,.0f} 倍：只走了 {steps(central)}，"
        f"反向傳播則有 {steps(backprop)}。",
    )


def directions(found: Found, P: int) -> str:
    """Describe the methods that move along random directions."""
    looked = [found[name] for name in ("forward_gradient", "spsa") if name in found]
    cosines = [
        say(f"{o.cosine:.3f} ({METHODS[o.arm.name]})", f"{o.cosine:.3f}（{METHODS[o.arm.name]}）")
        for o in looked
        if o.cosine is not None
    ]
    if not cosines:
        return ""
    return say(
        "One random direction per step is almost orthogonal to the gradient: cosine "
        f"{' and '.join(cosines)}, where sqrt(2 / (pi P)) = {chance(P):.3f} is expected.",
        f"每步一個隨機方向，幾乎與梯度垂直：餘弦 {several(cosines)}，預期為 sqrt(2 / (pi P)) = {chance(P):.3f}。",
    )


def alignment(found: Found) -> str:
    """Describe feedback alignment."""
    outcome = found.get("feedback_alignment")
    if outcome is None or outcome.cosine is None:
        return ""
    angle = math.degrees(math.acos(max(-1.0, min(1.0, outcome.cosine))))
    return say(
        f"Feedback alignment, with random backward weights, keeps a cosine of {outcome.cosine:.2f} "
        f"({angle:.0f} degrees) and has {outcome.loss:.2f} ({percent(outcome)}).",
        f"以隨機的反向權重，回饋對齊保持餘弦 {outcome.cosine:.2f}（{angle:.0f} 度），損失為 {outcome.loss:.2f}"
        f"（{percent(outcome)}）。",
    )


def held_fixed(
    net: Network,
    images: int,
    settings: Mapping[str, Any],
    passes: int,
    batch: int,
    sizes: Sequence[float],
    tuning: float,
) -> str:
    """The controlled variables.

    sizes: the step sizes tried, each for the fraction `tuning` of the passes.
    """
    first, count = settings["seed"], settings["repeats"]
    widths = "-".join(map(str, [net.inputs, *(link.fan_out for link in net.links if link.params)]))
    seeds = (
        say(f"seed {first}", f"種子 {first}")
        if count == 1
        else say(
            f"each of the seeds {first} to {first + count - 1}", f"種子 {first} 到 {first + count - 1} 各自"
        )
    )
    return say(
        f"The network ({widths}, tanh, {net.size} parameters); the data ({images:,} images of MNIST as 7 x 7 "
        f"means); for {seeds} the initial weights and the batches of {batch}; {passes:,} forward passes, or "
        "one step if that costs more. A backward pass counts as many forward passes as its arithmetic. "
        "Gradient estimators feed Adam at a constant rate. Each method's step size is the best of "
        f"{', '.join(f'{size:g}' for size in sizes)} after {tuning:.0%} of the passes at the first seed, "
        "which is not counted; other settings are defaults. All run in NumPy, in float64; evaluating loss "
        "and cosine is not timed.",
        f"網路（{widths}，tanh，{net.size} 個參數）；資料（MNIST 的 {images:,} 張影像，取 7 x 7 的平均）；{seeds}"
        f"的初始權重與大小 {batch} 的批次；{passes:,} 次前向計算，或一步（若成本更高）。"
        "反向計算依其運算量折合成前向計算的次數。"
        f"估計出的梯度交給固定學習率的 Adam。各方法的步伐是 {several([f'{size:g}' for size in sizes])} 中最好的，"
        f"以第一個種子在 {tuning:.0%} 的計算次數之後決定，不列入計數；其他設定為預設值。"
        "全部以 NumPy 的 float64 執行；評估損失與餘弦的時間不計。",
    )


def limits(P: int) -> str:
    """The limits of the result."""
    return say(
        f"{P} parameters are few, so that numerical gradients can take some steps at all. Their cost grows "
        "with the number of parameters, and the cosine of a random direction falls with its square root; no "
        "larger network was tried. Candidates ran on one machine: evolution can distribute them over many, "
        "and it also trains where a loss has no gradient, unlike here. Populations, widths and CMA-ES's "
        "diagonal covariance are common choices, not tuned ones. Feedback alignment is shown with two "
        "layers; deeper networks are harder for it. Seconds are those of small arrays in Python, and would "
        "fall with a faster engine, not by the same factor for all. Differences smaller than the bands of "
        "the seeds are not significant.",
        f"{P} 個參數很少，數值梯度才走得了幾步。它的成本隨參數的個數增加，而隨機方向的餘弦隨參數個數的平方根下降；"
        "沒有試過更大的網路。候選者都在一台機器上執行：演化法可以分散到許多台，也能用於沒有梯度的損失，這裡並非如此。"
        "群體大小、寬度與 CMA-ES 的對角共變異數是常見的選擇，沒有調整過。回饋對齊只用兩層示範；更深的網路對它更難。"
        "秒數是 Python 中小陣列的，換成更快的引擎會減少，但各方法減少的倍數不同。小於各種子之間範圍的差異並不顯著。",
    )


def near_one(cosine: float) -> str:
    """1 - 2e-11, instead of many nines."""
    if 1 - cosine < 2**-50:
        return say("1 to the last digit", "1（到最後一位）")
    return f"1 - {1 - cosine:.0e}" if cosine > 0.999 else f"{cosine:.3f}"


def percent(outcome: MethodResults) -> str:
    """91.2 %"""
    return f"{100 * outcome.accuracy:.1f} %"


def steps(outcome: MethodResults) -> str:
    """15 steps"""
    count = round(outcome.steps)
    return say(f"{count:,} step{'s' if count != 1 else ''}", f"{round(outcome.steps):,} 步")
