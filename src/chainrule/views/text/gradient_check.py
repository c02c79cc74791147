"""Format the comparison of backpropagation with central differences as a table."""

from __future__ import annotations

from chainrule.inspection.trace.gradient_check import GradientCheck


def table(check: GradientCheck) -> str:
    """Format one line per parameter, and the largest error."""
    lines = [f"{'parameter':<24}{'backpropagation':>22}{'central difference':>22}{'relative error':>16}"]
    for name, c in check.items():
        lines.append(f"{check.place(name):<24}{c.gradient:>22.12g}{c.numeric:>22.12g}{c.error:>16.1e}")
    if check:
        lines.append(f"worst: {check.place(check.worst)}, relative error {check.error:.1e}")
    return "\n".join(lines)
