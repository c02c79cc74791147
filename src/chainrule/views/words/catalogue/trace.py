"""What is said of a trace, and of the comparison of backpropagation with central differences."""

from __future__ import annotations

from . import say
from .phrases import samples

HEADS = say(
    ("link", "layer", "z", "a", "delta = dL/dz", "gradient"),
    ("環節", "層", "z", "a", "delta = dL/dz", "梯度"),
)
INPUT = say("input", "輸入")
MODES = {"training": say("as in training", "如訓練時"), "prediction": say("as in prediction", "如預測時")}
CHECK = say("Backpropagation against central differences", "反向傳播與中央差分的比較")
CHECK_HEADS = say(
    ("parameter", "backpropagation", "central difference", "relative error"),
    ("參數", "反向傳播", "中央差分", "相對誤差"),
)
NO_PARAMETER = say("no parameter", "沒有參數")


def walked(count: int, mode: str, loss: float, penalty: float) -> str:
    """What was walked, and the loss. mode: training or prediction."""
    of_it = say(f", {penalty:.6g} of it penalty", f"，其中懲罰項 {penalty:.6g}") if penalty else ""
    return say(
        f"{samples(count)}, {MODES[mode]}: loss {loss:.6g}{of_it}",
        f"{samples(count)}，{MODES[mode]}：損失 {loss:.6g}{of_it}",
    )


def title(walk: str) -> str:
    """The heading of a trace."""
    return say(f"Trace of {walk}", f"追蹤：{walk}")


def shown(few: int, size: str) -> tuple[str, str]:
    """What the cells show, in two lines. few: numbers that are shown one by one."""
    return say(
        (
            f"Up to {few} numbers are shown one by one. Of more, z and a have their mean ± standard deviation,",
            f"delta and gradients their root mean square (rms). {size} kept.",
        ),
        (
            f"{few} 個以內的數值逐一列出；更多時，z 與 a 列出平均 ± 標準差，",
            f"delta 與梯度列出均方根（rms）。共保留 {size}。",
        ),
    )


def standardized(prediction: str, target: str) -> str:
    """What the numbers are in the targets' own units."""
    return say(
        f"The loss is of standardized targets. In their own units: prediction {prediction}, target {target}.",
        f"損失以標準化的目標計算。以原本的單位：預測 {prediction}，目標 {target}。",
    )


def spread(mean: float, std: float) -> str:
    """Many numbers by their mean and their standard deviation."""
    return f"{mean:.3g} ± {std:.3g}"


def rms(value: float) -> str:
    """Many numbers by their root mean square."""
    return f"rms {value:.3g}"


def worst(place: str, error: float) -> str:
    """The largest error of a check."""
    return say(f"worst: {place}, relative error {error:.1e}", f"最大誤差：{place}，相對誤差 {error:.1e}")
