"""Sentences about the gradient flow."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.inspection.flow.diagnosis import (
    DEAD_SHARE,
    EXPLODING_RATIO,
    FLAT_SLOPE,
    SATURATED_SHARE,
    VANISHING_RATIO,
    Diagnosis,
)

from . import say

KINDS = {
    "vanishing": say("vanishing", "消失"),
    "exploding": say("exploding", "爆炸"),
    "saturated": say("saturated", "飽和"),
    "dead": say("dead", "死亡"),
    "not finite": say("not finite", "不是有限值"),
    "no gradient": say("no gradient", "沒有梯度"),
}
HEADS = say(
    ("layer", "activation", "delta", "mean", "std", "saturated", "dead", "dL/dW", "update/weight"),
    ("層", "激活函數", "delta", "平均", "標準差", "飽和", "死亡", "dL/dW", "更新量/權重"),
)
FLOW = say("Gradient flow", "梯度流")
BARS = say("delta (logarithmic)", "delta（對數尺度）")
BY_LAYER, OVER_TRAINING = say(
    ("Gradient flow by layer", "Gradient flow over training"), ("各層的梯度流", "訓練過程中的梯度流")
)
GRADIENT, UPDATE = say(
    ("gradient, relative to the last layer's", "update relative to the weights"),
    ("梯度（相對於最後一層）", "更新量（相對於權重）"),
)
LAYERS, LAYER, EPOCHS, RMS = say(
    (
        "layer, from the input to the output",
        "layer",
        "epoch (0: before training)",
        "RMS",
    ),
    (
        "層，從輸入到輸出",
        "層",
        "週期（0 是訓練之前）",
        "RMS",
    ),
)
VANISHING_BELOW, EXPLODING_ABOVE = say(
    ("vanishing below", "exploding above"), ("低於此值即為消失", "高於此值即為爆炸")
)
NOT_MEASURED = say(
    "The gradient flow has not been measured; pass this callback to Model.fit.",
    "尚未測量梯度流；請將這個 callback 傳入 Model.fit。",
)


def diagnosis(found: Diagnosis) -> str:
    """Describe a diagnosis in one sentence."""
    worst, more = found.worst, also(found.layers)
    ratio = worst.delta_ratio or 0.0
    match found.kind:
        case "not finite":
            return say(
                f"Not finite: NaN or infinity in {worst.layer}; lower the learning rate or scale the input.",
                f"不是有限值：{worst.layer} 有 NaN 或無限大；請降低學習率，或縮放輸入。",
            )
        case "no gradient":
            return say(
                f"No gradient: delta of {worst.layer} is 0, so nothing can be learned from these samples.",
                f"沒有梯度：{worst.layer} 的 delta 是 0，從這些樣本學不到任何東西。",
            )
        case "vanishing":
            return say(
                f"Vanishing: delta of {worst.layer} is {ratio:.1e} of {found.last}'s{more} "
                f"(threshold {VANISHING_RATIO:g}).",
                f"梯度消失：{worst.layer} 的 delta 是 {found.last} 的 {ratio:.1e} 倍{more}"
                f"（門檻 {VANISHING_RATIO:g}）。",
            )
        case "exploding":
            return say(
                f"Exploding: delta of {worst.layer} is {ratio:.1e} times {found.last}'s{more} "
                f"(threshold {EXPLODING_RATIO:g}).",
                f"梯度爆炸：{worst.layer} 的 delta 是 {found.last} 的 {ratio:.1e} 倍{more}"
                f"（門檻 {EXPLODING_RATIO:g}）。",
            )
        case "saturated":
            return say(
                f"Saturated: {100 * (worst.saturated or 0):.0f} % of {worst.activation} is in the flat "
                f"regions, where the slope is below {100 * FLAT_SLOPE:.0f} % of the steepest{more} "
                f"(threshold {100 * SATURATED_SHARE:.0f} %).",
                f"飽和：{worst.activation} 有 {100 * (worst.saturated or 0):.0f} % 落在平坦區，"
                f"該處的斜率低於最大斜率的 {100 * FLAT_SLOPE:.0f} %{more}"
                f"（門檻 {100 * SATURATED_SHARE:.0f} %）。",
            )
        case _:
            return say(
                f"Dead: {worst.dead} of the {worst.width} neurons of {worst.layer} pass no gradient from any "
                f"sample{more} (threshold {100 * DEAD_SHARE:.0f} %).",
                f"神經元死亡：{worst.layer} 的 {worst.width} 個神經元中，{worst.dead} 個對任何樣本都不傳梯度{more}"
                f"（門檻 {100 * DEAD_SHARE:.0f} %）。",
            )


def also(names: Sequence[str]) -> str:
    """Count the other layers with the same problem."""
    more = len(names) - 1
    return (
        say(f", and so in {more} more {'layer' if more == 1 else 'layers'}", f"，另有 {more} 層也是如此")
        if more
        else ""
    )


def flat_share(share: float) -> str:
    """The flat share of a layer."""
    return f"{100 * share:.1f} %"


def dead_of(dead: int, width: int) -> str:
    """The number of dead neurons of a layer."""
    return say(f"{dead} of {width}", f"{dead}（共 {width}）")


def conditions(samples: int, training: bool, loss: float) -> str:
    """Describe the conditions of the measurement."""
    mode = say("training", "訓練") if training else say("prediction", "預測")
    return say(
        f"{samples:,} samples as in {mode}, loss {loss:.4g}; RMS of delta relative to the last layer's",
        f"{samples:,} 個樣本，如{mode}時，損失 {loss:.4g}；delta 的均方根，相對於最後一層",
    )


def after_epoch(epoch: int) -> str:
    """The epoch of the measurement."""
    return say(f"after epoch {epoch}", f"第 {epoch} 個週期之後")


def earlier(kind: str, epochs: Sequence[int]) -> str:
    """Describe earlier problems."""
    return say(
        f"Earlier: {KINDS[kind]} after epoch {', '.join(map(str, epochs))}.",
        f"先前：第 {'、'.join(map(str, epochs))} 個週期之後，{KINDS[kind]}。",
    )


def hover(label: str) -> str:
    """Hover text for a layer, with the numbers of the figure's template."""
    return f"%{{x}}<br>{label} %{{y:.3g}}"


def hover_epoch(label: str) -> str:
    """Hover text for a layer after an epoch."""
    return say(
        f"%{{y}} after epoch %{{x}}<br>{label} %{{customdata:.3g}}",
        f"%{{y}}，第 %{{x}} 個週期之後<br>{label} %{{customdata:.3g}}",
    )
