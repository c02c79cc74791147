"""Chapter 4 in words: which features, which neurons, and what the rival lacked."""

from __future__ import annotations

import numpy as np

from chainrule.inspection.story import Story
from chainrule.inspection.story.facts import Evidence
from chainrule.inspection.story.rival import Rival
from chainrule.views.chapters import Chapter, Content, Grid, Picture, Signed
from chainrule.views.words.zh.attribution import NAMES, feature, target
from chainrule.views.words.zh.phrases import several
from chainrule.views.words.zh.story_page import asked, named, rival_of


def why(story: Story) -> Chapter:
    """Which features, which neurons, and what the rival lacked."""
    a = story.attribution
    noun = "像素" if story.shape is not None else "特徵"
    up, down = float(a.values[0][a.values[0] > 0].sum()), float(a.values[0][a.values[0] < 0].sum())
    if a.method == "saliency":
        sentence = f"{NAMES[a.method]}：每個{noun}改變時，輸出變得多快。"
    else:
        sentence = f"{NAMES[a.method]}把{_what(story)}分回各個{noun}：支持 {up:+.4g}，反對 {down:+.4g}。"
    content: list[Content] = [sentence, a.completeness()]
    if story.shape is not None:
        both = (a, None if story.rival is None else story.rival.attribution)
        maps = tuple((target(each.targets[0]), each.values[0].reshape(story.shape)) for each in both if each)
        content.append(Picture(a.X[0].reshape(story.shape), maps))
    else:
        content.append(Signed(tuple(a.bars())))
    content += _evidence(story)
    if story.rival is not None:
        content += [_needed(story, story.rival)]
    space = "" if story.task == "regression" else " "
    return Chapter(f"為什麼是{space}{asked(story)}", tuple(content))


def _what(story: Story) -> str:
    """What is attributed."""
    if story.task == "regression":
        return "輸出" if len(story.answers) == 1 else f"{target(story.attribution.targets[0])} "
    name = target(story.attribution.targets[0])
    return f"{name}{' ' if name[-1].isascii() else ''}的 logit "


def _evidence(story: Story) -> list[Content]:
    held = (
        f"{asked(story)}（相對於 {story.rival.label}）"
        if story.rival is not None and story.task == "multiclass"
        else None
    )
    what = held or target((story.rival.f if story.rival is not None else story.attribution).targets[0])
    if story.no_rule is not None:
        without = f"{story.no_rule.layer}（{story.no_rule.name}）"
        return [f"逐層的證據需要每一層都有規則，而 DeepLIFT 沒有 {without} 的規則。"]
    first = story.evidence[0]
    f = story.rival.f if story.rival is not None else None
    already = ""
    if f is not None:
        whole, there = float(f.value(f.X, f.V)[0]), float(f.value(f.baseline, f.V)[0])
        already = f"（全部是 {whole:+.4g}，其中 {there:+.4g} 在基準就已經有了）"
    sentence = f"逐層的證據（DeepLIFT）：{what}。每一層加起來都是 {first.total:+.4g}{already}；不同的是兩邊各有多少。"
    heads = ("層", "支持", "反對", "合計", "最支持的神經元", "最反對的神經元")
    return [sentence, Grid(heads, tuple(_evidence_row(layer) for layer in story.evidence), heads[4:])]


def _evidence_row(layer: Evidence) -> tuple[str, ...]:
    up, down = (
        "、".join(f"#{k} {v:+.3g}" for k, v in neurons) for neurons in (layer.strongest, layer.weakest)
    )
    return (layer.name, f"{layer.for_it:+.4g}", f"{layer.against_it:+.4g}", f"{layer.total:+.4g}", up, down)


def _needed(story: Story, rival: Rival) -> str:
    """What the runner-up would have needed."""
    if story.task == "multilabel":
        text = f"最難分的是標籤 {rival.label}：logit 再差 {rival.gap:.4g} 就會改變。"
    else:
        text = f"要變成 {rival_of(story, rival)}，logit 還差 {rival.gap:.4g}。"
    if rival.hidden is not None:
        name, need, size = rival.hidden
        share = f"，是其大小的 {100 * need / size:.2g} %" if size else ""
        text += f"在輸出層之前的最後一層 {name} 裡，離兩者相等最近的點有 {need:.3g} 遠{share}。"
    if not rival.reached:
        return text + "沒有找到能改變答案的輸入更動。"
    part = f"（離基準距離的 {100 * rival.distance / rival.size:.2g} %）" if rival.size else ""
    if story.shape is not None:
        text += f"把圖片的所有像素一起更動範數 {rival.distance:.3g}{part}，答案就會改變"
    else:
        order = np.argsort(-np.abs(rival.change * story.scale), kind="stable")[:3].tolist()
        x = story.attribution.X[0]
        moves = [
            f"{feature(story.attribution, k)} 從 {x[k]:.4g} 到 {x[k] + rival.change[k]:.4g}" for k in order
        ]
        unit = " 個標準差" if story.standard is not None else ""
        text += f"把特徵更動範數 {rival.distance:.3g}{unit}，答案就會改變，主要是：{several(moves)}"
    return f"{text}；這時模型的答案是 {named(story, rival.answer_then)}。"
