"""What the experiment `features` says, in words built from its numbers.

probes, purity: {"trained", "untrained": (seeds, layers)}.  aligned: (layers + 2, layers + 2) CKA of the input, each
hidden layer and the output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def answer(probes: NDArray[np.float64], purity: NDArray[np.float64], aligned: NDArray[np.float64]) -> str:
    """The question's answer in one sentence; probes and purity of the trained networks alone."""
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
    verdict = {len(measures): "Yes, by degrees", 0: "No"}.get(agreeing, "In part")
    said = "; ".join(
        f"the {name} {'rises' if high > low else 'falls' if high < low else 'stays'} from {form.format(low)} to "
        f"{form.format(high)}"
        for name, low, high, _, form in measures
    )
    return f"{verdict}: from layer 1 to layer {layers} {said}."


def finding(
    accuracy: float,
    agreements: Sequence[tuple[str, float]],
    at_input: float,
    probes: Mapping[str, NDArray[np.float64]],
    purity: Mapping[str, NDArray[np.float64]],
    aligned: NDArray[np.float64],
    twins: Sequence[float | None],
    most: int,
) -> str:
    """What the run showed.

    accuracy: of the networks, their mean.  agreements: of the layers whose best inputs were searched for, how well
    those from different starts correlate.  at_input: a probe's accuracy on the pixels.  twins: CKA of each layer
    between two seeds.  most: samples that purity is counted over.
    """
    trained, untrained = (100 * probes[which].mean(0) for which in ("trained", "untrained"))
    pure, impure = (100 * purity[which].mean(0) for which in ("trained", "untrained"))
    layers = len(aligned) - 2
    top = layers - 1
    text = (
        f"The networks get {100 * accuracy:.1f} % of the test digits right. A linear probe "
        f"reads the class from the pixels at {100 * at_input:.1f} %, from layer 1 at {trained[0]:.1f} % and from layer "
        f"{layers} at {trained[top]:.1f} %; before training at {untrained[0]:.1f} % and {untrained[top]:.1f} %: "
        f"training adds {trained[0] - untrained[0]:.1f} points at the bottom and {trained[top] - untrained[top]:.1f} "
        f"at the top. Of the {most} digits that excite a neuron most, {pure[0]:.0f} % are of one class in layer 1 and "
        f"{pure[top]:.0f} % in layer {layers} ({impure[0]:.0f} % and {impure[top]:.0f} % before training). Alignment "
        f"with the input goes from {aligned[0, 1]:.2f} in layer 1 to {aligned[0, layers]:.2f} in layer {layers}, with "
        f"the output from {aligned[-1, 1]:.2f} to {aligned[-1, layers]:.2f}."
    )
    if twins[0] is not None:
        text += f" The same layer of two seeds aligns at {twins[0]:.2f} in layer 1, {twins[top]:.2f} in layer {layers}."
    ends = ", ".join(f"{agreement:.2f} ({name})" for name, agreement in agreements)
    return text + f" Best inputs found from different starts correlate at {ends}."
