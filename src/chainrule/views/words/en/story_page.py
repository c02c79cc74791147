"""The words of a story's page and figures besides the chapters."""

from __future__ import annotations

from chainrule.inspection.story import Story
from chainrule.views.words.en.attribution import NAMES
from chainrule.views.words.en.phrases import percent
from chainrule.views.words.en.story_names import asked, introduced, said

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
