"""Words of the worksheet on backpropagation and of its key."""

from __future__ import annotations

from collections.abc import Mapping

from . import say

NAME, DATE = say(("Name", "Date"), ("姓名", "日期"))
TRUE = say("true", "正確答案")
INPUTS, HIDDEN, OUTPUTS = say(
    ("inputs", "hidden: sigmoid", "outputs: softmax"), ("輸入", "隱藏層：sigmoid", "輸出：softmax")
)
PICTURE = say("The network with its weights and biases", "網路與它的權重、偏置")
SHEET, ALL = say(("sheet", "All answers"), ("題號", "所有答案"))
TITLES = say(
    {
        "hidden": "The hidden neurons",
        "outputs": "The outputs and the loss",
        "errors": "The errors of the outputs",
        "back": "One layer back",
        "step": "A step downhill",
        "check": "Is the derivative right?",
        "counting": "How large, and how many steps?",
        "normalizing": "Batch normalization",
        "judging": "How good is a classifier?",
    },
    {
        "hidden": "隱藏層的神經元",
        "outputs": "輸出與損失",
        "errors": "輸出的誤差",
        "back": "往回一層",
        "step": "往下走一步",
        "check": "導數算對了嗎？",
        "counting": "網路多大、要走幾步？",
        "normalizing": "批次正規化",
        "judging": "分類器有多好？",
    },
)


def heading(seed: int) -> str:
    """The heading of a worksheet."""
    return say(f"Backpropagation by hand, sheet {seed}", f"動手算反向傳播，第 {seed} 號題")


def heading_of_key(seed: int) -> str:
    """The heading of a key."""
    return say(f"Key of sheet {seed}", f"第 {seed} 號題的解答")


def introduced(inputs: str, label: int) -> str:
    """The task. inputs: with their names.  label: the number of the true output, from 1."""
    return say(
        f"The network below receives {inputs}; the true answer is output {label}. Round every number to four decimals "
        "and go on with the rounded one; answers within 1 % are right.",
        f"下面的網路收到 {inputs}，正確答案是輸出 {label}。每個數字四捨五入到小數點後四位，"
        "並用捨入後的數字繼續計算；誤差在 1 % 以內都算對。",
    )


def asked(code: str, given: Mapping[str, str], weight: str) -> str:
    """The question of an exercise. given: its numbers.  weight: the name of the weight that is followed."""
    match code:
        case "hidden":
            return say(
                "zᵢ = bᵢ + Σ uₖᵢ xₖ and aᵢ = σ(zᵢ) = 1 / (1 + e^(−zᵢ)).",
                "zᵢ = bᵢ + Σ uₖᵢ xₖ，aᵢ = σ(zᵢ) = 1 / (1 + e^(−zᵢ))。",
            )
        case "outputs":
            return say(
                "sⱼ = cⱼ + Σ vᵢⱼ aᵢ, pⱼ = e^sⱼ / (e^s₁ + e^s₂), and L = −ln p of the true output.",
                "sⱼ = cⱼ + Σ vᵢⱼ aᵢ，pⱼ = e^sⱼ / (e^s₁ + e^s₂)，L = −ln（正確輸出的 p）。",
            )
        case "errors":
            return say(
                "∂L/∂sⱼ = pⱼ − yⱼ, where y is 1 for the true output and 0 for the other; ∂L/∂vᵢⱼ = aᵢ · ∂L/∂sⱼ.",
                "∂L/∂sⱼ = pⱼ − yⱼ，正確輸出的 y 是 1，另一個是 0；∂L/∂vᵢⱼ = aᵢ · ∂L/∂sⱼ。",
            )
        case "back":
            return say(
                "∂L/∂aᵢ = Σⱼ vᵢⱼ · ∂L/∂sⱼ over all paths, ∂L/∂zᵢ = ∂L/∂aᵢ · aᵢ (1 − aᵢ), and ∂L/∂uₖᵢ = xₖ · ∂L/∂zᵢ.",
                "∂L/∂aᵢ = Σⱼ vᵢⱼ · ∂L/∂sⱼ（所有路徑相加），∂L/∂zᵢ = ∂L/∂aᵢ · aᵢ (1 − aᵢ)，∂L/∂uₖᵢ = xₖ · ∂L/∂zᵢ。",
            )
        case "step":
            return say(
                f"Gradient descent with the learning rate {given['rate']} changes {weight}. Its new value?",
                f"以學習率 {given['rate']} 做一步梯度下降，{weight} 的新值是多少？",
            )
        case "check":
            return say(
                f"With {weight} larger by {given['step']} the loss is {given['larger']}, with {weight} smaller by "
                f"{given['step']} it is {given['smaller']}. Compute the central difference, and compare it with "
                "your derivative.",
                f"{weight} 增加 {given['step']} 時損失是 {given['larger']}，減少 {given['step']} 時是 "
                f"{given['smaller']}。計算中央差分，並與自己算出的導數比較。",
            )
        case "counting":
            return say(
                f"A network for MNIST has {given['pixels']} inputs, {given['hidden']} hidden neurons and "
                f"{given['digits']} outputs. How many weights and biases (n) does it have? How many steps (k) has an "
                f"epoch of {given['samples']} images in batches of {given['batch']}, the last of which may be smaller?",
                f"用於 MNIST 的網路有 {given['pixels']} 個輸入、{given['hidden']} 個隱藏神經元與 "
                f"{given['digits']} 個輸出。權重與偏置共有幾個（n）？{given['samples']} 張影像分成每批 "
                f"{given['batch']} 張（最後一批可能較少），一個週期有幾步（k）？",
            )
        case "normalizing":
            numbers = ", ".join(f"{name} = {value}" for name, value in given.items())
            return say(
                f"A neuron's sums over a batch: {numbers}. Mean μ, standard deviation σ (divide by 4), the normalized "
                "ẑ₁ = (z₁ − μ) / σ, and what the layer hands on.",
                f"一個神經元在一批樣本上的加權和：{numbers}。求平均 μ、標準差 σ（除以 4）、"
                "正規化後的 ẑ₁ = (z₁ − μ) / σ，以及這一層的輸出。",
            )
        case _:
            return say(
                f"Of a test, {given['hits']} sick people were found and {given['misses']} missed; {given['alarms']} "
                f"healthy people were reported as sick and {given['rest']} as healthy.",
                f"一項檢驗找出了 {given['hits']} 位病人，漏掉 {given['misses']} 位；健康的人有 "
                f"{given['alarms']} 位被誤判為病人，{given['rest']} 位判斷正確。",
            )
