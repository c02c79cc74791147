"""Format results as text, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], texts: int, is_ruled: bool = True) -> list[str]:
    """Return rows of cells as lines, the first one as heads, with a rule below it if is_ruled.

    texts: the number of columns of words, which come first and are left-aligned; the others are numbers.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = [tuple("-" * width for width in widths)] if is_ruled else []
    return [
        "  ".join(
            cell.ljust(width) if k < texts else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (rows[0], *rule, *rows[1:])
    ]
