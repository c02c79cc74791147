"""The lesson's table of training with and without backpropagation, filled in by the experiment `without_backprop`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chainrule.views.words.en.lab_without_backprop import (
    METHODS,
    SOURCES,
    near_one,
    percent,
    steps,
)
from chainrule.views.words.facts import HANDS_BACK, MethodResults

HEADS = ("the lesson's comparison", "with backpropagation", "without")
CAPTION = "The lesson's table, filled in."


def rows(found: Mapping[str, MethodResults], P: int) -> tuple[tuple[str, str, str], ...]:
    """The lesson's comparison, with this run's numbers."""
    backprop = found["backpropagation"]
    rest = [outcome for name, outcome in found.items() if name not in HANDS_BACK]
    moving = [outcome for name, outcome in found.items() if name not in (*HANDS_BACK, "none")]
    estimates = [outcome for outcome in rest if outcome.cosine is not None]
    return (
        (
            "how weights are updated",
            f"gradient descent: Adam at {backprop.size:g}",
            "not at all, by Adam on a gradient estimate, or by a search's own steps",
        ),
        (
            "process",
            f"forward, then the error is propagated back layer by layer: {steps(backprop)}",
            extremes(moving, lambda o: o.steps, "forward only: {:,.0f} steps ({})"),
        ),
        (
            "cost of a step",
            f"{backprop.passes_a_step:.3g} passes, {backprop.milliseconds:.3g} ms",
            extremes(moving, lambda o: o.passes_a_step, "{:,.4g} passes ({})")
            + "; "
            + extremes(moving, lambda o: o.milliseconds, "{:,.3g} ms ({})"),
        ),
        (
            "use",
            "the standard training method",
            "gradient checks; losses without gradients; networks that are only used",
        ),
        (
            "where the gradient comes from",
            f"the chain rule: all {P} derivatives in one backward pass, exact",
            "; ".join(f"{METHODS[o.arm.name]}: {SOURCES[o.arm.name]}" for o in moving) or "-",
        ),
        (
            "cosine to the gradient",
            "1",
            "; ".join(
                f"{METHODS[o.arm.name]} {near_one(o.cosine)}" for o in estimates if o.cosine is not None
            )
            or "-",
        ),
        (
            "effect",
            f"loss {backprop.loss:.2f}, {percent(backprop)} correct",
            "loss "
            + extremes(rest, lambda o: o.loss, "{:.2f} ({})")
            + "; "
            + extremes(rest, lambda o: 100 * o.accuracy, "{:.1f} % ({})")
            + " correct",
        ),
    )


def extremes(outcomes: list[MethodResults], key: Callable[[MethodResults], float], form: str) -> str:
    """From 2 passes (random search) to 981 passes (central differences)."""
    if not outcomes:
        return "-"
    low, high = min(outcomes, key=key), max(outcomes, key=key)
    first, last = form.format(key(low), METHODS[low.arm.name]), form.format(key(high), METHODS[high.arm.name])
    return first if low is high else f"{first} to {last.removeprefix('forward only: ')}"
