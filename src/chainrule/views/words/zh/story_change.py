"""Chapter 5 in words: the loss, the walk back, the step."""

from __future__ import annotations

from chainrule.inspection.story import Story
from chainrule.views.chapters import Chapter, Content, Grid
from chainrule.views.words.facts import ANSWERS_LISTED
from chainrule.views.words.zh.phrases import percent, several
from chainrule.views.words.zh.story_names import named


def would_change(story: Story) -> Chapter:
    """The loss, the walk back, the step."""
    title = "反向傳播會改變什麼"
    if story.change is None:
        return Chapter(title, ("沒有正確答案就沒有誤差：給出正確的值，就能看到訓練會改變什麼。",))
    c = story.change
    is_given = (
        f"正確答案是 {named(story, c.truth)}。"
        if c.is_given
        else f"沒有給正確答案，所以把網路的答案 {named(story, c.truth)} 當成正確：下面是以它訓練時會加強的部分。"
    )
    fell = "下降" if c.loss_after < c.loss else "上升" if c.loss_after > c.loss else "不變"
    first = f"{is_given}損失是 {c.loss:.5g}。往回走時，各層得到這些誤差項；導數最大的權重移動最多。"
    heads = ("層", "誤差項 δ（dL/d 輸出的均方根）", "梯度（範數）", "步伐（範數）")
    rows = [
        (
            d.name,
            f"{d.delta:.3g}",
            "" if d.gradient is None else f"{d.gradient:.3g}",
            "" if d.gradient is None else "凍結" if d.is_frozen else f"{c.rate * d.gradient:.3g}",
        )
        for d in c.deltas
    ]
    moves = [(m.name, f"{m.before:+.5g}", f"{m.after:+.5g}", f"{m.after - m.before:+.3g}") for m in c.moves]
    step = f"以學習率 {c.rate:g} 走一步梯度下降法，這些權重移動最多："
    difference = f"改變 {c.loss_after - c.loss:+.4g}，而只看梯度預期是 {c.expected:+.4g}"
    after = f"走這一步之後損失{fell}：從 {c.loss:.5g} 到 {c.loss_after:.5g}，{difference}。"
    content: list[Content] = [first, Grid(heads, tuple(rows))]
    if moves:
        content += [step, Grid(("權重", "現在", "之後", "改變"), tuple(moves))]
    content.append(after)
    if story.task == "regression":
        pairs = zip(story.answers, c.answers_after, strict=True)
        content.append("答案" + several([f"從 {b.output:.6g} 變成 {n.output:.6g}" for b, n in pairs]) + "。")
    else:
        content.append(
            Grid(
                ("機率", "現在", "之後", "改變"),
                tuple(
                    (
                        b.label,
                        percent(b.share or 0),
                        percent(n.share or 0),
                        points((n.share or 0) - (b.share or 0)),
                    )
                    for b, n in list(zip(story.answers, c.answers_after, strict=True))[:ANSWERS_LISTED]
                ),
            )
        )
    return Chapter(title, tuple(content))


def points(change: float) -> str:
    """+0.37 個百分點; with two digits that say something where it is less than a hundredth."""
    if change == 0:
        return "沒有改變"
    return f"{100 * change:+.2f} 個百分點" if abs(change) >= 1e-4 else f"{100 * change:+.1e} 個百分點"
