"""The sentences of the experiment on vanishing gradients, built from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.inspection.flow.diagnosis import VANISHING_RATIO
from chainrule.views.words.facts import CHANCE, CURES, NORMED, PLAIN, RESIDUAL_RELU, Net, learns
from chainrule.views.words.zh.phrases import several

TITLE = "梯度消失，以及四種對策"
QUESTION = "深層網路的梯度有多少傳得到第一層？梯度恢復之後，網路就學得會嗎？"
NETS = {
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "ReLU",
    "relu_batch_norm": "ReLU + 批次正規化",
    "sigmoid_skip": "sigmoid + 跳躍連接",
    "sigmoid_residual": "sigmoid + 殘差",
    "relu_batch_norm_residual": "ReLU + 批次正規化 + 殘差",
}
HEADS = ("網路", "參數", "梯度", "學習率", "損失", "最小到最大", "準確率")
BY_DEPTH = ("各深度第一層的梯度（訓練前）", "各深度最後的訓練損失", "各深度選用的學習率")
NOISE_HEADS = ("網路", "餘弦")
FIGURE = "梯度消失與對策"
LEARNED = "各深度學到了多少"
ARRIVES = "傳到第一層的梯度"
HIDDEN, LOSS, RMS = "隱藏層數", "訓練損失", "梯度的均方根（最後一層 = 1）"
OUT = "輸出"
HOVER_LAYER = "第 %{x} 層<br>梯度是最後一層的 %{y:.2g}"
HOVER_LOSS = "%{x} 個隱藏層<br>訓練損失 %{y:.3f}"
HOVER_DEPTH = "%{x} 個隱藏層<br>是最後一層的 %{y:.2g}"


def answer(deepest: Mapping[str, Net]) -> str:
    """The answer in one sentence."""
    plain = deepest[PLAIN]
    restored = [arm for arm in CURES if deepest[arm].ratio >= VANISHING_RATIO]
    learned = [arm for arm in restored if learns(deepest[arm].loss)]
    return (
        f"在有 {hidden_layers(plain.depth)}的一般 sigmoid 網路中，第一層的梯度是最後一層的 {share(plain.ratio)}，"
        f"網路{'學得會' if learns(plain.loss) else '學不會'}；{len(CURES)} 種對策中有 {len(restored)} 種使它保持在 "
        f"{VANISHING_RATIO:g} 以上，其中 {len(learned)} 個網路學得會（訓練損失低於猜測的一半）。"
    )


def finding(
    deepest: Mapping[str, Net],
    shallow: Net,
    shallow_normed: Net,
    cosines: Mapping[str, float],
    near: float,
) -> list[str]:
    """Sentences built from the measurements."""
    plain = deepest[PLAIN]
    lost = "與最後一層相比是零"
    if plain.ratio > 0:
        lost = (
            f"比最後一層小 {1 / plain.ratio:.1e} 倍"
            if plain.ratio < 1
            else f"是最後一層的 {share(plain.ratio)} 倍"
        )
    said = [f"在有 {plain.depth} 個隱藏層的一般 sigmoid 網路中，第一層的梯度{lost}。"]
    restored = [arm for arm in CURES if deepest[arm].ratio >= VANISHING_RATIO]
    if restored:
        what = "四種對策都恢復了梯度" if len(restored) == len(CURES) else "有些對策恢復了梯度"
        said.append(
            f"{what}：{several([f'{NETS[arm]} 到 {share(deepest[arm].ratio)}' for arm in restored])}。"
        )
    failed = [arm for arm in CURES if arm not in restored]
    if failed:
        said.append(f"{several([NETS[arm] for arm in failed])} 仍低於 {VANISHING_RATIO:g}。")
    guesses = abs(plain.loss - CHANCE) < 0.03 * CHANCE
    said.append(
        f"一般網路的訓練損失最後為 {plain.loss:.2f}"
        + (f"，與猜測相同（{CHANCE:.2f}）" if guesses else f"（猜測為 {CHANCE:.2f}）")
        + f"；有 {shallow.depth} 個隱藏層時為 {shallow.loss:.2f}。"
    )
    learned = [arm for arm in CURES if learns(deepest[arm].loss)]
    if learned:
        who = "四個有對策的網路" if len(learned) == len(CURES) else several([NETS[arm] for arm in learned])
        ends = several([f"{NETS[arm]} 到 {deepest[arm].loss:.2f}" for arm in learned])
        said.append(f"同樣的深度，{who}都學得會：{ends}。")
    else:
        said.append("在這麼少的步數內，也沒有對策使損失減半；提高 budget 會給它們時間。")
    normed = deepest[NORMED].ratio
    if normed > 3 and normed > shallow_normed.ratio:
        said.append(
            "沒有跳躍連接的批次正規化有相反的問題，而且越深越嚴重：訓練前第一層的梯度，在 "
            f"{shallow.depth} 個隱藏層時是最後一層的 {share(shallow_normed.ratio)} 倍，{plain.depth} 個時是 "
            f"{share(normed)} 倍，也就是梯度爆炸。"
        )
    bare, eased = cosines[NORMED], cosines[RESIDUAL_RELU]
    said.append(
        f"大小不是一切：在 {NETS[NORMED]} 網路中，一張影像與往另一張移動 {100 * near:.0f} % 的影像，梯度的餘弦是 "
        f"{bare:.2f}"
        + (
            f"，在相同的層外加上殘差連接則提高到 {eased:.2f}：也減少了梯度的破碎。"
            if eased > bare + 0.1
            else f"，在相同的層外加上殘差連接則是 {eased:.2f}。"
        )
    )
    return said


def held_fixed(settings: Mapping[str, Any]) -> str:
    """The controlled variables."""
    rates = several([f"{rate:g}" for rate in settings["learning_rates_tried"]])
    return (
        f"MNIST 的 {settings['images']:,} 張影像，每個隱藏層 {settings['width']} 個神經元，交叉熵，以動量 "
        f"{settings['momentum']:g}、"
        f"批次大小 {settings['batch_size']} 的梯度下降法走 {settings['steps']:,} 步，學習率固定，"
        f"權重與順序各有 {settings['repeats']} 個亂數種子。初始化配合激活函數（ReLU 用 He，其他用 Glorot）。"
        f"各網路、各深度的學習率從 {rates} 中選出，依據驗證影像與一個不列入結果的種子。"
        "跳躍與殘差網路由一般網路的 sigmoid 層組成；跳躍區塊多加四分之一的神經元，使各網路的成本大致相同。"
        "數值是各種子的中位數。"
    )


LIMITS = (
    "深度是否有幫助：MNIST 有兩個隱藏層就夠了。訓練後期的情形：梯度是在訓練前測量的。各網路的最佳結果：訓練很短，"
    "只有一種寬度，沒有排程，也沒有會放大小梯度的 Adam。批次正規化單獨的作用：這裡它與 ReLU 一起使用。"
    "恢復梯度是否就夠了：大小合適的梯度仍可能只是雜訊（如餘弦所示），或者爆炸。"
)


def loss(value: float) -> str | None:
    """Round to three decimals, or return None for a diverged run."""
    return f"{value:.3f}" if math.isfinite(value) else None


def share(value: float) -> str:
    """0.35, 41, 1.2e-13, 0"""
    if value == 0:
        return "0"
    return f"{value:.2g}" if 0.001 <= value < 1000 else f"{value:.1e}"


def hidden_layers(depth: int) -> str:
    """5 個隱藏層"""
    return f"{depth} 個隱藏層"


def under_way(net: str, depth: int) -> str:
    """The current activity."""
    return f"{NETS[net]}，{hidden_layers(depth)}"


def main_caption(depth: int) -> str:
    """The caption of the table of the deepest networks."""
    return (
        f"{hidden_layers(depth)}。梯度：訓練前第一層相對於最後一層的梯度；學習率：選用的；"
        "損失：最後在訓練影像上的；準確率：在測試影像上的。"
    )


def depth_heads(depths: Sequence[int]) -> tuple[str, ...]:
    """The columns of the tables by depth."""
    return ("網路", *(f"{depth} 層" for depth in depths))


def noise_caption(near: float, depth: int) -> str:
    """The caption of the table of cosines. near: the fraction by which an image is moved toward another."""
    return f"一張影像與往另一張移動 {100 * near:.0f} % 的影像，在訓練前第一層的梯度的餘弦，{hidden_layers(depth)}"


def spread(ends: tuple[float, float] | None, diverged: int) -> str:
    """The range of the seeds' losses, and how many diverged. ends: None if all did."""
    said = [] if ends is None else [f"{ends[0]:.3f} 到 {ends[1]:.3f}"]
    return "，".join([*said, *([f"{diverged} 個發散"] if diverged else [])])


def accuracy(share: float) -> str:
    """91.2 %"""
    return f"{100 * share:.1f} %"


def on_its_way(depth: int) -> str:
    """The title of the panel of gradients by layer."""
    return f"逐層的梯度，深度 {depth}"


def guessing(loss: float) -> str:
    """The note at the line of guessing."""
    return f"猜測：{loss:.2f}"


def of_the_last(net: str, ratio: float) -> str:
    """The note at the first layer of the plain net."""
    return f"<b>{NETS[net]}</b>：最後一層的<br>{ratio:.1e}"
