"""What recipes with a network of their own share: what they take from the parameters, and the rows held out."""

from __future__ import annotations

import math
from typing import Any

from chainrule.errors import ConfigError
from chainrule.estimators.fit.start import activations, by_layer, hidden_sizes
from chainrule.estimators.recipes.base import Facts
from chainrule.formulas.layers import Activation
from chainrule.formulas.optimizers import AdamW

LEAST = 50
"""The rows from which some are held out."""
ADAM = {"learning_rate_init": "learning_rate", "beta_1": "beta1", "beta_2": "beta2", "epsilon": "eps"}
"""The estimator's parameters that are settings of AdamW, by the names of both."""
BESIDE = frozenset({*ADAM, "alpha", "schedule"})
"""The parameters of the optimizer that `adamw` takes up, or that change nothing of it."""
FRACTION = 0.2
"""The share of the rows that is held out."""
RARE = 0.01
"""The share of the rows of the rarest class below which accuracy is no guide."""


def check(facts: Facts, preset: str) -> None:
    """Check that nothing is given that the network of a preset has no place for. Raises ConfigError."""
    for name in ("batch_norm", "residual"):
        if name in facts.given:
            raise ConfigError(
                f"preset={preset!r} has its own hidden layers, without {name}; omit it, or use preset='fast'."
            )


def sizes(facts: Facts, default: tuple[int, ...]) -> list[int]:
    """Return the widths of the hidden layers: those given, or these."""
    return hidden_sizes(facts.given.get("hidden_layer_sizes", default))


def rates(facts: Facts, default: float, count: int) -> list[float]:
    """Return the rate of the dropout behind each hidden layer: those given, or this one."""
    return by_layer(facts.given.get("dropout", default), count, "dropout")


def functions(facts: Facts, default: Activation, count: int) -> list[Activation]:
    """Return the activation of each hidden layer: those given, or this one."""
    return activations(facts.given.get("activation", default), count)


def adamw(facts: Facts, **settings: Any) -> AdamW:
    """Return AdamW with these settings, and in place of some of them those that are given as the estimator's."""
    given: dict[str, Any] = {
        own: float(facts.given[name]) for name, own in ADAM.items() if name in facts.given
    }
    return AdamW(**settings | given)


def training(facts: Facts, batch: int, patience: float) -> dict[str, Any]:
    """Return the parameters of an epoch's batches, and of the rows held out where there are enough.

    batch: the samples of a batch.  patience: the epochs without a better score after which a fit stops.
    """
    found: dict[str, Any] = {
        "batch_size": max(1, min(batch, trained_rows(facts.rows))),
        "n_iter_no_change": patience,
        "tol": 0.0,
        "alpha": 0.0,
    }
    if facts.rows >= LEAST:
        found |= {"early_stopping": True, "validation_fraction": FRACTION}
        if is_rare(facts):
            found["scoring"] = "loss"
    return found


def is_rare(facts: Facts) -> bool:
    """Return whether a class is so rare that accuracy says nothing of it, being as high where it is never predicted.

    Then the loss says which epoch is the best, and no label is smoothed, by which the class would be predicted many
    times too often.
    """
    return facts.rarest < RARE


def trained_rows(rows: int) -> int:
    """Return how many of the rows are trained on."""
    return rows - math.ceil(FRACTION * rows) if rows >= LEAST else rows
