"""The sentences of the experiment on vanishing gradients, built from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.inspection.flow.diagnosis import VANISHING_RATIO
from chainrule.views.words.facts import CHANCE, CURES, NORMED, PLAIN, RESIDUAL_RELU, Net, learns

from . import say
from .phrases import several

TITLE = say("Vanishing gradients, and four cures", "梯度消失，以及四種對策")
QUESTION = say(
    "How much of the gradient reaches the first layer of a deep network, and does the network learn once "
    "the gradient is restored?",
    "深層網路的梯度有多少傳得到第一層？梯度恢復之後，網路就學得會嗎？",
)
NETS = {
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "ReLU",
    "relu_batch_norm": say("ReLU + batch norm", "ReLU + 批次正規化"),
    "sigmoid_skip": say("sigmoid + skip", "sigmoid + 跳躍連接"),
    "sigmoid_residual": say("sigmoid + residual", "sigmoid + 殘差"),
    "relu_batch_norm_residual": say("ReLU + batch norm + residual", "ReLU + 批次正規化 + 殘差"),
}
HEADS = say(
    ("net", "parameters", "gradient", "rate", "loss", "least to greatest", "accuracy"),
    ("網路", "參數", "梯度", "學習率", "損失", "最小到最大", "準確率"),
)
BY_DEPTH = say(
    (
        "The first layer's gradient before training, by depth",
        "Training loss in the end, by depth",
        "Learning rate chosen, by depth",
    ),
    ("各深度第一層的梯度（訓練前）", "各深度最後的訓練損失", "各深度選用的學習率"),
)
NOISE_HEADS = say(("net", "cosine"), ("網路", "餘弦"))
FIGURE = say("Vanishing gradients and cures", "梯度消失與對策")
LEARNED = say("What was learned, by depth", "各深度學到了多少")
ARRIVES = say("What arrives at the first layer", "傳到第一層的梯度")
HIDDEN, LOSS, RMS = say(
    ("hidden layers", "training loss", "RMS of the gradient (last layer = 1)"),
    ("隱藏層數", "訓練損失", "梯度的均方根（最後一層 = 1）"),
)
OUT = say("out", "輸出")
"""The last layer, on an axis."""
HOVER_LAYER = say(
    "layer %{x}<br>gradient %{y:.2g} of the last layer's", "第 %{x} 層<br>梯度是最後一層的 %{y:.2g}"
)
HOVER_LOSS = say("%{x} hidden layers<br>training loss %{y:.3f}", "%{x} 個隱藏層<br>訓練損失 %{y:.3f}")
HOVER_DEPTH = say(
    "%{x} hidden layers<br>%{y:.2g} of the last layer's", "%{x} 個隱藏層<br>是最後一層的 %{y:.2g}"
)
"""Hover text for a network, with the numbers of the figure's templates."""


def answer(deepest: Mapping[str, Net]) -> str:
    """The answer in one sentence."""
    plain = deepest[PLAIN]
    restored = [arm for arm in CURES if deepest[arm].ratio >= VANISHING_RATIO]
    learned = [arm for arm in restored if learns(deepest[arm].loss)]
    layers = hidden_layers(plain.depth)
    return say(
        f"In the plain sigmoid network with {layers}, the first layer's gradient is {share(plain.ratio)} of "
        f"the last layer's, and the network {'learns' if learns(plain.loss) else 'does not learn'}; "
        f"{len(restored)} of the {len(CURES)} cures keep it at {VANISHING_RATIO:g} or more, and "
        f"{len(learned)} of those networks learn{'s' if len(learned) == 1 else ''} (a training loss below "
        "half that of guessing).",
        f"在有 {hidden_layers(plain.depth)}的一般 sigmoid 網路中，第一層的梯度是最後一層的 {share(plain.ratio)}，"
        f"網路{'學得會' if learns(plain.loss) else '學不會'}；{len(CURES)} 種對策中有 {len(restored)} 種使它保持在 "
        f"{VANISHING_RATIO:g} 以上，其中 {len(learned)} 個網路學得會（訓練損失低於猜測的一半）。",
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
    lost = say("nothing compared with", "與最後一層相比是零")
    if plain.ratio > 0:
        lost = (
            say(f"{1 / plain.ratio:.1e} times below", f"比最後一層小 {1 / plain.ratio:.1e} 倍")
            if plain.ratio < 1
            else say(f"{share(plain.ratio)} times", f"是最後一層的 {share(plain.ratio)} 倍")
        )
    said = say(
        [
            f"In the plain sigmoid network with {plain.depth} hidden layers, the first layer's gradient is "
            f"{lost} the last layer's."
        ],
        [f"在有 {plain.depth} 個隱藏層的一般 sigmoid 網路中，第一層的梯度{lost}。"],
    )
    restored = [arm for arm in CURES if deepest[arm].ratio >= VANISHING_RATIO]
    if restored:
        what = (
            say("Each of the four cures restores it", "四種對策都恢復了梯度")
            if len(restored) == len(CURES)
            else say("Some restore it", "有些對策恢復了梯度")
        )
        said.append(
            say(
                f"{what}: {', '.join(f'{NETS[arm]} to {share(deepest[arm].ratio)}' for arm in restored)}.",
                f"{what}：{several([f'{NETS[arm]} 到 {share(deepest[arm].ratio)}' for arm in restored])}。",
            )
        )
    failed = [arm for arm in CURES if arm not in restored]
    if failed:
        said.append(
            say(
                f"It stays below {VANISHING_RATIO:g} with {several([NETS[arm] for arm in failed])}.",
                f"{several([NETS[arm] for arm in failed])} 仍低於 {VANISHING_RATIO:g}。",
            )
        )
    guesses = abs(plain.loss - CHANCE) < 0.03 * CHANCE
    said.append(
        say(
            f"The plain network's training loss ends at {plain.loss:.2f}"
            + (f", that of guessing ({CHANCE:.2f})" if guesses else f" (guessing has {CHANCE:.2f})")
            + f"; with {shallow.depth} hidden layers it reaches {shallow.loss:.2f}.",
            f"一般網路的訓練損失最後為 {plain.loss:.2f}"
            + (f"，與猜測相同（{CHANCE:.2f}）" if guesses else f"（猜測為 {CHANCE:.2f}）")
            + f"；有 {shallow.depth} 個隱藏層時為 {shallow.loss:.2f}。",
        )
    )
    learned = [arm for arm in CURES if learns(deepest[arm].loss)]
    if learned:
        who = (
            say("All four cured networks learn", "四個有對策的網路")
            if len(learned) == len(CURES)
            else say(
                f"{several([NETS[arm] for arm in learned])} learned", several([NETS[arm] for arm in learned])
            )
        )
        ends = say(
            ", ".join(f"{NETS[arm]} to {deepest[arm].loss:.2f}" for arm in learned),
            several([f"{NETS[arm]} 到 {deepest[arm].loss:.2f}" for arm in learned]),
        )
        said.append(say(f"{who} at the same depth: {ends}.", f"同樣的深度，{who}都學得會：{ends}。"))
    else:
        said.append(
            say(
                "In these few steps no cure halved it either; a larger budget gives them time.",
                "在這麼少的步數內，也沒有對策使損失減半；提高 budget 會給它們時間。",
            )
        )
    normed = deepest[NORMED].ratio
    if normed > 3 and normed > shallow_normed.ratio:
        said.append(
            say(
                "Batch norm without skip connections has the opposite problem, increasingly with depth: before "
                f"training the first layer's gradient is {share(shallow_normed.ratio)} times the last layer's "
                f"with {shallow.depth} hidden layers and {share(normed)} times with {plain.depth}, an exploding "
                "gradient.",
                "沒有跳躍連接的批次正規化有相反的問題，而且越深越嚴重：訓練前第一層的梯度，在 "
                f"{shallow.depth} 個隱藏層時是最後一層的 {share(shallow_normed.ratio)} 倍，{plain.depth} 個時是 "
                f"{share(normed)} 倍，也就是梯度爆炸。",
            )
        )
    bare, eased = cosines[NORMED], cosines[RESIDUAL_RELU]
    said.append(
        say(
            f"Size is not everything: in the {NETS[NORMED]} network, the gradients of an image and of one moved "
            f"{100 * near:.0f} % of the way to another have a cosine of {bare:.2f}"
            + (
                f", which residual blocks around the same layers raise to {eased:.2f}: they also reduce "
                "shattering."
                if eased > bare + 0.1
                else f", and {eased:.2f} with residual blocks around the same layers."
            ),
            f"大小不是一切：在 {NETS[NORMED]} 網路中，一張影像與往另一張移動 {100 * near:.0f} % 的影像，梯度的餘弦是 "
            f"{bare:.2f}"
            + (
                f"，在相同的層外加上殘差連接則提高到 {eased:.2f}：也減少了梯度的破碎。"
                if eased > bare + 0.1
                else f"，在相同的層外加上殘差連接則是 {eased:.2f}。"
            ),
        )
    )
    return said


def held_fixed(settings: Mapping[str, Any]) -> str:
    """The controlled variables."""
    rates = say(
        ", ".join(f"{rate:g}" for rate in settings["learning_rates_tried"]),
        several([f"{rate:g}" for rate in settings["learning_rates_tried"]]),
    )
    return say(
        f"The {settings['images']:,} images of MNIST, hidden layers of {settings['width']} neurons, "
        f"cross-entropy, {settings['steps']:,} steps of gradient descent with momentum "
        f"{settings['momentum']:g} on batches of {settings['batch_size']}, a constant rate, and "
        f"{settings['repeats']} {'seed' if settings['repeats'] == 1 else 'seeds'} of weights and shuffles. "
        "The initializer matches the activation (He for ReLU, Glorot for the others). The rate was chosen "
        f"for each network and depth from {rates}, on validation images and a seed that is not measured. The "
        "skip and residual networks consist of the plain network's sigmoid layers; a skip block adds a "
        "quarter as many neurons, so that the networks cost about the same. Numbers are medians over the "
        "seeds.",
        f"MNIST 的 {settings['images']:,} 張影像，每個隱藏層 {settings['width']} 個神經元，交叉熵，以動量 "
        f"{settings['momentum']:g}、"
        f"批次大小 {settings['batch_size']} 的梯度下降法走 {settings['steps']:,} 步，學習率固定，"
        f"權重與順序各有 {settings['repeats']} 個亂數種子。初始化配合激活函數（ReLU 用 He，其他用 Glorot）。"
        f"各網路、各深度的學習率從 {rates} 中選出，依據驗證影像與一個不列入結果的種子。"
        "跳躍與殘差網路由一般網路的 sigmoid 層組成；跳躍區塊多加四分之一的神經元，使各網路的成本大致相同。"
        "數值是各種子的中位數。",
    )


LIMITS = say(
    "Whether depth helps: for MNIST two hidden layers are enough. What happens later in training: gradients "
    "were measured before it. The best result of each network: training was short, at one width, without "
    "schedules or Adam, which rescales small gradients. The effect of batch norm alone: here it comes with "
    "ReLU. Whether a restored gradient is enough: one of the right size may still be noise, as the cosines "
    "show, or explode.",
    "深度是否有幫助：MNIST 有兩個隱藏層就夠了。訓練後期的情形：梯度是在訓練前測量的。各網路的最佳結果：訓練很短，"
    "只有一種寬度，沒有排程，也沒有會放大小梯度的 Adam。批次正規化單獨的作用：這裡它與 ReLU 一起使用。"
    "恢復梯度是否就夠了：大小合適的梯度仍可能只是雜訊（如餘弦所示），或者爆炸。",
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
    """1 hidden layer, 5 hidden layers"""
    return say(f"{depth} hidden layer{'' if depth == 1 else 's'}", f"{depth} 個隱藏層")


def under_way(net: str, depth: int) -> str:
    """The current activity."""
    return say(f"{NETS[net]}, {hidden_layers(depth)}", f"{NETS[net]}，{hidden_layers(depth)}")


def main_caption(depth: int) -> str:
    """The caption of the table of the deepest networks."""
    return say(
        f"{hidden_layers(depth)}. gradient: the first layer's before training, relative to the last layer's; "
        "rate: the learning rate chosen; loss: final, on training images; accuracy: on test images.",
        f"{hidden_layers(depth)}。梯度：訓練前第一層相對於最後一層的梯度；學習率：選用的；"
        "損失：最後在訓練影像上的；準確率：在測試影像上的。",
    )


def depth_heads(depths: Sequence[int]) -> tuple[str, ...]:
    """The columns of the tables by depth."""
    return (
        say("net", "網路"),
        *(say(f"{depth} {'layer' if depth == 1 else 'layers'}", f"{depth} 層") for depth in depths),
    )


def noise_caption(near: float, depth: int) -> str:
    """The caption of the table of cosines. near: the fraction by which an image is moved toward another."""
    return say(
        f"Cosine between the gradients of an image and of one moved {100 * near:.0f} % of the way to "
        f"another, in the first layer before training, {hidden_layers(depth)}",
        f"一張影像與往另一張移動 {100 * near:.0f} % 的影像，在訓練前第一層的梯度的餘弦，{hidden_layers(depth)}",
    )


def spread(ends: tuple[float, float] | None, diverged: int) -> str:
    """The range of the seeds' losses, and how many diverged. ends: None if all did."""
    said = (
        [] if ends is None else say([f"{ends[0]:.3f} to {ends[1]:.3f}"], [f"{ends[0]:.3f} 到 {ends[1]:.3f}"])
    )
    return say(
        ", ".join([*said, *([f"{diverged} diverged"] if diverged else [])]),
        "，".join([*said, *([f"{diverged} 個發散"] if diverged else [])]),
    )


def accuracy(share: float) -> str:
    """91.2 %"""
    return f"{100 * share:.1f} %"


def on_its_way(depth: int) -> str:
    """The title of the panel of gradients by layer."""
    return say(f"The gradient layer by layer, depth {depth}", f"逐層的梯度，深度 {depth}")


def guessing(loss: float) -> str:
    """The note at the line of guessing."""
    return say(f"guessing: {loss:.2f}", f"猜測：{loss:.2f}")


def of_the_last(net: str, ratio: float) -> str:
    """The note at the first layer of the plain net."""
    return say(
        f"<b>{NETS[net]}</b>: {ratio:.1e}<br>of the last layer's",
        f"<b>{NETS[net]}</b>：最後一層的<br>{ratio:.1e}",
    )
