"""Chapter 5 in words: the loss, the backward pass, the step."""

from __future__ import annotations

from chainrule.inspection.story import Story
from chainrule.views.chapters import Chapter, Content, Grid
from chainrule.views.words.en.phrases import percent, several
from chainrule.views.words.en.story_names import named
from chainrule.views.words.facts import ANSWERS_LISTED


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
