"""What a story calls its sample and its answers."""

from __future__ import annotations

from chainrule.inspection.story import Story
from chainrule.inspection.story.rival import Rival
from chainrule.views.words.zh.phrases import NONE


def introduced(story: Story, what: str) -> str:
    """Begin a sentence about the sample with its name, where it has one."""
    return what if story.source is None else f"{story.source}：{what}"


def output(k: int) -> str:
    """One of several numbers."""
    return f"輸出 {k}"


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
