"""What the experiment on vanishing gradients says, in words built from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

from chainrule.inspection.flow.diagnosis import VANISHING
from chainrule.views.words.en.phrases import several

PLAIN, CURES = "sigmoid", ("ReLU", "ReLU + batch norm", "sigmoid + skip", "sigmoid + residual")
NORMED, RESIDUAL_RELU = "ReLU + batch norm", "ReLU + batch norm + residual"
CHANCE = math.log(10)
"""The loss of guessing among ten classes."""


class Net(Protocol):
    """The results of one network at one depth: medians over the seeds."""

    @property
    def depth(self) -> int:
        """Hidden layers."""
        ...

    @property
    def ratio(self) -> float:
        """The first layer's gradient relative to the last layer's, before training."""
        ...

    @property
    def loss(self) -> float:
        """The training loss in the end."""
        ...


def answer(deepest: Mapping[str, Net]) -> str:
    """The question's answer in one sentence."""
    plain = deepest[PLAIN]
    restored = [arm for arm in CURES if deepest[arm].ratio >= VANISHING]
    learned = [arm for arm in restored if learns(deepest[arm])]
    layers = f"{plain.depth} hidden layer{'' if plain.depth == 1 else 's'}"
    return (
        f"In the plain sigmoid net with {layers} the first layer's gradient is {share(plain.ratio)} of the last "
        f"layer's, and the net {'learns' if learns(plain) else 'does not learn'}; {len(restored)} of the "
        f"{len(CURES)} cures keep it at {VANISHING:g} or more, and {len(learned)} of those nets "
        f"learn{'s' if len(learned) == 1 else ''} (a training loss below half that of guessing)."
    )


def learns(m: Net) -> bool:
    """Return whether the loss fell below half the loss of guessing."""
    return m.loss < CHANCE / 2


def finding(
    deepest: Mapping[str, Net],
    shallow: Net,
    shallow_normed: Net,
    cosines: Mapping[str, float],
    near: float,
) -> list[str]:
    """Sentences, each built from what was measured."""
    plain = deepest[PLAIN]
    lost = "nothing beside"
    if plain.ratio > 0:
        lost = f"{1 / plain.ratio:.1e} times below" if plain.ratio < 1 else f"{share(plain.ratio)} times"
    said = [
        f"In the plain sigmoid net with {plain.depth} hidden layers, the gradient that arrives at the first layer is "
        f"{lost} the last layer's."
    ]
    restored = [arm for arm in CURES if deepest[arm].ratio >= VANISHING]
    if restored:
        what = (
            "Each of the four cures restores it" if len(restored) == len(CURES) else "It is restored by some"
        )
        said.append(f"{what}: {', '.join(f'{arm} to {share(deepest[arm].ratio)}' for arm in restored)}.")
    failed = [arm for arm in CURES if arm not in restored]
    if failed:
        said.append(f"It stays below {VANISHING:g} with {several(failed)}.")
    guesses = abs(plain.loss - CHANCE) < 0.03 * CHANCE
    said.append(
        f"The plain net's training loss ends at {plain.loss:.2f}"
        + (f", that of guessing ({CHANCE:.2f})" if guesses else f" (guessing has {CHANCE:.2f})")
        + f"; with {shallow.depth} hidden layers it gets to {shallow.loss:.2f}."
    )
    learned = [arm for arm in CURES if learns(deepest[arm])]
    if learned:
        who = "All four cured nets learn" if len(learned) == len(CURES) else f"{several(learned)} learned"
        ends = ", ".join(f"{arm} to {deepest[arm].loss:.2f}" for arm in learned)
        said.append(f"{who} at the same depth: {ends}.")
    else:
        said.append("In these few steps no cured net halved it either; a larger budget gives them time.")
    normed = deepest[NORMED].ratio
    if normed > 3 and normed > shallow_normed.ratio:
        said.append(
            "Batch norm without skips errs on the other side, and the more the deeper: before training the first "
            f"layer's gradient is {share(shallow_normed.ratio)} times the last layer's with {shallow.depth} hidden "
            f"layers and {share(normed)} times with {plain.depth}, an explosion at the start."
        )
    bare, eased = cosines[NORMED], cosines[RESIDUAL_RELU]
    said.append(
        f"Size is not all: in the {NORMED} net the gradients of an image and of one {100 * near:.0f} % of the way to "
        f"another have a cosine of {bare:.2f}"
        + (
            f", which residual blocks around the same layers raise to {eased:.2f}: they also cure shattering."
            if eased > bare + 0.1
            else f", and {eased:.2f} with residual blocks around the same layers."
        )
    )
    return said


def held_fixed(settings: Mapping[str, Any]) -> str:
    """What was the same for all nets."""
    rates = ", ".join(f"{rate:g}" for rate in settings["learning_rates_tried"])
    return (
        f"The {settings['images']:,} images of MNIST, hidden layers of {settings['width']} neurons, cross-entropy, "
        f"{settings['steps']:,} steps of gradient descent with momentum {settings['momentum']:g} on batches of "
        f"{settings['batch_size']}, a constant rate, and {settings['repeats']} "
        f"{'seed' if settings['repeats'] == 1 else 'seeds'} of weights and shuffles. Weights start as suits the "
        "activation (He for ReLU, Glorot for the others). The rate was chosen for each net and depth among "
        f"{rates}, by held-out images and a seed that is not measured. The skip and the residual net are made of the "
        "plain net's sigmoid "
        "layers; a skip block adds a quarter as many neurons, so that the nets cost about the same. Numbers are "
        "medians of the seeds."
    )


LIMITS = (
    "That depth helps: for MNIST two hidden layers are enough. What happens later in training: gradients were measured "
    "before it. That these are the best results of each net: training was short, at one width, without schedules or "
    "Adam, which rescales small gradients. What batch norm does alone: here it comes with ReLU. That a restored "
    "gradient is enough: one of the right size may still be noise, as the cosines show, or explode."
)


def loss(value: float) -> str | None:
    """Round to three decimals, or return None for a run that diverged."""
    return f"{value:.3f}" if math.isfinite(value) else None


def share(value: float) -> str:
    """0.35, 41, 1.2e-13, 0"""
    if value == 0:
        return "0"
    return f"{value:.2g}" if 0.001 <= value < 1000 else f"{value:.1e}"
