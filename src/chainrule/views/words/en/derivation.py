"""Sentences about derivations."""

from __future__ import annotations

import math

from chainrule.inspection.derivation.derivation import Derivation, Step
from chainrule.inspection.derivation.difference import EPS, Difference
from chainrule.views.words.en.phrases import samples
from chainrule.views.words.en.trace import MODES
from chainrule.views.words.facts import MAX_RELATIVE_ERROR, named_numbers

LOSS = "loss"
ONE = {LOSS: "a loss", "output": "an output", "answer": "an answer"}


def two_ways(derivation: Derivation) -> list[tuple[str, str]]:
    """The values of the chain rule and of the central difference, and their difference, each with its name."""
    return [
        ("chain rule", f"{derivation.value:.12g}"),
        ("central difference", f"{derivation.numeric:.12g}"),
        ("relative difference", f"{derivation.relative_difference:.1e}"),
    ]


def place(derivation: Derivation) -> str:
    """The number itself: its names and its value."""
    return f"where {' and '.join(named_numbers(derivation))}"


def remarks(derivation: Derivation) -> list[str]:
    """Remarks on both values: kinks, and lost digits."""
    found = derivation.difference
    remarks = [kink(found)] if found.kink is not None else []
    largest = max(abs(derivation.value), abs(found.value))
    if math.isfinite(found.error) and found.error > MAX_RELATIVE_ERROR * largest > 0:
        remarks.append(
            f"the central difference is accurate only to about {found.error:.0e}: "
            f"{ONE[derivation.of.partition('[')[0]]} of {derivation.of_value:.3g} has no more digits"
        )
    if EPS * derivation.magnitude > MAX_RELATIVE_ERROR * largest > 0:
        remarks.append(
            f"in the chain rule, terms of up to {derivation.magnitude:.0e} cancel, "
            f"so it is accurate only to about {EPS * derivation.magnitude:.0e}"
        )
    return remarks


def notes(derivation: Derivation) -> str:
    """The number itself and the remarks, as a sentence."""
    said = "; ".join([place(derivation), *remarks(derivation)])
    return f"{said[0].upper()}{said[1:]}."


def kink(found: Difference) -> str:
    """Describe the effect of a nearby kink on the central difference; "" if none was met."""
    if found.kink is None:
        return ""
    if found.kink:
        return f"there is a kink within {found.kink:.2g}, beyond all steps"
    return (
        "there is a kink at this value: the central difference is the mean of the left and right derivatives"
    )


def left_out(count: int, shown: int) -> str:
    """Count the derivatives not written out besides those shown."""
    many = "1 more derivative is" if count == 1 else f"{count:,} more derivatives are"
    return f"{many} named but not written out; text(nodes={shown + count}) writes more."


def left_out_here(count: int) -> str:
    """Count the derivatives not written out, on a page without more of them."""
    return f"{count:,} more derivatives named here are not written out."


def sum_of(shown: int, rest: int) -> str:
    """Count the terms of a sum, and describe those shown. rest: the number of other terms."""
    which = f"the {shown} largest one by one" if rest else "the largest first"
    return f"a sum of {shown + rest:,} terms, {which}"


def others(count: int) -> str:
    """Name the sum of the terms not shown."""
    return f"the other {count:,} terms"


def together(count: int) -> str:
    """Name the sum of all terms."""
    return f"together, {count:,} terms"


def more(count: int) -> str:
    """Name the terms not shown, inside a formula."""
    return f"{count:,} more"


def step(found: Step) -> str:
    """Write the update, and the loss before and after it."""
    change = found.loss_after - found.loss_before
    return (
        f"{found.formula}\nloss {found.loss_before:.6g} → {found.loss_after:.6g}, "
        f"a change of {change:+.3g}; to first order {found.expected:+.3g}"
    )


def subtitle(derivation: Derivation) -> str:
    """The description of a page, under its heading."""
    trace, of = derivation.trace, derivation.of
    return (
        f"The derivative of {'the loss' if of == LOSS else of} by {derivation.name}, {samples(trace.n)}, "
        f"{MODES[trace.mode]}; {of} {derivation.of_value:.6g}."
    )


HEADS = ("term", "in numbers", "value")
TWO_WAYS = "Two ways to one number"
CHAIN = "The chain rule, link by link"
UNFOLD = (
    "Each line unfolds into its parts. A long sum shows its largest terms, and the exact sum of the others."
)
AS_LATEX = "As LaTeX"
