"""Labels of figures about any model, and labels shared by all figures."""

from __future__ import annotations

from chainrule.views.words.en.phrases import spoken

TRAINING, VALIDATION = "training", "validation"
EPOCH = "epoch"
CONFUSION = "Confusion matrix"
PREDICTED, TRUE = "predicted", "true"
PREDICTED_AGAINST_TRUE = "Predicted against true"
DIAGONAL = "predicted = true"
SAMPLES = "samples"
LABELS = "Labels found, missed and imagined"
FOUND, MISSED, FALSE_ALARM = "found", "missed", "false alarm"
LABEL = "label"
POINT = "true %{x:.5g}<br>predicted %{y:.5g}"
"""Hover text for a sample, with the numbers of the figure's template."""


def titled(name: str) -> str:
    """The name of a column as a title: Val loss."""
    said = spoken(name)
    return said[0].upper() + said[1:]


def at_epoch(label: str, name: str) -> str:
    """Hover text for a learning curve. label: training or validation.  name: of the column."""
    return f"epoch %{{x}}<br>{label} {spoken(name)} %{{y:.4f}}"


def cell(true: str, predicted: str) -> str:
    """Hover text for a cell of the confusion matrix."""
    said = f"true {true}, predicted {predicted}"
    return f"{said}<br>%{{customdata[0]}} samples, %{{customdata[1]:.2f}} % of the true"


def label_count(name: str) -> str:
    """Hover text for a label's bar. name: found, missed or false alarm."""
    return f"label %{{x}}<br>{name} %{{y}} times"


def ranged(name: str, middle: str, low: str, high: str) -> str:
    """Hover text for a line with a band: its value, and the range of the others."""
    return f"{name}<br>{middle} ({low} to {high})"
