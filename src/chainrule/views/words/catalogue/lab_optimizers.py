"""The sentences of the experiment `optimizers`, built from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from . import say

TITLE = say("Gradient descent and its variants", "梯度下降法與各種變形")
QUESTION = say(
    "How fast do the variants of gradient descent lower the loss of the same network?",
    "梯度下降法的各種變形，使同一個網路的損失下降得多快？",
)
RULES = {
    "gradient_descent": say("gradient descent", "梯度下降法"),
    "sgd": "SGD",
    "momentum": say("momentum", "動量"),
    "nesterov": "Nesterov",
    "adagrad": "Adagrad",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "adamw": "AdamW",
    "nadam": "Nadam",
    "lbfgs": "L-BFGS",
}
SLICE_HEADS = say(
    ("rule on the slice", "learning rate", "loss at the end"), ("切面上的方法", "學習率", "最後的損失")
)
CONFINED = say(
    "Paths on a slice, of rules restricted to its two parameters", "切面上的路徑，各方法只能改變兩個參數"
)
PROJECTED = say(
    "Training paths, projected onto the slice that explains most of their variance",
    "訓練的路徑，投影到能解釋最多變異的切面上",
)
DESCENTS = say("The same network, ten optimizers", "同一個網路，十種最佳化方法")
PASSES, SECONDS, LOSS = say(
    ("passes over the data", "seconds of training", "training loss"),
    ("走過資料的次數", "訓練秒數", "訓練損失"),
)
START = say("start", "起點")
DIRECTIONS = say(
    ("along the first direction", "along the second direction"), ("沿第一個方向", "沿第二個方向")
)
SLICE = say("loss over a slice", "切面上的損失")
"""The current activity."""


def tuning(rule: str) -> str:
    """The current activity."""
    return say(f"learning rate of {RULES[rule]}", f"{RULES[rule]} 的學習率")


def on_a_slice(rule: str) -> str:
    """The current activity."""
    return say(f"{RULES[rule]} on a slice", f"切面上的 {RULES[rule]}")


def heads(target: float) -> tuple[str, ...]:
    """The columns of the table of rules. target: the loss up to which passes are counted."""
    reached = say(f"passes to {target:g}", f"到 {target:g} 的次數")
    return say(
        (
            *("rule", "batch", "learning rate", "loss", "lowest", "highest", reached),
            *("test accuracy %", "seconds"),
        ),
        ("方法", "批次", "學習率", "損失", "最低", "最高", reached, "測試準確率 %", "秒"),
    )


def caption(epochs: int, samples: int, repeats: int, target: float) -> str:
    """The caption of the table of rules."""
    return say(
        f"After {epochs} passes over {samples:,} digits, medians of {repeats} seeds; the loss is over all "
        f"training samples, with its lowest and highest seed; the passes until it was at most {target:g}.",
        f"走過 {samples:,} 個數字 {epochs} 次之後，{repeats} 個種子的中位數；損失是全部訓練樣本的，"
        "並列出最低與最高的種子；"
        f"以及損失降到 {target:g} 以下之前的次數。",
    )


def slice_caption(steps: int, samples: int, rates: int) -> str:
    """The caption of the table of rules on the slice."""
    return say(
        f"Each rule restricted to two parameters, the slice's coordinates: {steps} steps on {samples} "
        f"samples from the same start, at the smallest of {rates} learning rates that ends within a tenth of "
        "the rule's lowest loss.",
        f"各方法只能改變兩個參數，也就是切面的座標：從同一個起點，以 {samples} 個樣本走 {steps} 步，學習率是 {rates} "
        "個之中最後損失與該方法的最低損失相差在十分之一以內的最小者。",
    )


def answer(
    epochs: int,
    first: Mapping[str, float],
    last: Mapping[str, float],
    passes: Mapping[str, int | None],
    target: float,
) -> str:
    """The answer in one sentence.

    first, last: the loss before and after, by rule, infinite for a diverged rule.  passes: to the target, by rule;
    None if not reached.  All are medians over the seeds.
    """
    best, worst = min(last, key=last.__getitem__), max(last, key=last.__getitem__)
    there = {name: count for name, count in passes.items() if count is not None}
    ends = (
        say(f"{last[worst]:.2g}", f"為 {last[worst]:.2g}")
        if math.isfinite(last[worst])
        else say("no finite loss", "沒有有限的值")
    )
    reached = say(
        f"none of the {len(passes)} rules reached {target:g}", f"{len(passes)} 種方法都沒有達到 {target:g}"
    )
    if there:
        fast = min(there, key=there.__getitem__)
        some = say(
            f"{len(there)} of the {len(passes)} rules reached {target:g}",
            f"{len(passes)} 種方法中有 {len(there)} 種達到 {target:g}",
        )
        reached = say(
            f"{some}, {RULES[fast]} first, after {there[fast]}",
            f"{some}，最快的是 {RULES[fast]}，走了 {there[fast]} 次",
        )
    return say(
        f"In {epochs} passes over the data, {RULES[best]} reached the lowest loss, from {first[best]:.2g} to "
        f"{last[best]:.2g}, and {RULES[worst]} the highest, {ends}; {reached}.",
        f"走過資料 {epochs} 次，{RULES[best]} 的損失最低，從 {first[best]:.2g} 到 {last[best]:.2g}；{RULES[worst]} "
        f"的最高，{ends}；{reached}。",
    )


def finding(
    epochs: int,
    steps: int,
    batch: int,
    last: Mapping[str, float],
    rates: Mapping[str, float | None],
    spread: tuple[float, str] | None,
    share: float,
) -> str:
    """The results of the run.

    steps: per pass in batches.  last: the loss after it, by rule.  spread: the largest ratio between seeds of a rule,
    and its rule; None with one seed.  share: of the paths' variance, on their principal plane.
    """
    order = sorted(last, key=lambda name: (math.isnan(last[name]), last[name]))
    text = say(
        f"After {epochs} passes, gradient descent on all samples at once had a training loss of "
        f"{last['gradient_descent']:.3g}, the same rule on batches of {batch} (SGD) {last['sgd']:.3g}: per "
        f"pass, the former takes one step, the latter {steps}. The lowest was {RULES[order[0]]} with "
        f"{last[order[0]]:.2g}, then {RULES[order[1]]} with {last[order[1]]:.2g} and {RULES[order[2]]} with "
        f"{last[order[2]]:.2g}; L-BFGS, which also uses all samples, reached {last['lbfgs']:.2g}. ",
        f"走過 {epochs} 次之後，每步用全部樣本的梯度下降法訓練損失為 {last['gradient_descent']:.3g}，同樣的方法以大小 "
        f"{batch} 的批次（SGD）為 {last['sgd']:.3g}：走過一次，前者走一步，後者走 {steps} 步。"
        f"最低的是 {RULES[order[0]]} "
        f"的 {last[order[0]]:.2g}，其次是 {RULES[order[1]]} 的 {last[order[1]]:.2g} 與 {RULES[order[2]]} 的 "
        f"{last[order[2]]:.2g}；同樣使用全部樣本的 L-BFGS 為 {last['lbfgs']:.2g}。",
    )
    chosen = {name: rate for name, rate in rates.items() if rate is not None}
    least, most = min(chosen, key=chosen.__getitem__), max(chosen, key=chosen.__getitem__)
    text += say(
        f"The best learning rates differ by a factor of {chosen[most] / chosen[least]:.0f}: {RULES[least]} "
        f"needs {chosen[least]:g}, {RULES[most]} {chosen[most]:g}. ",
        f"最佳的學習率相差 {chosen[most] / chosen[least]:.0f} 倍："
        f"{RULES[least]} 需要 {chosen[least]:g}，{RULES[most]} 需要 "
        f"{chosen[most]:g}。",
    )
    if spread is not None and math.isfinite(spread[0]):
        text += say(
            f"Seeds of one rule differ by a factor of up to {spread[0]:.1f} ({RULES[spread[1]]}). ",
            f"同一種方法的種子之間最多相差 {spread[0]:.1f} 倍（{RULES[spread[1]]}）。",
        )
    plane = f"The plane of the two principal directions explains {100 * share:.0f} % of the paths' variance"
    return say(
        f"{text}{plane} about their start.",
        f"{text}兩個主方向的平面能解釋路徑（相對於起點）變異的 {100 * share:.0f} %。",
    )


def held_fixed(
    hidden: int, parameters: int, samples: int, epochs: int, batch: int, tuned_on: int, tried: tuple[int, int]
) -> str:
    """The controlled variables. tuned_on: a seed.  tried: the minimum and maximum number of learning rates."""
    return say(
        f"The network (784 - {hidden} - {hidden} - 10, ReLU, {parameters:,} parameters, float32, no "
        f"penalty), {samples:,} digits of MNIST, {epochs} passes over them; per seed the same initial "
        f"weights and, except for the two rules that use all samples at once, the same batches of {batch} in "
        "the same order; a constant learning rate. Each rule's rate is the best on a grid with ratio 3.2 by "
        f"the final training loss of seed {tuned_on}, which is not among those reported; the grid grows "
        f"until the best rate is inside it ({tried[0]} to {tried[1]} rates). L-BFGS has a line search "
        "instead.",
        f"網路（784 - {hidden} - {hidden} - 10，ReLU，{parameters:,} 個參數，float32，沒有懲罰項）；MNIST 的 "
        f"{samples:,} 個數字，走過 {epochs} 次；每個種子的初始權重相同，除了每步用全部樣本的兩種方法，大小 {batch} "
        f"的批次與順序也相同；學習率固定。各方法的學習率是間隔 3.2 倍的格點中，種子 {tuned_on} 最後訓練損失最低的，"
        f"該種子不列入結果；格點會擴大到最佳者在其中（{tried[0]} 到 {tried[1]} 個）。L-BFGS 則使用線搜尋。",
    )


def limits(steps: int) -> str:
    """The limits of the result. steps: per pass in batches."""
    return say(
        "One small network, one data set, one batch size, no schedule: the ranking depends on the task. "
        "Only the learning rate was tuned, not momentum, betas, epsilons or decay. A pass is one step for "
        f"the rules that use all samples and {steps} steps for the others, and L-BFGS may evaluate the loss "
        "several times per step. Seconds are of this machine; L-BFGS runs on the reference engine and "
        "SciPy, the others on the native engine if it is built. A low training loss is not a high test "
        "accuracy. On the projected slice, the points of a path are not on the plane, so their loss is not "
        "the plane's; the restricted paths are on their plane, but two parameters are not all parameters.",
        "一個小網路、一份資料、一種批次大小、沒有排程：名次視任務而定。只調整了學習率，沒有調整動量、beta、epsilon "
        f"或衰減。走過一次資料，對使用全部樣本的方法是一步，對其他方法是 {steps} 步，而 L-BFGS 一步可能多次計算損失。"
        "秒數是這台機器的；L-BFGS 以參考引擎與 SciPy 執行，其他的若已建置則以原生引擎執行。"
        "訓練損失低不代表測試準確率高。投影的切面上，路徑上的點不在平面上，因此它們的損失不是平面的；"
        "受限的路徑在它們的平面上，但兩個參數不是全部的參數。",
    )


def after_passes(rule: str) -> str:
    """Hover text for a loss over the passes, with the numbers of the figure's template."""
    return say(f"{rule}<br>%{{x:.3g}} passes, loss %{{y:.3g}}", f"{rule}<br>%{{x:.3g}} 次，損失 %{{y:.3g}}")


def after_seconds(rule: str) -> str:
    """Hover text for a loss over the seconds."""
    return say(f"{rule}<br>%{{x:.3g}} s, loss %{{y:.3g}}", f"{rule}<br>%{{x:.3g}} 秒，損失 %{{y:.3g}}")


def step_of(rule: str) -> str:
    """Hover text for a path."""
    return say(f"{rule}, step %{{pointNumber}}", f"{rule}，第 %{{pointNumber}} 步")


def at_rate(rule: str, rate: float) -> str:
    """The name of a path with a learning rate."""
    return say(f"{rule} at {rate:.3g}", f"{rule}，學習率 {rate:.3g}")


LOSS_AT = say("%{x:.2f}, %{y:.2f}<br>loss %{customdata:.3g}", "%{x:.2f}，%{y:.2f}<br>損失 %{customdata:.3g}")
"""Hover text for the plane."""
LOSS_NAME = say("loss", "損失")


def shades(low: float, high: float) -> str:
    """The meaning of the contours."""
    return say(f"grayer is higher: loss {low:.2g} to {high:.2g}", f"越灰越高：損失 {low:.2g} 到 {high:.2g}")
