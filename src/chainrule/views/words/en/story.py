"""The story in words, with every sentence built from the numbers of this answer. Chapters 1 to 3."""

from __future__ import annotations

from chainrule.inspection.story import Story
from chainrule.inspection.story.facts import LayerFacts
from chainrule.views.chapters import Bar, Bars, Chapter, Grid, Picture
from chainrule.views.words.en.attribution import feature
from chainrule.views.words.en.phrases import percent, several
from chainrule.views.words.en.story_change import would_change
from chainrule.views.words.en.story_names import introduced, named, output
from chainrule.views.words.en.story_reasons import why
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
