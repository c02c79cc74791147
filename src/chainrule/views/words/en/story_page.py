"""What a story's page and its figures say beside the chapters."""

from __future__ import annotations

from chainrule.inspection.story import Story
from chainrule.views.words.en.attribution import NAMES
from chainrule.views.words.en.phrases import percent
from chainrule.views.words.en.story_names import asked, introduced, said

SAID, PROBABILITY, TRUTH = "the network says", "its probability", "the truth"
INPUT = "the input"
BEFORE_AND_AFTER = "Before and after the step"
NOW, AFTER = "now", "after the step"
PROBABILITIES = "probability"
BACK = "How the error is handed back"
DELTA = "rms of dL/d output"
NEURONS = "Every neuron of every layer"
IN_ORDER = "neurons, in their order"
SCALES = "output, each layer<br>on its own scale"
LARGEST = ("-largest", "0", "+largest")
"""The ends and the middle of a scale."""
COLORS = "blue is for, orange against"
CHARACTERS = "# + are for, = - against, · is close to nothing"
"""What a map on a terminal means, with colors and without."""


def heading(story: Story) -> str:
    """The title of a page."""
    return f"Why {said(story) if story.task == 'regression' else asked(story)}?"


def subtitle(story: Story) -> str:
    """What a page explains, under its heading."""
    share = story.answers[0].share
    sure = "" if share is None else f", at {percent(share)},"
    return introduced(
        story, f"a network of {story.parameters:,} parameters says {said(story)}{sure} and this is why."
    )


def headline(story: Story) -> str:
    """What a notebook's output is about."""
    return introduced(story, f"the network says {said(story)}")


def ahead_of(rival: str) -> str:
    """The name of the gap to the rival."""
    return f"ahead of {rival}, in the logit"


def off_its_sum(method: str) -> str:
    """The name of the completeness check's number."""
    return f"{NAMES[method]}: off its sum"


def strip(name: str, width: int) -> str:
    """The name of a layer's strip of neurons."""
    return f"{name} ({width:,})"
