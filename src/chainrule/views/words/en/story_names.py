"""The names of a story's sample and answers."""

from __future__ import annotations

from chainrule.inspection.story import Story
from chainrule.inspection.story.rival import Rival
from chainrule.views.words.en.phrases import NONE


def introduced(story: Story, what: str) -> str:
    """Begin a sentence about the sample, with its name if it has one: digit.png: a picture, or A picture."""
    return what[0].upper() + what[1:] if story.source is None else f"{story.source}: {what}"


def output(k: int) -> str:
    """The name of one of several outputs."""
    return f"output {k}"


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
