"""What every report of the laboratory says beside its own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.views.words.en.phrases import spoken

LABS = {
    "vanishing": "Vanishing gradients by depth, and the four cures, side by side.",
    "without-backprop": "The same network with and without backpropagation: loss, seconds, passes, cosines.",
    "universality": "How the error of approximating a function falls as the network grows wider.",
    "optimizers": "Gradient descent and its variants on the same network.",
    "regularization": "Overfitting on a small sample, with and without its remedies.",
    "features": "What each layer of a trained network responds to.",
}
"""Every experiment, with what it shows in one line."""
FOUND = "What was found"
HELD_FIXED = "What was held fixed"
LIMITS = "What this does not show"
IN_NUMBERS = "In numbers"
SETTINGS = "Settings"
SECONDS = "seconds"
FIGURES = "figures"
"""What is under way at the end."""


def footnote(settings: Mapping[str, Any], seconds: float) -> str:
    """The settings in one line: seed 0, repeats 5, budget 1.0; 41.2 s"""
    said = ", ".join(f"{spoken(name)} {value}" for name, value in settings.items())
    return f"{said}; {seconds:.1f} s"


def of_seed(what: str, seed: int) -> str:
    """What is under way, and for which seed."""
    return f"{what}, seed {seed}"
