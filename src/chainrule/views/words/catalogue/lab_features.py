"""The sentences of the experiment `features`, built from its numbers.

probes, purity: {"trained", "untrained": (seeds, layers)}.  aligned: (layers + 2, layers + 2) CKA of the input, each
hidden layer and the output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import say
from .phrases import several

TITLE = say("What each layer responds to", "每一層對什麼有反應")
QUESTION = say(
    "Do lower layers of a network encode concrete features and higher layers abstract ones?",
    "網路的低層是否編碼具體的特徵，高層編碼抽象的特徵？",
)
INPUT = say("input", "輸入")
LAYERS = say(("layer 1", "layer 2", "layer 3", "output"), ("第 1 層", "第 2 層", "第 3 層", "輸出層"))
WHICH = {"trained": say("trained", "訓練後"), "untrained": say("untrained", "訓練前")}
HEADS = (
    *say(
        ("layer", "width", "probe %", "before", "purity %", "purity before", "CKA input", "CKA output"),
        ("層", "寬度", "探針 %", "訓練前", "純度 %", "訓練前純度", "與輸入的 CKA", "與輸出的 CKA"),
    ),
    say("CKA seeds", "種子間的 CKA"),
)
LIMITS = say(
    "A picture shows what excites a neuron, not what the network uses it for, and the best inputs above "
    "layer 1 depend on the prior: another prior gives other pictures. They are not realistic digits. A "
    "successful probe shows that the class can be read linearly, not that the network reads it this way. "
    "CKA is dominated by the largest variances, compares geometry rather than meaning, and is biased "
    "upwards for few samples. The neurons shown are those with the largest variance. One architecture on "
    "one data set: images of digits need few levels of abstraction, and a dense layer ignores which pixels "
    "are neighbors.",
    "圖片顯示什麼使神經元興奮，不是網路拿它來做什麼；第 1 層以上的最佳輸入取決於先驗，換一種先驗就有不同的圖片。"
    "它們不是逼真的數字。探針成功表示類別可以用線性方式讀出，不表示網路就是這樣讀的。"
    "CKA 主要由最大的變異決定，比較的是幾何而不是意義，樣本少時偏高。顯示的是變異最大的神經元。"
    "一種架構、一份資料：數字的影像只需要很少的抽象層次，而稠密層不管哪些像素相鄰。",
)
TRAINING, PROBES = say(("training", "probes"), ("訓練", "探針"))
"""The current activity."""
NEURONS = say("What excites a neuron", "什麼使神經元興奮")
KINDS = say(
    ("best input", "most exciting", "second most", "least exciting"),
    ("最佳輸入", "最興奮的", "第二興奮的", "最不興奮的"),
)
WEIGHTS = say("Weights of layer 1 as images", "第 1 層的權重畫成影像")
BEFORE_AND_AFTER = say("Before and after training, layer by layer", "訓練前與訓練後，逐層比較")
MEASURES = say(
    ("A linear probe reads the class", "Most exciting samples are of one class"),
    ("線性探針讀出類別", "最興奮的樣本屬於同一類別"),
)
AXES = say(
    ("test accuracy, %", "share of the most common class, %"), ("測試準確率，%", "最常見類別的比例，%")
)
ON_PIXELS = say("on the pixels", "直接用像素")
ALIGNMENT = say("How alike representations are: linear CKA", "表示有多相似：線性 CKA")
ALIGNED = say(("Between layers", "With the same layer at the end"), ("層與層之間", "與最後的同一層"))
EPOCHS, CKA = say(("epochs of training", "CKA"), ("訓練的週期", "CKA"))
PAIR = say("%{y} and %{x}<br>CKA %{z:.3f}", "%{y} 與 %{x}<br>CKA %{z:.3f}")
"""Hover text for two layers."""


def best_inputs_of(layer: int) -> str:
    """The current activity. layer: its index in LAYERS."""
    return say(f"best inputs of {LAYERS[layer]}", f"{LAYERS[layer]}的最佳輸入")


def panel(layer: int, neurons: int) -> str:
    """The title of a layer's pictures."""
    return say(f"{LAYERS[layer]}: {neurons} neurons", f"{LAYERS[layer]}：{neurons} 個神經元")


def caption(most: int, floor: float, seeds: int) -> str:
    """The caption of the table. floor: linear CKA of shuffled rows."""
    return say(
        "Test accuracy of a linear probe on each layer, of the trained network and of the same network "
        f"before training; the share of one class among a neuron's {most} most exciting digits, averaged "
        f"over neurons; linear CKA with the input, with the output, and between different seeds ({floor:.3f} "
        f"for shuffled rows). Means of {seeds} seeds.",
        "每一層上線性探針的測試準確率，訓練後的網路與訓練前的同一個網路；"
        f"使神經元最興奮的 {most} 個數字中同一類別的比例，"
        f"取神經元的平均；與輸入、與輸出，以及不同種子之間的線性 CKA（列打亂後為 {floor:.3f}）。{seeds} 個種子的平均。",
    )


def held_fixed(
    settings: Mapping[str, Any], hidden: int, l2: float, C: float, starts: int, prior: tuple[float, float]
) -> str:
    """The controlled variables. prior: total variation and L2."""
    return say(
        f"The network 784 - {hidden} - {hidden} - {hidden} - 10 (ReLU, L2 {l2:g}), whose layers differ in "
        f"depth, not in width; {settings['samples']:,} digits of MNIST, {settings['epochs']} epochs of Adam "
        f"at 0.001 and batches of 128. Probes: logistic regressions (C {C:g}) on "
        f"{settings['probe_samples']:,} training digits; all measures are evaluated on the same "
        f"{settings['judged_on']:,} test digits; the untrained network has the same initial weights. The "
        "best inputs of layer 1 are exact: its neurons are affine in the input, and the ball around gray is "
        "as large as the pixels allow. Those of the others are between 0 and 255 and are the best of "
        f"{starts} starts with one prior (total variation {prior[0]:g}, L2 {prior[1]:g}).",
        f"網路 784 - {hidden} - {hidden} - {hidden} - 10（ReLU，L2 {l2:g}），各層只有深度不同、寬度相同；MNIST 的 "
        f"{settings['samples']:,} 個數字，以學習率 0.001、"
        f"批次大小 128 的 Adam 訓練 {settings['epochs']} 個週期。探針是以 "
        f"{settings['probe_samples']:,} 個訓練數字擬合的邏輯斯迴歸（C {C:g}）；所有量度都在相同的 "
        f"{settings['judged_on']:,} 個測試數字上評估；訓練前的網路有相同的初始權重。"
        "第 1 層的最佳輸入是精確的：它的神經元是輸入的仿射函數，"
        f"以灰色為中心的球與像素允許的一樣大。其他層的介於 0 到 255，是同一先驗（總變差 {prior[0]:g}，"
        f"L2 {prior[1]:g}）下 "
        f"{starts} 個起點中最好的。",
    )


def answer(probes: NDArray[np.float64], purity: NDArray[np.float64], aligned: NDArray[np.float64]) -> str:
    """The answer in one sentence; probes and purity only of the trained networks."""
    layers = len(aligned) - 2
    measures = (
        (say("alignment with the input", "與輸入的相似度"), aligned[0, 1], aligned[0, layers], -1, "{:.2f}"),
        (
            say("alignment with the output", "與輸出的相似度"),
            aligned[-1, 1],
            aligned[-1, layers],
            1,
            "{:.2f}",
        ),
        (
            say(
                "one-class share of a neuron's most exciting digits", "使神經元最興奮的數字屬於同一類別的比例"
            ),
            *(100 * purity.mean(0)[[0, layers - 1]]),
            1,
            "{:.0f} %",
        ),
        (
            say("accuracy of a linear probe", "線性探針的準確率"),
            *(100 * probes.mean(0)[[0, layers - 1]]),
            1,
            "{:.1f} %",
        ),
    )
    agreeing = sum((high - low) * sign > 0 for _, low, high, sign, _ in measures)
    verdict = say(
        {len(measures): "Yes, gradually", 0: "No"}.get(agreeing, "Partly"),
        {len(measures): "是，逐漸如此", 0: "否"}.get(agreeing, "部分如此"),
    )
    said = say(
        "; ".join(
            f"the {name} {'rises' if high > low else 'falls' if high < low else 'stays'} from {form.format(low)} "
            f"to {form.format(high)}"
            for name, low, high, _, form in measures
        ),
        "；".join(
            f"{name}從 {form.format(low)} {'上升' if high > low else '下降' if high < low else '維持'}到 "
            f"{form.format(high)}"
            for name, low, high, _, form in measures
        ),
    )
    return say(
        f"{verdict}: from layer 1 to layer {layers} {said}.",
        f"{verdict}：從第 1 層到第 {layers} 層，{said}。",
    )


def finding(
    accuracy: float,
    agreements: Sequence[tuple[int, float]],
    at_input: float,
    probes: Mapping[str, NDArray[np.float64]],
    purity: Mapping[str, NDArray[np.float64]],
    aligned: NDArray[np.float64],
    twins: Sequence[float | None],
    most: int,
) -> str:
    """The results of the run.

    accuracy: mean over the networks.  agreements: for the layers with searched best inputs, the correlation between
    different starts.  at_input: a probe's accuracy on the pixels.  twins: CKA of each layer between two seeds.
    most: the samples over which purity is computed.
    """
    trained, untrained = (100 * probes[which].mean(0) for which in ("trained", "untrained"))
    pure, impure = (100 * purity[which].mean(0) for which in ("trained", "untrained"))
    layers = len(aligned) - 2
    top = layers - 1
    text = say(
        f"The networks classify {100 * accuracy:.1f} % of the test digits correctly. A linear probe reads "
        f"the class from the pixels at {100 * at_input:.1f} %, from layer 1 at {trained[0]:.1f} % and from "
        f"layer {layers} at {trained[top]:.1f} %; before training at {untrained[0]:.1f} % and "
        f"{untrained[top]:.1f} %: training adds {trained[0] - untrained[0]:.1f} points in the first layer "
        f"and {trained[top] - untrained[top]:.1f} in the last. Of the {most} digits that excite a neuron "
        f"most, {pure[0]:.0f} % are of one class in layer 1 and {pure[top]:.0f} % in layer {layers} "
        f"({impure[0]:.0f} % and {impure[top]:.0f} % before training). Alignment with the input goes from "
        f"{aligned[0, 1]:.2f} in layer 1 to {aligned[0, layers]:.2f} in layer {layers}, with the output from "
        f"{aligned[-1, 1]:.2f} to {aligned[-1, layers]:.2f}.",
        f"網路在測試數字上答對 {100 * accuracy:.1f} %。"
        f"線性探針從像素讀出類別的準確率是 {100 * at_input:.1f} %，從第 1 層是 "
        f"{trained[0]:.1f} %，從第 {layers} 層是 {trained[top]:.1f} %；"
        f"訓練前是 {untrained[0]:.1f} % 與 {untrained[top]:.1f} %："
        f"訓練使第一層增加 {trained[0] - untrained[0]:.1f} 個百分點，"
        f"最後一層增加 {trained[top] - untrained[top]:.1f} 個。"
        f"使神經元最興奮的 {most} 個數字中，第 1 層有 {pure[0]:.0f} % 屬於同一類別，第 {layers} 層有 {pure[top]:.0f} %"
        f"（訓練前為 {impure[0]:.0f} % 與 {impure[top]:.0f} %）。與輸入的相似度從第 1 層的 {aligned[0, 1]:.2f} 到第 "
        f"{layers} 層的 {aligned[0, layers]:.2f}，與輸出的從 {aligned[-1, 1]:.2f} 到 {aligned[-1, layers]:.2f}。",
    )
    if twins[0] is not None:
        text += say(
            f" The same layer of two seeds aligns at {twins[0]:.2f} in layer 1, {twins[top]:.2f} in layer {layers}.",
            f"兩個種子的同一層，第 1 層的相似度是 {twins[0]:.2f}，第 {layers} 層是 {twins[top]:.2f}。",
        )
    ends = say(
        ", ".join(f"{agreement:.2f} ({LAYERS[layer]})" for layer, agreement in agreements),
        several([f"{agreement:.2f}（{LAYERS[layer]}）" for layer, agreement in agreements]),
    )
    return say(
        text + f" Best inputs found from different starts correlate at {ends}.",
        text + f"從不同起點找到的最佳輸入，相關係數為 {ends}。",
    )
