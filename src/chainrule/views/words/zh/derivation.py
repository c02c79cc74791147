"""What is said of a derivation."""

from __future__ import annotations

import math

from chainrule.inspection.derivation.derivation import Derivation, Step
from chainrule.inspection.derivation.difference import EPS, Difference
from chainrule.views.words.facts import MAX_RELATIVE_ERROR, named_numbers

LOSS = "loss"
ONE = {LOSS: "損失", "output": "輸出", "answer": "答案"}
_MODES = {"training": "如訓練時", "prediction": "如預測時"}


def two_ways(derivation: Derivation) -> list[tuple[str, str]]:
    """The values of the chain rule and of the central difference, and their difference, each with its name."""
    return [
        ("用連鎖律", f"{derivation.value:.12g}"),
        ("中央差分", f"{derivation.numeric:.12g}"),
        ("相對差異", f"{derivation.relative_difference:.1e}"),
    ]


def place(derivation: Derivation) -> str:
    """The number itself: its names and its value."""
    return f"其中 {'，'.join(named_numbers(derivation))}"


def remarks(derivation: Derivation) -> list[str]:
    """Remarks on both values: kinks, and lost digits."""
    found = derivation.difference
    remarks = [kink(found)] if found.kink is not None else []
    largest = max(abs(derivation.value), abs(found.value))
    if math.isfinite(found.error) and found.error > MAX_RELATIVE_ERROR * largest > 0:
        of = ONE[derivation.of.partition("[")[0]]
        remarks.append(
            f"中央差分只準到約 {found.error:.0e}：{of}的值是 {derivation.of_value:.3g}，沒有更多位數"
        )
    if EPS * derivation.magnitude > MAX_RELATIVE_ERROR * largest > 0:
        remarks.append(
            f"連鎖律裡有大到 {derivation.magnitude:.0e} 的項互相抵消，"
            f"所以只準到約 {EPS * derivation.magnitude:.0e}"
        )
    return remarks


def notes(derivation: Derivation) -> str:
    """The number itself and the remarks, as a sentence."""
    return "；".join([place(derivation), *remarks(derivation)]) + "。"


def kink(found: Difference) -> str:
    """Describe the effect of a nearby kink on the central difference; "" if none was met."""
    if found.kink is None:
        return ""
    if found.kink:
        return f"{found.kink:.2g} 以內有折點，每一步都沒有跨過它"
    return "這個值正好是折點：中央差分是左右兩側導數的平均"


def left_out(count: int, shown: int) -> str:
    """Count the derivatives not written out besides those shown."""
    return f"還有 {count:,} 個導數只有名稱，沒有寫出來；text(nodes={shown + count}) 會寫出更多。"


def left_out_here(count: int) -> str:
    """Count the derivatives not written out, on a page without more of them."""
    return f"這裡還有 {count:,} 個導數只有名稱，沒有寫出來。"


def sum_of(shown: int, rest: int) -> str:
    """Count the terms of a sum, and describe those shown. rest: the number of other terms."""
    which = f"逐一寫出最大的 {shown} 項" if rest else "由大到小"
    return f"{shown + rest:,} 項的和，{which}"


def others(count: int) -> str:
    """Name the sum of the terms not shown."""
    return f"其餘 {count:,} 項"


def together(count: int) -> str:
    """Name the sum of all terms."""
    return f"合計 {count:,} 項"


def more(count: int) -> str:
    """Name the terms not shown, inside a formula."""
    return f"其餘 {count:,} 項"


def step(found: Step) -> str:
    """Write the update, and the loss before and after it."""
    change = found.loss_after - found.loss_before
    return (
        f"{found.formula}\n損失 {found.loss_before:.6g} → {found.loss_after:.6g}，"
        f"改變 {change:+.3g}；一階近似為 {found.expected:+.3g}"
    )


def subtitle(derivation: Derivation) -> str:
    """The description of a page, under its heading."""
    trace, of = derivation.trace, derivation.of
    whole = ONE[LOSS] if of == LOSS else of
    return (
        f"{whole}對 {derivation.name} 的導數，{trace.n:,} 個樣本，{_MODES[trace.mode]}；"
        f"{whole} {derivation.of_value:.6g}。"
    )


HEADS = ("項", "代入數值", "值")
TWO_WAYS = "一個數值，兩種算法"
CHAIN = "連鎖律，逐一寫出每個環節"
UNFOLD = "每一行都可以展開成它的各個部分。很長的和只列出最大的幾項，以及其餘各項確切的和。"
AS_LATEX = "LaTeX"
