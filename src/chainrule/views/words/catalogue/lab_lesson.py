"""The lesson's table of training with and without backpropagation, filled in by the experiment `without_backprop`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chainrule.views.words.facts import HANDS_BACK, MethodResults

from . import say
from .lab_without_backprop import (
    METHODS,
    SOURCES,
    near_one,
    percent,
    steps,
)

HEADS = say(
    ("the lesson's comparison", "with backpropagation", "without"),
    ("課程中的比較", "有反向傳播", "沒有反向傳播"),
)
CAPTION = say("The lesson's table, filled in.", "填好的課程表格。")


def rows(found: Mapping[str, MethodResults], P: int) -> tuple[tuple[str, str, str], ...]:
    """The lesson's comparison, with this run's numbers."""
    backprop = found["backpropagation"]
    rest = [outcome for name, outcome in found.items() if name not in HANDS_BACK]
    moving = [outcome for name, outcome in found.items() if name not in (*HANDS_BACK, "none")]
    estimates = [outcome for outcome in rest if outcome.cosine is not None]
    return (
        say(
            (
                "how weights are updated",
                f"gradient descent: Adam at {backprop.size:g}",
                "not at all, by Adam on a gradient estimate, or by a search's own steps",
            ),
            (
                "如何更新權重",
                f"梯度下降法：Adam，步伐 {backprop.size:g}",
                "完全不更新、以 Adam 依估計的梯度更新，或以搜尋自己的步伐更新",
            ),
        ),
        (
            say("process", "過程"),
            say(
                f"forward, then the error is propagated back layer by layer: {steps(backprop)}",
                f"先前向計算，再把誤差逐層往回傳：{steps(backprop)}",
            ),
            extremes(
                moving,
                lambda o: o.steps,
                say("forward only: {:,.0f} steps ({})", "只有前向計算：{:,.0f} 步（{}）"),
            ),
        ),
        (
            say("cost of a step", "一步的成本"),
            say(
                f"{backprop.passes_a_step:.3g} passes, {backprop.milliseconds:.3g} ms",
                f"{backprop.passes_a_step:.3g} 次計算，{backprop.milliseconds:.3g} 毫秒",
            ),
            say(
                extremes(moving, lambda o: o.passes_a_step, "{:,.4g} passes ({})")
                + "; "
                + extremes(moving, lambda o: o.milliseconds, "{:,.3g} ms ({})"),
                extremes(moving, lambda o: o.passes_a_step, "{:,.4g} 次計算（{}）")
                + "；"
                + extremes(moving, lambda o: o.milliseconds, "{:,.3g} 毫秒（{}）"),
            ),
        ),
        say(
            (
                "use",
                "the standard training method",
                "gradient checks; losses without gradients; networks that are only used",
            ),
            ("用途", "標準的訓練方法", "檢查梯度；沒有梯度的損失；只拿來使用的網路"),
        ),
        (
            say("where the gradient comes from", "梯度從哪裡來"),
            say(
                f"the chain rule: all {P} derivatives in one backward pass, exact",
                f"連鎖律：一次反向計算得到全部 {P} 個導數，而且精確",
            ),
            say(
                "; ".join(f"{METHODS[o.arm.name]}: {SOURCES[o.arm.name]}" for o in moving),
                "；".join(f"{METHODS[o.arm.name]}：{SOURCES[o.arm.name]}" for o in moving),
            )
            or "-",
        ),
        (
            say("cosine to the gradient", "與梯度的餘弦"),
            "1",
            say(
                "; ".join(
                    f"{METHODS[o.arm.name]} {near_one(o.cosine)}" for o in estimates if o.cosine is not None
                ),
                "；".join(
                    f"{METHODS[o.arm.name]} {near_one(o.cosine)}" for o in estimates if o.cosine is not None
                ),
            )
            or "-",
        ),
        (
            say("effect", "效果"),
            say(
                f"loss {backprop.loss:.2f}, {percent(backprop)} correct",
                f"損失 {backprop.loss:.2f}，答對 {percent(backprop)}",
            ),
            say(
                "loss "
                + extremes(rest, lambda o: o.loss, "{:.2f} ({})")
                + "; "
                + extremes(rest, lambda o: 100 * o.accuracy, "{:.1f} % ({})")
                + " correct",
                "損失 "
                + extremes(rest, lambda o: o.loss, "{:.2f}（{}）")
                + "；答對 "
                + extremes(rest, lambda o: 100 * o.accuracy, "{:.1f} %（{}）"),
            ),
        ),
    )


def extremes(outcomes: list[MethodResults], key: Callable[[MethodResults], float], form: str) -> str:
    """From 2 passes (random search) to 981 passes (central differences)."""
    if not outcomes:
        return "-"
    low, high = min(outcomes, key=key), max(outcomes, key=key)
    first, last = form.format(key(low), METHODS[low.arm.name]), form.format(key(high), METHODS[high.arm.name])
    return (
        first
        if low is high
        else say(
            f"{first} to {last.removeprefix('forward only: ')}",
            f"{first} 到 {last.removeprefix('只有前向計算：')}",
        )
    )
