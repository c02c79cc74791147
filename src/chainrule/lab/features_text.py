"""What `features` says, in words built from its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.lab.features import LAYERS, MOST, WHICH

if TYPE_CHECKING:
    from chainrule.lab.features import Found, Pictures


def answer(probes: NDArray[np.float64], purity: NDArray[np.float64], aligned: NDArray[np.float64]) -> str:
    """The question's answer in one sentence.

    probes, purity: (seeds, layers), of the trained networks.  aligned: (5, 5) CKA, the input first, the output last.
    """
    measures = (
        ("alignment with the input", aligned[0, 1], aligned[0, LAYERS], -1, "{:.2f}"),
        ("alignment with the output", aligned[-1, 1], aligned[-1, LAYERS], 1, "{:.2f}"),
        (
            "one-class share of a neuron's most exciting digits",
            *(100 * purity.mean(0)[[0, LAYERS - 1]]),
            1,
            "{:.0f} %",
        ),
        ("accuracy of a linear probe", *(100 * probes.mean(0)[[0, LAYERS - 1]]), 1, "{:.1f} %"),
    )
    agreeing = sum((high - low) * sign > 0 for _, low, high, sign, _ in measures)
    verdict = {len(measures): "Yes, by degrees", 0: "No"}.get(agreeing, "In part")
    said = "; ".join(
        f"the {name} {'rises' if high > low else 'falls' if high < low else 'stays'} from {form.format(low)} to "
        f"{form.format(high)}"
        for name, low, high, _, form in measures
    )
    return f"{verdict}: from layer 1 to layer {LAYERS} {said}."


def finding(
    found: list[Found],
    drawn: list[Pictures],
    at_input: float,
    probes: dict[str, NDArray[np.float64]],
    purity: dict[str, NDArray[np.float64]],
    aligned: NDArray[np.float64],
    twins: list[float | None],
) -> str:
    """What the run showed."""
    trained, untrained = (100 * probes[which].mean(0) for which in WHICH)
    pure, impure = (100 * purity[which].mean(0) for which in WHICH)
    top = LAYERS - 1
    text = (
        f"The networks get {100 * np.mean([f.accuracy for f in found]):.1f} % of the test digits right. A linear probe "
        f"reads the class from the pixels at {100 * at_input:.1f} %, from layer 1 at {trained[0]:.1f} % and from layer "
        f"{LAYERS} at {trained[top]:.1f} %; before training at {untrained[0]:.1f} % and {untrained[top]:.1f} %: "
        f"training adds {trained[0] - untrained[0]:.1f} points at the bottom and {trained[top] - untrained[top]:.1f} "
        f"at the top. Of the {MOST} digits that excite a neuron most, {pure[0]:.0f} % are of one class in layer 1 and "
        f"{pure[top]:.0f} % in layer {LAYERS} ({impure[0]:.0f} % and {impure[top]:.0f} % before training). Alignment "
        f"with the input goes from {aligned[0, 1]:.2f} in layer 1 to {aligned[0, LAYERS]:.2f} in layer {LAYERS}, with "
        f"the output from {aligned[-1, 1]:.2f} to {aligned[-1, LAYERS]:.2f}."
    )
    if twins[0] is not None:
        text += f" The same layer of two seeds aligns at {twins[0]:.2f} in layer 1, {twins[top]:.2f} in layer {LAYERS}."
    ends = ", ".join(f"{each.agreement:.2f} ({each.name})" for each in drawn if not each.exact)
    return text + f" Best inputs found from different starts correlate at {ends}."
