"""Chapter 4 in words: the features, the neurons, and the distance of the rival."""

from __future__ import annotations

import numpy as np

from chainrule.inspection.story import Story
from chainrule.inspection.story.facts import Evidence
from chainrule.inspection.story.rival import Rival
from chainrule.views.chapters import Chapter, Content, Grid, Picture, Signed
from chainrule.views.words.en.attribution import NAMES, feature, target
from chainrule.views.words.en.phrases import several
from chainrule.views.words.en.story_page import asked, named, rival_of


def why(story: Story) -> Chapter:
    """The features, the neurons, and the distance of the rival."""
    a = story.attribution
    noun = "pixel" if story.shape is not None else "feature"
    up, down = float(a.values[0][a.values[0] > 0].sum()), float(a.values[0][a.values[0] < 0].sum())
    if a.method == "saliency":
        sentence = f"{NAMES[a.method]}: the slope of the output by each {noun}."
    else:
        sides = f"{up:+.4g} for it, {down:+.4g} against it"
        sentence = f"{NAMES[a.method]} distributes {_what(story)} over the {noun}s: {sides}."
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
    return Chapter(f"Why {asked(story)}", tuple(content))


def _what(story: Story) -> str:
    """What is attributed."""
    if story.task == "regression":
        return "the output" if len(story.answers) == 1 else target(story.attribution.targets[0])
    return f"the logit of {target(story.attribution.targets[0])}"


def _evidence(story: Story) -> list[Content]:
    held = (
        f"{asked(story)} against {story.rival.label}"
        if story.rival is not None and story.task == "multiclass"
        else None
    )
    what = held or target((story.rival.f if story.rival is not None else story.attribution).targets[0])
    if story.no_rule is not None:
        without = f"{story.no_rule.layer} ({story.no_rule.name})"
        return [f"Evidence by layer needs a rule for every layer, but DeepLIFT has none for {without}."]
    first = story.evidence[0]
    f = story.rival.f if story.rival is not None else None
    already = ""
    if f is not None:
        whole, there = float(f.value(f.X, f.V)[0]), float(f.value(f.baseline, f.V)[0])
        already = f" (of {whole:+.4g}, {there:+.4g} is already there at the baseline)"
    sentence = (
        f"The evidence for {what} by layer, with DeepLIFT. At every layer it adds up to the same "
        f"{first.total:+.4g}{already}; only its division into for and against changes."
    )
    heads = ("layer", "for", "against", "sum", "neurons most for", "neurons most against")
    return [sentence, Grid(heads, tuple(_evidence_row(layer) for layer in story.evidence), heads[4:])]


def _evidence_row(layer: Evidence) -> tuple[str, ...]:
    up, down = (
        ", ".join(f"#{k} {v:+.3g}" for k, v in neurons) for neurons in (layer.strongest, layer.weakest)
    )
    return (layer.name, f"{layer.for_it:+.4g}", f"{layer.against_it:+.4g}", f"{layer.total:+.4g}", up, down)


def _needed(story: Story, rival: Rival) -> str:
    """The change that the rival would have needed."""
    if story.task == "multilabel":
        text = f"The closest decision is label {rival.label}: its logit is {rival.gap:.4g} from changing it."
    else:
        text = f"For {rival_of(story, rival)}, the logit would need {rival.gap:.4g} more."
    if rival.hidden is not None:
        name, need, size = rival.hidden
        share = f", {100 * need / size:.2g} % of its size" if size else ""
        text += f" In {name}, the last layer before the outputs, the nearest tie is {need:.3g} away"
        text += f"{share}."
    if not rival.reached:
        return text + " No change of the input was found that changes the answer."
    part = (
        f" ({100 * rival.distance / rival.size:.2g} % of its distance from the baseline)"
        if rival.size
        else ""
    )
    if story.shape is not None:
        text += (
            f" Changing all pixels of the picture by {rival.distance:.3g} in norm{part} changes the answer"
        )
    else:
        order = np.argsort(-np.abs(rival.change * story.scale), kind="stable")[:3].tolist()
        x = story.attribution.X[0]
        moves = [
            f"{feature(story.attribution, k)} from {x[k]:.4g} to {x[k] + rival.change[k]:.4g}" for k in order
        ]
        unit = " standard deviations" if story.standard is not None else ""
        text += f" Changing the features by {rival.distance:.3g}{unit} in norm changes the answer, mainly "
        text += several(moves)
    return f"{text}; the model then predicts {named(story, rival.answer_then)}."
