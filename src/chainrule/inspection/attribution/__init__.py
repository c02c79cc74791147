"""Attribution: each feature's contribution to an output, by six methods, each with its check.

| method | the value of feature k | what the values add up to |
|---|---|---|
| `saliency` | the absolute value of df/dx_k | nothing |
| `input_x_gradient` | (x_k - b_k) df/dx_k | f(x) - f(b) if f is linear between b and x |
| `integrated_gradients` | (x_k - b_k) times the mean of df/dx_k on the line from b to x | f(x) - f(b) |
| `epsilon_lrp` | relevance, divided layer by layer by each neuron's contribution | f(x), less biases and epsilon |
| `deep_lift` | (x_k - b_k) times the product of chords' slopes | f(x) - f(b) |
| `occlusion` | f(x) - f(x with x_k at b_k) | f(x) - f(b) if f is linear |

f is the output before its output activation: the logit of the predicted class or of `target`, and with `against` the
difference of two logits. b is the baseline: the input that the network's input links map to 0 (black, or the training
data's mean if it standardizes), else zeros. All methods use the layers' own forward and backward, in float64 and in
prediction mode. The default method is `deep_lift` for inputs with names, as in tables, and `integrated_gradients` for
others: the sum is the same, and a row of a wide table takes a hundredth of the time.
`reinitialization_check` tests whether a method's maps depend on the trained parameters.
"""

from __future__ import annotations

from chainrule.inspection.attribution.methods import (
    METHODS,
    attribute,
    deep_lift,
    epsilon_lrp,
    input_x_gradient,
    integrated_gradients,
    occlusion,
    saliency,
)
from chainrule.inspection.attribution.reinitialization import Reinitialization, reinitialization_check
from chainrule.inspection.attribution.result import Attribution

__all__ = [
    "METHODS",
    "Attribution",
    "Reinitialization",
    "attribute",
    "deep_lift",
    "epsilon_lrp",
    "input_x_gradient",
    "integrated_gradients",
    "occlusion",
    "reinitialization_check",
    "saliency",
]
