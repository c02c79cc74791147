"""The story in words, with every sentence built from the numbers of this answer."""

from __future__ import annotations

import numpy as np

from chainrule.inspection.story import Story
from chainrule.inspection.story.chapters import Bar, Bars, Chapter, Content, Grid, Picture, Signed
from chainrule.inspection.story.facts import Evidence, LayerFacts
from chainrule.inspection.story.rival import Rival
from chainrule.views.words.facts import ANSWERS_LISTED, FEATURES_LISTED, short

from . import say
from .attribution import NAMES, feature, target
from .phrases import output, percent, several
from .story_page import asked, introduced, named, rival_of


def parts(story: Story) -> tuple[Chapter, ...]:
    """The five chapters."""
    return (came_in(story), answered(story), made(story), why(story), would_change(story))


def came_in(story: Story) -> Chapter:
    """The picture or the features."""
    x = story.attribution.X[0]
    if story.shape is not None:
        high, low = float(x.max()), float(x.min())
        lit = int((x != story.attribution.baseline[0]).sum())
        sentence = say(
            f"a picture of {story.shape[0]} x {story.shape[1]} pixels, of which {lit:,} of {len(x):,} "
            f"differ from the baseline; values from {low:g} to {high:g}.",
            f"一張 {story.shape[0]} × {story.shape[1]} 像素的圖片，{len(x):,} 個像素中有 {lit:,} 個和基準不同；"
            f"數值從 {low:g} 到 {high:g}。",
        )
        return Chapter(
            say("The input", "輸入了什麼"), (introduced(story, sentence), Picture(x.reshape(story.shape)))
        )
    shown = (
        list(range(len(x)))
        if len(x) <= FEATURES_LISTED
        else sorted(story.attribution.order()[:FEATURES_LISTED].tolist())
    )
    rest = (
        say(
            f", with the {FEATURES_LISTED} largest contributions of {len(x):,}",
            f"，這裡列出作用最大的 {FEATURES_LISTED} 個",
        )
        if len(x) > FEATURES_LISTED
        else ""
    )
    sentence = introduced(
        story, say(f"a sample of {len(x):,} features{rest}.", f"一個有 {len(x):,} 個特徵的樣本{rest}。")
    )
    rows: list[tuple[str, ...]] = []
    heads: tuple[str, ...] = say(("feature", "value", "baseline"), ("特徵", "數值", "基準"))
    if story.standard is not None:
        sentence += say(
            " The network sees each in standard deviations from the training data's mean.",
            "網路看到的是每個特徵離訓練資料平均幾個標準差。",
        )
        heads = (*heads[:2], say("mean", "平均"), say("deviations", "標準差數"))
    for k in shown:
        row = [feature(story.attribution, k), f"{x[k]:.5g}", f"{story.attribution.baseline[0, k]:.5g}"]
        rows.append(tuple(row if story.standard is None else [*row, f"{story.standard[k]:+.2f}"]))
    return Chapter(say("The input", "輸入了什麼"), (sentence, Grid(heads, tuple(rows))))


def answered(story: Story) -> Chapter:
    """The answer, and the distance of the others."""
    if story.task == "regression":
        numbers = [
            f"{output(k)} {a.output:.6g}" if len(story.answers) > 1 else f"{a.output:.6g}"
            for k, a in enumerate(story.answers)
        ]
        sentence = say(f"The network predicts {several(numbers)}.", f"網路的答案：{several(numbers)}。")
        if story.truth is not None:
            sentence += say(
                f" The true answer is {named(story, story.truth)}.",
                f"正確答案是 {named(story, story.truth)}。",
            )
        return Chapter(say("The prediction", "網路說了什麼"), (sentence,))
    shown = story.answers[:ANSWERS_LISTED]
    bars = tuple(
        Bar(a.label, percent(a.share or 0.0), a.share or 0.0, a.is_said, f"logit {a.output:+.3f}")
        for a in shown
    )
    chosen = story.chosen
    if story.task == "multilabel":
        sentence = say(
            f"Labels with a probability above 0.5: {several(chosen)}.",
            f"機率高於一半的標籤：{several(chosen)}。",
        )
    else:
        sentence = say(
            f"The network predicts {chosen[0]}, with probability {percent(story.answers[0].share or 0.0)}.",
            f"網路的答案是 {chosen[0]}，機率 {percent(story.answers[0].share or 0.0)}。",
        )
        if story.rival is not None and story.task == "binary":
            sentence += say(
                f" Its single logit for the two classes is {story.rival.gap:.3f} from a tie.",
                f"它只有一個 logit，與決策邊界相差 {story.rival.gap:.3f}。",
            )
        elif story.rival is not None:
            sentence += say(
                f" The closest rival is {story.rival.label}, {story.rival.gap:.3f} behind in its logit.",
                f"最接近的對手是 {story.rival.label}，logit 落後 {story.rival.gap:.3f}。",
            )
    if story.truth is not None:
        is_right = story.truth == story.said
        sentence += say(
            f" The true answer is {named(story, story.truth)}: {'right' if is_right else 'wrong'}.",
            f"正確答案是 {named(story, story.truth)}：{'答對' if story.truth == story.said else '答錯'}。",
        )
    rest = len(story.answers) - len(shown)
    more = say(
        (
            f"And {rest:,} more, with a total of "
            f"{percent(sum(a.share or 0 for a in story.answers[ANSWERS_LISTED:]))}.",
        ),
        (f"還有 {rest:,} 個，合計 {percent(sum(a.share or 0 for a in story.answers[ANSWERS_LISTED:]))}。",),
    )
    return Chapter(
        say("The prediction", "網路說了什麼"),
        (sentence, Bars(bars), *(more if rest and story.task == "multiclass" else ())),
    )


def made(story: Story) -> Chapter:
    """The output of each layer."""
    rows = [_layer_row(layer) for layer in story.layers]
    heads = say(
        ("layer", "type", "neurons", "active", "size (rms)", "strongest neurons"),
        ("層", "內容", "神經元", "活躍", "大小（均方根）", "最強的神經元"),
    )
    busiest = [layer for layer in story.layers if layer.active is not None]
    sentence = say(
        "Each layer passes its output to the next. A neuron is active if its z is above 0.",
        "每一層把輸出交給下一層。神經元的 z 大於 0 時是活躍的。",
    )
    if busiest:
        few = min(busiest, key=lambda layer: (layer.active or 0) / len(layer.values))
        part = say(
            f"{few.active:,} of {len(few.values):,} neurons are active",
            f"{len(few.values):,} 個神經元中只有 {few.active:,} 個活躍",
        )
        sentence += say(
            f" The most selective layer here is {few.name}: {part}.", f"這裡挑選最嚴的是 {few.name}：{part}。"
        )
    return Chapter(
        say("The output of each layer", "每一層做了什麼"),
        (sentence, Grid(heads, tuple(rows), (heads[1], heads[-1]))),
    )


def _layer_row(layer: LayerFacts) -> tuple[str, ...]:
    width = len(layer.values)
    active = "" if layer.active is None else f"{layer.active:,} ({100 * layer.active / width:.0f} %)"
    neurons = say(
        ", ".join(f"#{k} {layer.values[k]:.3g}" for k in layer.strongest),
        "、".join(f"#{k} {layer.values[k]:.3g}" for k in layer.strongest),
    )
    return (
        "  " * layer.depth + layer.name,
        say(f"{layer.layer}, added up", f"{layer.layer}，相加") if layer.is_block else short(layer.layer),
        f"{width:,}",
        active,
        f"{layer.rms:.3g}",
        neurons,
    )


def would_change(story: Story) -> Chapter:
    """The loss, the backward pass, the step."""
    title = say("The effect of a training step", "反向傳播會改變什麼")
    if story.change is None:
        return Chapter(
            title,
            say(
                ("Without a true value there is no error; give it to see the effect of training.",),
                ("沒有正確答案就沒有誤差：給出正確的值，就能看到訓練會改變什麼。",),
            ),
        )
    c = story.change
    is_given = (
        say(f"The true answer is {named(story, c.truth)}.", f"正確答案是 {named(story, c.truth)}。")
        if c.is_given
        else (
            say(
                f"No true answer was given, so the prediction, {named(story, c.truth)}, is used instead: this is "
                "what training on it would reinforce.",
                f"沒有給正確答案，所以把網路的答案 {named(story, c.truth)} 當成正確：下面是以它訓練時會加強的部分。",
            )
        )
    )
    fell = (
        say("falls", "下降")
        if c.loss_after < c.loss
        else say("rises", "上升")
        if c.loss_after > c.loss
        else say("stays", "不變")
    )
    first = say(
        f"{is_given} The loss is {c.loss:.5g}. The backward pass gives this error at each layer; the largest "
        "derivative moves its weight most.",
        f"{is_given}損失是 {c.loss:.5g}。往回走時，各層得到這些誤差項；導數最大的權重移動最多。",
    )
    heads = say(
        ("layer", "delta (rms of dL/d output)", "gradient (norm)", "step (norm)"),
        ("層", "誤差項 δ（dL/d 輸出的均方根）", "梯度（範數）", "步伐（範數）"),
    )
    rows = [
        (
            d.name,
            f"{d.delta:.3g}",
            "" if d.gradient is None else f"{d.gradient:.3g}",
            ""
            if d.gradient is None
            else say("frozen", "凍結")
            if d.is_frozen
            else f"{c.rate * d.gradient:.3g}",
        )
        for d in c.deltas
    ]
    moves = [(m.name, f"{m.before:+.5g}", f"{m.after:+.5g}", f"{m.after - m.before:+.3g}") for m in c.moves]
    step = say(
        f"One step of gradient descent with rate {c.rate:g} would move these weights most:",
        f"以學習率 {c.rate:g} 走一步梯度下降法，這些權重移動最多：",
    )
    difference = say(
        f"a change of {c.loss_after - c.loss:+.4g}, compared with {c.expected:+.4g} to first order",
        f"改變 {c.loss_after - c.loss:+.4g}，而只看梯度預期是 {c.expected:+.4g}",
    )
    after = say(
        f"After the step the loss {fell}: {c.loss:.5g} to {c.loss_after:.5g}, {difference}.",
        f"走這一步之後損失{fell}：從 {c.loss:.5g} 到 {c.loss_after:.5g}，{difference}。",
    )
    content: list[Content] = [first, Grid(heads, tuple(rows))]
    if moves:
        content += [
            step,
            Grid(say(("weight", "now", "after", "change"), ("權重", "現在", "之後", "改變")), tuple(moves)),
        ]
    content.append(after)
    if story.task == "regression":
        pairs = zip(story.answers, c.answers_after, strict=True)
        content.append(
            say(
                "The prediction changes from "
                + several([f"{b.output:.6g} to {n.output:.6g}" for b, n in pairs])
                + ".",
                "答案" + several([f"從 {b.output:.6g} 變成 {n.output:.6g}" for b, n in pairs]) + "。",
            )
        )
    else:
        content.append(
            Grid(
                say(("probability of", "now", "after", "change"), ("機率", "現在", "之後", "改變")),
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
    """+0.37 points; with two significant digits below a hundredth: -1.2e-07 points."""
    if change == 0:
        return say("none", "沒有改變")
    return (
        say(f"{100 * change:+.2f} points", f"{100 * change:+.2f} 個百分點")
        if abs(change) >= 1e-4
        else say(f"{100 * change:+.1e} points", f"{100 * change:+.1e} 個百分點")
    )


def why(story: Story) -> Chapter:
    """The features, the neurons, and the distance of the rival."""
    a = story.attribution
    noun = say("pixel", "像素") if story.shape is not None else say("feature", "特徵")
    up, down = float(a.values[0][a.values[0] > 0].sum()), float(a.values[0][a.values[0] < 0].sum())
    if a.method == "saliency":
        sentence = say(
            f"{NAMES[a.method]}: the slope of the output by each {noun}.",
            f"{NAMES[a.method]}：每個{noun}改變時，輸出變得多快。",
        )
    else:
        sides = f"{up:+.4g} for it, {down:+.4g} against it"
        sentence = say(
            f"{NAMES[a.method]} distributes {_what(story)} over the {noun}s: {sides}.",
            f"{NAMES[a.method]}把{_what(story)}分回各個{noun}：支持 {up:+.4g}，反對 {down:+.4g}。",
        )
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
    return Chapter(say(f"Why {asked(story)}", f"為什麼是{space}{asked(story)}"), tuple(content))


def _what(story: Story) -> str:
    """What is attributed."""
    if story.task == "regression":
        return (
            say("the output", "輸出")
            if len(story.answers) == 1
            else say(target(story.attribution.targets[0]), f"{target(story.attribution.targets[0])} ")
        )
    name = target(story.attribution.targets[0])
    return say(
        f"the logit of {target(story.attribution.targets[0])}",
        f"{name}{' ' if name[-1].isascii() else ''}的 logit ",
    )


def _evidence(story: Story) -> list[Content]:
    held = (
        say(f"{asked(story)} against {story.rival.label}", f"{asked(story)}（相對於 {story.rival.label}）")
        if story.rival is not None and story.task == "multiclass"
        else None
    )
    what = held or target((story.rival.f if story.rival is not None else story.attribution).targets[0])
    if story.no_rule is not None:
        without = say(
            f"{story.no_rule.layer} ({story.no_rule.name})", f"{story.no_rule.layer}（{story.no_rule.name}）"
        )
        return say(
            [f"Evidence by layer needs a rule for every layer, but DeepLIFT has none for {without}."],
            [f"逐層的證據需要每一層都有規則，而 DeepLIFT 沒有 {without} 的規則。"],
        )
    first = story.evidence[0]
    f = story.rival.f if story.rival is not None else None
    already = ""
    if f is not None:
        whole, there = float(f.value(f.X, f.V)[0]), float(f.value(f.baseline, f.V)[0])
        already = say(
            f" (of {whole:+.4g}, {there:+.4g} is already there at the baseline)",
            f"（全部是 {whole:+.4g}，其中 {there:+.4g} 在基準就已經有了）",
        )
    sentence = say(
        f"The evidence for {what} by layer, with DeepLIFT. At every layer it adds up to the same "
        f"{first.total:+.4g}{already}; only its division into for and against changes.",
        f"逐層的證據（DeepLIFT）：{what}。每一層加起來都是 {first.total:+.4g}{already}；不同的是兩邊各有多少。",
    )
    heads = say(
        ("layer", "for", "against", "sum", "neurons most for", "neurons most against"),
        ("層", "支持", "反對", "合計", "最支持的神經元", "最反對的神經元"),
    )
    return [sentence, Grid(heads, tuple(_evidence_row(layer) for layer in story.evidence), heads[4:])]


def _evidence_row(layer: Evidence) -> tuple[str, ...]:
    up, down = (
        say(", ".join(f"#{k} {v:+.3g}" for k, v in neurons), "、".join(f"#{k} {v:+.3g}" for k, v in neurons))
        for neurons in (layer.strongest, layer.weakest)
    )
    return (layer.name, f"{layer.for_it:+.4g}", f"{layer.against_it:+.4g}", f"{layer.total:+.4g}", up, down)


def _needed(story: Story, rival: Rival) -> str:
    """The change that the rival would have needed."""
    if story.task == "multilabel":
        text = say(
            f"The closest decision is label {rival.label}: its logit is {rival.gap:.4g} from changing it.",
            f"最難分的是標籤 {rival.label}：logit 再差 {rival.gap:.4g} 就會改變。",
        )
    else:
        text = say(
            f"For {rival_of(story, rival)}, the logit would need {rival.gap:.4g} more.",
            f"要變成 {rival_of(story, rival)}，logit 還差 {rival.gap:.4g}。",
        )
    if rival.hidden is not None:
        name, need, size = rival.hidden
        share = (
            say(f", {100 * need / size:.2g} % of its size", f"，是其大小的 {100 * need / size:.2g} %")
            if size
            else ""
        )
        text += say(
            f" In {name}, the last layer before the outputs, the nearest tie is {need:.3g} away{share}.",
            f"在輸出層之前的最後一層 {name} 裡，離兩者相等最近的點有 {need:.3g} 遠{share}。",
        )
    if not rival.reached:
        return say(
            text + " No change of the input was found that changes the answer.",
            text + "沒有找到能改變答案的輸入更動。",
        )
    part = (
        say(
            f" ({100 * rival.distance / rival.size:.2g} % of its distance from the baseline)",
            f"（離基準距離的 {100 * rival.distance / rival.size:.2g} %）",
        )
        if rival.size
        else ""
    )
    if story.shape is not None:
        text += say(
            f" Changing all pixels of the picture by {rival.distance:.3g} in norm{part} changes the answer",
            f"把圖片的所有像素一起更動範數 {rival.distance:.3g}{part}，答案就會改變",
        )
    else:
        order = np.argsort(-np.abs(rival.change * story.scale), kind="stable")[:3].tolist()
        x = story.attribution.X[0]
        moves = [
            say(
                f"{feature(story.attribution, k)} from {x[k]:.4g} to {x[k] + rival.change[k]:.4g}",
                f"{feature(story.attribution, k)} 從 {x[k]:.4g} 到 {x[k] + rival.change[k]:.4g}",
            )
            for k in order
        ]
        unit = say(" standard deviations", " 個標準差") if story.standard is not None else ""
        text += say(
            f" Changing the features by {rival.distance:.3g}{unit} in norm changes the answer, mainly {several(moves)}",
            f"把特徵更動範數 {rival.distance:.3g}{unit}，答案就會改變，主要是：{several(moves)}",
        )
    return say(
        f"{text}; the model then predicts {named(story, rival.answer_then)}.",
        f"{text}；這時模型的答案是 {named(story, rival.answer_then)}。",
    )
