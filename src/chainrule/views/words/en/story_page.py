"""Words of a story's page and figures outside the chapters, and the names that all of it has for answers."""

from __future__ import annotations

from chainrule.inspection.story import Story
from chainrule.inspection.story.rival import Rival
from chainrule.views.words.en.attribution import NAMES
from chainrule.views.words.en.phrases import NONE, output, percent


def introduced(story: Story, what: str) -> str:
    """Begin a sentence about the sample, with its name if it has one: digit.png: a picture, or A picture."""
    return what[0].upper() + what[1:] if story.source is None else f"{story.source}: {what}"


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
    return output(0) if len(story.answers) > 1 else "this number"


def rival_of(story: Story, rival: Rival) -> str:
    """The closest other answer."""
    return f"not {rival.label}" if rival.is_negated else rival.label


SAID, PROBABILITY, TRUTH = "prediction", "probability", "true answer"
INPUT = "the input"
BEFORE_AND_AFTER = "Before and after the step"
NOW, AFTER = "now", "after the step"
PROBABILITIES = "probability"
BACK = "The error in the backward pass"
DELTA = "rms of dL/d output"
NEURONS = "Every neuron of every layer"
IN_ORDER = "neurons, in order"
SCALES = "output, each layer<br>on its own scale"
LARGEST = ("-largest", "0", "+largest")
"""The ends and the middle of a scale."""
COLORS = "blue is for, orange against"
CHARACTERS = "# + are for, = - against, · is close to 0"
"""The legend of a map on a terminal, with colors and without."""


def heading(story: Story) -> str:
    """The title of a page."""
    return f"Why {said(story) if story.task == 'regression' else asked(story)}?"


def subtitle(story: Story) -> str:
    """The description of a page, under its heading."""
    share = story.answers[0].share
    sure = "" if share is None else f" with probability {percent(share)}"
    return introduced(
        story, f"why a network of {story.parameters:,} parameters predicts {said(story)}{sure}."
    )


def headline(story: Story) -> str:
    """The heading of a notebook output."""
    return introduced(story, f"the network predicts {said(story)}")


def ahead_of(rival: str) -> str:
    """The name of the gap to the rival."""
    return f"ahead of {rival}, in the logit"


def off_its_sum(method: str) -> str:
    """The name of the completeness check's number."""
    return f"{NAMES[method]}: error of the sum"


def strip(name: str, width: int) -> str:
    """The name of a layer's strip of neurons."""
    return f"{name} ({width:,})"
