"""Words of a story's page and figures outside the chapters, and the names that all of it has for answers."""

from __future__ import annotations

from chainrule.inspection.story import Story
from chainrule.inspection.story.rival import Rival
from chainrule.views.words.zh.attribution import NAMES
from chainrule.views.words.zh.phrases import NONE, output, percent


def introduced(story: Story, what: str) -> str:
    """Begin a sentence about the sample with its name, where it has one."""
    return what if story.source is None else f"{story.source}：{what}"


def named(story: Story, answer: str) -> str:
    """An answer as it is written: of many labels there may be none."""
    return NONE if story.task == "multilabel" and answer == "none" else answer


def said(story: Story) -> str:
    """The prediction."""
    return named(story, story.said)


def asked(story: Story) -> str:
    """The answer that chapter 4 is about."""
    if story.task != "regression":
        return named(story, story.asked)
    return output(0) if len(story.answers) > 1 else "這個數"


def rival_of(story: Story, rival: Rival) -> str:
    """The closest other answer."""
    return f"非 {rival.label}" if rival.is_negated else rival.label


SAID, PROBABILITY, TRUTH = "網路的答案", "它的機率", "正確答案"
INPUT = "輸入"
BEFORE_AND_AFTER = "走這一步之前與之後"
NOW, AFTER = "現在", "走這一步之後"
PROBABILITIES = "機率"
BACK = "誤差如何往回傳"
DELTA = "dL/d 輸出的均方根"
NEURONS = "每一層的每個神經元"
IN_ORDER = "神經元，依序排列"
SCALES = "輸出，每一層<br>各用自己的刻度"
LARGEST = ("-最大值", "0", "+最大值")
"""The ends and the middle of a scale."""
COLORS = "藍色支持，橙色反對"
CHARACTERS = "# + 支持，= - 反對，· 接近零"
"""What a map on a terminal means, with colors and without."""


def heading(story: Story) -> str:
    """The title of a page."""
    return f"為什麼是 {said(story) if story.task == 'regression' else asked(story)}？"


def subtitle(story: Story) -> str:
    """What a page explains, under its heading."""
    share = story.answers[0].share
    sure = "" if share is None else f"，機率 {percent(share)}"
    return introduced(story, f"{story.parameters:,} 個參數的網路說是 {said(story)}{sure}，原因如下。")


def headline(story: Story) -> str:
    """What a notebook's output is about."""
    return introduced(story, f"網路的答案是 {said(story)}")


def ahead_of(rival: str) -> str:
    """The name of the gap to the rival."""
    return f"logit 領先 {rival}"


def off_its_sum(method: str) -> str:
    """The name of the completeness check's number."""
    return f"{NAMES[method]}：與總和相差"


def strip(name: str, width: int) -> str:
    """The name of a layer's strip of neurons."""
    return f"{name}（{width:,}）"
