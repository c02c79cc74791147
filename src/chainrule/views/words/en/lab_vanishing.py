"""What the experiment on vanishing gradients says, in words built from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.inspection.flow.diagnosis import VANISHING_RATIO
from chainrule.views.words.en.phrases import several
from chainrule.views.words.facts import CHANCE, CURES, NORMED, PLAIN, RESIDUAL_RELU, Net, learns

TITLE = "Vanishing gradients, and four cures"
QUESTION = (
    "How much of the gradient arrives at the first layer of a deep net, and does the net learn once what was lost is "
    "restored?"
)
NETS = {
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "relu": "ReLU",
    "relu_batch_norm": "ReLU + batch norm",
    "sigmoid_skip": "sigmoid + skip",
    "sigmoid_residual": "sigmoid + residual",
    "relu_batch_norm_residual": "ReLU + batch norm + residual",
}
HEADS = ("net", "parameters", "gradient", "rate", "loss", "least to greatest", "accuracy")
BY_DEPTH = (
    "The first layer's gradient before training, by depth",
    "Training loss in the end, by depth",
    "Learning rate chosen, by depth",
)
NOISE_HEADS = ("net", "cosine")
FIGURE = "Vanishing gradients and cures"
LEARNED = "What was learned, by depth"
ARRIVES = "What arrives at the first layer"
HIDDEN, LOSS, RMS = "hidden layers", "training loss", "RMS of the gradient (last layer = 1)"
OUT = "out"
"""The last layer, at an axis."""
HOVER_LAYER = "layer %{x}<br>gradient %{y:.2g} of the last layer's"
HOVER_LOSS = "%{x} hidden layers<br>training loss %{y:.3f}"
HOVER_DEPTH = "%{x} hidden layers<br>%{y:.2g} of the last layer's"
"""What the pointer shows of a net: numbers as the figure's templates have them."""


def answer(deepest: Mapping[str, Net]) -> str:
    """The question's answer in one sentence."""
    plain = deepest[PLAIN]
    restored = [arm for arm in CURES if deepest[arm].ratio >= VANISHING_RATIO]
    learned = [arm for arm in restored if learns(deepest[arm].loss)]
    layers = hidden_layers(plain.depth)
    return (
        f"In the plain sigmoid net with {layers} the first layer's gradient is {share(plain.ratio)} of the last "
        f"layer's, and the net {'learns' if learns(plain.loss) else 'does not learn'}; {len(restored)} of the "
        f"{len(CURES)} cures keep it at {VANISHING_RATIO:g} or more, and {len(learned)} of those nets "
        f"learn{'s' if len(learned) == 1 else ''} (a training loss below half that of guessing)."
    )


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
    restored = [arm for arm in CURES if deepest[arm].ratio >= VANISHING_RATIO]
    if restored:
        what = (
            "Each of the four cures restores it" if len(restored) == len(CURES) else "It is restored by some"
        )
        said.append(
            f"{what}: {', '.join(f'{NETS[arm]} to {share(deepest[arm].ratio)}' for arm in restored)}."
        )
    failed = [arm for arm in CURES if arm not in restored]
    if failed:
        said.append(f"It stays below {VANISHING_RATIO:g} with {several([NETS[arm] for arm in failed])}.")
    guesses = abs(plain.loss - CHANCE) < 0.03 * CHANCE
    said.append(
        f"The plain net's training loss ends at {plain.loss:.2f}"
        + (f", that of guessing ({CHANCE:.2f})" if guesses else f" (guessing has {CHANCE:.2f})")
        + f"; with {shallow.depth} hidden layers it gets to {shallow.loss:.2f}."
    )
    learned = [arm for arm in CURES if learns(deepest[arm].loss)]
    if learned:
        who = (
            "All four cured nets learn"
            if len(learned) == len(CURES)
            else f"{several([NETS[arm] for arm in learned])} learned"
        )
        ends = ", ".join(f"{NETS[arm]} to {deepest[arm].loss:.2f}" for arm in learned)
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
        f"Size is not all: in the {NETS[NORMED]} net the gradients of an image and of one {100 * near:.0f} % of the "
        f"way to another have a cosine of {bare:.2f}"
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


def hidden_layers(depth: int) -> str:
    """1 hidden layer, 5 hidden layers"""
    return f"{depth} hidden layer{'' if depth == 1 else 's'}"


def under_way(net: str, depth: int) -> str:
    """What is being measured."""
    return f"{NETS[net]}, {hidden_layers(depth)}"


def main_caption(depth: int) -> str:
    """What the table of the deepest nets shows."""
    return (
        f"{hidden_layers(depth)}. gradient: the first layer's before training, the last layer's being 1; rate: the "
        "learning rate chosen; loss: of the training images in the end; accuracy: on test images."
    )


def depth_heads(depths: Sequence[int]) -> tuple[str, ...]:
    """The columns of the tables by depth."""
    return ("net", *(f"{depth} {'layer' if depth == 1 else 'layers'}" for depth in depths))


def noise_caption(near: float, depth: int) -> str:
    """What the table of cosines shows. near: how far an image is moved toward another."""
    return (
        f"Cosine between the gradients of an image and of one {100 * near:.0f} % of the way to another, at the first "
        f"layer before training, {hidden_layers(depth)}"
    )


def spread(ends: tuple[float, float] | None, diverged: int) -> str:
    """The losses of the seeds, from the least to the greatest, and how many diverged. ends: None where all did."""
    said = [] if ends is None else [f"{ends[0]:.3f} to {ends[1]:.3f}"]
    return ", ".join([*said, *([f"{diverged} diverged"] if diverged else [])])


def accuracy(share: float) -> str:
    """91.2 %"""
    return f"{100 * share:.1f} %"


def on_its_way(depth: int) -> str:
    """The title of the panel of gradients by layer."""
    return f"The gradient on its way back, depth {depth}"


def guessing(loss: float) -> str:
    """The note at the line of guessing."""
    return f"guessing: {loss:.2f}"


def of_the_last(net: str, ratio: float) -> str:
    """The note at the first layer of the plain net."""
    return f"<b>{NETS[net]}</b>: {ratio:.1e}<br>of the last layer's"
