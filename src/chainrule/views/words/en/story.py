"""The story in words, with every sentence built from the numbers of this answer."""

from __future__ import annotations

import numpy as np

from chainrule.inspection.story import Story
from chainrule.inspection.story.chapters import Bar, Bars, Chapter, Content, Grid, Picture, Signed
from chainrule.inspection.story.facts import Evidence, LayerFacts
from chainrule.inspection.story.rival import Rival
from chainrule.views.words.en.attribution import NAMES, feature, target
from chainrule.views.words.en.phrases import output, percent, several
from chainrule.views.words.en.story_page import asked, introduced, named, rival_of
from chainrule.views.words.facts import ANSWERS_LISTED, FEATURES_LISTED, short


def parts(story: Story) -> tuple[Chapter, ...]:
    """The five chapters."""
    return (came_in(story), answered(story), made(story), why(story), would_change(story))


def came_in(story: Story) -> Chapter:
    """The picture or the features."""
    x = story.attribution.X[0]
    if story.shape is not None:
        high, low = float(x.max()), float(x.min())
        lit = int((x != story.attribution.baseline[0]).sum())
        sentence = (
            f"a picture of {story.shape[0]} x {story.shape[1]} pixels, of which {lit:,} of {len(x):,} "
            f"differ from the baseline; values from {low:g} to {high:g}."
        )
        return Chapter("The input", (introduced(story, sentence), Picture(x.reshape(story.shape))))
    shown = (
        list(range(len(x)))
        if len(x) <= FEATURES_LISTED
        else sorted(story.attribution.order()[:FEATURES_LISTED].tolist())
    )
    rest = (
        f", with the {FEATURES_LISTED} largest contributions of {len(x):,}"
        if len(x) > FEATURES_LISTED
        else ""
    )
    sentence = introduced(story, f"a sample of {len(x):,} features{rest}.")
    rows: list[tuple[str, ...]] = []
    heads: tuple[str, ...] = ("feature", "value", "baseline")
    if story.standard is not None:
        sentence += " The network sees each in standard deviations from the training data's mean."
        heads = (*heads[:2], "mean", "deviations")
    for k in shown:
        row = [feature(story.attribution, k), f"{x[k]:.5g}", f"{story.attribution.baseline[0, k]:.5g}"]
        rows.append(tuple(row if story.standard is None else [*row, f"{story.standard[k]:+.2f}"]))
    return Chapter("The input", (sentence, Grid(heads, tuple(rows))))


def answered(story: Story) -> Chapter:
    """The answer, and the distance of the others."""
    if story.task == "regression":
        numbers = [
            f"{output(k)} {a.output:.6g}" if len(story.answers) > 1 else f"{a.output:.6g}"
            for k, a in enumerate(story.answers)
        ]
        sentence = f"The network predicts {several(numbers)}."
        if story.truth is not None:
            sentence += f" The true answer is {named(story, story.truth)}."
        return Chapter("The prediction", (sentence,))
    shown = story.answers[:ANSWERS_LISTED]
    bars = tuple(
        Bar(a.label, percent(a.share or 0.0), a.share or 0.0, a.is_said, f"logit {a.output:+.3f}")
        for a in shown
    )
    chosen = story.chosen
    if story.task == "multilabel":
        sentence = f"Labels with a probability above 0.5: {several(chosen)}."
    else:
        sentence = (
            f"The network predicts {chosen[0]}, with probability {percent(story.answers[0].share or 0.0)}."
        )
        if story.rival is not None and story.task == "binary":
            sentence += f" Its single logit for the two classes is {story.rival.gap:.3f} from a tie."
        elif story.rival is not None:
            sentence += (
                f" The closest rival is {story.rival.label}, {story.rival.gap:.3f} behind in its logit."
            )
    if story.truth is not None:
        is_right = story.truth == story.said
        sentence += f" The true answer is {named(story, story.truth)}: {'right' if is_right else 'wrong'}."
    rest = len(story.answers) - len(shown)
    more = (
        f"And {rest:,} more, with a total of "
        f"{percent(sum(a.share or 0 for a in story.answers[ANSWERS_LISTED:]))}.",
    )
    return Chapter(
        "The prediction", (sentence, Bars(bars), *(more if rest and story.task == "multiclass" else ()))
    )


def made(story: Story) -> Chapter:
    """The output of each layer."""
    rows = [_layer_row(layer) for layer in story.layers]
    heads = ("layer", "type", "neurons", "active", "size (rms)", "strongest neurons")
    busiest = [layer for layer in story.layers if layer.active is not None]
    sentence = "Each layer passes its output to the next. A neuron is active if its z is above 0."
    if busiest:
        few = min(busiest, key=lambda layer: (layer.active or 0) / len(layer.values))
        part = f"{few.active:,} of {len(few.values):,} neurons are active"
        sentence += f" The most selective layer here is {few.name}: {part}."
    return Chapter("The output of each layer", (sentence, Grid(heads, tuple(rows), (heads[1], heads[-1]))))


def _layer_row(layer: LayerFacts) -> tuple[str, ...]:
    width = len(layer.values)
    active = "" if layer.active is None else f"{layer.active:,} ({100 * layer.active / width:.0f} %)"
    neurons = ", ".join(f"#{k} {layer.values[k]:.3g}" for k in layer.strongest)
    return (
        "  " * layer.depth + layer.name,
        f"{layer.layer}, added up" if layer.is_block else short(layer.layer),
        f"{width:,}",
        active,
        f"{layer.rms:.3g}",
        neurons,
    )


def would_change(story: Story) -> Chapter:
    """The loss, the backward pass, the step."""
    title = "The effect of a training step"
    if story.change is None:
        return Chapter(
            title,
            ("Without a true value there is no error; give it to see the effect of training.",),
        )
    c = story.change
    is_given = (
        f"The true answer is {named(story, c.truth)}."
        if c.is_given
        else (
            f"No true answer was given, so the prediction, {named(story, c.truth)}, is used instead: this is "
            "what training on it would reinforce."
        )
    )
    fell = "falls" if c.loss_after < c.loss else "rises" if c.loss_after > c.loss else "stays"
    first = (
        f"{is_given} The loss is {c.loss:.5g}. The backward pass gives this error at each layer; the largest "
        "derivative moves its weight most."
    )
    heads = ("layer", "delta (rms of dL/d output)", "gradient (norm)", "step (norm)")
    rows = [
        (
            d.name,
            f"{d.delta:.3g}",
            "" if d.gradient is None else f"{d.gradient:.3g}",
            "" if d.gradient is None else "frozen" if d.is_frozen else f"{c.rate * d.gradient:.3g}",
        )
        for d in c.deltas
    ]
    moves = [(m.name, f"{m.before:+.5g}", f"{m.after:+.5g}", f"{m.after - m.before:+.3g}") for m in c.moves]
    step = f"One step of gradient descent with rate {c.rate:g} would move these weights most:"
    difference = f"a change of {c.loss_after - c.loss:+.4g}, compared with {c.expected:+.4g} to first order"
    after = f"After the step the loss {fell}: {c.loss:.5g} to {c.loss_after:.5g}, {difference}."
    content: list[Content] = [first, Grid(heads, tuple(rows))]
    if moves:
        content += [step, Grid(("weight", "now", "after", "change"), tuple(moves))]
    content.append(after)
    if story.task == "regression":
        pairs = zip(story.answers, c.answers_after, strict=True)
        content.append(
            "The prediction changes from "
            + several([f"{b.output:.6g} to {n.output:.6g}" for b, n in pairs])
            + "."
        )
    else:
        content.append(
            Grid(
                ("probability of", "now", "after", "change"),
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
        return "none"
    return f"{100 * change:+.2f} points" if abs(change) >= 1e-4 else f"{100 * change:+.1e} points"


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
