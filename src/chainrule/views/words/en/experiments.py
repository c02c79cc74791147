"""Words shared by all reports of the laboratory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.views.words.en.phrases import spoken

LABS = {
    "vanishing": "Vanishing gradients by depth, with four cures side by side.",
    "without-backprop": "The same network with and without backpropagation: loss, seconds, passes, cosines.",
    "universality": "The error of approximating a function as the network grows wider.",
    "optimizers": "Gradient descent and its variants on the same network.",
    "regularization": "Overfitting on a small sample, with and without its remedies.",
    "features": "What each layer of a trained network responds to.",
}
"""Every experiment, with a one-line description."""
FOUND = "What was found"
HELD_FIXED = "What was held fixed"
LIMITS = "What this does not show"
IN_NUMBERS = "In numbers"
SETTINGS = "Settings"
SECONDS = "seconds"
FIGURES = "figures"
"""The current activity at the end."""


def footnote(settings: Mapping[str, Any], seconds: float) -> str:
    """The settings in one line: seed 0, repeats 5, budget 1.0; 41.2 s"""
    said = ", ".join(f"{spoken(name)} {value}" for name, value in settings.items())
    return f"{said}; {seconds:.1f} s"


def of_seed(what: str, seed: int) -> str:
    """The current activity, and its seed."""
    return f"{what}, seed {seed}"
