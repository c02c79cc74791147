"""The sentences of the experiment on vanishing gradients, built from its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.inspection.flow.diagnosis import VANISHING_RATIO
from chainrule.views.words.en.phrases import several
from chainrule.views.words.facts import CHANCE, CURES, NORMED, PLAIN, RESIDUAL_RELU, Net, learns

TITLE = "Vanishing gradients, and four cures"
QUESTION = (
    "How much of the gradient reaches the first layer of a deep network, and does the network learn once "
    "the gradient is restored?"
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
"""The last layer, on an axis."""
HOVER_LAYER = "layer %{x}<br>gradient %{y:.2g} of the last layer's"
HOVER_LOSS = "%{x} hidden layers<br>training loss %{y:.3f}"
HOVER_DEPTH = "%{x} hidden layers<br>%{y:.2g} of the last layer's"
"""Hover text for a network, with the numbers of the figure's templates."""


def answer(deepest: Mapping[str, Net]) -> str:
    """The answer in one sentence."""
    plain = deepest[PLAIN]
    restored = [arm for arm in CURES if deepest[arm].ratio >= VANISHING_RATIO]
    learned = [arm for arm in restored if learns(deepest[arm].loss)]
    layers = hidden_layers(plain.depth)
    return (
        f"In the plain sigmoid network with {layers}, the first layer's gradient is {share(plain.ratio)} of "
        f"the last layer's, and the network {'learns' if learns(plain.loss) else 'does not learn'}; "
        f"{len(restored)} of the {len(CURES)} cures keep it at {VANISHING_RATIO:g} or more, and "
        f"{len(learned)} of those networks learn{'s' if len(learned) == 1 else ''} (a training loss below "
        "half that of guessing)."
    )


def finding(
    deepest: Mapping[str, Net],
    shallow: Net,
    shallow_normed: Net,
    cosines: Mapping[str, float],
    near: float,
) -> list[str]:
    """Sentences built from the measurements."""
    plain = deepest[PLAIN]
    lost = "nothing compared with"
    if plain.ratio > 0:
        lost = f"{1 / plain.ratio:.1e} times below" if plain.ratio < 1 else f"{share(plain.ratio)} times"
    said = [
        f"In the plain sigmoid network with {plain.depth} hidden layers, the first layer's gradient is "
        f"{lost} the last layer's."
    ]
    restored = [arm for arm in CURES if deepest[arm].ratio >= VANISHING_RATIO]
    if restored:
        what = "Each of the four cures restores it" if len(restored) == len(CURES) else "Some restore it"
        said.append(
            f"{what}: {', '.join(f'{NETS[arm]} to {share(deepest[arm].ratio)}' for arm in restored)}."
        )
    failed = [arm for arm in CURES if arm not in restored]
    if failed:
        said.append(f"It stays below {VANISHING_RATIO:g} with {several([NETS[arm] for arm in failed])}.")
    guesses = abs(plain.loss - CHANCE) < 0.03 * CHANCE
    said.append(
        f"The plain network's training loss ends at {plain.loss:.2f}"
        + (f", that of guessing ({CHANCE:.2f})" if guesses else f" (guessing has {CHANCE:.2f})")
        + f"; with {shallow.depth} hidden layers it reaches {shallow.loss:.2f}."
    )
    learned = [arm for arm in CURES if learns(deepest[arm].loss)]
    if learned:
        who = (
            "All four cured networks learn"
            if len(learned) == len(CURES)
            else f"{several([NETS[arm] for arm in learned])} learned"
        )
        ends = ", ".join(f"{NETS[arm]} to {deepest[arm].loss:.2f}" for arm in learned)
        said.append(f"{who} at the same depth: {ends}.")
    else:
        said.append("In these few steps no cure halved it either; a larger budget gives them time.")
    normed = deepest[NORMED].ratio
    if normed > 3 and normed > shallow_normed.ratio:
        said.append(
            "Batch norm without skip connections has the opposite problem, increasingly with depth: before "
            f"training the first layer's gradient is {share(shallow_normed.ratio)} times the last layer's "
            f"with {shallow.depth} hidden layers and {share(normed)} times with {plain.depth}, an exploding "
            "gradient."
        )
    bare, eased = cosines[NORMED], cosines[RESIDUAL_RELU]
    said.append(
        f"Size is not everything: in the {NETS[NORMED]} network, the gradients of an image and of one moved "
        f"{100 * near:.0f} % of the way to another have a cosine of {bare:.2f}"
        + (
            f", which residual blocks around the same layers raise to {eased:.2f}: they also reduce "
            "shattering."
            if eased > bare + 0.1
            else f", and {eased:.2f} with residual blocks around the same layers."
        )
    )
    return said


def held_fixed(settings: Mapping[str, Any]) -> str:
    """The controlled variables."""
    rates = ", ".join(f"{rate:g}" for rate in settings["learning_rates_tried"])
    return (
        f"The {settings['images']:,} images of MNIST, hidden layers of {settings['width']} neurons, "
        f"cross-entropy, {settings['steps']:,} steps of gradient descent with momentum "
        f"{settings['momentum']:g} on batches of {settings['batch_size']}, a constant rate, and "
        f"{settings['repeats']} {'seed' if settings['repeats'] == 1 else 'seeds'} of weights and shuffles. "
        "The initializer matches the activation (He for ReLU, Glorot for the others). The rate was chosen "
        f"for each network and depth from {rates}, on validation images and a seed that is not measured. The "
        "skip and residual networks consist of the plain network's sigmoid layers; a skip block adds a "
        "quarter as many neurons, so that the networks cost about the same. Numbers are medians over the "
        "seeds."
    )


LIMITS = (
    "Whether depth helps: for MNIST two hidden layers are enough. What happens later in training: gradients "
    "were measured before it. The best result of each network: training was short, at one width, without "
    "schedules or Adam, which rescales small gradients. The effect of batch norm alone: here it comes with "
    "ReLU. Whether a restored gradient is enough: one of the right size may still be noise, as the cosines "
    "show, or explode."
)


def loss(value: float) -> str | None:
    """Round to three decimals, or return None for a diverged run."""
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
    """The current activity."""
    return f"{NETS[net]}, {hidden_layers(depth)}"


def main_caption(depth: int) -> str:
    """The caption of the table of the deepest networks."""
    return (
        f"{hidden_layers(depth)}. gradient: the first layer's before training, relative to the last layer's; "
        "rate: the learning rate chosen; loss: final, on training images; accuracy: on test images."
    )


def depth_heads(depths: Sequence[int]) -> tuple[str, ...]:
    """The columns of the tables by depth."""
    return ("net", *(f"{depth} {'layer' if depth == 1 else 'layers'}" for depth in depths))


def noise_caption(near: float, depth: int) -> str:
    """The caption of the table of cosines. near: the fraction by which an image is moved toward another."""
    return (
        f"Cosine between the gradients of an image and of one moved {100 * near:.0f} % of the way to "
        f"another, in the first layer before training, {hidden_layers(depth)}"
    )


def spread(ends: tuple[float, float] | None, diverged: int) -> str:
    """The range of the seeds' losses, and how many diverged. ends: None if all did."""
    said = [] if ends is None else [f"{ends[0]:.3f} to {ends[1]:.3f}"]
    return ", ".join([*said, *([f"{diverged} diverged"] if diverged else [])])


def accuracy(share: float) -> str:
    """91.2 %"""
    return f"{100 * share:.1f} %"


def on_its_way(depth: int) -> str:
    """The title of the panel of gradients by layer."""
    return f"The gradient layer by layer, depth {depth}"


def guessing(loss: float) -> str:
    """The note at the line of guessing."""
    return f"guessing: {loss:.2f}"


def of_the_last(net: str, ratio: float) -> str:
    """The note at the first layer of the plain net."""
    return f"<b>{NETS[net]}</b>: {ratio:.1e}<br>of the last layer's"
