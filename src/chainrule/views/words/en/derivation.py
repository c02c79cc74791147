"""Sentences about derivations."""

from __future__ import annotations

import math

from chainrule.inspection.derivation.derivation import Derivation, Step
from chainrule.inspection.derivation.difference import EPS, Difference
from chainrule.views.words.en.phrases import samples
from chainrule.views.words.en.trace import MODES
from chainrule.views.words.facts import MAX_RELATIVE_ERROR


def two_ways(derivation: Derivation) -> list[tuple[str, str]]:
    """The values of the chain rule and of the central difference, and their difference, each with its name."""
    return [
        ("chain rule", f"{derivation.value:.12g}"),
        ("central difference", f"{derivation.numeric:.12g}"),
        ("relative difference", f"{derivation.relative_difference:.1e}"),
    ]


def place(derivation: Derivation) -> str:
    """The number itself: its names and its value."""
    of = derivation.tree.of.plain
    names = [of] if of == derivation.name else [of, derivation.name]
    return f"where {' = '.join(names)} = {derivation.at:.6g}"


def remarks(derivation: Derivation) -> list[str]:
    """Remarks on both values: kinks, and lost digits."""
    found = derivation.difference
    remarks = [kink(found)] if found.kink is not None else []
    largest = max(abs(derivation.value), abs(found.value))
    if math.isfinite(found.error) and found.error > MAX_RELATIVE_ERROR * largest > 0:
        remarks.append(
            f"the central difference is accurate only to about {found.error:.0e}: "
            f"a loss of {derivation.trace.loss:.3g} has no more digits"
        )
    if EPS * derivation.magnitude > MAX_RELATIVE_ERROR * largest > 0:
        remarks.append(
            f"in the chain rule, terms of up to {derivation.magnitude:.0e} cancel, "
            f"so it is accurate only to about {EPS * derivation.magnitude:.0e}"
        )
    return remarks


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
    trace = derivation.trace
    return (
        f"The derivative of the loss by {derivation.name}, {samples(trace.n)}, {MODES[trace.mode]}; "
        f"loss {trace.loss:.6g}."
    )


HEADS = ("term", "in numbers", "value")
TWO_WAYS = "Two ways to one number"
CHAIN = "The chain rule, from the number to the loss"
UNFOLD = (
    "Each line unfolds into its parts. A long sum shows its largest terms, and the exact sum of the others."
)
AS_LATEX = "As LaTeX"
