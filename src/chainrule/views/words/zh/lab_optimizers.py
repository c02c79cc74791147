"""The sentences of the experiment `optimizers`, built from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

TITLE = "梯度下降法與各種變形"
QUESTION = "梯度下降法的各種變形，使同一個網路的損失下降得多快？"
RULES = {
    "gradient_descent": "梯度下降法",
    "sgd": "SGD",
    "momentum": "動量",
    "nesterov": "Nesterov",
    "adagrad": "Adagrad",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "adamw": "AdamW",
    "nadam": "Nadam",
    "lbfgs": "L-BFGS",
}
SLICE_HEADS = ("切面上的方法", "學習率", "最後的損失")
CONFINED = "切面上的路徑，各方法只能改變兩個參數"
PROJECTED = "訓練的路徑，投影到能解釋最多變異的切面上"
DESCENTS = "同一個網路，十種最佳化方法"
PASSES, SECONDS, LOSS = "走過資料的次數", "訓練秒數", "訓練損失"
START = "起點"
DIRECTIONS = ("沿第一個方向", "沿第二個方向")
SLICE = "切面上的損失"


def tuning(rule: str) -> str:
    """The current activity."""
    return f"{RULES[rule]} 的學習率"


def on_a_slice(rule: str) -> str:
    """The current activity."""
    return f"切面上的 {RULES[rule]}"


def heads(target: float) -> tuple[str, ...]:
    """The columns of the table of rules. target: the loss up to which passes are counted."""
    reached = f"到 {target:g} 的次數"
    return ("方法", "批次", "學習率", "損失", "最低", "最高", reached, "測試準確率 %", "秒")


def caption(epochs: int, samples: int, repeats: int, target: float) -> str:
    """The caption of the table of rules."""
    return (
        f"走過 {samples:,} 個數字 {epochs} 次之後，{repeats} 個種子的中位數；損失是全部訓練樣本的，"
        "並列出最低與最高的種子；"
        f"以及損失降到 {target:g} 以下之前的次數。"
    )


def slice_caption(steps: int, samples: int, rates: int) -> str:
    """The caption of the table of rules on the slice."""
    return (
        f"各方法只能改變兩個參數，也就是切面的座標：從同一個起點，以 {samples} 個樣本走 {steps} 步，學習率是 {rates} "
        "個之中最後損失與該方法的最低損失相差在十分之一以內的最小者。"
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
    ends = f"為 {last[worst]:.2g}" if math.isfinite(last[worst]) else "沒有有限的值"
    reached = f"{len(passes)} 種方法都沒有達到 {target:g}"
    if there:
        fast = min(there, key=there.__getitem__)
        some = f"{len(passes)} 種方法中有 {len(there)} 種達到 {target:g}"
        reached = f"{some}，最快的是 {RULES[fast]}，走了 {there[fast]} 次"
    return (
        f"走過資料 {epochs} 次，{RULES[best]} 的損失最低，從 {first[best]:.2g} 到 {last[best]:.2g}；{RULES[worst]} "
        f"的最高，{ends}；{reached}。"
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
    text = (
        f"走過 {epochs} 次之後，每步用全部樣本的梯度下降法訓練損失為 {last['gradient_descent']:.3g}，同樣的方法以大小 "
        f"{batch} 的批次（SGD）為 {last['sgd']:.3g}：走過一次，前者走一步，後者走 {steps} 步。"
        f"最低的是 {RULES[order[0]]} "
        f"的 {last[order[0]]:.2g}，其次是 {RULES[order[1]]} 的 {last[order[1]]:.2g} 與 {RULES[order[2]]} 的 "
        f"{last[order[2]]:.2g}；同樣使用全部樣本的 L-BFGS 為 {last['lbfgs']:.2g}。"
    )
    chosen = {name: rate for name, rate in rates.items() if rate is not None}
    least, most = min(chosen, key=chosen.__getitem__), max(chosen, key=chosen.__getitem__)
    text += (
        f"最佳的學習率相差 {chosen[most] / chosen[least]:.0f} 倍："
        f"{RULES[least]} 需要 {chosen[least]:g}，{RULES[most]} 需要 "
        f"{chosen[most]:g}。"
    )
    if spread is not None and math.isfinite(spread[0]):
        text += f"同一種方法的種子之間最多相差 {spread[0]:.1f} 倍（{RULES[spread[1]]}）。"
    return f"{text}兩個主方向的平面能解釋路徑（相對於起點）變異的 {100 * share:.0f} %。"


def held_fixed(
    hidden: int, parameters: int, samples: int, epochs: int, batch: int, tuned_on: int, tried: tuple[int, int]
) -> str:
    """The controlled variables. tuned_on: a seed.  tried: the minimum and maximum number of learning rates."""
    return (
        f"網路（784 - {hidden} - {hidden} - 10，ReLU，{parameters:,} 個參數，float32，沒有懲罰項）；MNIST 的 "
        f"{samples:,} 個數字，走過 {epochs} 次；每個種子的初始權重相同，除了每步用全部樣本的兩種方法，大小 {batch} "
        f"的批次與順序也相同；學習率固定。各方法的學習率是間隔 3.2 倍的格點中，種子 {tuned_on} 最後訓練損失最低的，"
        f"該種子不列入結果；格點會擴大到最佳者在其中（{tried[0]} 到 {tried[1]} 個）。L-BFGS 則使用線搜尋。"
    )


def limits(steps: int) -> str:
    """The limits of the result. steps: per pass in batches."""
    return (
        "一個小網路、一份資料、一種批次大小、沒有排程：名次視任務而定。只調整了學習率，沒有調整動量、beta、epsilon "
        f"或衰減。走過一次資料，對使用全部樣本的方法是一步，對其他方法是 {steps} 步，而 L-BFGS 一步可能多次計算損失。"
        "秒數是這台機器的；L-BFGS 以參考引擎與 SciPy 執行，其他的若已建置則以原生引擎執行。"
        "訓練損失低不代表測試準確率高。投影的切面上，路徑上的點不在平面上，因此它們的損失不是平面的；"
        "受限的路徑在它們的平面上，但兩個參數不是全部的參數。"
    )


def after_passes(rule: str) -> str:
    """Hover text for a loss over the passes, with the numbers of the figure's template."""
    return f"{rule}<br>%{{x:.3g}} 次，損失 %{{y:.3g}}"


def after_seconds(rule: str) -> str:
    """Hover text for a loss over the seconds."""
    return f"{rule}<br>%{{x:.3g}} 秒，損失 %{{y:.3g}}"


def step_of(rule: str) -> str:
    """Hover text for a path."""
    return f"{rule}，第 %{{pointNumber}} 步"


def at_rate(rule: str, rate: float) -> str:
    """The name of a path with a learning rate."""
    return f"{rule}，學習率 {rate:.3g}"


LOSS_AT = "%{x:.2f}，%{y:.2f}<br>損失 %{customdata:.3g}"
LOSS_NAME = "損失"


def shades(low: float, high: float) -> str:
    """The meaning of the contours."""
    return f"越灰越高：損失 {low:.2g} 到 {high:.2g}"
