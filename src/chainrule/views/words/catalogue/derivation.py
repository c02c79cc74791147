"""Sentences about derivations."""

from __future__ import annotations

import math

from chainrule.inspection.derivation.derivation import Derivation, Step
from chainrule.inspection.derivation.difference import EPS, Difference
from chainrule.views.words.facts import MAX_RELATIVE_ERROR

from . import say
from .phrases import samples
from .trace import MODES

LOSS = "loss"
ONE = {LOSS: say("a loss", "損失"), "output": say("an output", "輸出"), "answer": say("an answer", "答案")}


def two_ways(derivation: Derivation) -> list[tuple[str, str]]:
    """The values of the chain rule and of the central difference, and their difference, each with its name."""
    return [
        say(("chain rule", f"{derivation.value:.12g}"), ("用連鎖律", f"{derivation.value:.12g}")),
        say(("central difference", f"{derivation.numeric:.12g}"), ("中央差分", f"{derivation.numeric:.12g}")),
        say(
            ("relative difference", f"{derivation.relative_difference:.1e}"),
            ("相對差異", f"{derivation.relative_difference:.1e}"),
        ),
    ]


def place(derivation: Derivation) -> str:
    """The number itself: its names and its value."""
    return say(
        f"where {' and '.join(_named_numbers(derivation))}", f"其中 {'，'.join(_named_numbers(derivation))}"
    )


def _named_numbers(derivation: Derivation) -> list[str]:
    """Return the number derived by, and an output that is derived, with their names and values."""
    found = [(derivation.tree.of.plain, derivation.name, derivation.at)]
    if derivation.of != "loss":
        found.append((derivation.tree.symbol.top.plain, derivation.of, derivation.of_value))
    return [f"{' = '.join(dict.fromkeys(names))} = {value:.6g}" for *names, value in found]


def remarks(derivation: Derivation) -> list[str]:
    """Remarks on both values: kinks, and lost digits."""
    found = derivation.difference
    remarks = [kink(found)] if found.kink is not None else []
    largest = max(abs(derivation.value), abs(found.value))
    if math.isfinite(found.error) and found.error > MAX_RELATIVE_ERROR * largest > 0:
        of = ONE[derivation.of.partition("[")[0]]
        remarks.append(
            say(
                f"the central difference is accurate only to about {found.error:.0e}: "
                f"{ONE[derivation.of.partition('[')[0]]} of {derivation.of_value:.3g} has no more digits",
                f"中央差分只準到約 {found.error:.0e}：{of}的值是 {derivation.of_value:.3g}，沒有更多位數",
            )
        )
    if EPS * derivation.magnitude > MAX_RELATIVE_ERROR * largest > 0:
        remarks.append(
            say(
                f"in the chain rule, terms of up to {derivation.magnitude:.0e} cancel, "
                f"so it is accurate only to about {EPS * derivation.magnitude:.0e}",
                f"連鎖律裡有大到 {derivation.magnitude:.0e} 的項互相抵消，"
                f"所以只準到約 {EPS * derivation.magnitude:.0e}",
            )
        )
    return remarks


def notes(derivation: Derivation) -> str:
    """The number itself and the remarks, as a sentence."""
    said = "; ".join([place(derivation), *remarks(derivation)])
    return say(f"{said[0].upper()}{said[1:]}.", "；".join([place(derivation), *remarks(derivation)]) + "。")


def kink(found: Difference) -> str:
    """Describe the effect of a nearby kink on the central difference; "" if none was met."""
    if found.kink is None:
        return ""
    if found.kink:
        return say(
            f"there is a kink within {found.kink:.2g}, beyond all steps",
            f"{found.kink:.2g} 以內有折點，每一步都沒有跨過它",
        )
    return say(
        "there is a kink at this value: the central difference is the mean of the left and right derivatives",
        "這個值正好是折點：中央差分是左右兩側導數的平均",
    )


def left_out(count: int, shown: int) -> str:
    """Count the derivatives not written out besides those shown."""
    many = "1 more derivative is" if count == 1 else f"{count:,} more derivatives are"
    return say(
        f"{many} named but not written out; text(nodes={shown + count}) writes more.",
        f"還有 {count:,} 個導數只有名稱，沒有寫出來；text(nodes={shown + count}) 會寫出更多。",
    )


def left_out_here(count: int) -> str:
    """Count the derivatives not written out, on a page without more of them."""
    return say(
        f"{count:,} more derivatives named here are not written out.",
        f"這裡還有 {count:,} 個導數只有名稱，沒有寫出來。",
    )


def sum_of(shown: int, rest: int) -> str:
    """Count the terms of a sum, and describe those shown. rest: the number of other terms."""
    which = (
        say(f"the {shown} largest one by one", f"逐一寫出最大的 {shown} 項")
        if rest
        else say("the largest first", "由大到小")
    )
    return say(f"a sum of {shown + rest:,} terms, {which}", f"{shown + rest:,} 項的和，{which}")


def others(count: int) -> str:
    """Name the sum of the terms not shown."""
    return say(f"the other {count:,} terms", f"其餘 {count:,} 項")


def together(count: int) -> str:
    """Name the sum of all terms."""
    return say(f"together, {count:,} terms", f"合計 {count:,} 項")


def more(count: int) -> str:
    """Name the terms not shown, inside a formula."""
    return say(f"{count:,} more", f"其餘 {count:,} 項")


def step(found: Step) -> str:
    """Write the update, and the loss before and after it."""
    change = found.loss_after - found.loss_before
    return say(
        f"{found.formula}\nloss {found.loss_before:.6g} → {found.loss_after:.6g}, "
        f"a change of {change:+.3g}; to first order {found.expected:+.3g}",
        f"{found.formula}\n損失 {found.loss_before:.6g} → {found.loss_after:.6g}，"
        f"改變 {change:+.3g}；一階近似為 {found.expected:+.3g}",
    )


def subtitle(derivation: Derivation) -> str:
    """The description of a page, under its heading."""
    trace, of = derivation.trace, derivation.of
    whole = ONE[LOSS] if of == LOSS else of
    return say(
        f"The derivative of {'the loss' if of == LOSS else of} by {derivation.name}, {samples(trace.n)}, "
        f"{MODES[trace.mode]}; {of} {derivation.of_value:.6g}.",
        f"{whole}對 {derivation.name} 的導數，{trace.n:,} 個樣本，{MODES[trace.mode]}；"
        f"{whole} {derivation.of_value:.6g}。",
    )


HEADS = say(("term", "in numbers", "value"), ("項", "代入數值", "值"))
TWO_WAYS = say("Two ways to one number", "一個數值，兩種算法")
CHAIN = say("The chain rule, link by link", "連鎖律，逐一寫出每個環節")
UNFOLD = say(
    "Each line unfolds into its parts. A long sum shows its largest terms, and the exact sum of the others.",
    "每一行都可以展開成它的各個部分。很長的和只列出最大的幾項，以及其餘各項確切的和。",
)
AS_LATEX = say("As LaTeX", "LaTeX")
