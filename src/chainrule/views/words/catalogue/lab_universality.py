"""The sentences of the experiment `universality`, built from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from . import say
from .phrases import counted, several

TITLE = say("Universality: width against error", "通用逼近：寬度與誤差")
QUESTION = say(
    "How does the error of approximating a continuous function fall as one hidden layer grows wider?",
    "隱藏層越寬，逼近連續函數的誤差如何變小？",
)
ACTIVATIONS = {"tanh": "tanh", "sigmoid": "sigmoid", "relu": "ReLU"}
TARGETS = {
    "smooth_1": say("smooth f(x)", "平滑的 f(x)"),
    "kinked_1": say("kinked f(x)", "有折點的 f(x)"),
    "steep_1": say("steep f(x)", "陡峭的 f(x)"),
    "smooth_2": say("smooth f(x, y)", "平滑的 f(x, y)"),
    "kinked_2": say("kinked f(x, y)", "有折點的 f(x, y)"),
    "steep_2": say("steep f(x, y)", "陡峭的 f(x, y)"),
}
KINDS = {
    "smooth": say("smooth", "平滑的"),
    "kinked": say("kinked", "有折點的"),
    "steep": say("steep", "陡峭的"),
}
FORMULAS = {
    "smooth_1": "sin(pi x) + cos(3 pi x) / 2",
    "kinked_1": say("a triangle wave with six corners", "有六個角的三角波"),
    "steep_1": say(
        "a staircase of three steps: the mean of s / sqrt(s^2 + 0.02^2), s = x + 0.6, x + 0.1, x - 0.5",
        "三階的階梯：s / sqrt(s^2 + 0.02^2) 的平均，s = x + 0.6、x + 0.1、x - 0.5",
    ),
    "smooth_2": "sin(pi x) cos(pi y)",
    "kinked_2": say("1 - 2 max(|x|, |y|), a pyramid", "1 - 2 max(|x|, |y|)，角錐"),
    "steep_2": say(
        "s / sqrt(s^2 + 0.12^2) with s = 0.6 - sqrt(x^2 + y^2), a plateau",
        "s / sqrt(s^2 + 0.12^2)，s = 0.6 - sqrt(x^2 + y^2)，高原",
    ),
}
WIDEST_HEADS = say(
    ("function", "formula", "parameters", "best", "median", "worst", "best RMS"),
    ("函數", "公式", "參數", "最佳", "中位數", "最差", "最佳均方根"),
)
FITTED_LINES = say("Fitted to functions of one variable", "逼近一個變數的函數")
FITTED_FIELDS = say("Fitted to functions of two variables", "逼近兩個變數的函數")
TRUE = say("true", "真正的")
FIELD_AT = say("x %{x:.2f}, y %{y:.2f}<br>value %{z:.3f}", "x %{x:.2f}，y %{y:.2f}<br>值 %{z:.3f}")
"""Hover text for a field, with the numbers of the figure's template."""
NEURONS = say("neurons in the hidden layer", "隱藏層的神經元數")
LARGEST = say("maximum error: best start, shaded to the worst", "最大誤差：最佳的起點，陰影到最差的")
LIMITS = say(
    "The theorem states that weights exist; a fit shows that they were found. Where an error does not fall "
    "with the width, the training failed, not the theorem, and a best start is not a lower bound. No error "
    "increases with the width, because the wider network may remain equal to the narrower one. The error "
    "between the measured points is not bounded. Functions of many variables need far more neurons than "
    "these of one and two; noise and generalization are not studied, and depth, which may need fewer "
    "neurons, is not compared.",
    "定理說權重存在；逼近的結果說明找到了。若誤差沒有隨寬度變小，失敗的是訓練而不是定理，最佳的起點也不是下界。"
    "誤差不會隨寬度變大，因為較寬的網路可以與較窄的相同。測量點之間的誤差沒有上界。"
    "多個變數的函數需要的神經元遠多於這裡的一、兩個變數；沒有探討雜訊與泛化，也沒有比較可能需要較少神經元的深度。",
)


def under_way(target: str, width: int) -> str:
    """The current activity."""
    return say(f"{TARGETS[target]}, width {width}", f"{TARGETS[target]}，寬度 {width}")


def heads(widths: Sequence[int], error: float) -> tuple[str, ...]:
    """The columns of the table by width."""
    return (
        say("function", "函數"),
        *map(str, widths),
        say(f"width for {error:g}", f"達到 {error:g} 的寬度"),
        say("slope", "斜率"),
    )


def caption(starts: int) -> str:
    """The caption of the table by width."""
    return say(
        f"The maximum error over the domain, best of {counted(starts, 'start')}, by the width of the hidden layer; the "
        "smallest width whose best start reaches the target error; the slope of log error against log "
        "width.",
        f"各隱藏層寬度在定義域上的最大誤差，取 {starts:,} 個起點中最佳的；最佳起點達到目標誤差的最小寬度；"
        "誤差的對數對寬度的對數的斜率。",
    )


def widest_caption(width: int) -> str:
    """The caption of the table of the widest networks."""
    return say(
        f"At {width} neurons: the maximum error of the best, the median and the worst start; the best RMS error.",
        f"{width} 個神經元時：最佳、中位與最差起點的最大誤差；最佳的均方根誤差。",
    )


def answer(best: Mapping[str, Sequence[float]], widths: Sequence[int]) -> str:
    """The answer in one sentence. best: the maximum error of the best start, by function and width."""
    falls = {name: errors[0] / max(errors[-1], 1e-300) for name, errors in best.items()}
    least, most = min(falls, key=falls.__getitem__), max(falls, key=falls.__getitem__)
    steps = [after < before for errors in best.values() for before, after in pairwise(errors)]
    return say(
        f"From {widths[0]} to {widths[-1]} neurons the maximum error falls by a factor of "
        f"{_digits(falls[least]):g} ({TARGETS[least]}) to {_digits(falls[most]):,g} ({TARGETS[most]}), in "
        f"{sum(steps)} of the {len(steps)} steps between widths, and never rises.",
        f"從 {widths[0]} 到 {widths[-1]} 個神經元，"
        f"最大誤差縮小為 {_digits(falls[least]):g} 分之一（{TARGETS[least]}）到 "
        f"{_digits(falls[most]):,g} 分之一（{TARGETS[most]}），寬度之間的 {len(steps)} 步中有 {sum(steps)} 步變小，"
        "從未變大。",
    )


def finding(
    best: Mapping[str, Sequence[float]],
    widths: Sequence[int],
    error: float,
    reached: Mapping[str, int | None],
    apart: tuple[float, str, int] | None,
) -> str:
    """The results of the run.

    reached: by function the smallest width with that error.  apart: the largest ratio between starts of a fit, with
    its function and width; None with one start.
    """
    said = []
    for kind in KINDS:
        falls = [
            say(
                f"{best[f'{kind}_{n}'][0]:.2g} to {best[f'{kind}_{n}'][-1]:.2g}",
                f"{best[f'{kind}_{n}'][0]:.2g} 到 {best[f'{kind}_{n}'][-1]:.2g}",
            )
            for n in (1, 2)
        ]
        said.append(
            say(
                f"{KINDS[kind]} from {falls[0]} with one variable and from {falls[1]} with two",
                f"{KINDS[kind]}，一個變數從 {falls[0]}，兩個變數從 {falls[1]}",
            )
        )
    met = {name: width for name, width in reached.items() if width is not None}
    missed = [TARGETS[name] for name, width in reached.items() if width is None]
    text = say(
        f"From {widths[0]} to {widths[-1]} neurons, the best starts' maximum error: {'; '.join(said)}.",
        f"從 {widths[0]} 到 {widths[-1]} 個神經元，最佳起點的最大誤差：{'；'.join(said)}。",
    )
    if met:
        numbers = say(
            ", ".join(f"{width} neurons ({TARGETS[name]})" for name, width in met.items()),
            several([f"{width} 個神經元（{TARGETS[name]}）" for name, width in met.items()]),
        )
        text += say(f" It reached {error:g} with {numbers}.", f"達到 {error:g} 的有：{numbers}。")
    if missed:
        text += say(
            f" It stayed above {error:g} with {widths[-1]} neurons for {several(missed)}.",
            f"到 {widths[-1]} 個神經元仍高於 {error:g} 的有：{several(missed)}。",
        )
    if apart is not None:
        text += say(
            f" Starts differ by a factor of up to {apart[0]:.0f} ({TARGETS[apart[1]]}, width {apart[2]}).",
            f"不同起點最多相差 {apart[0]:.0f} 倍（{TARGETS[apart[1]]}，寬度 {apart[2]}）。",
        )
    return text


def held_fixed(settings: Mapping[str, Any], trained: Mapping[int, int], judged: Mapping[int, int]) -> str:
    """The controlled variables. trained, judged: points per axis, by the number of variables."""
    return say(
        f"One hidden layer of {ACTIVATIONS[settings['activation']]} neurons and a linear output; float64; at "
        f"most {settings['iterations']} Levenberg-Marquardt steps on all points at once, from "
        f"{counted(settings['repeats'], 'random start')} with a least-squares output layer, and for each start also "
        "from its fit at the previous width, with new neurons that have zero output weights at first; "
        f"{trained[1]} points fitted for one variable and {trained[2]} x {trained[2]} for two, with no "
        f"noise; the error is measured at {judged[1]:,} and at {judged[2]} x {judged[2]} points. Only the "
        "width changes.",
        f"一個隱藏層，神經元為 {ACTIVATIONS[settings['activation']]}，線性輸出；float64；每次以全部的點走最多 "
        f"{settings['iterations']} 步 Levenberg-Marquardt，從 {settings['repeats']:,} 個隨機起點開始，"
        "輸出層以最小平方法求得，"
        "每個起點另外也從它在前一個寬度的結果開始，新神經元的輸出權重起初為零；一個變數以 "
        f"{trained[1]} 個點逼近，兩個變數以 {trained[2]} x {trained[2]} 個點，沒有雜訊；誤差在 {judged[1]:,} 個點與 "
        f"{judged[2]} x {judged[2]} 個點上測量。只有寬度改變。",
    )


def variables(count: int) -> str:
    """The title of a panel."""
    return say(f"{count} variable{'s' if count > 1 else ''}", f"{count} 個變數")


def asked_for(error: float) -> str:
    """The note at the line of the target error."""
    return say(f"target error: {error:g}", f"目標誤差：{error:g}")


def fold(least: float, most: float) -> str:
    """The title of the figure of errors by width."""
    return say(
        f"The error falls by a factor of {_factor(least)} to {_factor(most)}",
        f"誤差縮小為 {_factor(least)} 分之一到 {_factor(most)} 分之一",
    )


def _digits(value: float) -> float:
    return float(f"{value:.3g}")


def _factor(factor: float) -> str:
    """1.5, 36 or 630,000: two digits."""
    return f"{float(f'{factor:.2g}'):,.0f}" if factor >= 10 else f"{factor:.2g}"
