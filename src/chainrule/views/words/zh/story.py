"""The story in words: every sentence is built from the numbers of this one answer. Chapters 1 to 3."""

from __future__ import annotations

from chainrule.inspection.story import Story
from chainrule.inspection.story.facts import LayerFacts
from chainrule.views.chapters import Bar, Bars, Chapter, Grid, Picture
from chainrule.views.words.facts import ANSWERS_LISTED, FEATURES_LISTED, short
from chainrule.views.words.zh.attribution import feature
from chainrule.views.words.zh.phrases import percent, several
from chainrule.views.words.zh.story_change import would_change
from chainrule.views.words.zh.story_names import introduced, named, output
from chainrule.views.words.zh.story_reasons import why


def parts(story: Story) -> tuple[Chapter, ...]:
    """The five chapters."""
    return (came_in(story), answered(story), made(story), why(story), would_change(story))


def came_in(story: Story) -> Chapter:
    """The picture or the features."""
    title = "輸入了什麼"
    x = story.attribution.X[0]
    if story.shape is not None:
        high, low = float(x.max()), float(x.min())
        lit = int((x != story.attribution.baseline[0]).sum())
        sentence = (
            f"一張 {story.shape[0]} × {story.shape[1]} 像素的圖片，{len(x):,} 個像素中有 {lit:,} 個和基準不同；"
            f"數值從 {low:g} 到 {high:g}。"
        )
        return Chapter(title, (introduced(story, sentence), Picture(x.reshape(story.shape))))
    shown = (
        list(range(len(x)))
        if len(x) <= FEATURES_LISTED
        else sorted(story.attribution.order()[:FEATURES_LISTED].tolist())
    )
    rest = f"，這裡列出作用最大的 {FEATURES_LISTED} 個" if len(x) > FEATURES_LISTED else ""
    sentence = introduced(story, f"一個有 {len(x):,} 個特徵的樣本{rest}。")
    rows: list[tuple[str, ...]] = []
    heads: tuple[str, ...] = ("特徵", "數值", "基準")
    if story.standard is not None:
        sentence += "網路看到的是每個特徵離訓練資料平均幾個標準差。"
        heads = (*heads[:2], "平均", "標準差數")
    for k in shown:
        row = [feature(story.attribution, k), f"{x[k]:.5g}", f"{story.attribution.baseline[0, k]:.5g}"]
        rows.append(tuple(row if story.standard is None else [*row, f"{story.standard[k]:+.2f}"]))
    return Chapter(title, (sentence, Grid(heads, tuple(rows))))


def answered(story: Story) -> Chapter:
    """The answer, and how close the others came."""
    title = "網路說了什麼"
    if story.task == "regression":
        numbers = [
            f"{output(k)} {a.output:.6g}" if len(story.answers) > 1 else f"{a.output:.6g}"
            for k, a in enumerate(story.answers)
        ]
        sentence = f"網路的答案：{several(numbers)}。"
        if story.truth is not None:
            sentence += f"正確答案是 {named(story, story.truth)}。"
        return Chapter(title, (sentence,))
    shown = story.answers[:ANSWERS_LISTED]
    bars = tuple(
        Bar(a.label, percent(a.share or 0.0), a.share or 0.0, a.is_said, f"logit {a.output:+.3f}")
        for a in shown
    )
    chosen = story.chosen
    if story.task == "multilabel":
        sentence = f"機率高於一半的標籤：{several(chosen)}。"
    else:
        sentence = f"網路的答案是 {chosen[0]}，機率 {percent(story.answers[0].share or 0.0)}。"
        if story.rival is not None and story.task == "binary":
            sentence += f"它只有一個權衡兩者的 logit，離不分高下差 {story.rival.gap:.3f}。"
        elif story.rival is not None:
            sentence += f"最接近的對手是 {story.rival.label}，logit 落後 {story.rival.gap:.3f}。"
    if story.truth is not None:
        sentence += (
            f"正確答案是 {named(story, story.truth)}：{'答對' if story.truth == story.said else '答錯'}。"
        )
    rest = len(story.answers) - len(shown)
    more = (f"還有 {rest:,} 個，合計 {percent(sum(a.share or 0 for a in story.answers[ANSWERS_LISTED:]))}。",)
    return Chapter(title, (sentence, Bars(bars), *(more if rest and story.task == "multiclass" else ())))


def made(story: Story) -> Chapter:
    """Layer by layer, what became of it."""
    rows = [_layer_row(layer) for layer in story.layers]
    heads = ("層", "內容", "神經元", "活躍", "大小（均方根）", "最強的神經元")
    busiest = [layer for layer in story.layers if layer.active is not None]
    sentence = "每一層把輸出交給下一層。神經元的 z 大於 0 時是活躍的。"
    if busiest:
        few = min(busiest, key=lambda layer: (layer.active or 0) / len(layer.values))
        part = f"{len(few.values):,} 個神經元中只有 {few.active:,} 個活躍"
        sentence += f"這裡挑選最嚴的是 {few.name}：{part}。"
    return Chapter("每一層做了什麼", (sentence, Grid(heads, tuple(rows), (heads[1], heads[-1]))))


def _layer_row(layer: LayerFacts) -> tuple[str, ...]:
    width = len(layer.values)
    active = "" if layer.active is None else f"{layer.active:,} ({100 * layer.active / width:.0f} %)"
    neurons = "、".join(f"#{k} {layer.values[k]:.3g}" for k in layer.strongest)
    return (
        "  " * layer.depth + layer.name,
        f"{layer.layer}，相加" if layer.is_block else short(layer.layer),
        f"{width:,}",
        active,
        f"{layer.rms:.3g}",
        neurons,
    )
