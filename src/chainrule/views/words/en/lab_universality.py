"""The sentences of the experiment `universality`, built from its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from chainrule.views.words.en.phrases import counted, several

TITLE = "Universality: width against error"
QUESTION = "How does the error of approximating a continuous function fall as one hidden layer grows wider?"
ACTIVATIONS = {"tanh": "tanh", "sigmoid": "sigmoid", "relu": "ReLU"}
TARGETS = {
    "smooth_1": "smooth f(x)",
    "kinked_1": "kinked f(x)",
    "steep_1": "steep f(x)",
    "smooth_2": "smooth f(x, y)",
    "kinked_2": "kinked f(x, y)",
    "steep_2": "steep f(x, y)",
}
KINDS = {"smooth": "smooth", "kinked": "kinked", "steep": "steep"}
FORMULAS = {
    "smooth_1": "sin(pi x) + cos(3 pi x) / 2",
    "kinked_1": "a triangle wave with six corners",
    "steep_1": "a staircase of three steps: the mean of s / sqrt(s^2 + 0.02^2), s = x + 0.6, x + 0.1, x - 0.5",
    "smooth_2": "sin(pi x) cos(pi y)",
    "kinked_2": "1 - 2 max(|x|, |y|), a pyramid",
    "steep_2": "s / sqrt(s^2 + 0.12^2) with s = 0.6 - sqrt(x^2 + y^2), a plateau",
}
WIDEST_HEADS = ("function", "formula", "parameters", "best", "median", "worst", "best RMS")
FITTED_LINES = "Fitted to functions of one variable"
FITTED_FIELDS = "Fitted to functions of two variables"
TRUE = "true"
FIELD_AT = "x %{x:.2f}, y %{y:.2f}<br>value %{z:.3f}"
"""Hover text for a field, with the numbers of the figure's template."""
NEURONS = "neurons in the hidden layer"
LARGEST = "maximum error: best start, shaded to the worst"
LIMITS = (
    "The theorem states that weights exist; a fit shows that they were found. Where an error does not fall "
    "with the width, the training failed, not the theorem, and a best start is not a lower bound. No error "
    "increases with the width, because the wider network may remain equal to the narrower one. The error "
    "between the measured points is not bounded. Functions of many variables need far more neurons than "
    "these of one and two; noise and generalization are not studied, and depth, which may need fewer "
    "neurons, is not compared."
)


def under_way(target: str, width: int) -> str:
    """The current activity."""
    return f"{TARGETS[target]}, width {width}"


def heads(widths: Sequence[int], error: float) -> tuple[str, ...]:
    """The columns of the table by width."""
    return ("function", *map(str, widths), f"width for {error:g}", "slope")


def caption(starts: int) -> str:
    """The caption of the table by width."""
    return (
        f"The maximum error over the domain, best of {counted(starts, 'start')}, by the width of the hidden layer; the "
        "smallest width whose best start reaches the target error; the slope of log error against log "
        "width."
    )


def widest_caption(width: int) -> str:
    """The caption of the table of the widest networks."""
    return f"At {width} neurons: the maximum error of the best, the median and the worst start; the best RMS error."


def answer(best: Mapping[str, Sequence[float]], widths: Sequence[int]) -> str:
    """The answer in one sentence. best: the maximum error of the best start, by function and width."""
    falls = {name: errors[0] / max(errors[-1], 1e-300) for name, errors in best.items()}
    least, most = min(falls, key=falls.__getitem__), max(falls, key=falls.__getitem__)
    steps = [after < before for errors in best.values() for before, after in pairwise(errors)]
    return (
        f"From {widths[0]} to {widths[-1]} neurons the maximum error falls by a factor of "
        f"{_digits(falls[least]):g} ({TARGETS[least]}) to {_digits(falls[most]):,g} ({TARGETS[most]}), in "
        f"{sum(steps)} of the {len(steps)} steps between widths, and never rises."
    )


def finding(
    best: Mapping[str, Sequence[float]],
    widths: Sequence[int],
    error: float,
    reached: Mapping[str, int | None],
    apart: tuple[float, str, int] | None,
) -> str:
    """The results of the run.

    reached: by function the smallest width with that error.  apart: the largest ratio between starts of a fit, with
    its function and width; None with one start.
    """
    said = []
    for kind in KINDS:
        falls = [f"{best[f'{kind}_{n}'][0]:.2g} to {best[f'{kind}_{n}'][-1]:.2g}" for n in (1, 2)]
        said.append(f"{KINDS[kind]} from {falls[0]} with one variable and from {falls[1]} with two")
    met = {name: width for name, width in reached.items() if width is not None}
    missed = [TARGETS[name] for name, width in reached.items() if width is None]
    text = f"From {widths[0]} to {widths[-1]} neurons, the best starts' maximum error: {'; '.join(said)}."
    if met:
        numbers = ", ".join(f"{width} neurons ({TARGETS[name]})" for name, width in met.items())
        text += f" It reached {error:g} with {numbers}."
    if missed:
        text += f" It stayed above {error:g} with {widths[-1]} neurons for {several(missed)}."
    if apart is not None:
        text += f" Starts differ by a factor of up to {apart[0]:.0f} ({TARGETS[apart[1]]}, width {apart[2]})."
    return text


def held_fixed(settings: Mapping[str, Any], trained: Mapping[int, int], judged: Mapping[int, int]) -> str:
    """The controlled variables. trained, judged: points per axis, by the number of variables."""
    return (
        f"One hidden layer of {ACTIVATIONS[settings['activation']]} neurons and a linear output; float64; at "
        f"most {settings['iterations']} Levenberg-Marquardt steps on all points at once, from "
        f"{counted(settings['repeats'], 'random start')} with a least-squares output layer, and for each start also "
        "from its fit at the previous width, with new neurons that have zero output weights at first; "
        f"{trained[1]} points fitted for one variable and {trained[2]} x {trained[2]} for two, with no "
        f"noise; the error is measured at {judged[1]:,} and at {judged[2]} x {judged[2]} points. Only the "
        "width changes."
    )


def variables(count: int) -> str:
    """The title of a panel."""
    return f"{count} variable{'s' if count > 1 else ''}"


def asked_for(error: float) -> str:
    """The note at the line of the target error."""
    return f"target error: {error:g}"


def fold(least: float, most: float) -> str:
    """The title of the figure of errors by width."""
    return f"The error falls by a factor of {_factor(least)} to {_factor(most)}"


def _digits(value: float) -> float:
    return float(f"{value:.3g}")


def _factor(factor: float) -> str:
    """1.5, 36 or 630,000: two digits."""
    return f"{float(f'{factor:.2g}'):,.0f}" if factor >= 10 else f"{factor:.2g}"
