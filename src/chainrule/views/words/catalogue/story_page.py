"""Words of a story's page and figures outside the chapters, and the names that all of it has for answers."""

from __future__ import annotations

from chainrule.inspection.story import Story
from chainrule.inspection.story.rival import Rival

from . import say
from .attribution import NAMES
from .phrases import NONE, output, percent


def introduced(story: Story, what: str) -> str:
    """Begin a sentence about the sample, with its name if it has one: digit.png: a picture, or A picture."""
    return (
        say(what[0].upper() + what[1:], what)
        if story.source is None
        else say(f"{story.source}: {what}", f"{story.source}：{what}")
    )


def named(story: Story, answer: str) -> str:
    """An answer as displayed; a multilabel answer may be empty."""
    return NONE if story.task == "multilabel" and answer == "none" else answer


def said(story: Story) -> str:
    """The prediction."""
    return named(story, story.said)


def asked(story: Story) -> str:
    """The answer explained in chapter 4."""
    if story.task != "regression":
        return named(story, story.asked)
    return output(0) if len(story.answers) > 1 else say("this number", "這個數")


def rival_of(story: Story, rival: Rival) -> str:
    """The closest other answer."""
    return say(f"not {rival.label}", f"非 {rival.label}") if rival.is_negated else rival.label


SAID, PROBABILITY, TRUTH = say(
    ("prediction", "probability", "true answer"), ("網路的答案", "它的機率", "正確答案")
)
INPUT = say("the input", "輸入")
BEFORE_AND_AFTER = say("Before and after the step", "走這一步之前與之後")
NOW, AFTER = say(("now", "after the step"), ("現在", "走這一步之後"))
PROBABILITIES = say("probability", "機率")
BACK = say("The error in the backward pass", "誤差如何往回傳")
DELTA = say("rms of dL/d output", "dL/d 輸出的均方根")
NEURONS = say("Every neuron of every layer", "每一層的每個神經元")
IN_ORDER = say("neurons, in order", "神經元，依序排列")
SCALES = say("output, each layer<br>on its own scale", "輸出，每一層<br>各用自己的刻度")
LARGEST = say(("-largest", "0", "+largest"), ("-最大值", "0", "+最大值"))
"""The ends and the middle of a scale."""
COLORS = say("blue is for, orange against", "藍色支持，橙色反對")
CHARACTERS = say("# + are for, = - against, · is close to 0", "# + 支持，= - 反對，· 接近零")
"""The legend of a map on a terminal, with colors and without."""


def heading(story: Story) -> str:
    """The title of a page."""
    return say(
        f"Why {said(story) if story.task == 'regression' else asked(story)}?",
        f"為什麼是 {said(story) if story.task == 'regression' else asked(story)}？",
    )


def subtitle(story: Story) -> str:
    """The description of a page, under its heading."""
    share = story.answers[0].share
    sure = "" if share is None else say(f" with probability {percent(share)}", f"，機率 {percent(share)}")
    return introduced(
        story,
        say(
            f"why a network of {story.parameters:,} parameters predicts {said(story)}{sure}.",
            f"{story.parameters:,} 個參數的網路說是 {said(story)}{sure}，原因如下。",
        ),
    )


def headline(story: Story) -> str:
    """The heading of a notebook output."""
    return introduced(story, say(f"the network predicts {said(story)}", f"網路的答案是 {said(story)}"))


def ahead_of(rival: str) -> str:
    """The name of the gap to the rival."""
    return say(f"ahead of {rival}, in the logit", f"logit 領先 {rival}")


def off_its_sum(method: str) -> str:
    """The name of the completeness check's number."""
    return say(f"{NAMES[method]}: error of the sum", f"{NAMES[method]}：與總和相差")


def strip(name: str, width: int) -> str:
    """The name of a layer's strip of neurons."""
    return say(f"{name} ({width:,})", f"{name}（{width:,}）")
