"""The operations of a lookup in C: see `chainrule.export.as_c.statements`."""

from __future__ import annotations

from chainrule.export import answers
from chainrule.export.as_c.places import GeneratedCode, Value, each

KINDS = {"rows": "float", "codes": "uint32_t", "by_number": "double", "by_code": "double", "known": "float"}
"""The type in C of each constant of `SimilarRows`, in their order as arguments."""


def ratio(made: GeneratedCode, op: answers.Ratio, x: list[Value], y: Value) -> list[str]:
    """Return the statements of a division by one number."""
    return each(y.width, "x0[k] / x1[0]")


def similar_rows(made: GeneratedCode, op: answers.SimilarRows, x: list[Value], y: Value) -> list[str]:
    """Return the call that adds up what is known of rows; a constant without numbers is a null pointer."""
    made.count(len(op.known) * (x[0].width + y.width))
    arrays = [(values, KINDS[name]) for name, values in op.settings().items()]
    names = ", ".join(made.constant(values, kind) if values.size else "0" for values, kind in arrays)
    sizes = f"{len(op.known)}u, {len(op.by_number)}u, {len(op.by_code)}u, {y.width}u"
    return [f"{made.call('similar', y.kind)}(x0, y, {names}, {sizes});"]
