"""Format the comparison of backpropagation with central differences as a table."""

from __future__ import annotations

from chainrule.inspection.trace.gradient_check import GradientCheck
from chainrule.views import words


def table(check: GradientCheck) -> str:
    """Format one line per parameter, and the largest error."""
    said = words.trace
    name, gradient, numeric, error = said.CHECK_HEADS
    lines = [f"{name:<24}{gradient:>22}{numeric:>22}{error:>16}"]
    for name, c in check.items():
        lines.append(f"{check.place(name):<24}{c.gradient:>22.12g}{c.numeric:>22.12g}{c.error:>16.1e}")
    if check:
        lines.append(said.worst(check.place(check.worst), check.error))
    return "\n".join(lines)
