"""The sentences of the experiment `features`, built from its numbers.

probes, purity: {"trained", "untrained": (seeds, layers)}.  aligned: (layers + 2, layers + 2) CKA of the input, each
hidden layer and the output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

TITLE = "What each layer responds to"
QUESTION = "Do lower layers of a network encode concrete features and higher layers abstract ones?"
INPUT = "input"
LAYERS = ("layer 1", "layer 2", "layer 3", "output")
WHICH = {"trained": "trained", "untrained": "untrained"}
HEADS = (
    *("layer", "width", "probe %", "before", "purity %", "purity before", "CKA input", "CKA output"),
    "CKA seeds",
)
LIMITS = (
    "A picture shows what excites a neuron, not what the network uses it for, and the best inputs above "
    "layer 1 depend on the prior: another prior gives other pictures. They are not realistic digits. A "
    "successful probe shows that the class can be read linearly, not that the network reads it this way. "
    "CKA is dominated by the largest variances, compares geometry rather than meaning, and is biased "
    "upwards for few samples. The neurons shown are those with the largest variance. One architecture on "
    "one data set: images of digits need few levels of abstraction, and a dense layer ignores which pixels "
    "are neighbors."
)
TRAINING, PROBES = "training", "probes"
"""The current activity."""
NEURONS = "What excites a neuron"
KINDS = ("best input", "most exciting", "second most", "least exciting")
WEIGHTS = "Weights of layer 1 as images"
BEFORE_AND_AFTER = "Before and after training, layer by layer"
MEASURES = ("A linear probe reads the class", "Most exciting samples are of one class")
AXES = ("test accuracy, %", "share of the most common class, %")
ON_PIXELS = "on the pixels"
ALIGNMENT = "How alike representations are: linear CKA"
ALIGNED = ("Between layers", "With the same layer at the end")
EPOCHS, CKA = "epochs of training", "CKA"
PAIR = "%{y} and %{x}<br>CKA %{z:.3f}"
"""Hover text for two layers."""


def best_inputs_of(layer: int) -> str:
    """The current activity. layer: its index in LAYERS."""
    return f"best inputs of {LAYERS[layer]}"


def panel(layer: int, neurons: int) -> str:
    """The title of a layer's pictures."""
    return f"{LAYERS[layer]}: {neurons} neurons"


def caption(most: int, floor: float, seeds: int) -> str:
    """The caption of the table. floor: linear CKA of shuffled rows."""
    return (
        "Test accuracy of a linear probe on each layer, of the trained network and of the same network "
        f"before training; the share of one class among a neuron's {most} most exciting digits, averaged "
        f"over neurons; linear CKA with the input, with the output, and between different seeds ({floor:.3f} "
        f"for shuffled rows). Means of {seeds} seeds."
    )


def held_fixed(
    settings: Mapping[str, Any], hidden: int, l2: float, C: float, starts: int, prior: tuple[float, float]
) -> str:
    """The controlled variables. prior: total variation and L2."""
    return (
        f"The network 784 - {hidden} - {hidden} - {hidden} - 10 (ReLU, L2 {l2:g}), whose layers differ in "
        f"depth, not in width; {settings['samples']:,} digits of MNIST, {settings['epochs']} epochs of Adam "
        f"at 0.001 and batches of 128. Probes: logistic regressions (C {C:g}) on "
        f"{settings['probe_samples']:,} training digits; all measures are evaluated on the same "
        f"{settings['judged_on']:,} test digits; the untrained network has the same initial weights. The "
        "best inputs of layer 1 are exact: its neurons are affine in the input, and the ball around gray is "
        "as large as the pixels allow. Those of the others are between 0 and 255 and are the best of "
        f"{starts} starts with one prior (total variation {prior[0]:g}, L2 {prior[1]:g})."
    )


def answer(probes: NDArray[np.float64], purity: NDArray[np.float64], aligned: NDArray[np.float64]) -> str:
    """The answer in one sentence; probes and purity only of the trained networks."""
    layers = len(aligned) - 2
    measures = (
        ("alignment with the input", aligned[0, 1], aligned[0, layers], -1, "{:.2f}"),
        ("alignment with the output", aligned[-1, 1], aligned[-1, layers], 1, "{:.2f}"),
        (
            "one-class share of a neuron's most exciting digits",
            *(100 * purity.mean(0)[[0, layers - 1]]),
            1,
            "{:.0f} %",
        ),
        ("accuracy of a linear probe", *(100 * probes.mean(0)[[0, layers - 1]]), 1, "{:.1f} %"),
    )
    agreeing = sum((high - low) * sign > 0 for _, low, high, sign, _ in measures)
    verdict = {len(measures): "Yes, gradually", 0: "No"}.get(agreeing, "Partly")
    said = "; ".join(
        f"the {name} {'rises' if high > low else 'falls' if high < low else 'stays'} from {form.format(low)} "
        f"to {form.format(high)}"
        for name, low, high, _, form in measures
    )
    return f"{verdict}: from layer 1 to layer {layers} {said}."


def finding(
    accuracy: float,
    agreements: Sequence[tuple[int, float]],
    at_input: float,
    probes: Mapping[str, NDArray[np.float64]],
    purity: Mapping[str, NDArray[np.float64]],
    aligned: NDArray[np.float64],
    twins: Sequence[float | None],
    most: int,
) -> str:
    """The results of the run.

    accuracy: mean over the networks.  agreements: for the layers with searched best inputs, the correlation between
    different starts.  at_input: a probe's accuracy on the pixels.  twins: CKA of each layer between two seeds.
    most: the samples over which purity is computed.
    """
    trained, untrained = (100 * probes[which].mean(0) for which in ("trained", "untrained"))
    pure, impure = (100 * purity[which].mean(0) for which in ("trained", "untrained"))
    layers = len(aligned) - 2
    top = layers - 1
    text = (
        f"The networks classify {100 * accuracy:.1f} % of the test digits correctly. A linear probe reads "
        f"the class from the pixels at {100 * at_input:.1f} %, from layer 1 at {trained[0]:.1f} % and from "
        f"layer {layers} at {trained[top]:.1f} %; before training at {untrained[0]:.1f} % and "
        f"{untrained[top]:.1f} %: training adds {trained[0] - untrained[0]:.1f} points in the first layer "
        f"and {trained[top] - untrained[top]:.1f} in the last. Of the {most} digits that excite a neuron "
        f"most, {pure[0]:.0f} % are of one class in layer 1 and {pure[top]:.0f} % in layer {layers} "
        f"({impure[0]:.0f} % and {impure[top]:.0f} % before training). Alignment with the input goes from "
        f"{aligned[0, 1]:.2f} in layer 1 to {aligned[0, layers]:.2f} in layer {layers}, with the output from "
        f"{aligned[-1, 1]:.2f} to {aligned[-1, layers]:.2f}."
    )
    if twins[0] is not None:
        text += f" The same layer of two seeds aligns at {twins[0]:.2f} in layer 1, {twins[top]:.2f} in layer {layers}."
    ends = ", ".join(f"{agreement:.2f} ({LAYERS[layer]})" for layer, agreement in agreements)
    return text + f" Best inputs found from different starts correlate at {ends}."
